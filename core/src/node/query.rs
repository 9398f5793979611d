//! Questions to all members or to some, and their answers (wire-protocol reference, section 8.5).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Node;
use super::outbox::Output;
use super::user_event::PACKET_OVERHEAD;
use super::wires::Dest;
use crate::error::CommandError;
use crate::event::Event;
use crate::journal::Input;
use crate::member::{Name, Versions};
use crate::message::{self, Filters, Message, QueryResponse, RawName, Relay, SerfMessage};
use crate::secret::Secret;
use crate::serf::clock::LamportTime;
use crate::serf::collector::{Answer, Bounds, Collected, QuerySummary};
use crate::serf::key_report::KeyOperation;
use crate::serf::limits::{SizeError, check_query, check_relayed_response, check_response};
use crate::serf::query::{
    INTERNAL_PREFIX, QueryFlags, QueryKey, QueryParams, TIMEOUT_MULT, default_timeout,
};
use crate::serf::responder::{ReplyTo, RespondError};
use crate::serf::window::Refused;
use crate::serf::{filter, pattern};
use crate::swim::broadcasts::Broadcast;
use crate::swim::order::Order;
use crate::swim::record::State;
use crate::time::Instant;
use crate::wire::{Wire, memberlist, native};

/// Members pass on what is not for them only from this gossip protocol version on.
const RELAY_SINCE: u8 = 5;

/// A query on its way to everybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueryNews {
    key: QueryKey,
    source: SocketAddr,
    source_name: Option<Name>,
    filters: KeptFilters,
    flags: QueryFlags,
    relay_factor: u8,
    timeout: Duration,
    name: Box<str>,
    payload: Secret,
    /// Whether it is told as often as all else once more.
    again: bool,
}

/// Filters in the form in which they came.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum KeptFilters {
    Native(Arc<[u8]>),
    Memberlist(Arc<[u8]>),
}

impl From<Filters<'_>> for KeptFilters {
    fn from(filters: Filters<'_>) -> Self {
        match filters {
            Filters::Native(bytes) => Self::Native(bytes.into()),
            Filters::Memberlist(bytes) => Self::Memberlist(bytes.into()),
        }
    }
}

impl KeptFilters {
    fn borrow(&self) -> Filters<'_> {
        match self {
            Self::Native(bytes) => Filters::Native(bytes),
            Self::Memberlist(bytes) => Filters::Memberlist(bytes),
        }
    }
}

impl Broadcast for QueryNews {
    type Subject = ();

    fn subject(&self) -> Option<&()> {
        None
    }

    fn again(&mut self) -> bool {
        core::mem::take(&mut self.again)
    }
}

impl QueryNews {
    fn new(query: &message::Query<'_>) -> Self {
        Self {
            key: query.key(),
            source: query.source,
            source_name: Name::try_from(query.source_name).ok(),
            filters: KeptFilters::from(query.filters),
            flags: query.flags,
            relay_factor: query.relay_factor,
            timeout: query.timeout,
            name: query.name.into(),
            payload: query.payload.into(),
            again: KeyOperation::is_asked_by(query.name),
        }
    }

    pub(super) fn message(&self) -> SerfMessage<'_> {
        SerfMessage::Query(message::Query {
            ltime: self.key.ltime,
            id: self.key.id,
            source: self.source,
            source_name: self.source_name.as_ref().map_or("".into(), RawName::from),
            filters: self.filters.borrow(),
            flags: self.flags,
            relay_factor: self.relay_factor,
            timeout: self.timeout,
            name: &self.name,
            payload: &self.payload,
        })
    }
}

/// An ack or a response on its way to the asker.
#[derive(Debug, Clone)]
pub(super) struct Response {
    key: QueryKey,
    flags: u32,
    payload: Secret,
}

impl Response {
    fn new(key: QueryKey, payload: &[u8]) -> Self {
        Self {
            key,
            flags: 0,
            payload: payload.into(),
        }
    }

    fn ack(key: QueryKey) -> Self {
        Self {
            flags: QueryResponse::ACK,
            ..Self::new(key, &[])
        }
    }

    pub(super) fn message<'a>(&'a self, from: RawName<'a>) -> QueryResponse<'a> {
        QueryResponse {
            ltime: self.key.ltime,
            id: self.key.id,
            from,
            flags: self.flags,
            payload: &self.payload,
        }
    }
}

impl Node {
    /// Asks all members, or those that pass the filters, this one included. Each ack and response
    /// comes as [`Action::Answer`](crate::Action::Answer), one of each from a member at most; when
    /// the time is over, [`Action::QueryEnded`](crate::Action::QueryEnded).
    ///
    /// # Errors
    /// The node is leaving, or speaks a Serf protocol below 4; the query is larger than `query_size_limit`, or than fits in a packet;
    /// a filter is not a regular expression that this node would run, or there are more than 16;
    /// more than 1,024 queries are under way.
    pub fn query(
        &mut self,
        name: &str,
        payload: &[u8],
        params: &QueryParams,
        now: Instant,
    ) -> Result<QueryKey, CommandError> {
        self.tape.input(Some(now), || Input::Query {
            name,
            payload,
            params: Cow::Borrowed(params),
        });
        self.advance(now);
        self.begin_query(name, payload, params, |_, _| {})
    }

    /// `begun` is called before the query is considered by this node itself.
    pub(super) fn begin_query(
        &mut self,
        name: &str,
        payload: &[u8],
        params: &QueryParams,
        begun: impl FnOnce(&mut Self, QueryKey),
    ) -> Result<QueryKey, CommandError> {
        self.check_running()?;
        let spoken = self.own_record().profile.versions.delegate_cur;
        if spoken < Versions::QUERIES_SINCE {
            return Err(CommandError::NoQueries { spoken });
        }
        let mut filters = Vec::new();
        check_filters(params)?;
        params.append_filters(&mut filters);
        let members = self.table.live();
        let own_name = self.name.clone();
        let interval = self.params.gossip_interval;
        let query = message::Query {
            ltime: self.clocks.query.time(),
            id: self.query_rng.next_u32() >> 1,
            source: self.addr,
            source_name: (&own_name).into(),
            filters: Filters::Native(&filters),
            flags: match self.params.wires.include(Wire::Native) {
                true => params.flags() | QueryFlags::NATIVE,
                false => params.flags(),
            },
            relay_factor: params.relay_factor,
            timeout: params
                .timeout
                .unwrap_or_else(|| default_timeout(interval, TIMEOUT_MULT, members)),
            name,
            payload,
        };
        let fits = self.packet_room().saturating_sub(PACKET_OVERHEAD);
        check_query(&query, self.params.query_size_limit.min(fits))
            .map_err(CommandError::TooLarge)?;
        let key = query.key();
        let deadline = self.now + query.timeout;
        let bounds = Bounds {
            members,
            response_size: self.params.query_response_size_limit,
        };
        self.collectors
            .open(key, deadline, params.request_ack, bounds)?;
        // Its own time cannot be implausible.
        let _ = self.clocks.query.witness(query.ltime);
        begun(self, key);
        self.take_query(&query);
        Ok(key)
    }

    /// Stops listening for answers to a query of this node; [`QueryEnded`] follows. Nothing
    /// happens if it has ended.
    ///
    /// [`QueryEnded`]: crate::Action::QueryEnded
    pub fn end_query(&mut self, query: QueryKey, now: Instant) {
        self.tape.input(Some(now), || Input::EndQuery(query));
        self.advance(now);
        if let Some(summary) = self.collectors.close(query) {
            self.push(Output::QueryEnded { query, summary });
        }
    }

    /// Answers a query that came as [`Event::Query`](crate::Event::Query), once.
    ///
    /// # Errors
    /// It was answered before; the asker no longer listens; the answer is larger than
    /// `query_response_size_limit`, or than fits in a packet. Of these only the last leaves
    /// another try.
    pub fn respond(
        &mut self,
        query: QueryKey,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), RespondError> {
        self.tape
            .input(Some(now), || Input::Respond { query, payload });
        self.advance(now);
        let reply_to = self.responder.reply_to(query, self.now)?.clone();
        let response = Response::new(query, payload);
        self.check_size(&response, &reply_to)?;
        self.responder.answered(query);
        self.send_response(response, &reply_to);
        Ok(())
    }

    /// Whether this node would send such an answer.
    pub(super) fn response_fits(&self, payload: &[u8]) -> bool {
        let key = QueryKey {
            ltime: self.clocks.query.time(),
            id: u32::MAX,
        };
        let reply_to = ReplyTo {
            addr: self.addr,
            name: None,
            native: false,
            relay_factor: 0,
        };
        self.check_size(&Response::new(key, payload), &reply_to)
            .is_ok()
    }

    fn check_size(&self, response: &Response, reply_to: &ReplyTo) -> Result<(), SizeError> {
        let name = RawName::from(&self.name);
        let overhead = PACKET_OVERHEAD + self.name.len();
        let fits = self.packet_room().saturating_sub(overhead);
        let limit = self.params.query_response_size_limit.min(fits);
        let message = response.message(name);
        check_response(&message, limit)?;
        if reply_to.relay_factor == 0 {
            return Ok(());
        }
        let envelope = Relay {
            dest: reply_to.addr,
            dest_name: reply_to.name.as_ref().map_or("".into(), RawName::from),
            message: &[],
        };
        check_relayed_response(&message, &envelope, limit)
    }

    /// A query came by gossip.
    pub(super) fn on_query(&mut self, query: &message::Query<'_>) {
        if self.clocks.query.witness(query.ltime) {
            self.take_query(query);
        } else {
            self.counters.dropped_implausible += 1;
        }
    }

    /// Passes a query on and considers it, unless that was done before.
    fn take_query(&mut self, query: &message::Query<'_>) {
        if let Err(refused) = self.queries.insert(query.key(), self.clocks.query.time()) {
            let counter = match refused {
                Refused::Duplicate => &mut self.counters.duplicate_queries,
                Refused::TooOld => &mut self.counters.dropped_old_queries,
                Refused::Full => &mut self.counters.dropped_flooding_queries,
            };
            *counter += 1;
            return;
        }
        if !query.flags.contains(QueryFlags::NO_BROADCAST) {
            self.queues.queries.push(QueryNews::new(query), self.now);
            self.arm_gossip();
        }
        let tags = self.local().tags();
        if !filter::passes(query.filters, &self.name, &tags) {
            return;
        }
        self.counters.queries += 1;
        let reply_to = ReplyTo::from(query);
        if query.flags.contains(QueryFlags::ACK) {
            self.send_response(Response::ack(query.key()), &reply_to);
        }
        if query.name.starts_with(INTERNAL_PREFIX) {
            if let Some(payload) = self.answer_internal(query) {
                self.send_response(Response::new(query.key(), &payload), &reply_to);
            }
        } else {
            let query = self.responder.open(query, self.now);
            self.event(Event::Query(query));
        }
    }

    /// Sends an ack or a response to the asker, and through as many others as it wishes.
    fn send_response(&mut self, mut response: Response, reply_to: &ReplyTo) {
        let name = self.name.clone();
        let own = reply_to.addr == self.addr;
        if own && reply_to.name.as_ref().is_none_or(|asker| *asker == name) {
            return self.on_response(&response.message((&name).into()));
        }
        if reply_to.native {
            response.flags |= QueryResponse::NATIVE;
        }
        let (to, factor) = (reply_to.addr, usize::from(reply_to.relay_factor));
        if factor > 0 && self.table.len() > factor {
            for via in self.relays(factor, to) {
                self.push(Output::Relay {
                    via,
                    relayed: Box::new((reply_to.clone(), response.clone())),
                });
            }
        }
        let asker = reply_to.name.as_ref().map_or("".into(), RawName::from);
        let to = self.dest_named(asker, to, reply_to.native);
        let response = Box::new(response);
        self.push(Output::Response { to, response });
    }

    /// Up to `wanted` random members that can pass something on to `dest`.
    fn relays(&mut self, wanted: usize, dest: SocketAddr) -> Vec<Dest> {
        let order = Order::new(self.query_rng.next_u64(), self.table.slots());
        order
            .filter(|&slot| slot != self.me)
            .filter_map(|slot| self.table.get(slot))
            .filter(|record| {
                record.state() == State::Alive
                    && record.profile.versions.protocol_max >= RELAY_SINCE
                    && record.profile.addr != dest
            })
            .map(|record| self.dest(&record.profile))
            .take(wanted)
            .collect()
    }

    /// Somebody wants an answer to be passed on. Nothing but answers is.
    pub(super) fn on_relay(&mut self, wire: Wire, relay: &Relay<'_>) {
        if let Some(response) = relayed(wire, relay.message) {
            let native = response.flags & QueryResponse::NATIVE != 0;
            self.counters.relayed += 1;
            self.push(Output::Forward {
                to: self.dest_named(relay.dest_name, relay.dest, native),
                wire,
                message: relay.message.into(),
            });
        } else {
            self.counters.dropped_malformed += 1;
        }
    }

    /// An answer came, for this node or for nobody.
    pub(super) fn on_response(&mut self, response: &QueryResponse<'_>) {
        let query = response.key();
        match self.collectors.receive(response, self.now) {
            Collected::New(answer) => {
                match answer {
                    Answer::Ack { .. } => self.counters.query_acks += 1,
                    Answer::Response { .. } => self.counters.query_responses += 1,
                }
                let answer = self.take_key_answer(query, answer);
                if let Some(answer) = answer.and_then(|it| self.take_vote(query, it)) {
                    let answer = Box::new(answer);
                    self.push(Output::Answer { query, answer });
                }
            }
            Collected::Duplicate => self.counters.duplicate_responses += 1,
            Collected::Dropped => self.counters.dropped_responses += 1,
            Collected::Unknown => self.counters.dropped_late_responses += 1,
        }
    }

    pub(super) fn expire_queries(&mut self) {
        while let Some((query, summary)) = self.collectors.expire(self.now) {
            self.query_ended(query, summary);
        }
    }

    fn query_ended(&mut self, query: QueryKey, summary: QuerySummary) {
        if !self.end_key_task(query) && !self.end_vote(query) {
            self.push(Output::QueryEnded { query, summary });
        }
    }

    /// Ends the queries that are under way.
    pub(super) fn end_queries(&mut self) {
        while let Some((query, summary)) = self.collectors.expire(Instant::FAR_FUTURE) {
            self.query_ended(query, summary);
        }
    }

    /// Answers a query that applications do not see. `None` if there is no more to say than the
    /// ack.
    fn answer_internal(&mut self, query: &message::Query<'_>) -> Option<Zeroizing<Vec<u8>>> {
        match query.name.strip_prefix(INTERNAL_PREFIX)? {
            "ping" => None,
            "conflict" => self.answer_conflict_query(query).map(Zeroizing::new),
            name if KeyOperation::is_asked_by(query.name) => {
                Some(self.answer_key_query(name, query))
            }
            _ => {
                self.counters.skipped_unknown += 1;
                None
            }
        }
    }

    /// The time that the next query will have.
    #[must_use]
    pub fn query_time(&self) -> LamportTime {
        self.clocks.query.time()
    }
}

/// The answer in an envelope that came on this wire; `None` if it is none.
pub(super) fn relayed(wire: Wire, message: &[u8]) -> Option<QueryResponse<'_>> {
    let message = match wire {
        Wire::Native => match native::read_message(message) {
            Ok(Message::Serf(message)) => message,
            _ => return None,
        },
        Wire::Memberlist => memberlist::read_serf_message(message).ok()?,
    };
    match message {
        SerfMessage::QueryResponse(response) => Some(response),
        _ => None,
    }
}

fn check_filters(params: &QueryParams) -> Result<(), CommandError> {
    let count = params.filter_tags.len() + usize::from(!params.filter_nodes.is_empty());
    if count > filter::MAX_FILTERS {
        return Err(CommandError::TooManyFilters {
            count,
            limit: filter::MAX_FILTERS,
        });
    }
    for (key, expression) in &params.filter_tags {
        if pattern::compile(expression).is_none() {
            return Err(CommandError::BadFilter {
                key: key.clone(),
                pattern: expression.clone(),
            });
        }
    }
    Ok(())
}
