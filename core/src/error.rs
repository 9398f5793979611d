//! Why a command was refused. Input from the network never ends up here: it is counted instead.

use alloc::string::String;
use core::fmt;
use core::net::SocketAddr;

use crate::member::{InvalidName, Versions};
use crate::serf::limits::SizeError;

/// A command that was not accepted; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The node is leaving or has left.
    NotRunning,
    /// A leave was asked for before.
    AlreadyLeaving,
    /// `join` was given no address.
    NoSeeds,
    /// `join` was given more addresses than it takes at once.
    TooManySeeds {
        /// How many.
        count: usize,
        /// At most how many.
        limit: usize,
    },
    /// The encoded tags do not fit in a member's metadata.
    TagsTooLarge {
        /// Their encoded size in bytes.
        size: usize,
        /// The most bytes they may take.
        limit: usize,
    },
    /// A user event or a query is too large.
    TooLarge(SizeError),
    /// A query has more filters than a member would look at.
    TooManyFilters {
        /// How many.
        count: usize,
        /// At most how many.
        limit: usize,
    },
    /// A tag filter is not a regular expression, or one that takes too much memory.
    BadFilter {
        /// The key of the tag.
        key: String,
        /// The expression.
        pattern: String,
    },
    /// A query, from a node that speaks a Serf protocol without queries.
    NoQueries {
        /// The version it speaks.
        spoken: u8,
    },
    /// No member can have the name that was given.
    InvalidName(InvalidName),
    /// The advertised address has no IP address or no port that others could reach.
    UnspecifiedAddress {
        /// The address.
        addr: SocketAddr,
    },
    /// Too many commands of this kind are under way.
    Busy {
        /// At most how many.
        limit: usize,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("the node is leaving or has left the cluster"),
            Self::AlreadyLeaving => f.write_str("a leave is already in progress"),
            Self::NoSeeds => f.write_str("no address to join was given"),
            Self::TooManySeeds { count, limit } => {
                write!(
                    f,
                    "{count} addresses to join were given, at most {limit} are taken at once"
                )
            }
            Self::TagsTooLarge { size, limit } => {
                // The first words are those of the reference system.
                write!(
                    f,
                    "Encoded length of tags exceeds limit of {limit} bytes: it is {size}"
                )
            }
            Self::TooLarge(error) => error.fmt(f),
            Self::InvalidName(error) => error.fmt(f),
            Self::TooManyFilters { count, limit } => {
                write!(
                    f,
                    "the query has {count} filters, at most {limit} are looked at"
                )
            }
            Self::BadFilter { key, pattern } => write!(
                f,
                "the filter '{pattern}' on the tag '{key}' is not a regular expression (RE2 syntax), or too large"
            ),
            // The first words are those of the reference system.
            Self::NoQueries { spoken } => write!(
                f,
                "Feature not supported: queries need Serf protocol {} or later, this node speaks {spoken}",
                Versions::QUERIES_SINCE
            ),
            Self::UnspecifiedAddress { addr } => {
                write!(
                    f,
                    "{addr} cannot be advertised: others need an IP address and a port"
                )
            }
            Self::Busy { limit } => write!(f, "{limit} such commands are under way already"),
        }
    }
}

impl core::error::Error for CommandError {}
