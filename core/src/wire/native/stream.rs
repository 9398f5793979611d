//! Streams: one message per frame, its length known in advance.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::alive::{Announcement, append_entry, read_entry};
use super::packet::MessageError;
use super::serf::{append_serf, read_serf};
use super::sized::{append, append_bytes, append_sized, split_sized, take};
use super::{CHECKSUM_LEN, FIRST_BYTE, Strange, check_first_byte, checksum, kind};
use crate::member::VersionRange;
use crate::message::{StreamMessage, Sync, SyncEntry, SyncState};
use crate::serf::intent::Intent;

const LEN_LEN: usize = 4;
const HEADER_LEN: usize = 1 + LEN_LEN + CHECKSUM_LEN;

/// No frame that we write passes this. It is the highest value that
/// [`max_stream_message`](crate::Config::max_stream_message) may have.
const MAX_FRAME: usize = 1 << 30;

/// How far a frame has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// More bytes are needed.
    Partial,
    /// All bytes are there.
    Complete {
        /// The length of the frame with its header. Bytes after it are not part of it.
        len: usize,
    },
}

/// Looks whether the bytes received so far hold a whole frame. This only looks at the first few
/// bytes, so it may be called after every read.
///
/// `cap` is the most bytes that a frame may have, header included. A frame that says it is longer
/// is refused as soon as its header is there; the caller never needs room for more than `cap`.
///
/// # Errors
/// The bytes are of another protocol, of a version that this one does not know, or the frame is
/// too large. No further bytes can change that.
pub fn frame(received: &[u8], cap: usize) -> Result<Frame, StreamError> {
    let Some((&first, rest)) = received.split_first() else {
        return Ok(Frame::Partial);
    };
    check_first_byte(first)?;
    let Some((body_len, _)) = rest.split_first_chunk::<LEN_LEN>() else {
        return Ok(Frame::Partial);
    };
    let len = u64::from(u32::from_le_bytes(*body_len)) + HEADER_LEN as u64;
    match usize::try_from(len) {
        Ok(len) if len <= cap && len <= received.len() => Ok(Frame::Complete { len }),
        Ok(len) if len <= cap => Ok(Frame::Partial),
        _ => Err(StreamError::TooLarge { len, cap }),
    }
}

/// Reads a whole frame. Bytes after it are ignored.
///
/// # Errors
/// Anything wrong with the frame or with the message in it; see [`StreamError`].
pub fn read_stream_message(received: &[u8]) -> Result<StreamMessage<'_>, StreamError> {
    let Frame::Complete { len } = frame(received, usize::MAX)? else {
        return Err(StreamError::Malformed);
    };
    let (sum, body) = received[1 + LEN_LEN..len].split_at(CHECKSUM_LEN);
    if *sum != checksum(body) {
        return Err(StreamError::Corrupt);
    }
    let (&kind, fields) = body.split_first().ok_or(StreamError::Malformed)?;
    match kind {
        kind::PING => take(fields).map(|(m, _)| StreamMessage::Ping(m)),
        kind::ACK => take(fields).map(|(m, _)| StreamMessage::Ack(m)),
        kind::SYNC => read_sync(fields).map(StreamMessage::Sync),
        kind::REFUSAL => take(fields).map(|(text, _)| StreamMessage::Refusal(text)),
        _ => match read_serf(kind, fields) {
            Ok(message) => Some(StreamMessage::Serf(message)),
            Err(MessageError::Malformed) => None,
            Err(MessageError::Unknown { kind }) => return Err(StreamError::Unknown { kind }),
        },
    }
    .ok_or(StreamError::Malformed)
}

/// Appends a whole frame to `buf` and returns its length. A [`Sync`] is written with the entries
/// that it holds in encoded form; to build one see [`SyncWriter`].
pub fn write_stream_message(buf: &mut Vec<u8>, message: &StreamMessage<'_>) -> usize {
    let start = begin_frame(buf);
    match message {
        StreamMessage::Ping(m) => append(buf, &(kind::PING, m)),
        StreamMessage::Ack(m) => append(buf, &(kind::ACK, m)),
        StreamMessage::Sync(m) => {
            let header = SyncHeader {
                join: m.join,
                versions: m.versions,
                count: m.count,
                entries_len: size(m.entries.len()),
            };
            append(buf, &(kind::SYNC, header));
            buf.extend_from_slice(m.entries);
            append_bytes(buf, m.user_state);
        }
        StreamMessage::Serf(m) => append_serf(buf, m),
        StreamMessage::Refusal(text) => append(buf, &(kind::REFUSAL, text)),
    };
    end_frame(buf, start)
}

/// Leaves room for the header.
fn begin_frame(buf: &mut Vec<u8>) -> usize {
    let start = buf.len();
    buf.extend_from_slice(&[0; HEADER_LEN]);
    start
}

fn end_frame(buf: &mut [u8], start: usize) -> usize {
    let frame = &mut buf[start..];
    let (header, body) = frame.split_at_mut(HEADER_LEN);
    header[0] = FIRST_BYTE;
    header[1..1 + LEN_LEN].copy_from_slice(&size(body.len()).to_le_bytes());
    header[1 + LEN_LEN..].copy_from_slice(&checksum(body));
    frame.len()
}

fn size(len: usize) -> u32 {
    u32::try_from(len).expect("what a node sends is bounded by its member table and queues")
}

/// What stands before the entries. Both numbers have a fixed size, as they are only known after
/// the entries have been written.
#[derive(Serialize, Deserialize)]
struct SyncHeader {
    join: bool,
    versions: VersionRange,
    #[serde(with = "postcard::fixint::le")]
    count: u32,
    #[serde(with = "postcard::fixint::le")]
    entries_len: u32,
}

/// Its encoded length; after the kind.
const SYNC_HEADER_LEN: usize = 17;

fn read_sync(fields: &[u8]) -> Option<Sync<'_>> {
    let (header, rest) = take::<SyncHeader>(fields)?;
    let (entries, rest) = rest.split_at_checked(usize::try_from(header.entries_len).ok()?)?;
    let (user_state, _) = split_sized(rest)?;
    Some(Sync {
        join: header.join,
        versions: header.versions,
        count: header.count,
        entries,
        user_state,
    })
}

/// Writes a state exchange at the end of a buffer that the caller owns, in one pass.
///
/// Bytes already in the buffer stay as they are. It must be brought to an end with
/// [`finish`](Self::finish).
#[derive(Debug)]
#[must_use = "a frame without `finish` has no header"]
pub struct SyncWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    /// The length that `buf` must not pass with an entry.
    limit: usize,
    join: bool,
    versions: VersionRange,
    count: u32,
}

impl<'b> SyncWriter<'b> {
    /// Begins a frame whose header and entries together take at most `budget` bytes; the user
    /// state comes on top of that. Budgets above 1 GiB count as 1 GiB. `versions` is the range of
    /// all members that the sender knows.
    pub fn new(buf: &'b mut Vec<u8>, join: bool, versions: VersionRange, budget: usize) -> Self {
        let start = begin_frame(buf);
        buf.extend_from_slice(&[0; 1 + SYNC_HEADER_LEN]);
        Self {
            limit: start.saturating_add(budget.min(MAX_FRAME)),
            start,
            join,
            versions,
            count: 0,
            buf,
        }
    }

    /// Adds a member. If it does not fit in what is left of the budget, leaves the frame as it is
    /// and returns false.
    #[must_use = "false means that the entry is not in the frame"]
    pub fn push(&mut self, entry: &SyncEntry<'_>) -> bool {
        let done = append_sized(self.buf, self.limit, |out| append_entry(out, entry));
        self.count += u32::from(done);
        done
    }

    /// Adds a member whose announcement is encoded already, as [`push`](Self::push) would.
    #[must_use = "false means that the entry is not in the frame"]
    pub(crate) fn push_encoded(
        &mut self,
        state: SyncState,
        intent: Intent,
        incarnation: u32,
        announced: &Announcement,
    ) -> bool {
        let done = announced.append_entry(self.buf, self.limit, state, intent, incarnation);
        self.count += u32::from(done);
        done
    }

    /// Adds what the layer above sends along, ends the frame and returns its length in bytes: it
    /// is the last that many bytes of the buffer.
    pub fn finish(self, user_state: &[u8]) -> usize {
        let body = self.start + HEADER_LEN;
        let entries = body + 1 + SYNC_HEADER_LEN;
        let header = SyncHeader {
            join: self.join,
            versions: self.versions,
            count: self.count,
            entries_len: size(self.buf.len() - entries),
        };
        postcard::to_slice(&(kind::SYNC, header), &mut self.buf[body..entries])
            .expect("the header has a fixed length");
        append_bytes(self.buf, user_state);
        end_frame(self.buf, self.start)
    }
}

/// The entries of a state exchange, in the order in which they were written.
///
/// An entry that cannot be read is an `Err`, and the next one follows. Only when a length runs
/// past the end is that `Err` the last item. There are never more items than bytes; their number
/// may differ from [`Sync::count`], which is only what the sender says.
#[derive(Debug, Clone)]
pub struct SyncEntries<'a> {
    rest: &'a [u8],
}

impl<'a> SyncEntries<'a> {
    /// The entries of `sync`.
    #[must_use]
    pub fn new(sync: &Sync<'a>) -> Self {
        Self { rest: sync.entries }
    }

    /// Steps over the next entry if it says nothing but what is known, as nearly all do: that the
    /// member is alive, just so announced, at no later incarnation and with no later intent than
    /// these. Not all such entries are recognised.
    #[inline]
    pub(crate) fn skip_known(
        &mut self,
        announced: &Announcement,
        intent: Intent,
        incarnation: u32,
    ) -> bool {
        let Some(len) = announced.known_entry(self.rest, intent, incarnation) else {
            return false;
        };
        self.rest = &self.rest[len..];
        true
    }
}

impl<'a> Iterator for SyncEntries<'a> {
    type Item = Result<SyncEntry<'a>, MessageError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((entry, rest)) = split_sized(self.rest) else {
            self.rest = &[];
            return Some(Err(MessageError::Malformed));
        };
        self.rest = rest;
        Some(read_entry(entry).ok_or(MessageError::Malformed))
    }
}

impl core::iter::FusedIterator for SyncEntries<'_> {}

/// A frame that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamError {
    /// Its first byte is not one of this wire.
    Foreign,
    /// It is of another version of this wire.
    Version(u8),
    /// It says that it is longer than accepted.
    TooLarge {
        /// Its length in bytes, header included.
        len: u64,
        /// The most bytes accepted.
        cap: usize,
    },
    /// The checksum does not match.
    Corrupt,
    /// The message is of a kind that this version does not know.
    Unknown {
        /// Its number.
        kind: u8,
    },
    /// Cut short, or with a field that cannot be.
    Malformed,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("a stream of another protocol"),
            Self::Version(version) => write!(f, "a stream of unknown version {version}"),
            Self::TooLarge { len, cap } => {
                write!(f, "a message of {len} bytes, at most {cap} are accepted")
            }
            Self::Corrupt => f.write_str("a damaged message"),
            Self::Unknown { kind } => write!(f, "a message of unknown kind {kind}"),
            Self::Malformed => f.write_str("a malformed message"),
        }
    }
}

impl core::error::Error for StreamError {}

impl From<Strange> for StreamError {
    fn from(strange: Strange) -> Self {
        match strange {
            Strange::Foreign => Self::Foreign,
            Strange::Version(version) => Self::Version(version),
        }
    }
}
