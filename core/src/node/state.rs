//! What Serf adds to a state exchange: its clocks and its recent events (wire-protocol reference,
//! sections 7.4 and 8.3).

use alloc::vec::Vec;

use super::{Node, NodeClocks};
use crate::member::Status;
use crate::message::{self, Clocks, MemberTime, StateEntry};
use crate::serf::clock::{LamportClock, LamportTime};
use crate::wire::{Wire, memberlist, native};

/// How far the user state of an exchange may grow: the clocks and the whole event buffer.
const STATE_BUDGET: usize = 2 << 20;

impl Node {
    /// The state, encoded for the native wire.
    pub(super) fn write_state(&self) -> Vec<u8> {
        let mut state = Vec::new();
        let mut writer = native::StateWriter::new(&mut state, &self.clock_times(), STATE_BUDGET);
        for event in self.events.iter() {
            if !writer.push_event(&event.message()) {
                break;
            }
        }
        state
    }

    /// The state, encoded for the memberlist wire. There it also says what is known of the joins
    /// and leaves of members.
    pub(super) fn write_memberlist_state(&self) -> Vec<u8> {
        let budget = STATE_BUDGET.max(self.params.max_stream_message / 4);
        let mut writer = memberlist::StateWriter::new(&self.clock_times(), budget);
        for (_, record) in self.table.iter() {
            let member = MemberTime {
                name: (&record.profile.name).into(),
                ltime: record.intent.ltime(),
                left: record.status() == Status::Left,
            };
            if !writer.push_member(&member) {
                break;
            }
        }
        for event in self.events.iter() {
            if !writer.push_event(&event.message()) {
                break;
            }
        }
        let mut state = Vec::new();
        writer.finish(&mut state);
        state
    }

    fn clock_times(&self) -> Clocks {
        let NodeClocks {
            member,
            event,
            query,
        } = &self.clocks;
        Clocks {
            member: member.time(),
            event: event.time(),
            query: query.time(),
        }
    }

    /// Takes over what a peer adds to a state exchange: delivers the events that were missed.
    /// They are not passed on; whoever missed them, too, gets them the same way.
    ///
    /// `newcomer` is true if nobody but this node was known before the exchange, and it chose the
    /// peer: then there is no clock of its own to hold an implausible one against.
    pub(super) fn merge_state(&mut self, sync: &message::Sync<'_>, wire: Wire, newcomer: bool) {
        let (join, state) = (sync.join, sync.user_state);
        match wire {
            Wire::Native => {
                self.merge_state_entries(native::StateEntries::new(state), join, newcomer);
            }
            // Not of a member of Serf: there is nothing to take over but the members.
            Wire::Memberlist if state.is_empty() => {}
            Wire::Memberlist => match memberlist::StateEntries::new(state) {
                Ok(entries) => self.merge_state_entries(entries, join, newcomer),
                Err(error) => self.count_refused(error),
            },
        }
    }

    fn merge_state_entries<'a, E>(
        &mut self,
        entries: impl Iterator<Item = Result<StateEntry<'a>, E>>,
        join: bool,
        newcomer: bool,
    ) {
        for entry in entries {
            match entry {
                Ok(StateEntry::Clocks(clocks)) => self.merge_clocks(&clocks, join, newcomer),
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
        if !follow(&mut self.clocks.event, peer, newcomer) {
            self.counters.dropped_implausible += 1;
            return;
        }
        if join && self.joins_without_past() {
            self.events.begin(peer);
        } else {
            self.events.follow(self.clocks.event.time());
        }
        self.tell_missed();
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
