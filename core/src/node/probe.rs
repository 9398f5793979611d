//! Who is there? Probing one member after another (SWIM, section 3.1; Lifeguard, section IV.A;
//! wire-protocol reference, section 6.7).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::outbox::Output;
use super::timers::Timer;
use super::wires::Dest;
use super::{Node, Phase};
use crate::action::StreamId;
use crate::event::Event;
use crate::member::Name;
use crate::message::{Ack, IndirectPing, Nack, Ping, RawName};
use crate::swim::accuser::Accuser;
use crate::swim::order::Order;
use crate::swim::record::State;
use crate::swim::table::Slot;
use crate::time::Instant;
use crate::wire::Wire;

/// Helpers nack only from this gossip protocol version on.
const NACK_SINCE: u8 = 4;

/// How many members in each probe interval, of all, probe one whose name is claimed elsewhere: enough to find out
/// within a few seconds whether it has moved, and not more than it can answer if it has not.
const CONTESTED_PROBERS: u64 = 64;

/// Members answer pings over streams only from this gossip protocol version on.
const STREAM_PING_SINCE: u8 = 3;

/// The probe under way; there is at most one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Probe {
    seq: u32,
    slot: Slot,
    sent: Instant,
    /// When it fails, if nothing is heard.
    end: Instant,
    /// The direct ping was not answered in time, and helpers have been asked.
    indirect: bool,
    nacks_expected: i32,
    nacks: i32,
    /// The ping over a stream that goes with the indirect ones.
    stream: Option<StreamId>,
    stream_acked: bool,
}

/// A probe made for somebody else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HelperProbe {
    requester: Dest,
    /// The requester's number.
    seq: u32,
    pub(super) deadline: Instant,
}

impl Node {
    /// Runs whichever step of probing is due.
    #[inline(always)]
    pub(super) fn tick_probe(&mut self) {
        let now = self.now;
        if self.timers.expired(Timer::ProbeTimeout, now) {
            self.only_timers = false;
            self.ask_helpers();
        }
        if self.timers.expired(Timer::ProbeEnd, now) {
            self.only_timers = false;
            self.end_probe();
        }
        if self.timers.expired(Timer::Probe, now) && self.phase == Phase::Running {
            self.begin_probe();
        }
    }

    #[inline(always)]
    fn begin_probe(&mut self) {
        let interval = self.awareness_scaled(self.params.probe_interval);
        let timeout = self.awareness_scaled(self.params.probe_timeout);
        self.timers.set(Timer::Probe, self.now + interval);
        let Some(slot) = self.next_to_probe() else {
            return;
        };
        let Some(record) = self.table.get(slot) else {
            return;
        };
        let (target, to) = (record.profile.name.clone(), self.dest(&record.profile));
        let buddy = self.params.lifeguard.buddy && record.state() == State::Suspect;
        let suspected = buddy.then_some(record.incarnation);

        let seq = self.take_seq();
        self.probe = Some(Probe {
            seq,
            slot,
            sent: self.now,
            end: self.now + interval,
            indirect: false,
            nacks_expected: 0,
            nacks: 0,
            stream: None,
            stream_acked: false,
        });
        self.timers.set(Timer::ProbeTimeout, self.now + timeout);
        self.counters.probes += 1;
        self.push(Output::Ping {
            seq,
            target,
            to,
            suspected,
        });
    }

    /// A member whose name somebody else claims, or the next live one of the round; a new round begins
    /// when all have had their turn.
    #[inline(always)]
    fn next_to_probe(&mut self) -> Option<Slot> {
        let eligible = |node: &Self, slot: Slot| {
            slot != node.me
                && node
                    .table
                    .get(slot)
                    .is_some_and(|record| record.state().is_live())
        };
        if let Some(contested) = self.contested
            && self.looks_after(contested)
            && eligible(self, contested)
        {
            return Some(contested);
        }
        let mut order = self.probe_order;
        let mut found = order.find(|&slot| eligible(self, slot));
        if found.is_none() {
            order = Order::new(self.probe_rng.next_u64(), self.table.slots());
            found = order.find(|&slot| eligible(self, slot));
        }
        self.probe_order = order;
        found
    }

    /// True if it is this node's turn to find out about a member whose name somebody else claims. It is
    /// the less often, the more others there are to do so.
    #[cold]
    fn looks_after(&mut self, contested: Slot) -> bool {
        // Every other probe at most, so that no storm of claims stops the round.
        let turn = self.counters.probes != self.contested_probe
            && self.probe_rng.below(self.table.live() as u64) < CONTESTED_PROBERS;
        if turn {
            self.contested_probe = self.counters.probes + 1;
        }
        self.contested = (!turn).then_some(contested);
        turn
    }

    /// No direct answer: ask others to try, and try a stream.
    fn ask_helpers(&mut self) {
        let Some(probe) = &mut self.probe else { return };
        probe.indirect = true;
        let (seq, slot) = (probe.seq, probe.slot);
        // The indirect stage gets its full time even if this wake-up came late, and the next probe
        // waits for that: there is one at a time, and one pair of timers.
        let stage = self
            .params
            .probe_interval
            .saturating_sub(self.params.probe_timeout);
        probe.end = probe.end.max(self.now + stage);
        self.timers.set(Timer::ProbeEnd, probe.end);
        self.timers.set(Timer::Probe, probe.end);

        let Some(record) = self.table.get(slot) else {
            return;
        };
        let profile = alloc::sync::Arc::clone(&record.profile);
        let mut helpers = Vec::with_capacity(usize::from(self.params.indirect_checks));
        let order = Order::new(self.probe_rng.next_u64(), self.table.slots());
        for helper in order.filter(|&helper| helper != self.me && helper != slot) {
            if helpers.len() == usize::from(self.params.indirect_checks) {
                break;
            }
            let Some(record) = self.table.get(helper) else {
                continue;
            };
            if record.state() == State::Alive {
                let understands_nack = record.profile.versions.protocol_max >= NACK_SINCE;
                helpers.push((self.dest(&record.profile), understands_nack));
            }
        }
        for (helper, understands_nack) in helpers {
            let nack = self.params.lifeguard.probe && understands_nack;
            if let Some(probe) = &mut self.probe {
                probe.nacks_expected += i32::from(nack);
            }
            let target = Box::new((profile.name.clone(), profile.addr));
            self.push(Output::IndirectPing {
                seq,
                target,
                helper,
                nack,
            });
        }
        if self.params.stream_ping && profile.versions.protocol_max >= STREAM_PING_SINCE {
            let stream = self.open_stream_ping(seq, &profile);
            if let Some(probe) = &mut self.probe {
                probe.stream = stream;
            }
        }
    }

    /// Time is up for the member that is being probed.
    fn end_probe(&mut self) {
        let Some(probe) = self.take_probe() else {
            return;
        };
        let Some(record) = self.table.get(probe.slot) else {
            return;
        };
        if probe.stream_acked {
            let member = record.to_member(self.params.wires);
            self.counters.probes_saved_by_stream += 1;
            self.adjust_health(-1);
            self.event(Event::DatagramsLost { member });
            return;
        }
        self.counters.failed_probes += 1;
        // Missing nacks mean that the trouble may be on this side; all of them there mean that
        // this side is fine.
        let missed = probe.nacks_expected - probe.nacks;
        let (state, incarnation) = (record.state(), record.incarnation);
        self.adjust_health(if probe.nacks_expected > 0 {
            missed.max(0)
        } else {
            1
        });
        let accuser = Accuser::member(self.me);
        match state {
            State::Alive => self.suspect(probe.slot, incarnation, accuser),
            State::Suspect => self.confirm(probe.slot, accuser),
            State::Dead | State::Left => {}
        }
    }

    /// Ends the probe with its timers and its stream.
    #[inline]
    pub(super) fn take_probe(&mut self) -> Option<Probe> {
        self.timers.stop(Timer::ProbeTimeout);
        self.timers.stop(Timer::ProbeEnd);
        let probe = self.probe.take()?;
        if let Some(stream) = probe.stream {
            self.abandon_stream(stream);
        }
        Some(probe)
    }

    /// The member that is being probed is forgotten.
    pub(super) fn abandon_probe_of(&mut self, slot: Slot) {
        if self.probe.as_ref().is_some_and(|probe| probe.slot == slot) {
            self.take_probe();
        }
    }

    #[inline]
    pub(super) fn on_ping(&mut self, from: SocketAddr, wire: Wire, ping: &Ping<'_>) {
        let addressed = ping.target == self.name || ping.target.as_bytes().is_empty();
        if !addressed {
            self.counters.dropped_misdirected += 1;
            return;
        }
        let given = ping.source.port() != 0 && !ping.source.ip().is_unspecified();
        let to = if given { ping.source } else { from };
        let told = self.thought_gone(ping.source_name);
        self.push(Output::Ack {
            seq: ping.seq,
            to: self.answer_to(ping.source_name, to, wire),
            told,
            forwarded: false,
        });
    }

    /// A member that pings although it is thought dead, or to be leaving, should hear that first of
    /// all: the buddy system, taken one step further.
    #[inline]
    fn thought_gone(&self, name: RawName<'_>) -> Option<Name> {
        let dead = self.params.lifeguard.buddy && self.table.count(State::Dead) > 0;
        if !dead && self.table.leaving() == 0 {
            return None;
        }
        let record = self.table.get(self.table.find(name)?)?;
        let gone = record.is_leaving() || (dead && record.state() == State::Dead);
        gone.then(|| record.profile.name.clone())
    }

    pub(super) fn on_indirect_ping(
        &mut self,
        from: SocketAddr,
        wire: Wire,
        ping: &IndirectPing<'_>,
    ) {
        let open = self.helper_probes.len().max(self.nacks.len());
        if open >= self.params.max_helper_probes {
            self.counters.refused_helper_probes += 1;
            return;
        }
        let Ok(target) = Name::try_from(ping.target) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        let given = ping.source.port() != 0 && !ping.source.ip().is_unspecified();
        let requester = if given { ping.source } else { from };
        let deadline = self.now + self.params.probe_timeout;
        let seq = self.take_seq();
        let helper = HelperProbe {
            requester: self.answer_to(ping.source_name, requester, wire),
            seq: ping.seq,
            deadline,
        };
        self.helper_probes.insert(seq, helper);
        if ping.nack {
            self.nacks.push_back((self.now + self.nack_after(), seq));
        }
        self.push(Output::Ping {
            seq,
            target,
            to: self.dest_named(ping.target, ping.target_addr, false),
            suspected: None,
        });
    }

    #[inline]
    pub(super) fn on_ack(&mut self, wire: Wire, ack: &Ack<'_>) {
        if self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.seq == ack.seq)
        {
            match self.take_probe() {
                Some(probe) if probe.indirect => self.counters.probes_saved_by_helpers += 1,
                Some(probe) => self.hear_distance(probe.slot, probe.sent, wire, ack.payload),
                None => {}
            }
            self.adjust_health(-1);
            return;
        }
        self.only_timers = false;
        if let Some(helper) = self.helper_probes.remove(&ack.seq) {
            self.skip_nacks();
            self.push(Output::Ack {
                seq: helper.seq,
                to: helper.requester,
                told: None,
                forwarded: true,
            });
        } else if !self.take_rivals_ack(ack.seq) {
            self.counters.dropped_stale_acks += 1;
        }
    }

    pub(super) fn on_nack(&mut self, nack: &Nack) {
        match &mut self.probe {
            Some(probe) if probe.seq == nack.seq => probe.nacks += 1,
            _ => self.counters.dropped_stale_acks += 1,
        }
    }

    /// The probed member answered over a stream. Datagrams still have until the end of the probe
    /// to prove that they work, too.
    pub(super) fn on_stream_ack(&mut self, seq: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.stream_acked = true;
            probe.stream = None;
        }
    }

    pub(super) fn on_stream_ping_failed(&mut self, seq: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.stream = None;
        }
    }

    /// How long a helper waits for an ack before it nacks. The requester waits for what is left of
    /// its interval after its timeout, and the nack has to be there by then: a nack that is late
    /// counts as missing, and the requester would blame itself for each member that crashes.
    fn nack_after(&self) -> Duration {
        let (interval, timeout) = (self.params.probe_interval, self.params.probe_timeout);
        interval.saturating_sub(timeout).min(timeout) * 4 / 5
    }

    /// Tells requesters of the probes made for them that nobody has answered so far. If somebody
    /// still does, they are told that, too.
    pub(super) fn send_nacks(&mut self) {
        while let Some(&(at, seq)) = self.nacks.front() {
            if at > self.now {
                break;
            }
            self.nacks.pop_front();
            if let Some(helper) = self.helper_probes.get(&seq) {
                let (seq, to) = (helper.seq, helper.requester);
                self.push(Output::Nack { seq, to });
            }
        }
        self.skip_nacks();
    }

    /// Forgets nacks that are not needed any more, so that nobody wakes up for them.
    fn skip_nacks(&mut self) {
        while let Some((_, seq)) = self.nacks.front()
            && !self.helper_probes.contains_key(seq)
        {
            self.nacks.pop_front();
        }
    }

    /// Gives up the probes made for others that nobody answered.
    pub(super) fn expire_helper_probes(&mut self) {
        while let Some(entry) = self.helper_probes.first_entry() {
            if entry.get().deadline > self.now {
                break;
            }
            entry.remove();
        }
    }

    /// Numbers are given out in order, and all helper probes wait equally long, so the first one
    /// in the map is the first to expire. When the numbers wrap, after four billion probes, some
    /// are given up late; nothing else.
    pub(super) fn take_seq(&mut self) -> u32 {
        let seq = self.next_seq;
        self.next_seq = seq.wrapping_add(1);
        seq
    }

    #[inline]
    fn awareness_scaled(&self, duration: Duration) -> Duration {
        match self.params.lifeguard.probe {
            true => self.awareness.scale(duration),
            false => duration,
        }
    }
}
