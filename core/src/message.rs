//! The messages of the gossip protocol as plain values (wire-protocol reference, section 3).
//!
//! The state machine reads and writes these; only [`wire`](crate::wire) knows bytes. Fields
//! borrow from the received packet, so that looking at a message allocates nothing.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::member::Versions;

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
}

/// A probe of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping<'a> {
    /// Comes back in the ack.
    pub seq: u32,
    /// Who is meant; anyone else at that address stays silent.
    pub target: &'a str,
    /// Where the ack goes: the prober's advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub source: SocketAddr,
    /// The prober's name.
    pub source_name: &'a str,
}

/// A request to probe a member on behalf of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndirectPing<'a> {
    /// The requester's number; comes back in the ack or nack.
    pub seq: u32,
    /// Who is to be probed.
    pub target: &'a str,
    /// Where it is.
    #[serde(with = "crate::wire::native::field::addr")]
    pub target_addr: SocketAddr,
    /// True if the requester wants to hear of a failure, too.
    pub nack: bool,
    /// Where the ack or nack goes: the requester's advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub source: SocketAddr,
    /// The requester's name.
    pub source_name: &'a str,
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
    pub name: &'a str,
    /// Who says so. In a dead message, a member's own name means that it leaves.
    pub from: &'a str,
}

/// A member's announcement of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive<'a> {
    /// Grows with every renewal; at least 1.
    pub incarnation: u32,
    /// Its name.
    pub name: &'a str,
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
}

/// A full state exchange (push/pull), readable one entry at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync<'a> {
    /// True if the exchange is a join: a new connection between clusters.
    pub join: bool,
    /// How many entries there are.
    pub count: u32,
    /// The encoded entries; [`SyncEntries`](crate::wire::native::SyncEntries) iterates over them.
    pub entries: &'a [u8],
    /// What the layer above adds.
    pub user_state: &'a [u8],
}

/// One member in a state exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncEntry<'a> {
    /// What the sender thinks of it.
    pub state: SyncState,
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
