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
pub(super) struct Timers([Instant; COUNT]);

impl Timers {
    pub(super) const fn new() -> Self {
        Self([Instant::FAR_FUTURE; COUNT])
    }

    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }

    /// Sets the timer, unless it is due before that anyway.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        let before = self.0[timer as usize];
        self.set(timer, at.min(before));
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, Instant::FAR_FUTURE);
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::FAR_FUTURE
    }

    /// True once, if the timer is due: it is stopped.
    pub(super) fn expired(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.0[timer as usize] <= now;
        if due {
            self.stop(timer);
        }
        due
    }

    /// When the first timer is due; the far future if none runs.
    pub(super) fn first(&self) -> Instant {
        self.0
            .iter()
            .copied()
            .fold(Instant::FAR_FUTURE, Instant::min)
    }
}
