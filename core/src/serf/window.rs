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

/// The last so many times before a clock, and none before a minimum.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Window {
    size: u64,
    minimum: LamportTime,
}

impl Window {
    /// The last `size` times.
    pub(crate) const fn new(size: u64) -> Self {
        Self {
            size,
            minimum: LamportTime::ZERO,
        }
    }

    /// The earliest time remembered while the clock is at `clock`.
    pub(crate) fn floor(&self, clock: LamportTime) -> LamportTime {
        self.minimum.max(clock.before(self.size))
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn minimum(&self) -> LamportTime {
        self.minimum
    }

    /// Nothing before `time` counts from now on.
    pub(crate) fn raise_minimum(&mut self, time: LamportTime) {
        self.minimum = self.minimum.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(time: u64) -> LamportTime {
        LamportTime::new(time)
    }

    #[test]
    fn it_holds_the_last_times_before_the_clock() {
        let window = Window::new(4);
        assert_eq!(window.floor(t(1)), t(0));
        assert_eq!(window.floor(t(4)), t(0));
        assert_eq!(window.floor(t(5)), t(1));
        assert_eq!(window.floor(t(u64::MAX)), t(u64::MAX - 4));
    }

    #[test]
    fn the_minimum_only_rises() {
        let mut window = Window::new(4);
        window.raise_minimum(t(7));
        window.raise_minimum(t(3));
        assert_eq!(window.minimum(), t(7));
        assert_eq!(window.floor(t(8)), t(7));
        assert_eq!(window.floor(t(20)), t(16));
    }
}
