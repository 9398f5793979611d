//! The queries of recent times, to deliver each only once (wire-protocol reference, section 8.5).
//!
//! Like the [event buffer](super::event_buffer), with nothing but times and ids to remember.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::serf::clock::LamportTime;
use crate::serf::query::QueryKey;
use crate::serf::window::{Refused, Window};

/// Queries that are remembered in all. Under a flood of distinct times the oldest are forgotten
/// and the minimum time rises past them; under a flood of one time, its further ones are refused.
pub(crate) const MAX_QUERIES: usize = 1 << 14;

/// The queries of recent times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QueryBuffer {
    window: Window,
    seen: BTreeSet<QueryKey>,
}

impl QueryBuffer {
    /// Remembers the queries of the last `times` times.
    pub(crate) const fn new(times: u64) -> Self {
        Self {
            window: Window::new(times),
            seen: BTreeSet::new(),
        }
    }

    /// Takes a query that was received or is to be sent. `clock` is the query clock after it
    /// witnessed the query's time.
    ///
    /// # Errors
    /// The query is not to be delivered, nor passed on.
    pub(crate) fn insert(&mut self, query: QueryKey, clock: LamportTime) -> Result<(), Refused> {
        self.raise_minimum(self.window.reach(clock));
        if query.ltime < self.window.floor() {
            return Err(Refused::TooOld);
        }
        if self.seen.contains(&query) {
            return Err(Refused::Duplicate);
        }
        while self.seen.len() >= MAX_QUERIES {
            match self.seen.first() {
                Some(oldest) if oldest.ltime < query.ltime => {
                    self.raise_minimum(oldest.ltime.after(1));
                }
                _ => return Err(Refused::Full),
            }
        }
        self.seen.insert(query);
        Ok(())
    }

    /// Refuses queries from before `time` from now on.
    pub(crate) fn raise_minimum(&mut self, time: LamportTime) {
        self.window.raise(time);
        let floor = self.window.floor();
        while self.seen.first().is_some_and(|oldest| oldest.ltime < floor) {
            self.seen.pop_first();
        }
    }

    /// The time before which queries are refused.
    #[cfg(test)]
    pub(crate) const fn minimum(&self) -> LamportTime {
        self.window.floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ltime: u64, id: u32) -> QueryKey {
        QueryKey {
            ltime: LamportTime::new(ltime),
            id,
        }
    }

    fn insert(buffer: &mut QueryBuffer, ltime: u64, id: u32, clock: u64) -> Result<(), Refused> {
        buffer.insert(key(ltime, id), LamportTime::new(clock))
    }

    #[test]
    fn time_and_id_are_the_identity() {
        let mut buffer = QueryBuffer::new(4);
        assert_eq!(insert(&mut buffer, 5, 1, 6), Ok(()));
        assert_eq!(insert(&mut buffer, 5, 1, 6), Err(Refused::Duplicate));
        assert_eq!(insert(&mut buffer, 5, 2, 6), Ok(()));
        assert_eq!(insert(&mut buffer, 4, 1, 6), Ok(()));
    }

    #[test]
    fn old_times_are_refused_and_forgotten() {
        let mut buffer = QueryBuffer::new(4);
        assert_eq!(insert(&mut buffer, 5, 1, 9), Ok(()));
        assert_eq!(insert(&mut buffer, 5, 1, 10), Err(Refused::TooOld));
        assert!(buffer.seen.is_empty());
        buffer.raise_minimum(LamportTime::new(9));
        assert_eq!(insert(&mut buffer, 8, 1, 10), Err(Refused::TooOld));
        assert_eq!(insert(&mut buffer, 9, 1, 10), Ok(()));
    }

    #[test]
    fn a_flood_is_bounded_and_leaves_room_for_later_times() {
        let mut buffer = QueryBuffer::new(512);
        let bound = u32::try_from(MAX_QUERIES).expect("a small bound");
        for id in 0..bound {
            assert_eq!(insert(&mut buffer, 5, id, 6), Ok(()));
        }
        assert_eq!(insert(&mut buffer, 5, bound, 6), Err(Refused::Full));
        assert_eq!(insert(&mut buffer, 4, 0, 6), Err(Refused::Full));
        assert_eq!(insert(&mut buffer, 6, 0, 7), Ok(()));
        assert_eq!(insert(&mut buffer, 5, 0, 7), Err(Refused::TooOld));
        assert_eq!(buffer.seen.len(), 1);
        assert_eq!(buffer.minimum(), LamportTime::new(6));
    }
}
