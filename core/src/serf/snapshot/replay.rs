//! Reading a log: any bytes at all, of which the good part counts.

use alloc::vec::Vec;
use core::fmt;

use super::{Record, SkipReason, State};

/// Reads a snapshot piece by piece.
///
/// Whatever the bytes are, reading them succeeds and takes no more memory than the state they
/// amount to. What does not count is skipped and listed.
#[derive(Debug, Clone)]
pub struct Replay {
    state: State,
    /// The line that has begun, as far as it may be a record.
    line: Vec<u8>,
    number: u64,
    /// Where it began.
    start: u64,
    offset: u64,
    /// Whether a NUL is among the bytes of an overlong line that were not kept.
    nul: bool,
    skipped: Vec<Skipped>,
    skipped_count: u64,
}

impl Replay {
    /// The most lines that are listed as skipped; further ones are only counted.
    pub const MAX_SKIPPED: usize = 16;

    /// Before the first byte. With `rejoin_after_leave`, a leave forgets nothing.
    #[must_use]
    pub fn new(rejoin_after_leave: bool) -> Self {
        Self {
            state: State::new(rejoin_after_leave),
            line: Vec::new(),
            number: 1,
            start: 0,
            offset: 0,
            nul: false,
            skipped: Vec::new(),
            skipped_count: 0,
        }
    }

    /// Reads the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.offset += 1;
            self.end_line();
        }
        self.extend(bytes);
    }

    /// Ends the reading.
    #[must_use]
    pub fn finish(mut self) -> Recovered {
        let complete = self.start;
        if self.offset > complete {
            let reason = if self.nul || self.line.contains(&0) {
                SkipReason::Nul
            } else {
                SkipReason::Unfinished
            };
            self.skip(reason);
        }
        Recovered {
            state: self.state,
            skipped: self.skipped,
            skipped_count: self.skipped_count,
            complete,
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        // One byte more than the longest record is enough to know that it is none.
        let room = Record::MAX_LINE + 1 - self.line.len();
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        self.line.extend_from_slice(kept);
        self.nul |= rest.contains(&0);
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let record = if self.nul {
            Err(SkipReason::Nul)
        } else {
            match Record::parse(line) {
                Err(SkipReason::Nul) => Err(SkipReason::Nul),
                // Comments may have any length.
                Ok(None) => Ok(None),
                _ if line.len() > Record::MAX_LINE => Err(SkipReason::TooLong),
                record => record,
            }
        };
        match record {
            Ok(Some(record)) => self.state.apply(&record),
            Ok(None) => {}
            Err(reason) => self.skip(reason),
        }
        self.line.clear();
        self.nul = false;
        self.number += 1;
        self.start = self.offset;
    }

    fn skip(&mut self, reason: SkipReason) {
        self.skipped_count += 1;
        if self.skipped.len() < Self::MAX_SKIPPED {
            self.skipped.push(Skipped {
                line: self.number,
                offset: self.start,
                reason,
            });
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What the good lines amount to.
    pub state: State,
    /// The first lines that were skipped, at most [`Replay::MAX_SKIPPED`].
    pub skipped: Vec<Skipped>,
    /// How many lines were skipped in all.
    pub skipped_count: u64,
    /// How many bytes the lines that have an end take. Whoever appends to the log cuts it off
    /// there first, lest a new record continue an unfinished line.
    pub complete: u64,
}

/// A line that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Its number, from 1.
    pub line: u64,
    /// Where it begins, in bytes from the start.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: SkipReason,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            offset,
            reason,
        } = self;
        write!(f, "line {line} (at byte {offset}) is skipped: {reason}")
    }
}
