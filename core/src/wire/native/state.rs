//! What Serf adds to a state exchange: clocks, times of members, recent events.
//!
//! A sequence of entries like the messages of a packet, so that a reader steps over what it does
//! not know, and a writer stops where its budget ends.

use alloc::vec::Vec;

use super::packet::MessageError;
use super::sized::{append, append_sized, split_sized, take};
use crate::message::{Clocks, MemberTime, StateEntry, UserEvent};

/// The kinds of entries.
mod kind {
    pub(super) const CLOCKS: u8 = 1;
    pub(super) const MEMBER: u8 = 2;
    pub(super) const EVENT: u8 = 3;
}

/// Writes Serf's part of a state exchange at the end of a buffer that the caller owns.
///
/// Bytes already in the buffer stay as they are. There is no end to be written: the state is
/// complete, and can be handed to [`SyncWriter::finish`](super::SyncWriter::finish), at any time.
#[derive(Debug)]
pub struct StateWriter<'b> {
    buf: &'b mut Vec<u8>,
    /// The length that `buf` must not pass with an entry.
    limit: usize,
}

impl<'b> StateWriter<'b> {
    /// Begins with the clocks, which every state has. What follows them and they themselves
    /// together take at most `budget` bytes, unless the clocks alone (at most 32) take more.
    pub fn new(buf: &'b mut Vec<u8>, clocks: &Clocks, budget: usize) -> Self {
        let limit = buf.len().saturating_add(budget);
        append_sized(buf, usize::MAX, |out| append(out, &(kind::CLOCKS, clocks)));
        Self { buf, limit }
    }

    /// Adds a member. If it does not fit in what is left of the budget, leaves the state as it is
    /// and returns false.
    #[must_use = "false means that the member is not in the state"]
    pub fn push_member(&mut self, member: &MemberTime<'_>) -> bool {
        append_sized(self.buf, self.limit, |out| {
            append(out, &(kind::MEMBER, member));
        })
    }

    /// Adds an event. If it does not fit in what is left of the budget, leaves the state as it is
    /// and returns false.
    #[must_use = "false means that the event is not in the state"]
    pub fn push_event(&mut self, event: &UserEvent<'_>) -> bool {
        append_sized(self.buf, self.limit, |out| {
            append(out, &(kind::EVENT, event));
        })
    }
}

/// The entries of Serf's part of a state exchange, in the order in which they were written.
///
/// An entry that cannot be read, or that is of an unknown kind, is an `Err`, and the next one
/// follows. Only when a length runs past the end is that `Err` the last item. There are never
/// more items than bytes.
#[derive(Debug, Clone)]
pub struct StateEntries<'a> {
    rest: &'a [u8],
}

impl<'a> StateEntries<'a> {
    /// The entries of the user state of a [`Sync`](crate::message::Sync).
    #[must_use]
    pub const fn new(user_state: &'a [u8]) -> Self {
        Self { rest: user_state }
    }
}

impl<'a> Iterator for StateEntries<'a> {
    type Item = Result<StateEntry<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((entry, rest)) = split_sized(self.rest) else {
            self.rest = &[];
            return Some(Err(MessageError::Malformed));
        };
        self.rest = rest;
        Some(read_entry(entry))
    }
}

impl core::iter::FusedIterator for StateEntries<'_> {}

fn read_entry(entry: &[u8]) -> Result<StateEntry<'_>, MessageError> {
    let (&kind, fields) = entry.split_first().ok_or(MessageError::Malformed)?;
    match kind {
        kind::CLOCKS => take(fields).map(|(clocks, _)| StateEntry::Clocks(clocks)),
        kind::MEMBER => take(fields).map(|(member, _)| StateEntry::Member(member)),
        kind::EVENT => take(fields).map(|(event, _)| StateEntry::Event(event)),
        _ => return Err(MessageError::Unknown { kind }),
    }
    .ok_or(MessageError::Malformed)
}
