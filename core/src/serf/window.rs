//! Which Lamport times are remembered: the most recent ones.

use serde::{Deserialize, Serialize};

use crate::serf::clock::LamportTime;

/// Why a happening that was received is not passed on to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was received before.
    Duplicate,
    /// It is from before the minimum time, or so old that it is not known any more whether it was
    /// received before.
    TooOld,
    /// So many others have the same time that there is no room to remember it, and what is not
    /// remembered would be passed on again and again.
    Full,
}

/// The last so many times before a clock, and none before a floor that only rises.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Window {
    size: u64,
    floor: LamportTime,
}

impl Window {
    /// The last `size` times.
    pub(crate) const fn new(size: u64) -> Self {
        Self {
            size,
            floor: LamportTime::ZERO,
        }
    }

    /// The earliest time that is remembered.
    pub(crate) const fn floor(&self) -> LamportTime {
        self.floor
    }

    /// Where the floor is to be once the clock is at `clock`, unless it is higher already.
    pub(crate) const fn reach(&self, clock: LamportTime) -> LamportTime {
        clock.before(self.size)
    }

    /// Nothing before `time` counts from now on.
    pub(crate) fn raise(&mut self, time: LamportTime) {
        self.floor = self.floor.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(time: u64) -> LamportTime {
        LamportTime::new(time)
    }

    #[test]
    fn it_reaches_back_so_many_times_before_the_clock() {
        let window = Window::new(4);
        assert_eq!(window.reach(t(1)), t(0));
        assert_eq!(window.reach(t(4)), t(0));
        assert_eq!(window.reach(t(5)), t(1));
        assert_eq!(window.reach(t(u64::MAX)), t(u64::MAX - 4));
    }

    #[test]
    fn the_floor_only_rises() {
        let mut window = Window::new(4);
        window.raise(t(7));
        window.raise(t(3));
        assert_eq!(window.floor(), t(7));
    }
}
