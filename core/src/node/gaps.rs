//! Events that gossip has missed.
//!
//! Event clocks move on only as somebody sends an event. So when an event comes by gossip whose time is
//! ahead of the clock, the events of the times between have not come, or not yet. Most of them are
//! just behind; one that is still missing when gossip must have been through with it comes with an exchange of
//! state. The next regular one may be minutes away in a large cluster, so there is an early one:
//! with any member, as nearly all have what this node has missed.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::serf::clock::LamportTime;
use crate::time::Instant;

/// What a node knows of the events that it has not been told of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Gaps {
    /// The times that were missing when one was noticed, and when to look whether any still is.
    missing: Option<(Range<LamportTime>, Instant)>,
    /// No exchange begins for this reason before then.
    pause: Instant,
}

impl Gaps {
    /// When to look next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.missing.as_ref().map(|(_, look)| *look)
    }
}

impl Node {
    /// Gossip has brought an event of the time at the end of these, while the clock was at their start.
    /// Times that are missing later wait until these have been looked for.
    pub(super) fn notice_gap(&mut self, times: Range<LamportTime>) {
        if self.gaps.missing.is_some() {
            return;
        }
        // Gossip is through with an event within some seconds.
        if let Some(wait) = self.soon() {
            let look = self.gaps.pause.max(self.now + wait);
            self.gaps.missing = Some((times, look));
        }
    }

    /// Exchanges state with somebody if what was missing then still is. One exchange for each gap, and one
    /// in `push_pull_interval`: there may be times whose events nobody has.
    pub(super) fn look_for_gaps(&mut self) {
        let due = self.gaps.missing.take_if(|(_, look)| *look <= self.now);
        let Some((times, _)) = due else {
            return;
        };
        let later = times.end..self.clocks.event.time();
        if self.events.lacks(times) {
            self.counters.event_gaps += 1;
            self.gaps.pause = self.now + self.params.push_pull_interval;
            self.begin_periodic_sync();
        }
        if self.events.lacks(later.clone()) {
            self.notice_gap(later);
        }
    }
}
