//! The flight recorder: everything that went into a node, and a hash of everything that came out.
//!
//! A node made by [`Node::recorded`](crate::Node::recorded) writes down each input before it takes
//! it in, and a hash of each action when it is polled. Whoever drives it collects the bytes with
//! [`Node::take_journal`](crate::Node::take_journal) and keeps them somewhere. Since a node does
//! nothing but what its inputs make it do, they are enough to have it do all of it again:
//! [`Input::apply`] the inputs to a node [built](Start::build) as that one was, and its actions
//! have the same hashes.
//!
//! ```text
//! journal = "serfjnl" | version (1) | record*
//! record  = length of entry (3) | check of length (1) | checksum of entry (4) | entry
//! ```
//!
//! Numbers are little-endian. The check is the complement of the three bytes before it, combined by
//! exclusive or, so that a length that was changed is not taken for a journal that breaks off; the
//! checksum is the lower half of the 64-bit XXH3 hash; an [`Entry`] is written as postcard does. The first one is [`Entry::Start`]. Records stand for themselves: if
//! a journal breaks off, all of it up to there can be read.
//!
//! Keys are never written down: what is encrypted is journalled as it came, and to replay it one
//! needs the keys, of which the journal has [marks](KeyMark). What comes in clear, from the network
//! or the application, stands there in clear.

mod entry;
mod hash;
mod read;
mod tape;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Input, KeyMark, MissingKey, Start, StartError};
pub use hash::{HASH_LEN, hash_action};
pub use read::{Damage, DamageKind, Reader};
pub(crate) use tape::Tape;

/// What a journal begins with; the last byte is the version of the format.
pub const HEADER: [u8; 8] = *b"serfjnl\x01";

/// Bytes in front of each entry.
const RECORD_HEADER: usize = 8;

/// What stands in front of an entry; `None` if it has 16 MiB or more.
fn record_header(entry: &[u8]) -> Option<[u8; RECORD_HEADER]> {
    let len = u32::try_from(entry.len()).ok()?;
    let [a, b, c, 0] = len.to_le_bytes() else {
        return None;
    };
    let [d, e, f, g] = checksum(entry).to_le_bytes();
    Some([a, b, c, length_check([a, b, c]), d, e, f, g])
}

const fn length_check([a, b, c]: [u8; 3]) -> u8 {
    !(a ^ b ^ c)
}

fn checksum(entry: &[u8]) -> u32 {
    // The lower half is meant.
    xxhash_rust::xxh3::xxh3_64(entry) as u32
}
