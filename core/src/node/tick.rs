//! What is due, and when: every deadline of a node comes together here.

use super::timers::Timer;
use super::{Node, Phase};
use crate::journal::Input;
use crate::time::Instant;

impl Node {
    /// Does what is due at `now`. Call it at the deadline of [`Action::Wait`](crate::Action), or
    /// at any time; hand in what the sockets hold *before*, so that a late wake-up is not
    /// mistaken for silence of the others.
    #[inline]
    pub fn handle_tick(&mut self, now: Instant) {
        self.tape.input(Some(now), || Input::Tick);
        let expected = self.deadline();
        self.advance_clock(now);
        let now = self.now;
        if self.phase == Phase::Stopped {
            return;
        }
        if now > expected {
            self.make_up_for_stall(now.since(expected));
        }
        let others = !self.only_timers;
        if others {
            self.expire_suspicions();
        }
        self.tick_probe();
        if others {
            self.send_nacks();
            self.expire_helper_probes();
            self.expire_streams();
        }
        if self.timers.expired(Timer::Gossip, now) {
            self.gossip();
        }
        if self.timers.expired(Timer::Sync, now) {
            self.only_timers = false;
            self.begin_periodic_sync();
        }
        if self.timers.expired(Timer::Reconnect, now) {
            self.only_timers = false;
            self.reconnect();
        }
        if self.timers.expired(Timer::Reap, now) {
            self.only_timers = false;
            self.reap();
        }
        if others {
            self.expire_spreads();
            self.expire_prunes();
            self.expire_queries();
            self.look_for_gaps();
        }
        if self.timers.expired(Timer::Stop, now) {
            self.stop();
        }
        if !self.only_timers {
            self.only_timers = self.other_deadline() == Instant::FAR_FUTURE;
        }
    }

    /// The next time at which [`handle_tick`](Self::handle_tick) has something to do.
    pub(super) fn deadline(&self) -> Instant {
        let first = self.timers.first();
        // At rest that is all, and what else has deadlines is not even looked at.
        if self.only_timers {
            debug_assert_eq!(self.other_deadline(), Instant::FAR_FUTURE);
            return first;
        }
        first.min(self.other_deadline())
    }

    /// The first deadline of what has some besides the timers.
    fn other_deadline(&self) -> Instant {
        let mut first = Instant::FAR_FUTURE;
        for at in [
            self.streams.first_deadline(),
            self.collectors.deadline(),
            self.suspicions.first_deadline(),
            self.gaps.deadline(),
        ] {
            first = first.min(at.unwrap_or(Instant::FAR_FUTURE));
        }
        if let Some((_, probe)) = self.helper_probes.first_key_value() {
            first = first.min(probe.deadline);
        }
        if let Some(&(at, _)) = self.nacks.front() {
            first = first.min(at);
        }
        for spread in &self.spreads {
            first = first.min(spread.deadline);
        }
        for (at, _) in &self.prunes {
            first = first.min(*at);
        }
        first
    }

    /// Moves the node's clock, which never goes back, for an input that may begin anything.
    pub(super) fn advance(&mut self, now: Instant) {
        self.only_timers = false;
        self.advance_clock(now);
    }

    pub(super) fn advance_clock(&mut self, now: Instant) {
        if now < self.now {
            self.counters.clock_went_back += 1;
        }
        self.now = self.now.max(now);
    }
}
