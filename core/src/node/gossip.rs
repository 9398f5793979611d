//! Rounds of gossip (SWIM, section 4.1; wire-protocol reference, section 6.10): at which moments, and to
//! whom. What they say is put together when the packets are written.

use core::time::Duration;

use super::Node;
use super::outbox::Output;
use super::timers::Timer;
use crate::swim::accuser::Accuser;
use crate::swim::order::Order;
use crate::swim::record::State;
use crate::swim::table::Slot;
use crate::time::{Instant, nanos};

/// News of as many members is spread by gossip in a second or two. Of more, streams tell sooner.
pub(super) const MUCH_NEWS: usize = 256;

impl Node {
    /// Has what is believed of a member from now on told, on the word of `by`.
    pub(super) fn spread_rumour(&mut self, subject: Slot, by: Accuser) {
        self.rumours.push(subject, by, self.now);
        self.arm_gossip();
    }

    /// Sees to it that there is a round of gossip.
    pub(super) fn arm_gossip(&mut self) {
        self.to_tell = true;
        if !self.timers.is_set(Timer::Gossip) {
            self.timers.set(Timer::Gossip, self.next_gossip());
        }
    }

    fn next_gossip(&self) -> Instant {
        let interval = nanos(self.params.gossip_interval);
        let since = nanos(self.now.since(self.gossip_phase));
        let rounds = if self.now < self.gossip_phase {
            0
        } else {
            since / interval + 1
        };
        self.gossip_phase + Duration::from_nanos(rounds.saturating_mul(interval))
    }

    /// One round of gossip: the same number of random members each get what there is to tell.
    /// The freshly dead are included, so that one that is not dead after all can refute; to that end
    /// it is told first of all, as is one that is suspected (Lifeguard, section IV.C, extended from
    /// probes to gossip). Otherwise half a cluster that comes back would have to find what is said of
    /// itself among what is said of the rest. What these two get does not count as told: after a mass
    /// crash those alive would never hear it. (It does where nobody else is alive, or there would be no
    /// end.)
    pub(super) fn gossip(&mut self) {
        if self.rumours.is_empty() && self.queues.is_empty() {
            self.to_tell = false;
            self.rumours.shrink_if_idle();
            self.queues.shrink_if_idle();
            if self.suspicions.is_empty() {
                self.strangers.clear();
            }
            return;
        }
        let (now, dead_time) = (self.now, self.params.gossip_to_dead);
        let mut wanted = self.params.gossip_nodes;
        let (alone, healing) = (self.table.count(State::Alive) <= 1, self.is_healing());
        for slot in Order::new(self.gossip_rng.next_u64(), self.table.slots()) {
            let Some(record) = self.table.get(slot) else {
                continue;
            };
            let eligible = match record.state() {
                State::Alive | State::Suspect => slot != self.me,
                State::Dead => healing || !record.gone_for(dead_time, now),
                State::Left => false,
            };
            if eligible {
                let counts = alone || record.state() == State::Alive;
                let accused = self.params.lifeguard.buddy && record.state() != State::Alive;
                let gossip = Output::Gossip {
                    to: self.dest(&record.profile),
                    accused: accused.then_some(slot),
                    counts,
                };
                self.push(gossip);
                wanted -= 1;
                if wanted == 0 {
                    break;
                }
            }
        }
        if wanted < self.params.gossip_nodes {
            self.counters.gossip_rounds += 1;
            self.timers.set(Timer::Gossip, self.next_gossip());
        }
        // With nobody to tell, the timer stays off until there is another rumour, as there is
        // with every member that appears.
    }
}
