//! Messages of Serf's layer that are still to be told (wire-protocol reference, section 6.11).
//!
//! Like [`rumours`](crate::swim::rumours), for what is not about a known member: a queue for
//! intents, one for queries, one for user events, so that none of them can crowd out another.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use crate::member::Name;
use crate::serf::event::UserEvent;
use crate::stats::QueueStats;
use crate::swim::rumours::Offer;
use crate::time::Instant;

/// The most messages that wait in one queue. One more displaces the one that was told most often,
/// and the oldest of those.
pub(crate) const MAX_QUEUED: usize = 4096;

/// Something to be told.
pub(crate) trait Broadcast {
    /// Whom it is about, if a later message about the same takes its place.
    fn subject(&self) -> Option<&Name> {
        None
    }
}

impl Broadcast for UserEvent {}

/// How often it was told, then the newest first.
type Place = (u32, Reverse<u64>);

#[derive(Debug, Clone)]
struct Entry<T> {
    message: T,
    queued: Instant,
}

/// The queue.
#[derive(Debug, Clone)]
pub(crate) struct Broadcasts<T> {
    queue: BTreeMap<Place, Entry<T>>,
    /// Where those are that have a subject.
    by_subject: BTreeMap<Name, Place>,
    queued: u64,
    displaced: u64,
    /// Subjects told of as often as it takes, since this was last asked.
    finished: Vec<Name>,
}

impl<T> Default for Broadcasts<T> {
    fn default() -> Self {
        Self {
            queue: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            queued: 0,
            displaced: 0,
            finished: Vec::new(),
        }
    }
}

impl<T: Broadcast> Broadcasts<T> {
    /// Queues a message; the one about the same subject is dropped, or, from a full queue, the one
    /// told most often.
    pub(crate) fn push(&mut self, message: T, now: Instant) {
        let same = message.subject().and_then(|s| self.by_subject.get(s));
        if let Some(&place) = same {
            self.queue.remove(&place);
        } else if self.queue.len() >= MAX_QUEUED
            && let Some((_, gone)) = self.queue.pop_last()
        {
            self.displaced += 1;
            if let Some(subject) = gone.message.subject() {
                self.by_subject.remove(subject);
            }
        }
        self.queued += 1;
        let entry = Entry {
            message,
            queued: now,
        };
        self.put((0, Reverse(self.queued)), entry);
    }

    fn put(&mut self, place: Place, entry: Entry<T>) {
        if let Some(subject) = entry.message.subject() {
            self.by_subject.insert(subject.clone(), place);
        }
        self.queue.insert(place, entry);
    }

    /// Offers messages to a packet, least often told first. Each that is packed counts as told
    /// once; one that reaches `limit` is done.
    pub(crate) fn fill(&mut self, limit: u32, mut offer: impl FnMut(&T) -> Offer) {
        let mut packed = Vec::new();
        for (&place, entry) in &self.queue {
            match offer(&entry.message) {
                Offer::Packed => packed.push(place),
                Offer::TooLong => {}
                Offer::Full => break,
            }
        }
        // Put back only now, so that none is twice in one packet.
        for place in packed {
            let Some(entry) = self.queue.remove(&place) else {
                continue;
            };
            let (told, age) = place;
            if told + 1 < limit {
                self.put((told + 1, age), entry);
            } else if let Some(subject) = entry.message.subject()
                && let Some((subject, _)) = self.by_subject.remove_entry(subject)
            {
                self.finished.push(subject);
            }
        }
    }

    /// The next subject that everybody has been told of, as far as it takes.
    pub(crate) fn take_finished(&mut self) -> Option<Name> {
        self.finished.pop()
    }

    /// How often the others have been told of `subject` so far; `None` if that is over.
    pub(crate) fn told(&self, subject: &Name) -> Option<u32> {
        self.by_subject.get(subject).map(|&(told, _)| told)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn stats(&self, now: Instant) -> QueueStats {
        let oldest = self.queue.values().map(|entry| entry.queued).min();
        QueueStats {
            depth: self.queue.len(),
            age: oldest.map_or(Duration::ZERO, |queued| now.since(queued)),
            displaced: self.displaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::message;
    use crate::serf::clock::LamportTime;

    const NOW: Instant = Instant::ZERO;

    fn event(n: u64, len: usize) -> UserEvent {
        UserEvent::from(&message::UserEvent {
            ltime: LamportTime::new(n),
            name: "e",
            payload: &vec![0; len],
            coalesce: false,
        })
    }

    fn packet(queue: &mut Broadcasts<UserEvent>, limit: u32, mut room: usize) -> Vec<u64> {
        let mut packed = vec![];
        queue.fill(limit, |event| {
            if event.payload.len() > room {
                return Offer::TooLong;
            }
            room -= event.payload.len();
            packed.push(event.ltime.get());
            Offer::Packed
        });
        packed
    }

    #[test]
    fn least_told_come_first_then_newest_and_each_ends_at_the_limit() {
        let mut queue = Broadcasts::default();
        queue.push(event(1, 10), NOW);
        queue.push(event(2, 10), NOW);
        assert_eq!(packet(&mut queue, 2, 10), [2]);
        assert_eq!(packet(&mut queue, 2, 20), [1, 2]);
        assert_eq!(packet(&mut queue, 2, 20), [1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_long_event_lets_shorter_ones_pass() {
        let mut queue = Broadcasts::default();
        queue.push(event(1, 10), NOW);
        queue.push(event(2, 90), NOW);
        assert_eq!(packet(&mut queue, 9, 50), [1]);
        assert_eq!(packet(&mut queue, 9, 95), [2]);
    }

    #[test]
    fn a_full_queue_displaces_the_most_told_and_says_so() {
        let mut queue = Broadcasts::default();
        queue.push(event(0, 1), NOW);
        assert_eq!(packet(&mut queue, 9, 1), [0]);
        for n in 1..MAX_QUEUED as u64 {
            queue.push(event(n, 1), NOW);
        }
        assert_eq!(queue.stats(NOW).displaced, 0);
        queue.push(event(9_999, 1), NOW);
        assert_eq!(queue.stats(NOW).displaced, 1);
        assert_eq!(queue.stats(NOW).depth, MAX_QUEUED);
        let told: Vec<u64> = packet(&mut queue, 9, usize::MAX);
        assert!(!told.contains(&0) && told.contains(&9_999));
    }

    #[derive(Debug)]
    struct About(Name, u32);

    impl Broadcast for About {
        fn subject(&self) -> Option<&Name> {
            Some(&self.0)
        }
    }

    fn name(n: &str) -> Name {
        Name::new(n).expect("a valid name")
    }

    #[test]
    fn a_later_message_takes_the_place_of_one_about_the_same_subject() {
        let mut queue = Broadcasts::default();
        queue.push(About(name("a"), 1), NOW);
        queue.push(About(name("b"), 2), NOW);
        queue.fill(9, |_| Offer::Packed);
        assert_eq!(queue.told(&name("a")), Some(1));
        queue.push(About(name("a"), 3), NOW);
        assert_eq!(queue.told(&name("a")), Some(0));
        let mut told = vec![];
        queue.fill(2, |about| {
            told.push(about.1);
            Offer::Packed
        });
        assert_eq!(told, [3, 2]);
        assert_eq!(queue.take_finished(), Some(name("b")));
        assert_eq!(queue.take_finished(), None);
        assert_eq!((queue.told(&name("b")), queue.stats(NOW).depth), (None, 1));
        queue.fill(1, |_| Offer::Packed);
        assert!(queue.is_empty() && queue.told(&name("a")).is_none());
    }

    #[test]
    fn the_age_is_that_of_the_one_that_has_waited_longest() {
        let mut queue = Broadcasts::default();
        queue.push(event(1, 1), NOW);
        queue.push(event(2, 1), NOW + Duration::from_secs(2));
        let later = NOW + Duration::from_secs(3);
        assert_eq!(queue.stats(later).age, Duration::from_secs(3));
    }
}
