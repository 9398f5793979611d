//! What Serf adds to a state exchange: its clocks and its recent events (wire-protocol reference,
//! sections 7.4 and 8.3).

use alloc::vec::Vec;
use core::ops::Range;

use super::{Node, NodeClocks};
use crate::event::Event;
use crate::message::{self, Clocks, StateEntry};
use crate::serf::clock::{LamportClock, LamportTime};
use crate::wire::native::{StateEntries, StateWriter};

/// How far the user state of an exchange may grow: the clocks and the whole event buffer.
const STATE_BUDGET: usize = 2 << 20;

impl Node {
    /// The state, encoded.
    pub(super) fn write_state(&self) -> Vec<u8> {
        let mut state = Vec::new();
        let NodeClocks {
            member,
            event,
            query,
        } = &self.clocks;
        let clocks = Clocks {
            member: member.time(),
            event: event.time(),
            query: query.time(),
        };
        let mut writer = StateWriter::new(&mut state, &clocks, STATE_BUDGET);
        for event in self.events.iter() {
            if !writer.push_event(&event.message()) {
                break;
            }
        }
        state
    }

    /// Takes over what a peer adds to a state exchange: delivers the events that were missed.
    /// They are not passed on; whoever missed them, too, gets them the same way.
    ///
    /// `newcomer` is true if nobody but this node was known before the exchange, and it chose the
    /// peer: then there is no clock of its own to hold an implausible one against.
    pub(super) fn merge_state(&mut self, sync: &message::Sync<'_>, newcomer: bool) {
        for entry in StateEntries::new(sync.user_state) {
            match entry {
                Ok(StateEntry::Clocks(clocks)) => self.merge_clocks(&clocks, sync.join, newcomer),
                Ok(StateEntry::Event(event)) => {
                    self.take_user_event(&event);
                }
                Ok(StateEntry::Member(member)) => self.on_member_time(&member),
                Err(_) => self.counters.dropped_malformed += 1,
            }
        }
    }

    fn merge_clocks(&mut self, peer: &Clocks, join: bool, newcomer: bool) {
        let NodeClocks { member, query, .. } = &mut self.clocks;
        for (own, peer) in [(member, peer.member), (query, peer.query)] {
            if !follow(own, peer, newcomer) {
                self.counters.dropped_implausible += 1;
            }
        }
        self.merge_event_clock(peer.event, join, newcomer);
    }

    fn merge_event_clock(&mut self, peer: LamportTime, join: bool, newcomer: bool) {
        let own = self.clocks.event.time();
        if !follow(&mut self.clocks.event, peer, newcomer) {
            self.counters.dropped_implausible += 1;
            return;
        }
        if join && self.joins_without_past() {
            self.events.raise_minimum(peer);
        } else if !newcomer && let Some(Range { start, end }) = self.events.missed(own, peer) {
            self.event(Event::EventsMissed {
                from: start,
                until: end,
            });
        }
    }
}

/// Moves a clock to where a peer's stands. False if that is implausible.
fn follow(own: &mut LamportClock, peer: LamportTime, newcomer: bool) -> bool {
    if peer == LamportTime::ZERO {
        return true;
    }
    match newcomer {
        true => own.adopt(peer.before(1)),
        false => own.witness(peer.before(1)),
    }
}
