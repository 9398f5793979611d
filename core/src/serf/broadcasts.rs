//! User events that are still to be told (wire-protocol reference, section 6.11).
//!
//! Like [`rumours`](crate::swim::rumours), but nothing displaces anything: two events are never
//! about the same thing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::serf::event::UserEvent;
use crate::swim::rumours::Offer;

/// The most events that wait at once. One more displaces the one that was told most often, and
/// the oldest of those.
pub(crate) const MAX_QUEUED: usize = 4096;

/// How often it was told, then the newest first.
type Place = (u32, Reverse<u64>);

/// Events passed over in a packet because they do not fit, in search of shorter ones. Without a
/// bound, a queue of long events would be written out in full for each packet.
const MAX_TOO_LONG: u32 = 16;

/// The queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broadcasts {
    queue: BTreeMap<Place, UserEvent>,
    queued: u64,
}

impl Broadcasts {
    /// Queues an event. False if another one had to make room.
    pub(crate) fn push(&mut self, event: UserEvent) -> bool {
        let fits = self.queue.len() < MAX_QUEUED;
        if !fits {
            self.queue.pop_last();
        }
        self.queued += 1;
        self.queue.insert((0, Reverse(self.queued)), event);
        fits
    }

    /// Offers events to a packet, least often told first. Each that is packed counts as told
    /// once; one that reaches `limit` is done.
    pub(crate) fn fill(&mut self, limit: u32, mut offer: impl FnMut(&UserEvent) -> Offer) {
        let mut packed = Vec::new();
        let mut too_long = 0;
        for (&place, event) in &self.queue {
            match offer(event) {
                Offer::Packed => packed.push(place),
                Offer::TooLong if too_long < MAX_TOO_LONG => too_long += 1,
                Offer::TooLong | Offer::Full => break,
            }
        }
        // Put back only now, so that none is twice in one packet.
        for place in packed {
            let Some(event) = self.queue.remove(&place) else {
                continue;
            };
            let (told, age) = place;
            if told + 1 < limit {
                self.queue.insert((told + 1, age), event);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::message;
    use crate::serf::clock::LamportTime;

    fn event(n: u64, len: usize) -> UserEvent {
        UserEvent::from(&message::UserEvent {
            ltime: LamportTime::new(n),
            name: "e",
            payload: &vec![0; len],
            coalesce: false,
        })
    }

    fn packet(queue: &mut Broadcasts, limit: u32, mut room: usize) -> Vec<u64> {
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
        queue.push(event(1, 10));
        queue.push(event(2, 10));
        assert_eq!(packet(&mut queue, 2, 10), [2]);
        assert_eq!(packet(&mut queue, 2, 20), [1, 2]);
        assert_eq!(packet(&mut queue, 2, 20), [1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_long_event_lets_shorter_ones_pass() {
        let mut queue = Broadcasts::default();
        queue.push(event(1, 10));
        queue.push(event(2, 90));
        assert_eq!(packet(&mut queue, 9, 50), [1]);
        assert_eq!(packet(&mut queue, 9, 95), [2]);
    }

    #[test]
    fn a_queue_of_long_events_is_not_searched_to_its_end() {
        let mut queue = Broadcasts::default();
        (0..1_000).for_each(|n| assert!(queue.push(event(n, 90))));
        let mut offered = 0;
        queue.fill(9, |_| {
            offered += 1;
            Offer::TooLong
        });
        assert_eq!(offered, MAX_TOO_LONG + 1);
    }

    #[test]
    fn a_full_queue_displaces_the_most_told_and_says_so() {
        let mut queue = Broadcasts::default();
        queue.push(event(0, 1));
        assert_eq!(packet(&mut queue, 9, 1), [0]);
        for n in 1..MAX_QUEUED as u64 {
            assert!(queue.push(event(n, 1)));
        }
        assert!(!queue.push(event(9_999, 1)));
        assert_eq!(queue.len(), MAX_QUEUED);
        let told: Vec<u64> = packet(&mut queue, 9, usize::MAX);
        assert!(!told.contains(&0) && told.contains(&9_999));
    }
}
