//! The messages of the gossip protocol as plain values (wire-protocol reference, section 3).
//!
//! The state machine reads and writes these; only [`wire`](crate::wire) knows bytes. Fields
//! borrow from the received packet, so that looking at a message allocates nothing.

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::member::{Name, VersionRange, Versions};
use crate::serf::intent::Intent;

mod serf;

pub use serf::{
    Clocks, Filter, Filters, JoinIntent, LeaveIntent, MemberTime, Names, Query, QueryResponse,
    Relay, SerfMessage, StateEntry, UserEvent,
};

/// A member's name as it came over the network: any bytes at all.
///
/// It is only compared, until it has to be kept: then [`Name::try_from`] checks it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RawName<'a>(
    #[serde(borrow, serialize_with = "crate::wire::native::field::bytes")] &'a [u8],
);

impl<'a> RawName<'a> {
    /// These bytes, as a name.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<&'a str> for RawName<'a> {
    fn from(name: &'a str) -> Self {
        Self(name.as_bytes())
    }
}

impl<'a> From<&'a Name> for RawName<'a> {
    fn from(name: &'a Name) -> Self {
        Self(name.as_bytes())
    }
}

impl PartialEq<Name> for RawName<'_> {
    fn eq(&self, name: &Name) -> bool {
        self.0 == name.as_bytes()
    }
}

impl fmt::Debug for RawName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// One message in a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Are you there?
    Ping(Ping<'a>),
    /// Ask somebody else whether they are there.
    IndirectPing(IndirectPing<'a>),
    /// I am here, or the one you asked me about is.
    Ack(Ack<'a>),
    /// I am here, but the one you asked me about did not answer me either.
    Nack(Nack),
    /// This member seems to have failed.
    Suspect(Accusation<'a>),
    /// This member is here.
    Alive(Alive<'a>),
    /// This member has failed, or, when it says so itself, leaves.
    Dead(Accusation<'a>),
    /// What Serf adds to the membership.
    Serf(SerfMessage<'a>),
}

/// A probe of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping<'a> {
    /// Comes back in the ack.
    pub seq: u32,
    /// Who is meant; anyone else at that address stays silent.
    #[serde(borrow)]
    pub target: RawName<'a>,
    /// Where the ack goes: the prober's advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub source: SocketAddr,
    /// The prober's name.
    #[serde(borrow)]
    pub source_name: RawName<'a>,
}

/// A request to probe a member on behalf of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndirectPing<'a> {
    /// The requester's number; comes back in the ack or nack.
    pub seq: u32,
    /// Who is to be probed.
    #[serde(borrow)]
    pub target: RawName<'a>,
    /// Where it is.
    #[serde(with = "crate::wire::native::field::addr")]
    pub target_addr: SocketAddr,
    /// True if the requester wants to hear of a failure, too.
    pub nack: bool,
    /// Where the ack or nack goes: the requester's advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub source: SocketAddr,
    /// The requester's name.
    #[serde(borrow)]
    pub source_name: RawName<'a>,
}

/// The answer to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack<'a> {
    /// The number of the ping.
    pub seq: u32,
    /// What the layer above adds (Serf: its coordinate); empty when forwarded.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub payload: &'a [u8],
}

/// The helper's answer when the target did not ack in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// The number of the indirect ping.
    pub seq: u32,
}

/// A claim that a member failed ([`Message::Suspect`]), or is dead or leaves ([`Message::Dead`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accusation<'a> {
    /// The incarnation of the member that is meant.
    pub incarnation: u32,
    /// The member.
    #[serde(borrow)]
    pub name: RawName<'a>,
    /// Who says so. In a dead message, a member's own name means that it leaves.
    #[serde(borrow)]
    pub from: RawName<'a>,
}

/// A member's announcement of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive<'a> {
    /// Grows with every renewal; at least 1.
    pub incarnation: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: RawName<'a>,
    /// Its advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub addr: SocketAddr,
    /// Its protocol versions.
    pub versions: Versions,
    /// Its metadata: the encoded tags.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub meta: &'a [u8],
}

/// One message on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamMessage<'a> {
    /// A probe over a stream, tried when datagrams get no answer.
    Ping(Ping<'a>),
    /// Its answer.
    Ack(Ack<'a>),
    /// Everything the sender knows; the receiver answers with the same.
    Sync(Sync<'a>),
    /// What Serf adds to the membership. Nobody sends that over a stream of their own accord, but
    /// applications of the reference system's library can.
    Serf(SerfMessage<'a>),
    /// The receiver of a stream will not answer it; why, in words for people.
    Refusal(&'a str),
}

/// A full state exchange (push/pull), readable one entry at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync<'a> {
    /// True if the exchange is a join: a new connection between clusters.
    pub join: bool,
    /// The versions of all members that the sender knows, its own included, so that the receiver
    /// can refuse before it takes over the first of them.
    pub versions: VersionRange,
    /// How many entries there are.
    pub count: u32,
    /// The encoded entries; `SyncEntries` of the wire on which they came iterates over them.
    pub entries: &'a [u8],
    /// What the layer above adds.
    pub user_state: &'a [u8],
}

/// One member in a state exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncEntry<'a> {
    /// What the sender thinks of it.
    pub state: SyncState,
    /// The latest word on whether it stays.
    pub intent: Intent,
    /// Its announcement as the sender knows it.
    #[serde(borrow)]
    pub alive: Alive<'a>,
}

/// A member's state in a state exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncState {
    /// Takes part.
    Alive,
    /// Is suspected.
    Suspect,
    /// Failed.
    Dead,
    /// Left.
    Left,
}
