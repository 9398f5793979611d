//! The user events of recent times: to deliver each only once, and to tell them to members that
//! missed them (wire-protocol reference, section 8.4).
//!
//! The reference system keeps a ring with one slot per time. As no time is ever behind the clock
//! by more than the ring is long, a map of the times that have events is the same, without the
//! empty slots.
//!
//! Two more bounds are against floods: [`MAX_PER_TIME`] events of the same time, and
//! [`MAX_BYTES`] in all. Under a flood of distinct times the oldest are forgotten and the floor
//! rises past them, so that they are never delivered twice; under a flood of one time, its
//! further events are refused.
//!
//! Clocks move on only as somebody sends an event. So each time had one at least, and those that
//! the floor leaves behind without any have been missed: what comes now is refused.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::message;
use crate::serf::clock::LamportTime;
use crate::serf::event::UserEvent;
use crate::serf::window::{Refused, Window};

/// Events of the same time that are remembered. In a cluster at rest each time has one event; it
/// has more when several members send one before they hear of each other's.
pub(crate) const MAX_PER_TIME: usize = 1024;

/// Bytes that all events may take: their names, their payloads, and [`OVERHEAD`] each.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// What an event takes besides its name and its payload; also bounds the number of events.
const OVERHEAD: usize = 64;

/// Whether the node is in touch with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Contact {
    /// Not so far: it misses nothing.
    Never,
    /// It has been restored. What it has heard of since may be its own, or from another that has
    /// just been restored, so that it says nothing of what the others had at these times.
    Before,
    Now,
}

/// The events of recent times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventBuffer {
    /// Times before its floor are accounted for: told, missed, or before the node's part.
    window: Window,
    contact: Contact,
    /// The events of each time that has any, in order.
    by_time: BTreeMap<LamportTime, Vec<UserEvent>>,
    bytes: usize,
    /// What was missed, for the application: empty as soon as it is told.
    missed: Vec<Range<LamportTime>>,
}

impl EventBuffer {
    /// Remembers the events of the last `times` times.
    pub(crate) const fn new(times: u64) -> Self {
        Self {
            window: Window::new(times),
            contact: Contact::Never,
            by_time: BTreeMap::new(),
            bytes: 0,
            missed: Vec::new(),
        }
    }

    /// Takes an event that was received or is to be sent. `clock` is the event clock after it
    /// witnessed the event's time.
    ///
    /// # Errors
    /// The event is not to be delivered, nor passed on.
    pub(crate) fn insert(
        &mut self,
        event: &message::UserEvent<'_>,
        clock: LamportTime,
    ) -> Result<UserEvent, Refused> {
        self.catch_up(clock);
        if event.ltime < self.window.floor() {
            return Err(Refused::TooOld);
        }
        let place = match self.by_time.get(&event.ltime) {
            None => 0,
            Some(events) => {
                let place = events.binary_search_by(|other| {
                    (&*other.name, &*other.payload).cmp(&(event.name, event.payload))
                });
                match place {
                    Ok(_) => return Err(Refused::Duplicate),
                    Err(_) if events.len() >= MAX_PER_TIME => return Err(Refused::Full),
                    Err(place) => place,
                }
            }
        };
        let size = size(event.name, event.payload);
        if !self.make_room(size, event.ltime) {
            return Err(Refused::Full);
        }
        let event = UserEvent::from(event);
        self.bytes += size;
        let events = self.by_time.entry(event.ltime).or_default();
        // Mostly there is no other of this time, and a vector that grows would have room for three more.
        if events.is_empty() {
            events.reserve_exact(1);
        }
        events.insert(place, event.clone());
        Ok(event)
    }

    /// Forgets the oldest times, but none from `ltime` on, until `size` more bytes fit.
    fn make_room(&mut self, size: usize, ltime: LamportTime) -> bool {
        while self.bytes + size > MAX_BYTES {
            match self.by_time.first_key_value() {
                Some((&oldest, _)) if oldest < ltime => self.leave_behind(oldest.after(1)),
                _ => return false,
            }
        }
        true
    }

    /// True if one of these times still counts, and there is no event of it.
    pub(crate) fn lacks(&self, times: Range<LamportTime>) -> bool {
        let Range { start, end } = times;
        let start = start
            .max(self.window.floor())
            .max(LamportTime::ZERO.after(1));
        end > start && (self.by_time.range(start..end).count() as u64) < end.get() - start.get()
    }

    /// The node is in a cluster, and does not care for what was before `time`: that is refused from
    /// now on, and does not count as missed.
    pub(crate) fn begin(&mut self, time: LamportTime) {
        self.contact = Contact::Never;
        self.leave_behind(time);
        self.contact = Contact::Now;
    }

    /// Like [`begin`](Self::begin), for a node that was in a cluster until then.
    pub(crate) fn restore(&mut self, time: LamportTime) {
        self.begin(time);
        self.contact = Contact::Before;
    }

    /// The node has exchanged states, which has moved its clock to `clock`. What the first exchange
    /// leaps over was before it was in a cluster.
    pub(crate) fn follow(&mut self, clock: LamportTime) {
        self.catch_up(clock);
        if self.contact == Contact::Never {
            self.contact = Contact::Now;
        }
    }

    /// Takes what was missed since this was last called, in order: from the first time up to, and
    /// not including, the second. Ask after all that may move the floor.
    pub(crate) fn take_missed(&mut self) -> Vec<Range<LamportTime>> {
        core::mem::take(&mut self.missed)
    }

    /// Raises the floor to what is remembered while the clock is at `clock`.
    fn catch_up(&mut self, clock: LamportTime) {
        let reach = self.window.reach(clock);
        if reach <= self.window.floor() {
            return;
        }
        if self.contact == Contact::Before {
            self.contact = Contact::Now;
            let last = self.by_time.last_key_value();
            if last.is_some_and(|(last, _)| last.after(1) < reach) {
                // The others were so far ahead that it was not in touch with them.
                self.by_time.clear();
                self.bytes = 0;
            }
        }
        self.leave_behind(reach);
    }

    /// Raises the floor to `time`, and forgets what is before it.
    fn leave_behind(&mut self, time: LamportTime) {
        // Clocks begin at 1.
        let mut from = self.window.floor().max(LamportTime::ZERO.after(1));
        while let Some(oldest) = self.by_time.first_entry()
            && *oldest.key() < time
        {
            let (had, events) = oldest.remove_entry();
            self.miss(from..had);
            from = had.after(1);
            let gone: usize = events.iter().map(|e| size(&e.name, &e.payload)).sum();
            self.bytes -= gone;
        }
        self.miss(from..time);
        self.window.raise(time);
    }

    fn miss(&mut self, times: Range<LamportTime>) {
        if self.contact != Contact::Never && !times.is_empty() {
            self.missed.push(times);
        }
    }

    /// All events, in order; for a state exchange.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &UserEvent> {
        self.by_time.values().flatten()
    }

    /// The time before which events are refused.
    #[cfg(test)]
    pub(crate) const fn floor(&self) -> LamportTime {
        self.window.floor()
    }
}

fn size(name: &str, payload: &[u8]) -> usize {
    name.len() + payload.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    fn t(time: u64) -> LamportTime {
        LamportTime::new(time)
    }

    fn insert(
        buffer: &mut EventBuffer,
        ltime: u64,
        name: &str,
        payload: &[u8],
        clock: u64,
    ) -> Result<(), Refused> {
        let message = message::UserEvent {
            ltime: t(ltime),
            name,
            payload,
            coalesce: false,
        };
        let event = buffer.insert(&message, t(clock))?;
        assert_eq!(event.message(), message);
        Ok(())
    }

    fn names(buffer: &EventBuffer) -> Vec<&str> {
        buffer.iter().map(|event| &*event.name).collect()
    }

    #[test]
    fn it_lacks_times_that_still_count_and_have_no_event() {
        let mut buffer = EventBuffer::new(8);
        for time in [2, 3, 5] {
            assert_eq!(insert(&mut buffer, time, "a", b"", 6), Ok(()));
        }
        let lacks = |buffer: &EventBuffer, from, until| buffer.lacks(t(from)..t(until));
        assert!(lacks(&buffer, 0, 2) && lacks(&buffer, 2, 6) && lacks(&buffer, 4, 5));
        assert!(!lacks(&buffer, 2, 4) && !lacks(&buffer, 5, 6));
        assert!(!lacks(&buffer, 0, 0) && !lacks(&buffer, 0, 1) && !lacks(&buffer, 6, 2));
        assert_eq!(insert(&mut buffer, 12, "a", b"", 13), Ok(()));
        assert!(
            !lacks(&buffer, 0, 6),
            "times before 5 do not count any more"
        );
        assert!(lacks(&buffer, 0, 7));
    }

    #[test]
    fn time_name_and_payload_are_the_identity() {
        let mut buffer = EventBuffer::new(512);
        assert_eq!(insert(&mut buffer, 5, "b", b"1", 6), Ok(()));
        assert_eq!(
            insert(&mut buffer, 5, "b", b"1", 6),
            Err(Refused::Duplicate)
        );
        assert_eq!(insert(&mut buffer, 5, "b", b"2", 6), Ok(()));
        assert_eq!(insert(&mut buffer, 5, "a", b"1", 6), Ok(()));
        assert_eq!(insert(&mut buffer, 4, "b", b"1", 6), Ok(()));
        assert_eq!(names(&buffer), ["b", "a", "b", "b"]);
    }

    #[test]
    fn coalescing_is_not_part_of_the_identity() {
        let mut buffer = EventBuffer::new(512);
        let mut event = message::UserEvent {
            ltime: t(1),
            name: "n",
            payload: b"",
            coalesce: false,
        };
        assert!(buffer.insert(&event, t(2)).is_ok());
        event.coalesce = true;
        assert_eq!(buffer.insert(&event, t(2)), Err(Refused::Duplicate));
    }

    #[test]
    fn what_is_behind_the_clock_by_more_than_the_window_is_too_old() {
        let mut buffer = EventBuffer::new(4);
        assert_eq!(insert(&mut buffer, 1, "a", b"", 5), Ok(()));
        assert_eq!(insert(&mut buffer, 1, "a", b"", 5), Err(Refused::Duplicate));
        assert_eq!(insert(&mut buffer, 1, "a", b"", 6), Err(Refused::TooOld));
        assert_eq!(names(&buffer), [""; 0]);
        assert_eq!(buffer.bytes, 0);
    }

    #[test]
    fn the_beginning_refuses_and_forgets_what_is_before_it() {
        let mut buffer = EventBuffer::new(512);
        assert_eq!(insert(&mut buffer, 5, "a", b"", 6), Ok(()));
        assert_eq!(insert(&mut buffer, 7, "b", b"", 8), Ok(()));
        buffer.begin(t(7));
        assert_eq!(names(&buffer), ["b"]);
        assert_eq!(insert(&mut buffer, 6, "c", b"", 8), Err(Refused::TooOld));
        assert_eq!(insert(&mut buffer, 7, "c", b"", 8), Ok(()));
    }

    #[test]
    fn a_flood_of_one_time_stops_at_the_bound_and_later_times_go_on() {
        let mut buffer = EventBuffer::new(512);
        for n in 0..MAX_PER_TIME {
            let name = alloc::format!("{n}");
            assert_eq!(insert(&mut buffer, 5, &name, b"", 6), Ok(()));
        }
        assert_eq!(insert(&mut buffer, 5, "more", b"", 6), Err(Refused::Full));
        assert_eq!(insert(&mut buffer, 5, "0", b"", 6), Err(Refused::Duplicate));
        assert_eq!(insert(&mut buffer, 6, "more", b"", 7), Ok(()));
    }

    #[test]
    fn a_flood_of_bytes_pushes_out_the_oldest_which_is_never_delivered_again() {
        let mut buffer = EventBuffer::new(512);
        let payload = vec![0; 9216];
        let mut time = 1;
        while buffer.floor() == t(0) {
            assert_eq!(
                insert(&mut buffer, time, "flood", &payload, time + 1),
                Ok(())
            );
            time += 1;
        }
        assert!(buffer.bytes <= MAX_BYTES);
        assert_eq!(
            insert(&mut buffer, 1, "flood", &payload, time),
            Err(Refused::TooOld)
        );
        assert_eq!(insert(&mut buffer, time, "small", b"", time + 1), Ok(()));
    }

    #[test]
    fn what_does_not_fit_beside_its_own_time_is_refused() {
        let mut buffer = EventBuffer::new(512);
        let half = vec![0; MAX_BYTES / 2];
        assert_eq!(insert(&mut buffer, 5, "a", &half, 6), Ok(()));
        assert_eq!(insert(&mut buffer, 5, "b", &half, 6), Err(Refused::Full));
        assert_eq!(insert(&mut buffer, 4, "b", &half, 6), Err(Refused::Full));
        assert_eq!(insert(&mut buffer, 6, "b", &half, 7), Ok(()));
        let huge = vec![0; MAX_BYTES];
        assert_eq!(insert(&mut buffer, 7, "c", &huge, 8), Err(Refused::Full));
    }

    /// The buffer of a node in a cluster.
    fn in_touch(times: u64) -> EventBuffer {
        let mut buffer = EventBuffer::new(times);
        buffer.begin(t(1));
        buffer
    }

    /// Each first time that was missed, and the first after it that was not.
    fn missed(buffer: &mut EventBuffer) -> Vec<(u64, u64)> {
        let missed = buffer.take_missed().into_iter();
        missed.map(|it| (it.start.get(), it.end.get())).collect()
    }

    #[test]
    fn what_the_floor_leaves_behind_without_an_event_is_missed() {
        let mut buffer = in_touch(4);
        for time in [1, 3, 6, 7] {
            assert_eq!(insert(&mut buffer, time, "a", b"", time + 1), Ok(()));
        }
        assert_eq!(missed(&mut buffer), [(2, 3)]);
        buffer.follow(t(9));
        assert_eq!(missed(&mut buffer), [(4, 5)]);
        buffer.follow(t(20));
        assert_eq!(missed(&mut buffer), [(5, 6), (8, 16)]);
        assert_eq!(missed(&mut buffer), []);
    }

    #[test]
    fn what_was_before_a_node_was_in_a_cluster_is_not_missed() {
        let mut buffer = EventBuffer::new(4);
        assert_eq!(insert(&mut buffer, 20, "a", b"", 21), Ok(()));
        buffer.follow(t(30));
        assert_eq!(missed(&mut buffer), []);
        buffer.begin(t(30));
        buffer.follow(t(40));
        assert_eq!(missed(&mut buffer), [(30, 36)]);
    }

    #[test]
    fn a_time_without_an_event_counts_as_missed_only_once_the_event_would_be_refused() {
        let mut buffer = in_touch(4);
        // A peer without events has leapt ahead, and another one has them.
        buffer.follow(t(5));
        for time in 1..5 {
            assert_eq!(insert(&mut buffer, time, "a", b"", 5), Ok(()));
        }
        buffer.follow(t(9));
        assert_eq!(missed(&mut buffer), []);
    }

    #[test]
    fn what_a_restored_node_hears_before_it_is_in_touch_does_not_hide_what_the_others_had() {
        for restored in [true, false] {
            let mut buffer = in_touch(4);
            if restored {
                buffer.restore(t(20));
            } else {
                buffer.begin(t(20));
            }
            // Its own, and an exchange with one that is no wiser.
            assert_eq!(insert(&mut buffer, 20, "own", b"", 21), Ok(()));
            buffer.follow(t(21));
            buffer.follow(t(40));
            let expected = if restored { (20, 36) } else { (21, 36) };
            assert_eq!(missed(&mut buffer), [expected]);
            assert_eq!(insert(&mut buffer, 39, "b", b"", 40), Ok(()));
            buffer.follow(t(60));
            assert_eq!(missed(&mut buffer), [(36, 39), (40, 56)], "it was in touch");
        }
    }

    #[test]
    fn a_restored_node_that_hears_everything_misses_nothing() {
        for times in [1, 4] {
            let mut buffer = EventBuffer::new(times);
            buffer.restore(t(20));
            for time in 20..40 {
                assert_eq!(insert(&mut buffer, time, "a", b"", time + 1), Ok(()));
            }
            assert_eq!(missed(&mut buffer), []);
        }
    }

    #[test]
    fn an_enormous_leap_is_one_gap() {
        let mut buffer = in_touch(4);
        buffer.follow(t(1 << 63));
        assert_eq!(missed(&mut buffer), [(1, (1 << 63) - 4)]);
    }

    proptest! {
        #[test]
        fn in_any_order_each_event_of_the_window_comes_once(
            events in prop::collection::vec((1..40_u64, "[ab]", 0..2_u8), 0..200),
        ) {
            let mut buffer = EventBuffer::new(8);
            let mut clock = 1;
            let mut delivered = BTreeSet::new();
            for (ltime, name, payload) in events {
                clock = clock.max(ltime + 1);
                let fresh = !delivered.contains(&(ltime, name.clone(), payload));
                let outcome = insert(&mut buffer, ltime, &name, &[payload], clock);
                let expected = match (ltime + 8 >= clock, fresh) {
                    (false, _) => Err(Refused::TooOld),
                    (true, false) => Err(Refused::Duplicate),
                    (true, true) => Ok(()),
                };
                prop_assert_eq!(outcome, expected);
                if outcome.is_ok() {
                    delivered.insert((ltime, name, payload));
                }
                let kept: Vec<(u64, String, u8)> = buffer
                    .iter()
                    .map(|e| (e.ltime.get(), String::from(&*e.name), e.payload[0]))
                    .collect();
                let expected: Vec<_> =
                    delivered.iter().filter(|e| e.0 + 8 >= clock).cloned().collect();
                prop_assert_eq!(kept, expected);
                let bytes: usize = buffer.iter().map(|e| size(&e.name, &e.payload)).sum();
                prop_assert_eq!(bytes, buffer.bytes);
            }
        }

        #[test]
        fn each_time_behind_the_floor_was_told_or_missed_and_none_was_both(
            steps in prop::collection::vec((1..60_u64, 0..8_u8, prop::bool::ANY), 0..100),
        ) {
            let mut buffer = in_touch(8);
            let mut clock = 1;
            let (mut told, mut gaps) = (BTreeSet::new(), Vec::new());
            for (time, payload, is_event) in steps {
                clock = clock.max(time + 1);
                if !is_event {
                    buffer.follow(t(clock));
                } else if insert(&mut buffer, time, "a", &vec![0; 1 << (13 + payload)], clock).is_ok() {
                    told.insert(time);
                }
                gaps.extend(missed(&mut buffer));
                prop_assert!(gaps.is_sorted_by(|a, b| a.1 <= b.0), "{:?}", gaps);
                prop_assert!(gaps.iter().all(|gap| gap.1 <= buffer.floor().get()));
                for behind in 1..buffer.floor().get() {
                    let is_missed = gaps.iter().any(|gap| (gap.0..gap.1).contains(&behind));
                    prop_assert!(is_missed != told.contains(&behind), "time {}", behind);
                }
            }
        }
    }
}
