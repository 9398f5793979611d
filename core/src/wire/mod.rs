//! Bytes: how messages look on the network.
//!
//! [`native`] is what our nodes speak to each other, [`memberlist`] what the reference system
//! speaks. Both read and write the same [messages](crate::message), and no first byte of one is one
//! of the other, so that a receiver tells them apart. [`seal`] and [`label`] are envelopes around
//! either.
//!
//! ```text
//! packet = label | sealed (native packet or memberlist packet)
//! stream = label | sealed (native frame or memberlist frame), and the answer without the label
//! ```
//!
//! Label and seal are each only there where the cluster has a label or keys.

use core::fmt;

use crate::tags;
use serde::{Deserialize, Serialize};

pub mod label;
pub mod memberlist;
pub(crate) mod msgpack;
pub mod native;
pub mod seal;

/// One of the two forms in which messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// What only our nodes speak.
    Native,
    /// What the reference system speaks, and every node of ours that is not told otherwise.
    Memberlist,
}

impl Wire {
    /// The word for it in command output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Memberlist => "memberlist",
        }
    }

    /// The wire of a packet or frame that begins with this byte, label and seal removed; `None` if
    /// it is of neither.
    #[must_use]
    pub const fn of(first_byte: u8) -> Option<Self> {
        if native::is_first_byte(first_byte) {
            Some(Self::Native)
        } else if memberlist::is_first_byte(first_byte) {
            Some(Self::Memberlist)
        } else {
            None
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which wires a node speaks and understands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wires {
    /// Both: to each peer the best that it understands.
    #[default]
    Auto,
    /// The native one alone. Agents of the reference system cannot take part.
    Native,
    /// memberlist's alone, as if this were an agent of the reference system.
    Memberlist,
}

impl Wires {
    /// The word for it in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Memberlist => "memberlist",
        }
    }

    /// True if messages of this wire are understood.
    #[must_use]
    pub const fn include(self, wire: Wire) -> bool {
        matches!(
            (self, wire),
            (Self::Auto, _) | (Self::Native, Wire::Native) | (Self::Memberlist, Wire::Memberlist)
        )
    }

    /// What to speak to a peer, of which it is known whether it understands the native wire.
    #[must_use]
    pub(crate) const fn best(self, understands_native: bool) -> Wire {
        match self {
            Self::Auto if understands_native => Wire::Native,
            Self::Native => Wire::Native,
            Self::Auto | Self::Memberlist => Wire::Memberlist,
        }
    }
}

/// Takes the words of [`Wires::as_str`].
impl core::str::FromStr for Wires {
    type Err = UnknownWires;

    fn from_str(text: &str) -> Result<Self, UnknownWires> {
        [Self::Auto, Self::Native, Self::Memberlist]
            .into_iter()
            .find(|wires| wires.as_str() == text)
            .ok_or(UnknownWires)
    }
}

/// A text that names no choice of wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWires;

impl fmt::Display for UnknownWires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such choice of wires (accepted are auto, native and memberlist)")
    }
}

impl core::error::Error for UnknownWires {}

/// How a member says in its metadata that it understands the native wire: after the tags stand
/// this byte and the first bytes of all formats that it understands.
///
/// An agent of the reference system ignores bytes after the tags, but keeps metadata as it is and
/// passes it on, and so everybody learns it from everybody. The byte begins no value of msgpack.
const SPOKEN: u8 = 0xc1;

/// Adds to encoded tags that the native wire is understood; false, with `meta` as it was, if there
/// is no room for that. Such a node is spoken to in memberlist's.
pub(crate) fn append_spoken(meta: &mut alloc::vec::Vec<u8>) -> bool {
    let fits = meta.len() + 2 <= tags::META_LIMIT;
    if fits {
        meta.extend_from_slice(&[SPOKEN, native::FIRST_BYTE]);
    }
    fits
}

/// True if metadata says that the native wire is understood.
pub(crate) fn understands_native(meta: &[u8]) -> bool {
    match tags::trailer(meta) {
        [SPOKEN, formats @ ..] => formats.contains(&native::FIRST_BYTE),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::{META_LIMIT, Tags};
    use alloc::vec;

    #[test]
    fn what_is_understood_stands_after_the_tags_and_does_not_disturb_them() {
        let tags: Tags = [("role".into(), "web".into())].into();
        let mut meta = tags::encode(&tags).expect("small tags");
        assert!(!understands_native(&meta));
        assert!(append_spoken(&mut meta));
        assert!(understands_native(&meta));
        assert_eq!(tags::decode(&meta), tags);
        meta.push(0xb7);
        assert!(understands_native(&meta), "and a later format");
    }

    #[test]
    fn bytes_inside_the_tags_are_not_taken_for_it() {
        let tricky = b"\xff\x81\xa1k\xa2\xc1\xb1";
        assert!(!understands_native(tricky));
        assert!(!understands_native(b"\xff\x81\xa1k\xa9\xc1\xb1"));
        assert!(!understands_native(b"\xc1\xb1"), "a bare role");
        assert!(!understands_native(b"\xff\x80\xc1"));
        assert!(!understands_native(b"\xff\x80\xb1"));
        assert!(understands_native(b"\xff\x80\xc1\xb0\xb1"));
        // Tags in longer forms.
        let long = b"\xff\x81\xa1k\xda\x00\x01v\xc1\xb1";
        assert!(understands_native(long));
        assert!(!understands_native(&long[..long.len() - 1]));
        assert!(!understands_native(b"\xff\xde\x00\x01\xa1k\xc1\xb1"));
    }

    #[test]
    fn tags_that_leave_no_room_are_announced_without_it() {
        let mut meta = vec![0xff; META_LIMIT - 1];
        assert!(!append_spoken(&mut meta));
        assert_eq!(meta.len(), META_LIMIT - 1);
        meta.pop();
        assert!(append_spoken(&mut meta));
        assert_eq!(meta.len(), META_LIMIT);
    }

    #[test]
    fn no_first_byte_is_of_both_wires() {
        assert_eq!(Wire::of(native::FIRST_BYTE), Some(Wire::Native));
        for byte in 0..=u8::MAX {
            assert!(!(native::is_first_byte(byte) && memberlist::is_first_byte(byte)));
        }
        assert_eq!(Wire::of(label::FIRST_BYTE), None);
        assert_eq!(Wire::of(b'G'), None);
    }
}
