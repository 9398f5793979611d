//! Lamport clocks: an order of things that nobody's watch is needed for (wire-protocol reference,
//! section 8.1).
//!
//! Clocks only move forward, and everybody's follow the one that is furthest ahead. So one forged
//! time near the end of the numbers would leave no room for any later one, in the whole cluster
//! and for good. Two bounds are against that: a clock follows no further than [`MAX_LEAP`] at
//! once, and never past [`CEILING`].

use core::fmt;

use serde::{Deserialize, Serialize};

/// A time on a Lamport clock: says what came before what, and nothing about how long.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LamportTime(u64);

impl LamportTime {
    /// The time of nothing: before everything that happens.
    pub const ZERO: Self = Self(0);

    /// The time of this number.
    #[must_use]
    pub const fn new(time: u64) -> Self {
        Self(time)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The time `n` later; the last there is, if that is passed.
    #[must_use]
    pub const fn after(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// The time `n` earlier; [`ZERO`](Self::ZERO), if that is passed.
    #[must_use]
    pub const fn before(self, n: u64) -> Self {
        Self(self.0.saturating_sub(n))
    }
}

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How far ahead of a clock a time may be for the clock to follow. A cluster in which a thousand
/// things happen each second takes 50 days for as many.
pub(crate) const MAX_LEAP: u64 = 1 << 32;

/// No clock gets past this time. Half of all numbers are kept back, so that arithmetic on times
/// that were accepted cannot overflow.
pub(crate) const CEILING: LamportTime = LamportTime(1 << 63);

/// One of the three clocks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LamportClock {
    time: LamportTime,
}

impl LamportClock {
    /// A clock as it is before anything happened. It stands at 1, so that 0 is free for members
    /// of which no intent is known.
    pub(crate) const fn new() -> Self {
        Self {
            time: LamportTime(1),
        }
    }

    /// The time of whatever happens next.
    pub(crate) const fn time(&self) -> LamportTime {
        self.time
    }

    /// Moves on by one, and returns the time before that: the one that the happening now gets.
    pub(crate) fn tick(&mut self) -> LamportTime {
        let now = self.time;
        self.time = now.after(1).min(CEILING);
        now
    }

    /// Moves past a time that was heard of. False, and the clock as it was, if the time is so far
    /// ahead that it must be damaged or forged; the message that holds it is then to be dropped.
    #[must_use = "false means that the message is not to be believed"]
    pub(crate) fn witness(&mut self, time: LamportTime) -> bool {
        let plausible = time < CEILING && time <= self.time.after(MAX_LEAP);
        if plausible {
            self.time = self.time.max(time.after(1));
        }
        plausible
    }

    /// Like [`witness`](Self::witness), however far ahead the time is: for sources that this node
    /// chose to trust, which are its own snapshot and the member that it first joins by. Without
    /// this a newcomer could not follow an old and busy cluster.
    #[must_use = "false means that the source is not to be believed"]
    pub(crate) fn adopt(&mut self, time: LamportTime) -> bool {
        let possible = time < CEILING;
        if possible {
            self.time = self.time.max(time.after(1));
        }
        possible
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(time: u64) -> LamportClock {
        let mut clock = LamportClock::new();
        assert!(time <= 1 || clock.adopt(LamportTime(time - 1)));
        clock
    }

    #[test]
    fn it_starts_at_one_and_a_happening_gets_the_time_before_the_tick() {
        let mut clock = LamportClock::new();
        assert_eq!(clock.tick(), LamportTime(1));
        assert_eq!(clock.time(), LamportTime(2));
    }

    #[test]
    fn it_moves_past_what_it_witnesses_and_never_back() {
        let mut clock = at(10);
        assert!(clock.witness(LamportTime(9)));
        assert_eq!(clock.time(), LamportTime(10));
        assert!(clock.witness(LamportTime(10)));
        assert_eq!(clock.time(), LamportTime(11));
        assert!(clock.witness(LamportTime(20)));
        assert_eq!(clock.time(), LamportTime(21));
        assert!(clock.witness(LamportTime::ZERO));
        assert_eq!(clock.time(), LamportTime(21));
    }

    #[test]
    fn a_poisoned_time_is_refused_and_leaves_the_clock_alone() {
        let mut clock = at(10);
        for time in [10 + MAX_LEAP + 1, CEILING.0, u64::MAX - 1, u64::MAX] {
            assert!(!clock.witness(LamportTime(time)), "{time}");
            assert_eq!(clock.time(), LamportTime(10));
        }
        assert!(clock.witness(LamportTime(10 + MAX_LEAP)));
        assert_eq!(clock.time(), LamportTime(11 + MAX_LEAP));
    }

    #[test]
    fn a_trusted_time_may_be_far_ahead_but_not_past_the_ceiling() {
        let mut clock = LamportClock::new();
        assert!(!clock.adopt(CEILING));
        assert!(!clock.adopt(LamportTime(u64::MAX)));
        assert_eq!(clock.time(), LamportTime(1));
        assert!(clock.adopt(LamportTime(1 << 50)));
        assert_eq!(clock.time(), LamportTime((1 << 50) + 1));
    }

    #[test]
    fn it_stands_still_at_the_ceiling() {
        let mut clock = at(CEILING.0);
        assert_eq!(clock.time(), CEILING);
        clock.tick();
        assert_eq!(clock.time(), CEILING);
        assert!(clock.witness(CEILING.before(1)));
        assert_eq!(clock.time(), CEILING);
    }

    proptest! {
        #[test]
        fn whatever_comes_it_never_goes_back_and_never_leaps(
            start in 1..=CEILING.0,
            times in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut clock = at(start);
            for time in times {
                let before = clock.time();
                let taken = clock.witness(LamportTime(time));
                prop_assert!(clock.time() >= before);
                prop_assert!(clock.time() <= CEILING);
                prop_assert!(clock.time().get() - before.get() <= MAX_LEAP + 1);
                prop_assert_eq!(taken && time < clock.time().get(), taken);
            }
        }
    }
}
