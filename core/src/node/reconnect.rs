//! Whom a node dials to find those again that it has lost (wire-protocol reference, section 8.10).

use core::net::SocketAddr;

use super::membership::same_endpoint;
use super::streams::Purpose;
use super::timers::Timer;
use super::{Node, Phase};
use crate::member::Status;
use crate::swim::record::{Record, State};

/// Of a longer list of seeds, as many are kept; those that answered come first.
const KEPT_SEEDS: usize = 16;

impl Node {
    /// Dials somebody whom it has lost, and now and then a seed.
    pub(super) fn reconnect(&mut self) {
        self.timers
            .set(Timer::Reconnect, self.now + self.params.reconnect_interval);
        if self.phase == Phase::Running && !self.streams.any(Purpose::Reconnect) {
            self.dial_failed();
            self.dial_seed();
        }
    }

    /// Dials one failed member at random, the likelier the more of them there are: this is what
    /// heals a partition that lasted longer than gossip reaches the dead.
    fn dial_failed(&mut self) {
        let failed = self.table.count(State::Dead) as u64;
        let live = self.table.live().max(1) as u64;
        if failed == 0 || self.sync_rng.below(live) >= failed {
            return;
        }
        let key = self.sync_rng.next_u64();
        let partner = self.random_member(key, |record| record.status() == Status::Failed);
        if let Some(record) = partner.and_then(|slot| self.table.get(slot)) {
            let wire = self.dial_wire(record);
            self.open_sync(Purpose::Reconnect, record.profile.addr, wire);
        }
    }

    /// Dials a seed at which it knows nobody, as after a restart it would: some one of all that live does
    /// in each interval. Where those whom a node knew have moved while it was cut off, or were cut off for
    /// so long that they are forgotten, nobody else is left to ask.
    fn dial_seed(&mut self) {
        let live = self.table.live().max(1) as u64;
        if self.seeds.is_empty() || self.sync_rng.below(live) != 0 {
            return;
        }
        let seed = self.seeds[self.sync_rng.below(self.seeds.len() as u64) as usize];
        let there = |record: &Record| same_endpoint(record.profile.addr, seed);
        let known = self.table.iter().any(|(_, record)| there(record));
        if !known {
            let wire = self.stranger_wire();
            self.open_sync(Purpose::Reconnect, seed, wire);
        }
    }

    /// Keeps the seeds of a join that somebody has answered, before those of joins before it.
    pub(super) fn keep_seeds(&mut self, seeds: impl Iterator<Item = SocketAddr>) {
        let before = core::mem::take(&mut self.seeds);
        for seed in seeds.chain(before) {
            if self.seeds.len() < KEPT_SEEDS && !self.seeds.contains(&seed) {
                self.seeds.push(seed);
            }
        }
        self.seeds.shrink_to_fit();
    }
}
