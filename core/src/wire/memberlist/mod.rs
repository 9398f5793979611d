//! The memberlist wire: what the reference system speaks (wire-protocol reference, sections 1 to 7).
//!
//! ```text
//! packet     = checksum? message
//! checksum   = 12 | CRC-32 of the rest (u32)
//! message    = type | record
//!            | 7 | count (u8) | length (u16) of each part | message*      (compound)
//!            | 8 | Serf message                                           (user)
//!            | 9 | { Algo: 0, Buf: LZW of a message }                     (compressed)
//! Serf message = type | record
//!            | 9 | record | Serf message                                  (relay)
//!
//! frame      = stream message | 9 | { Algo: 0, Buf: LZW of a stream message }
//! stream message = type | record
//!            | 6 | header | entry* | user state                           (push/pull)
//!            | 8 | { UserMsgLen } | Serf message
//! ```
//!
//! Records are [msgpack](https://msgpack.org) maps keyed by the names of the fields. What is written is
//! what a Serf agent of version 0.9.4 writes, byte for byte; what is read is what any release
//! writes or accepts. As there, bytes after a record are ignored. Numbers outside records are
//! big-endian.
//!
//! # Bounds on what is read
//!
//! Messages borrow from the packet, and reading them allocates nothing, with two exceptions. A
//! compressed packet is decompressed into a buffer that is used again and again, to at most
//! [`MAX_INFLATED`] bytes; on a stream the bound is the caller's. A packet with compounds or
//! compressed messages inside a compound, which no release sends, is taken apart into such a
//! buffer as well: at most [`MAX_PARTS`] messages, nested at most [`MAX_DEPTH`] deep; all that a
//! packet can make a node take is 2 MiB, once. Within
//! records neither depth nor declared lengths matter: nothing recurses, and lengths are only
//! believed as far as there are bytes. Whatever is refused has an error of its own kind.

mod compress;
mod coordinate;
mod error;
mod field;
mod filter;
mod frame;
mod internal;
mod message;
mod packet;
mod serf;
mod state;
mod stream;
mod sync;
#[cfg(test)]
mod tests;
mod write;

pub use compress::{Compressor, InflateError, Unpacker};
pub use coordinate::{read_coordinate, write_coordinate};
pub use error::{MessageError, PacketError, StreamError};
pub use field::Origin;
pub use filter::{FilterEntries, Names};
pub use frame::Framing;
pub use internal::{
    KeyRequest, KeyResponse, Keys, MemberRecord, read_conflict_response, read_key_request,
    read_key_response, write_conflict_response, write_key_request, write_key_response,
};
pub use message::{append_message, read_message};
pub use packet::{MAX_DEPTH, MAX_INFLATED, MAX_PARTS, Messages, read_packet};
pub use serf::{append_serf_message, read_serf_message};
pub use state::{StateEntries, StateWriter};
pub use stream::{read_stream_message, write_stream_message};
pub use sync::{SyncEntries, SyncWriter};
pub use write::{MAX_WRITTEN_PARTS, PacketWriter};

/// True if a packet or frame that begins with this byte, label and seal removed, is of this wire.
#[must_use]
pub const fn is_first_byte(byte: u8) -> bool {
    byte <= kind::ERROR
}

/// The types of messages.
mod kind {
    pub(super) const PING: u8 = 0;
    pub(super) const INDIRECT_PING: u8 = 1;
    pub(super) const ACK: u8 = 2;
    pub(super) const SUSPECT: u8 = 3;
    pub(super) const ALIVE: u8 = 4;
    pub(super) const DEAD: u8 = 5;
    pub(super) const PUSH_PULL: u8 = 6;
    pub(super) const COMPOUND: u8 = 7;
    pub(super) const USER: u8 = 8;
    pub(super) const COMPRESS: u8 = 9;
    pub(super) const NACK: u8 = 11;
    pub(super) const CRC: u8 = 12;
    pub(super) const ERROR: u8 = 13;
}

/// The types of Serf's messages.
mod serf_kind {
    pub(super) const LEAVE_INTENT: u8 = 0;
    pub(super) const JOIN_INTENT: u8 = 1;
    pub(super) const STATE: u8 = 2;
    pub(super) const USER_EVENT: u8 = 3;
    pub(super) const QUERY: u8 = 4;
    pub(super) const QUERY_RESPONSE: u8 = 5;
    pub(super) const CONFLICT_RESPONSE: u8 = 6;
    pub(super) const KEY_REQUEST: u8 = 7;
    pub(super) const KEY_RESPONSE: u8 = 8;
    pub(super) const RELAY: u8 = 9;
}
