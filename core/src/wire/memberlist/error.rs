//! What cannot be read, and why: each reason is a kind that can be counted.

use core::fmt;

use super::compress::InflateError;
use crate::wire::msgpack::Fault;

/// A message, or an entry of a state exchange, that cannot be read. Those around it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// Of no length.
    Empty,
    /// Of a type that is not known, or does not belong there.
    Unknown {
        /// Its number.
        kind: u8,
    },
    /// A message of Serf of a type that is not known, or does not belong there.
    UnknownSerf {
        /// Its number.
        kind: u8,
    },
    /// Cut short.
    Truncated,
    /// Bytes behind the last message of a compound, where there should be none.
    Trailing {
        /// How many they are.
        len: usize,
    },
    /// A field of another type than expected, or with a value that it cannot have.
    Malformed,
    /// A member's versions are not six bytes.
    Versions {
        /// How many they are.
        len: usize,
    },
    /// An IP address is neither 4 nor 16 bytes.
    Address {
        /// How many it has.
        len: usize,
    },
    /// Compressed, and cannot be decompressed.
    Inflate(InflateError),
    /// Containers in containers, deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// One message too many: a packet has at most [`MAX_PARTS`](super::MAX_PARTS).
    TooMany,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty message"),
            Self::Unknown { kind } => write!(f, "a message of unknown type {kind}"),
            Self::UnknownSerf { kind } => write!(f, "a Serf message of unknown type {kind}"),
            Self::Truncated => f.write_str("a message that was cut short"),
            Self::Trailing { len } => write!(f, "{len} bytes behind the last message"),
            Self::Malformed => f.write_str("a malformed message"),
            Self::Versions { len } => {
                write!(f, "a member with {len} bytes of versions, there must be 6")
            }
            Self::Address { len } => {
                write!(f, "an IP address of {len} bytes, there must be 4 or 16")
            }
            Self::Inflate(error) => error.fmt(f),
            Self::TooDeep => f.write_str("messages nested too deeply"),
            Self::TooMany => f.write_str("too many messages in one packet"),
        }
    }
}

impl core::error::Error for MessageError {}

impl From<Fault> for MessageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Short { .. } => Self::Truncated,
            Fault::Malformed => Self::Malformed,
        }
    }
}

impl From<InflateError> for MessageError {
    fn from(error: InflateError) -> Self {
        Self::Inflate(error)
    }
}

/// A packet that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// Of no length.
    Empty,
    /// The checksum does not match.
    Corrupt,
    /// A compound whose table of lengths is cut short.
    Truncated,
    /// Compressed, and cannot be decompressed.
    Inflate(InflateError),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty packet"),
            Self::Corrupt => f.write_str("a damaged packet"),
            Self::Truncated => f.write_str("a packet that was cut short"),
            Self::Inflate(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PacketError {}

impl From<InflateError> for PacketError {
    fn from(error: InflateError) -> Self {
        Self::Inflate(error)
    }
}

/// A message on a stream that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// It is longer than accepted, or says so.
    TooLarge {
        /// Its length in bytes, as far as it is known.
        len: u64,
        /// The most bytes accepted.
        cap: usize,
    },
    /// Compressed, and cannot be decompressed.
    Inflate(InflateError),
    /// The message cannot be read.
    Message(MessageError),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len, cap } => {
                write!(f, "a message of {len} bytes, at most {cap} are accepted")
            }
            Self::Inflate(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StreamError {}

impl From<InflateError> for StreamError {
    fn from(error: InflateError) -> Self {
        Self::Inflate(error)
    }
}

impl From<MessageError> for StreamError {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<Fault> for StreamError {
    fn from(fault: Fault) -> Self {
        Self::Message(fault.into())
    }
}
