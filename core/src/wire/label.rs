//! The label of a cluster, in front of packets and streams (wire-protocol reference, section 2.3).
//!
//! It keeps clusters apart that can reach each other by mistake; it is no secret. Where packets and
//! streams are sealed, the label is sealed with them, so that nobody can change it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

/// The first byte of a packet or stream that has a label. Nothing else begins with it.
pub const FIRST_BYTE: u8 = 244;

/// The name of a cluster: up to 255 bytes, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label(Box<[u8]>);

impl Label {
    /// The most bytes that one has.
    pub const MAX_LEN: usize = 255;

    /// No label: packets and streams are as they are.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes a label; without any bytes it is none.
    ///
    /// # Errors
    /// It is longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(label: &str) -> Result<Self, LabelTooLong> {
        match label.len() {
            0..=Self::MAX_LEN => Ok(Self(label.as_bytes().into())),
            len => Err(LabelTooLong { len }),
        }
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it takes in a packet.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        match self.0.len() {
            0 => 0,
            len => 2 + len,
        }
    }

    /// Appends the header that goes in front of a packet, and of a stream by the side that dialled.
    pub fn append_header(&self, out: &mut Vec<u8>) {
        if let Ok(len @ 1..) = u8::try_from(self.0.len()) {
            out.extend_from_slice(&[FIRST_BYTE, len]);
            out.extend_from_slice(&self.0);
        }
    }

    /// Looks whether a packet has this label, and gives how many bytes its header takes.
    ///
    /// # Errors
    /// See [`LabelError`]; a packet that is cut short in the label is
    /// [`Partial`](LabelError::Partial).
    pub fn check(&self, packet: &[u8]) -> Result<usize, LabelError> {
        let found = match packet {
            [] if !self.0.is_empty() => return Err(LabelError::Partial),
            [FIRST_BYTE] => return Err(LabelError::Partial),
            [FIRST_BYTE, 0, ..] => return Err(LabelError::Empty),
            [FIRST_BYTE, len, rest @ ..] => match rest.get(..usize::from(*len)) {
                Some(found) => found,
                None => return Err(LabelError::Partial),
            },
            _ => &[],
        };
        if found == &*self.0 {
            Ok(self.header_len())
        } else if found.is_empty() {
            Err(LabelError::Absent)
        } else {
            Err(LabelError::Other)
        }
    }
}

/// A label that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelTooLong {
    /// How many bytes it has.
    pub len: usize,
}

impl fmt::Display for LabelTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = Label::MAX_LEN;
        write!(
            f,
            "a label has at most {max} bytes, this one has {}",
            self.len
        )
    }
}

impl core::error::Error for LabelTooLong {}

/// A packet or stream that is not for this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelError {
    /// It ends in the header of the label. On a stream there may be more to come.
    Partial,
    /// The header says that there is a label, but it has no bytes.
    Empty,
    /// There is no label where there should be one.
    Absent,
    /// The label of another cluster, or one where there should be none.
    Other,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partial => "cut short in the label",
            Self::Empty => "a label of no length",
            Self::Absent => "no label where there should be one",
            Self::Other => "the label of another cluster",
        })
    }
}

impl core::error::Error for LabelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_label_is_accepted() {
        let label = Label::new("one").expect("short");
        let mut packet = Vec::new();
        label.append_header(&mut packet);
        assert_eq!(packet, b"\xf4\x03one");
        assert_eq!(label.header_len(), packet.len());
        packet.push(7);
        assert_eq!(label.check(&packet), Ok(5));
        let other = Label::new("two").expect("short");
        assert_eq!(other.check(&packet), Err(LabelError::Other));
        assert_eq!(Label::none().check(&packet), Err(LabelError::Other));
        assert_eq!(label.check(b"\x07"), Err(LabelError::Absent));
        assert_eq!(label.check(b"\xf4\x00\x07"), Err(LabelError::Empty));
        for cut in 0..5 {
            assert_eq!(
                label.check(&packet[..cut]),
                Err(LabelError::Partial),
                "{cut}"
            );
        }
    }

    #[test]
    fn without_a_label_nothing_is_added() {
        let (label, mut packet) = (Label::none(), Vec::new());
        label.append_header(&mut packet);
        assert!(packet.is_empty());
        assert_eq!(label.check(b"\x07"), Ok(0));
        assert_eq!(label.check(b""), Ok(0));
    }

    #[test]
    fn a_label_has_at_most_255_bytes() {
        assert_eq!(Label::new(&"x".repeat(256)), Err(LabelTooLong { len: 256 }));
        let longest = Label::new(&"x".repeat(255)).expect("just short enough");
        let mut packet = Vec::new();
        longest.append_header(&mut packet);
        assert_eq!(longest.check(&packet), Ok(257));
    }
}
