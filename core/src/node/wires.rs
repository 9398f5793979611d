//! Which wire is spoken to whom, and what is different between the two.
//!
//! A node that is not told otherwise understands both wires, and says so in its metadata (see
//! [`Wires`](crate::Wires)). To a member it speaks the best that both understand; what is asked on
//! one wire is answered on it. Where nothing is known of a peer, datagrams go out in memberlist's, as
//! everybody understands that, and a connection is tried in the native one first: a peer that does
//! not understand it closes it at once, and is dialled again in the other.

use core::mem;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::member::Profile;
use crate::message::{Message, RawName};
use crate::swim::record::Record;
use crate::wire::memberlist::{self, MessageError, Origin, PacketError};
use crate::wire::{Wire, native};

/// Members understand checksums on the memberlist wire only from this gossip protocol version on.
const CHECKSUM_SINCE: u8 = 5;

/// Where a datagram goes, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dest {
    pub(super) addr: SocketAddr,
    pub(super) wire: Wire,
    /// Whether there may be a checksum on the memberlist wire; the native one always has one.
    pub(super) checksum: bool,
    /// Whether news may go with what is sent. Not on the memberlist wire to somebody of whom
    /// nothing is known, who may not understand a checksum: a bit that flips on the way would
    /// change an event or a member for the whole cluster.
    pub(super) news: bool,
}

impl Dest {
    /// For somebody of whom nothing is known but the wire on which it asked.
    pub(super) const fn stranger(addr: SocketAddr, wire: Wire) -> Self {
        Self {
            addr,
            wire,
            checksum: false,
            news: matches!(wire, Wire::Native),
        }
    }
}

/// What packets are filled with, on either wire.
pub(super) trait Writer {
    /// Adds a message, or leaves the packet as it is and returns false.
    #[must_use = "false means that the message is not in the packet"]
    fn push(&mut self, message: &Message<'_>) -> bool;

    /// The same for the announcement of a member.
    #[must_use = "false means that the message is not in the packet"]
    fn push_alive(&mut self, incarnation: u32, profile: &Profile) -> bool;

    /// How many bytes are left, at the most.
    fn remaining(&self) -> usize;
}

impl Writer for native::PacketWriter<'_> {
    #[inline(always)]
    fn push(&mut self, message: &Message<'_>) -> bool {
        native::PacketWriter::push(self, message)
    }

    #[inline]
    fn push_alive(&mut self, incarnation: u32, profile: &Profile) -> bool {
        native::PacketWriter::push_alive(self, incarnation, &profile.announced)
    }

    #[inline]
    fn remaining(&self) -> usize {
        native::PacketWriter::remaining(self)
    }
}

impl Writer for memberlist::PacketWriter<'_> {
    fn push(&mut self, message: &Message<'_>) -> bool {
        memberlist::PacketWriter::push(self, message)
    }

    fn push_alive(&mut self, incarnation: u32, profile: &Profile) -> bool {
        memberlist::PacketWriter::push_alive(self, incarnation, profile)
    }

    fn remaining(&self) -> usize {
        memberlist::PacketWriter::remaining(self)
    }
}

impl Node {
    /// The wire to a known member.
    pub(super) fn wire_to(&self, profile: &Profile) -> Wire {
        self.params.wires.best(profile.native)
    }

    /// How to reach a known member.
    pub(super) fn dest(&self, profile: &Profile) -> Dest {
        Dest {
            addr: profile.addr,
            wire: self.wire_to(profile),
            checksum: profile.versions.protocol_max >= CHECKSUM_SINCE,
            news: true,
        }
    }

    /// How to answer somebody who asked on this wire and says that this is its name.
    pub(super) fn answer_to(&self, name: RawName<'_>, addr: SocketAddr, wire: Wire) -> Dest {
        match wire {
            Wire::Native => Dest::stranger(addr, wire),
            Wire::Memberlist => match self.known_at(name, addr) {
                Some(record) => Dest {
                    wire,
                    ..self.dest(&record.profile)
                },
                None => Dest::stranger(addr, wire),
            },
        }
    }

    /// How to reach somebody who may be a known member. Whoever is not is spoken to as everybody
    /// understands it, unless it has said that it understands the native wire.
    pub(super) fn dest_named(&self, name: RawName<'_>, addr: SocketAddr, native: bool) -> Dest {
        match self.known_at(name, addr) {
            Some(record) => self.dest(&record.profile),
            None => Dest::stranger(addr, self.params.wires.best(native)),
        }
    }

    fn known_at(&self, name: RawName<'_>, addr: SocketAddr) -> Option<&Record> {
        let known = self.table.get(self.table.find(name)?)?;
        (known.profile.addr == addr).then_some(known)
    }

    /// The wire in which to dial a member. One of which nothing but the address is left from an
    /// earlier run of this node is dialled like a stranger.
    pub(super) fn dial_wire(&self, record: &Record) -> Wire {
        match record.incarnation {
            0 => self.stranger_wire(),
            _ => self.wire_to(&record.profile),
        }
    }

    /// The wire in which to dial somebody of whom nothing is known, at first.
    pub(super) fn stranger_wire(&self) -> Wire {
        self.params.wires.best(true)
    }

    /// The wire of a packet or of a message on a stream, if it is one that this node understands.
    pub(super) fn wire_of(&self, bytes: &[u8]) -> Option<Wire> {
        let wire = Wire::of(*bytes.first()?)?;
        self.params.wires.include(wire).then_some(wire)
    }

    /// What stands in for what messages of the memberlist wire leave out.
    pub(super) fn origin(&self, from: SocketAddr) -> Origin {
        let own_port = self.addr.port();
        Origin { from, own_port }
    }

    /// A packet that is not of the native wire.
    #[inline(never)]
    pub(super) fn handle_memberlist_packet(&mut self, from: SocketAddr, bytes: &[u8]) {
        if self.wire_of(bytes) != Some(Wire::Memberlist) {
            *match bytes {
                [] => &mut self.counters.dropped_empty,
                _ => &mut self.counters.dropped_foreign,
            } += 1;
            return;
        }
        self.counters.memberlist_datagrams_received += 1;
        self.counters.memberlist_datagram_bytes_received += bytes.len() as u64;
        let mut unpacker = mem::take(&mut self.unpacker);
        match memberlist::read_packet(bytes, self.origin(from), &mut unpacker) {
            Ok(mut messages) => {
                for message in messages.by_ref() {
                    match message {
                        Ok(message) => self.handle_message(from, Wire::Memberlist, &message),
                        Err(error) => self.count_refused(error),
                    }
                }
                self.counters.dropped_trailing += messages.trailed();
            }
            Err(error) => {
                *match error {
                    PacketError::Empty => &mut self.counters.dropped_empty,
                    PacketError::Corrupt => &mut self.counters.dropped_corrupt,
                    PacketError::Truncated => &mut self.counters.dropped_truncated,
                    PacketError::Inflate(_) => &mut self.counters.dropped_compressed,
                } += 1;
            }
        }
        unpacker.wipe();
        self.unpacker = unpacker;
    }

    /// Counts a message of the memberlist wire that cannot be read.
    pub(super) fn count_refused(&mut self, error: MessageError) {
        *match error {
            MessageError::Unknown { .. } | MessageError::UnknownSerf { .. } => {
                &mut self.counters.skipped_unknown
            }
            MessageError::Versions { .. } | MessageError::Address { .. } => {
                &mut self.counters.dropped_invalid_member
            }
            MessageError::Inflate(_) => &mut self.counters.dropped_compressed,
            MessageError::TooDeep | MessageError::TooMany => &mut self.counters.dropped_nested,
            MessageError::Empty => &mut self.counters.dropped_empty,
            MessageError::Truncated => &mut self.counters.dropped_truncated,
            MessageError::Trailing { .. } => &mut self.counters.dropped_trailing,
            MessageError::Malformed => &mut self.counters.dropped_malformed,
        } += 1;
    }
}
