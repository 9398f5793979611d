//! The end of a cut.
//!
//! A node that was alone has given up some of the others by then, on no evidence but that it heard
//! nothing: see [`come_back`](Node::come_back).
//!
//! Of large parts of a cluster each has given up the other. SWIM would find together again: whoever is
//! called dead refutes. But with thousands on either side there is more to tell at once than gossip is
//! good for, as its packets do not get larger with the news; and if each word of a death raised a
//! suspicion, as it should, all would suspect all the others before they hear the refutations. So three
//! things are different for a while, once a node notices (both of them are signs of a cut that has ended:
//! that many of the dead return, and that a peer holds for alive whom this node holds for dead and the
//! other way round):
//!
//! - All that are held for dead are gossiped to, and told so, not just the freshly dead.
//! - The word of a peer that many are dead suspects nobody. Once the refutations are known to most, what
//!   remains of such words raises suspicions as always.
//! - What there is to tell is exchanged on streams. That is right whenever so many members announce
//!   themselves at once, so it has a rule of its own: [`count_announcement`](Node::count_announcement).

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::gossip::MUCH_NEWS;
use super::{Node, Phase};
use crate::message::Accusation;
use crate::swim::scaling::{Scale, suspicion_timeouts};
use crate::time::Instant;

/// How many entries of an exchange cost as much as one announcement that is told by gossip: the latter
/// is sent a dozen times by each node, the former once by each of two.
const GOSSIP_PER_ENTRY: usize = 8;

/// In a cluster of any size, fewer members than this are not a part of it that was cut off.
const MANY_RETURNS: usize = 64;

/// An exchange that tells of more deaths than this shows that gossip does not keep up with them.
const MANY_DEATHS: usize = 16;

/// A part that was cut off is at least one in so many of all members.
const PARTS: usize = 16;

/// What a node has noticed of the end of a cut.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Healing {
    /// Until when it is taken to be recent.
    until: Instant,
    /// How many of the dead have returned, and since when they are counted.
    returned: usize,
    counted_since: Instant,
    /// How many announcements had been news at the last exchange of state.
    announced: u64,
    /// When it last heard that it had been given up.
    came_back: Option<Instant>,
}

/// Somebody whom a peer suspects, or holds for dead.
#[derive(Debug)]
pub(super) struct Accused<'a> {
    /// In this node's own name, as it takes it over.
    pub(super) accusation: Accusation<'a>,
    pub(super) dead: bool,
}

/// How a peer's beliefs differ from those of this node.
#[derive(Debug, Default)]
pub(super) struct Differences<'a> {
    /// Whom the peer suspects, or holds for dead, and this node for alive.
    pub(super) accused: Vec<Accused<'a>>,
    /// How many the peer holds for alive and this node for dead.
    pub(super) returned: usize,
}

impl Node {
    /// True if a cut has ended a short time ago.
    pub(super) fn is_healing(&self) -> bool {
        self.now < self.healing.until
    }

    /// A node takes part in the gossip that heals for as long as the freshly dead are gossiped to.
    fn healing_time(&self) -> Duration {
        self.params.gossip_to_dead
    }

    fn many(&self) -> usize {
        (self.table.live() / PARTS).max(MANY_RETURNS)
    }

    fn begin_healing(&mut self) {
        self.healing.until = self.now + self.healing_time();
    }

    /// Somebody has returned from the dead.
    pub(super) fn count_return(&mut self) {
        if self.now.since(self.healing.counted_since) > self.healing_time() {
            self.healing.counted_since = self.now;
            self.healing.returned = 0;
        }
        self.healing.returned += 1;
        if self.healing.returned > self.many() {
            self.begin_healing();
        }
    }

    /// Others have given this node up: it was cut off, and what it did not hear meanwhile was no evidence
    /// against anybody. Those whom it has accused would not learn of that before its next exchange of
    /// state, minutes later in a large cluster, so that comes soon; and whom it suspects gets the time to
    /// refute then. (Else it would declare them dead, and everybody would believe it.)
    pub(super) fn come_back(&mut self) {
        // Whoever keeps saying it does not have this node exchange state all the time.
        let before = self.healing.came_back;
        let lately = before.is_some_and(|at| self.now.since(at) < self.healing_time());
        if lately || self.phase != Phase::Running || !self.params.lifeguard.suspicion {
            return;
        }
        self.healing.came_back = Some(self.now);
        let wait = self.sync_once_soon().unwrap_or_default();
        let scale = Scale::of(self.table.live());
        let (shortest, _) = suspicion_timeouts(&self.params, scale);
        self.suspicions.postpone(wait + shortest);
    }

    /// An announcement was news. If there have been so many since the last exchange of state that it is
    /// cheaper to hear of all members than to have each of these told by gossip, and much faster, the next
    /// exchange comes soon.
    pub(super) fn count_announcement(&mut self) {
        self.counters.announcements += 1;
        let many = (self.table.live() / GOSSIP_PER_ENTRY).max(MUCH_NEWS);
        let news = self.counters.announcements - self.healing.announced;
        if news > many as u64 && self.phase == Phase::Running {
            self.exchanged_announcements();
            self.sync_soon();
        }
    }

    /// An exchange of state begins, or will soon.
    pub(super) fn exchanged_announcements(&mut self) {
        self.healing.announced = self.counters.announcements;
    }

    /// The end of an exchange: suspects whom the peer accuses, unless all that shows is a cut. The next
    /// exchange comes soon if there are many.
    pub(super) fn settle_differences(&mut self, differences: &Differences<'_>) {
        let Differences { accused, returned } = differences;
        let many = self.many();
        if accused.len() > many && *returned > many {
            self.begin_healing();
        }
        if accused.len() > many && self.is_healing() {
            return;
        }
        for accused in accused {
            self.on_accused_by_peer(accused);
        }
        // Of those that gossip has not told so far, this peer may not know all either.
        if accused.iter().filter(|accused| accused.dead).count() > MANY_DEATHS {
            self.sync_soon();
        }
    }

    pub(super) fn on_accused_by_peer(&mut self, accused: &Accused<'_>) {
        match accused.dead {
            true => self.on_held_dead(&accused.accusation),
            false => self.on_suspect(&accused.accusation),
        }
    }
}
