//! Events that gossip has missed.
//!
//! Event clocks move on only as somebody sends an event. So when an event comes by gossip whose time is
//! ahead of the clock, the events of the times between have not come, or not yet. Most of them are
//! just behind; one that is still missing when gossip must have been through with it comes with an exchange of
//! state. The next regular one may be minutes away in a large cluster, so there is an early one:
//! with any member, as nearly all have what this node has missed.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::serf::clock::LamportTime;
use crate::time::{Instant, nanos};

/// What a node knows of the events that it has not been told of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Gaps {
    /// The first time that was missing when one was noticed, and the first one after those.
    from: LamportTime,
    until: LamportTime,
    /// When to look whether any of these are still missing.
    look: Option<Instant>,
    /// No exchange begins for this reason before then.
    pause: Instant,
}

impl Gaps {
    pub(super) const fn new() -> Self {
        Self {
            from: LamportTime::ZERO,
            until: LamportTime::ZERO,
            look: None,
            pause: Instant::ZERO,
        }
    }

    /// When to look next.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.look
    }
}

impl Node {
    /// Gossip has brought an event of the time `until`, while the clock was at `from`. Times that are
    /// missing later wait until these have been looked for.
    pub(super) fn notice_gap(&mut self, from: LamportTime, until: LamportTime) {
        let interval = self.params.push_pull_interval;
        if self.gaps.look.is_some() || interval.is_zero() {
            return;
        }
        // Gossip is through with an event within some seconds.
        let soon = nanos(interval / 8);
        let wait = Duration::from_nanos(soon + self.sync_rng.below(soon));
        self.gaps.from = from;
        self.gaps.until = until;
        self.gaps.look = Some(self.gaps.pause.max(self.now + wait));
    }

    /// Exchanges state with somebody if what was missing then still is. One exchange for each gap, and one
    /// in `push_pull_interval`: there may be times whose events nobody has.
    pub(super) fn look_for_gaps(&mut self) {
        if self.gaps.look.take_if(|look| *look <= self.now).is_none() {
            return;
        }
        let Gaps { from, until, .. } = self.gaps;
        if self.events.lacks(from, until) {
            self.counters.event_gaps += 1;
            self.gaps.pause = self.now + self.params.push_pull_interval;
            self.begin_periodic_sync();
        }
        let clock = self.clocks.event.time();
        if self.events.lacks(until, clock) {
            self.notice_gap(until, clock);
        }
    }
}
