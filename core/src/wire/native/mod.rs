//! The native wire: postcard in a checksummed envelope.
//!
//! ```text
//! packet  = first byte | checksum | message*
//! message = length (varint) | kind | fields
//! frame   = first byte | body length (u32) | checksum | kind | body
//! sync    = join (0 or 1) | versions (8 bytes) | count (u32) | bytes of entries (u32)
//!           | entry* | user state
//! entry   = length (varint) | fields
//! user state = length (varint) | state entry*
//! state entry = length (varint) | kind | fields
//! filter = length (varint) | kind | fields
//! ```
//!
//! * The **first byte** is [`FIRST_BYTE`]: its upper half says that this is the native wire, its
//!   lower half which version of it. No message of memberlist begins with any byte of that range.
//! * The **checksum** is the lower half of the 64-bit XXH3 hash of all bytes after it. It is there
//!   against damage, not against attackers.
//! * Numbers of fixed size are little-endian. **Fields** are the structs of
//!   [`message`](crate::message) in [postcard](https://postcard.jamesmunns.com/wire-format);
//!   an address is a byte string of 6 (IPv4) or 18 bytes (IPv6): the IP, then the port.
//!
//! # How later versions add to it
//!
//! Within one version of the format the bytes of a known message never change. What is added must
//! be readable as nothing by those who do not know it:
//!
//! * A message or state entry of an **unknown kind** is skipped by its length. A filter of an
//!   unknown kind does not pass.
//! * Bytes **after the known fields** of a message, of an entry, or of the user state are ignored.
//!   A later field goes there: its sender appends it, and a reader that knows it looks whether any
//!   bytes are left, since older senders leave it out. Fields are never inserted, reordered,
//!   retyped or removed; one that lost its meaning stays. So they are not counted either: during an
//!   upgrade every message may have some. A packet ends where its last message does, and bytes after
//!   a frame are counted, since nothing is ever added there.
//!
//! Anything else is a new version, which is a new first byte.

mod alive;
mod coordinate;
pub(crate) mod field;
mod filter;
mod packet;
mod probe;
mod serf;
mod sized;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use alive::Announcement;
pub use coordinate::{CoordinateError, read_coordinate, write_coordinate};
pub use filter::{FilterEntries, Names, append_node_filter, append_tag_filter};
pub use packet::{
    MessageError, Messages, PacketError, PacketWriter, append_message, read_message, read_packet,
};
pub use state::{StateEntries, StateWriter};
pub use stream::{
    Frame, StreamError, SyncEntries, SyncWriter, frame, read_stream_message, write_stream_message,
};

use xxhash_rust::xxh3::xxh3_64;

/// The first byte of every packet and of every frame on a stream.
pub const FIRST_BYTE: u8 = MAGIC | VERSION;

/// The upper half of the first byte, in all versions of this wire. memberlist's bytes are 0 to 13
/// and 244; this one is neither ASCII nor the start of a text in UTF-8 either.
const MAGIC: u8 = 0xb0;

/// The version of the format: 0 to 15.
const VERSION: u8 = 1;

const CHECKSUM_LEN: usize = 4;

/// True if a packet or frame that begins with this byte, label and seal removed, is of this wire,
/// in whatever version.
#[must_use]
pub const fn is_first_byte(byte: u8) -> bool {
    byte & 0xf0 == MAGIC
}

/// The kinds of messages. Packets and streams share the numbers, so that a kind means the same
/// everywhere.
mod kind {
    pub(super) const PING: u8 = 1;
    pub(super) const INDIRECT_PING: u8 = 2;
    pub(super) const ACK: u8 = 3;
    pub(super) const NACK: u8 = 4;
    pub(super) const SUSPECT: u8 = 5;
    pub(super) const ALIVE: u8 = 6;
    pub(super) const DEAD: u8 = 7;
    pub(super) const SYNC: u8 = 8;
    pub(super) const LEAVE_INTENT: u8 = 9;
    pub(super) const JOIN_INTENT: u8 = 10;
    pub(super) const USER_EVENT: u8 = 11;
    pub(super) const QUERY: u8 = 12;
    pub(super) const QUERY_RESPONSE: u8 = 13;
    pub(super) const RELAY: u8 = 14;
    pub(super) const REFUSAL: u8 = 15;
}

#[inline]
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

/// Why a first byte is not ours.
enum Strange {
    Foreign,
    Version(u8),
}

fn check_first_byte(byte: u8) -> Result<(), Strange> {
    match byte {
        FIRST_BYTE => Ok(()),
        _ if is_first_byte(byte) => Err(Strange::Version(byte & 0x0f)),
        _ => Err(Strange::Foreign),
    }
}
