//! The user events of recent times: to deliver each only once, and to tell them to members that
//! missed them (wire-protocol reference, section 8.4).
//!
//! The reference system keeps a ring with one slot per time. As no time is ever behind the clock
//! by more than the ring is long, a map of the times that have events is the same, without the
//! empty slots.
//!
//! Two more bounds are against floods: [`MAX_PER_TIME`] events of the same time, and
//! [`MAX_BYTES`] in all. Under a flood of distinct times the oldest are forgotten and the minimum
//! time rises past them, so that they are never delivered twice; under a flood of one time, its
//! further events are refused.

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

/// The events of recent times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventBuffer {
    window: Window,
    /// The events of each time that has any, in order.
    by_time: BTreeMap<LamportTime, Vec<UserEvent>>,
    bytes: usize,
}

impl EventBuffer {
    /// Remembers the events of the last `times` times.
    pub(crate) const fn new(times: u64) -> Self {
        Self {
            window: Window::new(times),
            by_time: BTreeMap::new(),
            bytes: 0,
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
        self.forget_before(self.window.floor(clock));
        if event.ltime < self.window.floor(clock) {
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
        events.insert(place, event.clone());
        Ok(event)
    }

    /// Forgets the oldest times, but none from `ltime` on, until `size` more bytes fit.
    fn make_room(&mut self, size: usize, ltime: LamportTime) -> bool {
        while self.bytes + size > MAX_BYTES {
            match self.by_time.first_key_value() {
                Some((&oldest, _)) if oldest < ltime => self.raise_minimum(oldest.after(1)),
                _ => return false,
            }
        }
        true
    }

    /// Refuses events from before `time` from now on, and forgets those that are there.
    pub(crate) fn raise_minimum(&mut self, time: LamportTime) {
        self.window.raise_minimum(time);
        self.forget_before(self.window.minimum());
    }

    fn forget_before(&mut self, time: LamportTime) {
        while let Some(oldest) = self.by_time.first_entry() {
            if *oldest.key() >= time {
                return;
            }
            let gone: usize = oldest
                .remove()
                .iter()
                .map(|e| size(&e.name, &e.payload))
                .sum();
            self.bytes -= gone;
        }
    }

    /// The times whose events a peer whose clock is at `peer` has forgotten, but this node, whose
    /// own clock is at `clock`, has not seen: from the first up to, and not including, the second.
    /// Whether anything happened then cannot be known any more. Ask before witnessing `peer`.
    pub(crate) fn missed(
        &self,
        clock: LamportTime,
        peer: LamportTime,
    ) -> Option<Range<LamportTime>> {
        let from = clock.max(self.window.minimum());
        let to = peer.before(self.window.size());
        (from < to).then_some(from..to)
    }

    /// All events, in order; for a state exchange.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &UserEvent> {
        self.by_time.values().flatten()
    }

    /// The time before which events are refused, whatever the clock.
    #[cfg(test)]
    pub(crate) const fn minimum(&self) -> LamportTime {
        self.window.minimum()
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
    fn the_minimum_time_refuses_and_forgets_what_is_before_it() {
        let mut buffer = EventBuffer::new(512);
        assert_eq!(insert(&mut buffer, 5, "a", b"", 6), Ok(()));
        assert_eq!(insert(&mut buffer, 7, "b", b"", 8), Ok(()));
        buffer.raise_minimum(t(7));
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
        while buffer.minimum() == t(0) {
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

    #[test]
    fn a_peer_that_forgot_more_than_was_seen_leaves_a_gap() {
        let mut buffer = EventBuffer::new(10);
        assert_eq!(buffer.missed(t(5), t(15)), None);
        assert_eq!(buffer.missed(t(5), t(16)), Some(t(5)..t(6)));
        buffer.raise_minimum(t(8));
        assert_eq!(buffer.missed(t(5), t(18)), None);
        assert_eq!(buffer.missed(t(5), t(30)), Some(t(8)..t(20)));
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
    }
}
