//! One participant of the cluster: the place that knows all the others.
//!
//! - [`probe`]: who is there? Pings, helpers, acks.
//! - [`distance`]: how far away they are.
//! - [`membership`]: what is believed of whom. Announcements, suspicion, death, refutation.
//! - [`intent`]: who stays and who goes; [`conflict`]: who keeps a name.
//! - [`envelope`]: labels and encryption around everything.
//! - [`streams`]: how they are opened, read and ended; [`exchange`]: the full state that goes over them.
//! - [`reconnect`]: whom a node dials to find those again that it has lost.
//! - [`user_event`]: what applications tell all members, [`gaps`]: what of that was missed;
//!   [`query`]: what they ask them;
//!   [`keys`]: what is asked of them about keys.
//! - [`state`]: what a state exchange carries of these.
//! - [`command`]: what the application asks for; [`spread`]: waiting until everybody knows.
//! - [`restore`]: going on after a restart; [`recording`]: the journal; [`checkpoint`]: all of a node,
//!   saved.
//! - [`twin`]: nodes that know each other without having joined.
//! - [`wires`]: which wire is spoken to whom.
//! - [`gossip`]: who hears of what is new, and when; [`fill`]: what goes into a packet of that.
//! - [`healing`]: when a cut between large parts has ended.
//! - [`output`]: turning decisions into actions and bytes; [`packet`]: those of a datagram.
//! - [`prefetch`]: having the processor fetch what will be looked at.

mod checkpoint;
mod command;
mod conflict;
mod correct;
mod distance;
mod envelope;
mod exchange;
mod fill;
mod gaps;
mod gossip;
mod healing;
mod intent;
mod keys;
mod membership;
mod outbox;
mod output;
mod packet;
mod prefetch;
mod probe;
mod query;
mod reconnect;
mod recording;
mod restore;
mod spread;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod tick;
mod timers;
mod twin;
mod user_event;
mod wires;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use self::command::Join;
use self::conflict::Vote;
use self::correct::Corrections;
use self::envelope::Envelope;
use self::fill::Queues;
use self::gaps::Gaps;
use self::healing::Healing;
use self::keys::KeyTasks;
use self::outbox::{Outbox, Output};
use self::prefetch::MANY_MESSAGES;
use self::probe::{HelperProbe, Probe};
use self::spread::{Leave, Spread};
use self::streams::Streams;
use self::timers::{Timer, Timers};
use self::wires::Dest;
use serde::{Deserialize, Serialize};

use crate::config::{Identity, Params};
use crate::error::CommandError;
use crate::event::{Cause, Event, MemberEvent, MemberEventKind};
use crate::journal::{Input, Tape};
use crate::member::{Member, Name, Profile};
use crate::message::{Message, SerfMessage};
use crate::rng::{Purpose, Rng};
use crate::serf::clock::LamportClock;
use crate::serf::collector::Collectors;
use crate::serf::coordinate::client::CoordinateClient;
use crate::serf::event_buffer::EventBuffer;
use crate::serf::intent::Intent;
use crate::serf::intents::Intents;
use crate::serf::query_buffer::QueryBuffer;
use crate::serf::responder::Responder;
use crate::stats::{Counters, QueueReport};
use crate::swim::accuser::{Accuser, Strangers};
use crate::swim::awareness::Awareness;
use crate::swim::order::Order;
use crate::swim::pool::ProfilePool;
use crate::swim::record::{Record, State};
use crate::swim::rumours::Rumours;
use crate::swim::scaling;
use crate::swim::suspicions::Suspicions;
use crate::swim::table::{Slot, Table};
use crate::tags;
use crate::time::{Instant, nanos};
use crate::wire::Wire;
use crate::wire::memberlist::{Compressor, Unpacker};
use crate::wire::native::{MessageError, PacketError, read_message, read_packet};

/// One participant of the cluster. See the [crate documentation](crate) for how to drive it.
///
/// A clone is an independent copy that goes on from the same state; it shares the member table's
/// pages until one of the two writes to them.
///
/// The fields stand in this order in memory: what every input touches comes first and together, as
/// in a world of ten thousand nodes each cache line that is not there costs more than the work.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[repr(C)]
pub struct Node {
    now: Instant,
    params: Params,
    name: Name,
    /// As in the own record, which would have to be looked up for each packet.
    addr: SocketAddr,
    me: Slot,
    next_seq: u32,
    phase: Phase,
    /// False if there is certainly nothing to tell: no rumour, no message.
    to_tell: bool,
    /// True if certainly nothing but a timer has a deadline, nor expires.
    #[serde(skip)]
    only_timers: bool,
    /// Which of the probes was the last of a contested member.
    contested_probe: u64,
    /// A member whose name is claimed at another address: it is probed next, as it may be gone.
    contested: Option<Slot>,
    #[serde(skip)]
    tape: Tape,
    outbox: Outbox,
    probe: Option<Probe>,
    probe_order: Order,
    timers: Timers,
    table: Table,
    awareness: Awareness,
    /// None if the settings say so.
    coordinates: Option<Box<CoordinateClient>>,
    /// Holds the coordinate while an ack is written; kept for its memory.
    #[serde(skip)]
    scratch: Vec<u8>,
    counters: Counters,
    envelope: Envelope,

    // What has deadlines besides the timers.
    suspicions: Suspicions,
    /// Probes made for others, by our own sequence number.
    helper_probes: BTreeMap<u32, HelperProbe>,
    /// When to nack which of them, in order of time; also those that are over already.
    nacks: VecDeque<(Instant, u32)>,
    streams: Streams,
    spreads: Vec<Spread>,
    /// Members to be forgotten when they have left, and when that should be.
    prunes: Vec<(Instant, Name)>,
    /// Queries of this node, and what has come back.
    collectors: Collectors,

    /// Queries that the application may answer.
    responder: Responder,
    vote: Option<Vote>,
    /// Accusers that are no members here.
    strangers: Strangers,
    rumours: Rumours,
    queues: Queues,
    clocks: NodeClocks,
    /// Intents about members that are not known yet.
    intents: Intents,
    events: EventBuffer,
    queries: QueryBuffer,
    key_tasks: KeyTasks,
    #[serde(skip)]
    pool: Option<ProfilePool>,
    /// The pause before the last early exchange of state after a join.
    early_sync: Duration,
    healing: Healing,
    corrections: Corrections,
    gaps: Gaps,
    /// Acks before then are not filled up.
    next_filled_ack: Instant,
    joins: Vec<Join>,
    /// Of the joins that somebody has answered, the latest first.
    seeds: Vec<SocketAddr>,
    leave: Option<Leave>,
    next_command: u64,
    /// Gossip goes out at multiples of the interval from here, so that nodes do not fall into
    /// step.
    gossip_phase: Instant,
    /// For packets of the memberlist wire that are compressed, or are to be.
    #[serde(skip, default = "Unpacker::new")]
    unpacker: Unpacker,
    #[serde(skip, default = "Compressor::new")]
    compressor: Compressor,
    probe_rng: Rng,
    gossip_rng: Rng,
    sync_rng: Rng,
    query_rng: Rng,
    coordinate_rng: Rng,
}

/// Unknown members of whom an intent is kept.
const MAX_INTENTS: usize = 4096;

/// The three clocks of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NodeClocks {
    member: LamportClock,
    event: LamportClock,
    query: LamportClock,
}

impl NodeClocks {
    const fn new() -> Self {
        Self {
            member: LamportClock::new(),
            event: LamportClock::new(),
            query: LamportClock::new(),
        }
    }
}

/// The life of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Running,
    Leaving,
    Stopped,
}

impl Node {
    /// A node that knows only itself. It asks to be ticked from now on.
    ///
    /// `seed` decides every random choice: give each node of a cluster another one, and a node
    /// the same one only to repeat a run.
    ///
    /// # Errors
    /// [`CommandError::TagsTooLarge`]; [`CommandError::UnspecifiedAddress`] if others could not
    /// reach the address.
    pub fn new(
        identity: Identity,
        params: Params,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, CommandError> {
        let mut node = Self::unannounced(identity, params, seed, now)?;
        node.spread_rumour(node.me, Accuser::member(node.me));
        node.member_event(node.me, MemberEventKind::Join, Cause::Announced);
        Ok(node)
    }

    /// The same, but that it has nothing to tell, neither others nor its application.
    fn unannounced(
        identity: Identity,
        params: Params,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, CommandError> {
        let Identity {
            name,
            addr,
            tags,
            versions,
            label,
        } = identity;
        if addr.ip().is_unspecified() || addr.port() == 0 {
            return Err(CommandError::UnspecifiedAddress { addr });
        }
        let meta = tags::announce(&tags, versions, params.wires)?;
        let profile = Arc::new(Profile::new(name.clone(), addr, versions, &meta));

        let mut setup = Rng::new(seed, Purpose::Setup);
        let mut table = Table::new(setup.next_u64());
        let me = table.insert(Record::new(profile, 1, State::Alive, now));
        let mut phase_in = |interval: Duration| {
            now + Duration::from_nanos(setup.below(nanos(interval).saturating_add(1)))
        };
        let mut timers = Timers::new();
        timers.set(Timer::Probe, phase_in(params.probe_interval));
        timers.set(Timer::Reap, phase_in(params.reap_interval));
        if !params.push_pull_interval.is_zero() {
            timers.set(Timer::Sync, phase_in(params.push_pull_interval));
        }
        if !params.reconnect_interval.is_zero() {
            timers.set(Timer::Reconnect, phase_in(params.reconnect_interval));
        }
        let gossip_phase = phase_in(params.gossip_interval);

        Ok(Self {
            envelope: Envelope::new(label, Rng::new(seed, Purpose::Nonce)),
            phase: Phase::Running,
            to_tell: true,
            only_timers: false,
            now,
            name,
            addr,
            me,
            table,
            pool: None,
            rumours: Rumours::new(),
            clocks: NodeClocks::new(),
            intents: Intents::new(MAX_INTENTS),
            prunes: Vec::new(),
            events: EventBuffer::new(params.event_buffer),
            queries: QueryBuffer::new(params.query_buffer),
            collectors: Collectors::default(),
            key_tasks: KeyTasks::new(),
            vote: None,
            responder: Responder::default(),
            queues: Queues::default(),
            suspicions: Suspicions::default(),
            strangers: Strangers::default(),
            awareness: Awareness::new(params.awareness_max),
            coordinates: params
                .coordinates
                .then(|| Box::new(CoordinateClient::new(params.max_coordinates))),
            probe: None,
            probe_order: Order::finished(),
            contested: None,
            contested_probe: 0,
            helper_probes: BTreeMap::new(),
            nacks: VecDeque::new(),
            // An answer to an earlier run of this node is not mistaken for one to this run.
            next_seq: setup.next_u32() >> 1,
            streams: Streams::default(),
            early_sync: params.push_pull_interval,
            healing: Healing::default(),
            corrections: Corrections::default(),
            gaps: Gaps::default(),
            next_filled_ack: Instant::ZERO,
            joins: Vec::new(),
            seeds: Vec::new(),
            spreads: Vec::new(),
            leave: None,
            next_command: 0,
            timers,
            gossip_phase,
            outbox: Outbox::new(params.max_pending_actions),
            scratch: Vec::new(),
            unpacker: Unpacker::new(),
            compressor: Compressor::new(),
            counters: Counters::default(),
            probe_rng: Rng::new(seed, Purpose::Probe),
            gossip_rng: Rng::new(seed, Purpose::Gossip),
            sync_rng: Rng::new(seed, Purpose::Sync),
            query_rng: Rng::new(seed, Purpose::Query),
            coordinate_rng: Rng::new(seed, Purpose::Coordinate),
            tape: Tape::default(),
            params,
        })
    }

    /// Draws member profiles from `pool` from now on, so that nodes in one process share them.
    #[must_use]
    pub fn with_pool(mut self, pool: ProfilePool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Takes in a datagram that came from `from`. Whatever is wrong with it is counted, see
    /// [`Counters`]. Never fires a timer.
    #[inline]
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        self.tape
            .input(Some(now), || Input::Datagram { from, bytes });
        self.advance_clock(now);
        if self.phase == Phase::Stopped {
            return;
        }
        self.counters.datagrams_received += 1;
        self.counters.datagram_bytes_received += bytes.len() as u64;
        self.unwrap_datagram(from, bytes);
        if !self.corrections.is_empty() {
            self.send_corrections();
        }
    }

    #[inline(always)]
    fn handle_packet(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut messages = match read_packet(bytes) {
            Ok(messages) if self.params.wires.include(Wire::Native) => messages,
            Err(PacketError::Foreign) => return self.handle_memberlist_packet(from, bytes),
            Err(PacketError::Corrupt) => {
                self.counters.dropped_corrupt += 1;
                return;
            }
            Ok(_) | Err(PacketError::Version(_)) => {
                self.counters.dropped_foreign += 1;
                return;
            }
        };
        if bytes.len() >= MANY_MESSAGES && self.is_one_of_many() {
            self.prefetch_members(messages.clone());
        }
        while let Some(encoded) = messages.next_encoded() {
            // Looked at where it is read: moving a message takes longer than reading it.
            match &encoded.and_then(read_message) {
                Ok(message) => self.handle_message(from, Wire::Native, message),
                Err(MessageError::Unknown { .. }) => self.counters.skipped_unknown += 1,
                Err(MessageError::Malformed) => self.counters.dropped_malformed += 1,
            }
        }
    }

    // Always inlined into the loop of either wire: handing a message over costs as much as reading it.
    #[inline(always)]
    fn handle_message(&mut self, from: SocketAddr, wire: Wire, message: &Message<'_>) {
        match message {
            Message::Ping(ping) => return self.on_ping(from, wire, ping),
            Message::Ack(ack) => return self.on_ack(wire, ack),
            _ => self.only_timers = false,
        }
        match message {
            Message::Ping(_) | Message::Ack(_) => {}
            Message::IndirectPing(ping) => self.on_indirect_ping(from, wire, ping),
            Message::Nack(nack) => self.on_nack(nack),
            Message::Alive(alive) => self.on_alive(alive),
            Message::Suspect(accusation) => self.on_suspect(accusation),
            Message::Dead(accusation) => self.on_dead(accusation, Some(Dest::stranger(from, wire))),
            Message::Serf(message) => self.handle_serf_message(wire, message),
        }
    }

    fn handle_serf_message(&mut self, wire: Wire, message: &SerfMessage<'_>) {
        match message {
            SerfMessage::LeaveIntent(leave) => {
                self.on_intent(leave.node, Intent::leave(leave.ltime), leave.prune);
            }
            SerfMessage::JoinIntent(join) => {
                self.on_intent(join.node, Intent::join(join.ltime), false);
            }
            SerfMessage::UserEvent(event) => self.on_user_event(event),
            SerfMessage::Query(query) => self.on_query(query),
            SerfMessage::QueryResponse(response) => self.on_response(response),
            SerfMessage::Relay(relay) => self.on_relay(wire, relay),
        }
    }

    /// A member picked by a random key among those that `eligible` accepts.
    fn random_member(&self, key: u64, eligible: impl Fn(&Record) -> bool) -> Option<Slot> {
        Order::new(key, self.table.slots())
            .find(|&slot| slot != self.me && self.table.get(slot).is_some_and(&eligible))
    }

    #[inline]
    fn push(&mut self, output: Output) {
        if !self.outbox.push(output) {
            self.counters.dropped_actions += 1;
        }
    }

    fn event(&mut self, event: Event) {
        self.push(Output::Event(Box::new(event)));
    }

    fn member_event(&mut self, slot: Slot, kind: MemberEventKind, cause: Cause) {
        if let Some(record) = self.table.get(slot) {
            let member = record.to_member(self.params.wires);
            self.event(Event::Member(MemberEvent {
                kind,
                member,
                cause,
            }));
        }
    }

    #[inline(always)]
    fn adjust_health(&mut self, delta: i32) {
        if self.awareness.apply(delta) {
            self.health_changed();
        }
    }

    #[cold]
    fn health_changed(&mut self) {
        self.event(Event::HealthChanged {
            score: self.awareness.score(),
        });
    }

    fn transmit_limit(&self) -> u32 {
        scaling::retransmit_limit(self.params.retransmit_mult, self.table.live().max(1))
    }

    fn own_record(&self) -> &Record {
        self.table
            .get(self.me)
            .expect("a node never forgets itself")
    }

    /// Every known member of any status, this node included. The order means nothing, but is the
    /// same for the same history.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        let wires = self.params.wires;
        let records = self.table.iter();
        records.map(move |(_, record)| record.to_member(wires))
    }

    /// The member called `name`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Member> {
        let slot = self.table.find(name.into())?;
        let record = self.table.get(slot)?;
        Some(record.to_member(self.params.wires))
    }

    /// This node as a member.
    #[must_use]
    pub fn local(&self) -> Member {
        self.own_record().to_member(self.params.wires)
    }

    /// How many members take part (suspected ones included), this node included.
    #[must_use]
    pub fn alive_count(&self) -> usize {
        self.table.live()
    }

    /// How many members are known, of any status, this node included.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.table.len()
    }

    /// A number that is the same at all nodes which hold the same members, at the same addresses, for
    /// alive; at others it is another one but for a chance of 2^-64. It is always at hand: to compare
    /// views is to compare two numbers.
    #[must_use]
    pub fn view_digest(&self) -> u64 {
        self.table.digest()
    }

    /// Lifeguard's local health score: 0 is healthy, up to `awareness_max - 1`.
    #[must_use]
    pub fn health_score(&self) -> u8 {
        self.awareness.score()
    }

    /// What the node did, and what it dropped and why.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The settings it runs on.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// How many rumours about members wait to be spread; never more than members are known.
    #[must_use]
    pub fn queued_broadcasts(&self) -> usize {
        self.rumours.len()
    }

    /// How many intents, queries and user events wait to be spread; at most 4,096 of each.
    #[must_use]
    pub fn queued_messages(&self) -> [usize; 3] {
        let queues = &self.queues;
        [
            queues.intents.len(),
            queues.queries.len(),
            queues.events.len(),
        ]
    }

    /// How the queues of what is to be spread are doing. Looks at every message in them.
    #[must_use]
    pub fn queues(&self) -> QueueReport {
        QueueReport {
            members: self.rumours.stats(self.now),
            intents: self.queues.intents.stats(self.now),
            queries: self.queues.queries.stats(self.now),
            events: self.queues.events.stats(self.now),
        }
    }

    /// True once the node has left and waits for nothing any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }
}
