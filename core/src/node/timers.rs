//! The timers every node has: a fixed table, one entry each.

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// Begin the next probe.
    Probe,
    /// The probed member has not answered directly: ask helpers.
    ProbeTimeout,
    /// The probe is over.
    ProbeEnd,
    /// Send a round of gossip. Off while there is nothing to tell.
    Gossip,
    /// Exchange full state with a random member.
    Sync,
    /// Try to reach a failed member again.
    Reconnect,
    /// Forget members that are long gone.
    Reap,
    /// Stop after a leave.
    Stop,
}

const COUNT: usize = Timer::Stop as usize + 1;

/// When each timer is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "[Instant; COUNT]", into = "[Instant; COUNT]")]
pub(super) struct Timers {
    due: [Instant; COUNT],
    /// The earliest of them: it is asked for more often than one is set.
    first: Instant,
}

impl Timers {
    pub(super) const fn new() -> Self {
        Self {
            due: [Instant::FAR_FUTURE; COUNT],
            first: Instant::FAR_FUTURE,
        }
    }

    #[inline]
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        let before = core::mem::replace(&mut self.due[timer as usize], at);
        if at <= self.first {
            self.first = at;
        } else if before == self.first {
            self.first = earliest(&self.due);
        }
    }

    /// Sets the timer, unless it is due before that anyway.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        let before = self.due[timer as usize];
        self.set(timer, at.min(before));
    }

    #[inline]
    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, Instant::FAR_FUTURE);
    }

    /// When the timer is due; the far future if it does not run.
    pub(super) const fn at(&self, timer: Timer) -> Instant {
        self.due[timer as usize]
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer) != Instant::FAR_FUTURE
    }

    /// True once, if the timer is due: it is stopped.
    #[inline]
    pub(super) fn expired(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.at(timer) <= now;
        if due {
            self.stop(timer);
        }
        due
    }

    /// When the first timer is due; the far future if none runs.
    pub(super) const fn first(&self) -> Instant {
        self.first
    }
}

fn earliest(due: &[Instant; COUNT]) -> Instant {
    due.iter().copied().fold(Instant::FAR_FUTURE, Instant::min)
}

impl From<[Instant; COUNT]> for Timers {
    fn from(due: [Instant; COUNT]) -> Self {
        let first = earliest(&due);
        Self { due, first }
    }
}

impl From<Timers> for [Instant; COUNT] {
    fn from(timers: Timers) -> Self {
        timers.due
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Timer; COUNT] = [
        Timer::Probe,
        Timer::ProbeTimeout,
        Timer::ProbeEnd,
        Timer::Gossip,
        Timer::Sync,
        Timer::Reconnect,
        Timer::Reap,
        Timer::Stop,
    ];

    proptest! {
        #[test]
        fn the_first_is_the_earliest_of_those_that_run(
            steps in prop::collection::vec((0..COUNT, 0..4_u8, 0..20_u64), 1..60)
        ) {
            let mut timers = Timers::new();
            let mut now = Instant::ZERO;
            for (timer, step, time) in steps {
                let (timer, at) = (ALL[timer], now + core::time::Duration::from_nanos(time));
                match step {
                    0 => timers.set(timer, at),
                    1 => timers.set_earlier(timer, at),
                    2 => timers.stop(timer),
                    _ => {
                        now = at;
                        let was_due = timers.at(timer) <= now;
                        prop_assert_eq!(timers.expired(timer, now), was_due);
                        prop_assert!(!timers.expired(timer, now));
                    }
                }
                let due: Vec<Instant> = ALL.iter().map(|it| timers.at(*it)).collect();
                prop_assert_eq!(Some(timers.first()), due.iter().min().copied());
            }
        }
    }
}
