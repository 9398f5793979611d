//! Why a command was refused. Input from the network never ends up here: it is counted instead.

use core::fmt;
use core::net::SocketAddr;

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
                write!(
                    f,
                    "the encoded tags take {size} bytes, the limit is {limit}"
                )
            }
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
