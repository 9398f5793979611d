//! Whoever declares a member dead that has refuted it is told so.
//!
//! Those who know better do not pass such a declaration on, but whoever made it missed the refutation,
//! and would hear of it again only in a state exchange, minutes later in a large cluster.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Node;
use super::outbox::Output;
use super::wires::Dest;
use crate::message::Accusation;
use crate::swim::record::State;
use crate::swim::table::{AHEAD, Slot};
use crate::time::Instant;

/// What was wrong in the packet that is being read, and how many such packets have been answered.
///
/// One packet is answered with one: forty answers would go to an address that anybody may have forged.
/// All answers together are no more packets than gossip sends: some peers never take in what they are
/// told, such as those that lack its key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Corrections {
    /// Who sent the packet, if it was wrong.
    #[serde(skip)]
    to: Option<Dest>,
    /// Of whom.
    #[serde(skip)]
    subjects: Vec<Slot>,
    /// Answers in the gossip interval that began `since`.
    answers: u8,
    since: Instant,
}

impl Corrections {
    pub(super) const fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

impl Node {
    /// What `from` said in a packet of gossip may be refuted already.
    pub(super) fn correct(&mut self, dead: &Accusation<'_>, from: Option<Dest>) {
        let (Some(to), Some(slot)) = (from, self.table.find(dead.name)) else {
            return;
        };
        if self.table.get(slot).is_some_and(|record| {
            record.state() == State::Alive && record.incarnation > dead.incarnation
        }) {
            self.counters.corrections += 1;
            // What fits in a packet, however often it is said.
            if self.corrections.subjects.len() < AHEAD {
                self.corrections.to = Some(to);
                self.corrections.subjects.push(slot);
            }
        }
    }

    /// Answers the packet that has been read, unless there were too many of late.
    #[cold]
    #[inline(never)]
    pub(super) fn send_corrections(&mut self) {
        let (now, params) = (self.now, &self.params);
        let Corrections {
            to,
            subjects,
            answers,
            since,
        } = &mut self.corrections;
        if now.since(*since) >= params.gossip_interval {
            (*since, *answers) = (now, 0);
        }
        let subjects = core::mem::take(subjects).into_boxed_slice();
        if let Some(to) = to.take()
            && *answers < params.gossip_nodes
        {
            *answers += 1;
            self.push(Output::Correction { to, subjects });
        }
    }
}
