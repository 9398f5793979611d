//! What a node remembers across restarts, as lines of text (wire-protocol reference, section 10.1).
//!
//! A snapshot is a log of [`Record`]s, one per line, that only grows. Reading it from the start
//! gives a [`State`]; a log grown long is replaced by the records of its state. Files are the
//! adapters' business. The format is that of the reference system, so that either can take over
//! the other's file; what we add is a comment to it.

mod recorder;
mod replay;
mod state;
#[cfg(test)]
mod tests;

use core::fmt;
use core::net::SocketAddr;

use crate::member::Name;

pub use recorder::Recorder;
pub use replay::{Recovered, Replay, Skipped};
pub use state::State;

/// One line of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A member joined, or came back.
    Alive {
        /// Its name.
        name: Name,
        /// Its advertised address.
        addr: SocketAddr,
    },
    /// A member left, failed, or was forgotten.
    NotAlive {
        /// Its name.
        name: Name,
    },
    /// A member failed, and may be reached again. Written after [`NotAlive`](Self::NotAlive), for
    /// the reference system takes this line for a comment; see [`Record::failure`].
    Failed {
        /// Its name.
        name: Name,
        /// Its last advertised address.
        addr: SocketAddr,
    },
    /// The Lamport time of membership.
    Clock(u64),
    /// The Lamport time of the last user event seen.
    EventClock(u64),
    /// The Lamport time of the last query seen.
    QueryClock(u64),
    /// The node left of its own will.
    Leave,
}

const ALIVE: &str = "alive: ";
const NOT_ALIVE: &str = "not-alive: ";
const FAILED: &str = "# failed: ";
const CLOCK: &str = "clock: ";
const EVENT_CLOCK: &str = "event-clock: ";
const QUERY_CLOCK: &str = "query-clock: ";
const COORDINATE: &str = "coordinate: ";
const LEAVE: &str = "leave";

impl Record {
    /// The longest line, in bytes, with its newline.
    pub const MAX_LINE: usize = NOT_ALIVE.len() + Name::MAX_LEN + 64;

    /// What to write when a member fails.
    #[must_use]
    pub fn failure(name: Name, addr: SocketAddr) -> [Self; 2] {
        [
            Self::NotAlive { name: name.clone() },
            Self::Failed { name, addr },
        ]
    }

    /// Writes the line, newline included. Returns false, and writes nothing, if there is no line
    /// for it: a name that has a line break or a NUL in it would read as something else.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_line(&self, out: &mut impl fmt::Write) -> Result<bool, fmt::Error> {
        if self.name().is_some_and(|name| !is_writable(name)) {
            return Ok(false);
        }
        match self {
            Self::Alive { name, addr } => writeln!(out, "{ALIVE}{name} {}", canonical(*addr)),
            Self::NotAlive { name } => writeln!(out, "{NOT_ALIVE}{name}"),
            Self::Failed { name, addr } => writeln!(out, "{FAILED}{name} {}", canonical(*addr)),
            Self::Clock(time) => writeln!(out, "{CLOCK}{time}"),
            Self::EventClock(time) => writeln!(out, "{EVENT_CLOCK}{time}"),
            Self::QueryClock(time) => writeln!(out, "{QUERY_CLOCK}{time}"),
            Self::Leave => writeln!(out, "{LEAVE}"),
        }?;
        Ok(true)
    }

    /// Reads a line, which has no newline (and no carriage return) any more. `None` for comments
    /// and for what old releases wrote and nobody reads.
    fn parse(line: &[u8]) -> Result<Option<Self>, SkipReason> {
        if line.contains(&0) {
            return Err(SkipReason::Nul);
        }
        if let Some(rest) = line.strip_prefix(FAILED.as_bytes()) {
            // To anybody else it is a comment, so it cannot be wrong.
            let failed = parse_member(rest).map(|(name, addr)| Self::Failed { name, addr });
            return Ok(failed.ok());
        }
        if line.starts_with(b"#") || line.starts_with(COORDINATE.as_bytes()) {
            return Ok(None);
        }
        let line = str::from_utf8(line).map_err(|_| SkipReason::NotUtf8)?;
        let record = if let Some(rest) = line.strip_prefix(ALIVE) {
            let (name, addr) = parse_member(rest.as_bytes())?;
            Self::Alive { name, addr }
        } else if let Some(name) = line.strip_prefix(NOT_ALIVE) {
            let name = parse_name(name)?;
            Self::NotAlive { name }
        } else if let Some(time) = line.strip_prefix(CLOCK) {
            Self::Clock(parse_time(time)?)
        } else if let Some(time) = line.strip_prefix(EVENT_CLOCK) {
            Self::EventClock(parse_time(time)?)
        } else if let Some(time) = line.strip_prefix(QUERY_CLOCK) {
            Self::QueryClock(parse_time(time)?)
        } else if line == LEAVE {
            Self::Leave
        } else {
            return Err(SkipReason::Unknown);
        };
        Ok(Some(record))
    }

    fn name(&self) -> Option<&Name> {
        match self {
            Self::Alive { name, .. } | Self::NotAlive { name } | Self::Failed { name, .. } => {
                Some(name)
            }
            _ => None,
        }
    }
}

fn is_writable(name: &str) -> bool {
    !name.contains(['\n', '\r', '\0'])
}

/// As the reference system prints it: IPv4-mapped IPv6 as IPv4, and no scope.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// A name may contain spaces; the address is what follows the last one.
fn parse_member(text: &[u8]) -> Result<(Name, SocketAddr), SkipReason> {
    let text = str::from_utf8(text).map_err(|_| SkipReason::NotUtf8)?;
    let (name, addr) = text.rsplit_once(' ').ok_or(SkipReason::Address)?;
    let addr = addr.parse().map_err(|_| SkipReason::Address)?;
    Ok((parse_name(name)?, canonical(addr)))
}

fn parse_name(text: &str) -> Result<Name, SkipReason> {
    if !is_writable(text) {
        return Err(SkipReason::Name);
    }
    Name::new(text).map_err(|_| SkipReason::Name)
}

fn parse_time(text: &str) -> Result<u64, SkipReason> {
    // `u64::from_str` would take a sign.
    match text.parse() {
        Ok(time) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(time),
        _ => Err(SkipReason::Time),
    }
}

/// Why a line does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The last line has no end: the writer was interrupted.
    Unfinished,
    /// It has NUL bytes: the machine went down before the file system had written the content.
    /// What else is in such a line may be the rest of any other.
    Nul,
    /// It is longer than any record.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It begins like no record.
    Unknown,
    /// The address is missing or cannot be read.
    Address,
    /// The name cannot be that of a member.
    Name,
    /// The clock is not a number that fits in 64 bits.
    Time,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "it breaks off",
            Self::Nul => "it has NUL bytes",
            Self::TooLong => "it is too long",
            Self::NotUtf8 => "it is not UTF-8",
            Self::Unknown => "it is no known record",
            Self::Address => "it has no valid address",
            Self::Name => "it has no valid name",
            Self::Time => "it has no valid number",
        })
    }
}
