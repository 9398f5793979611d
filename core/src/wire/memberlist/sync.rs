//! State exchanges: push/pull (wire-protocol reference, section 4.2).

use alloc::vec::Vec;

use super::compress::Compressor;
use super::error::{MessageError, StreamError};
use super::field::{Origin, append_ip, append_versions, read_name, read_versions};
use super::kind;
use super::message::announcement;
use crate::member::{Profile, VersionRange};
use crate::message::{Alive, RawName, Sync, SyncEntry, SyncState};
use crate::serf::intent::Intent;
use crate::wire::msgpack::{
    Fault, Reader, append_bool, append_bytes, append_map_len, append_text, append_uint, record,
};

/// What stands before the entries.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) nodes: u64,
    pub(super) user_state: u64,
    join: bool,
}

impl Header {
    /// The most bytes that one has when written, its type included.
    const MAX_LEN: usize = 46;

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut header = Self::default();
        record!(reader: Fault, {
            b"Nodes" => header.nodes = reader.u64()?,
            b"UserStateLen" => header.user_state = reader.u64()?,
            b"Join" => header.join = reader.bool()?,
        })
        .map(|()| header)
    }

    pub(super) fn append(&self, out: &mut Vec<u8>) {
        out.push(kind::PUSH_PULL);
        append_map_len(out, 3);
        append_text(out, b"Join");
        append_bool(out, self.join);
        append_text(out, b"Nodes");
        append_uint(out, self.nodes);
        append_text(out, b"UserStateLen");
        append_uint(out, self.user_state);
    }
}

/// Reads what follows the type. This looks at every entry, as their versions decide about the
/// whole; entries that cannot be read do not count.
pub(super) fn read_sync<'a>(
    reader: &mut Reader<'a>,
    origin: Origin,
) -> Result<Sync<'a>, StreamError> {
    let header = Header::read(reader)?;
    let start = reader.rest();
    let mut versions = VersionRange::EMPTY;
    for _ in 0..header.nodes {
        match read_entry(reader, origin) {
            Ok(entry) => versions.add(entry.alive.versions, entry.state == SyncState::Alive),
            Err(Failed::Entry(_)) => {}
            Err(Failed::Rest(fault)) => return Err(fault.into()),
        }
    }
    let entries = &start[..start.len() - reader.rest().len()];
    let user_state = reader.take(header.user_state)?;
    Ok(Sync {
        join: header.join,
        versions,
        // Each takes a byte at least.
        count: u32::try_from(header.nodes).map_err(|_| MessageError::Malformed)?,
        entries,
        user_state,
    })
}

/// An entry that cannot be read.
enum Failed {
    /// The reader has stepped over it.
    Entry(MessageError),
    /// Nothing after it can be read either.
    Rest(Fault),
}

#[inline]
fn read_entry<'a>(reader: &mut Reader<'a>, origin: Origin) -> Result<SyncEntry<'a>, Failed> {
    let start = *reader;
    read_fields(reader, origin).map_err(|error| {
        *reader = start;
        match reader.skip() {
            Ok(()) => Failed::Entry(error),
            Err(fault) => Failed::Rest(fault),
        }
    })
}

#[inline]
fn read_fields<'a>(reader: &mut Reader<'a>, origin: Origin) -> Result<SyncEntry<'a>, MessageError> {
    let (mut incarnation, mut name, mut state) = (0, RawName::new(b""), 0);
    let (mut ip, mut port, mut meta, mut versions) = (&[][..], 0, &[][..], &[][..]);
    record!(reader: MessageError, {
        b"Name" => name = read_name(reader)?,
        b"Addr" => ip = reader.bytes()?,
        b"Port" => port = reader.u16()?,
        b"Meta" => meta = reader.bytes()?,
        b"Incarnation" => incarnation = reader.u32()?,
        b"State" => state = reader.u64()?,
        b"Vsn" => versions = reader.bytes()?,
    })?;
    let state = match state {
        0 => SyncState::Alive,
        1 => SyncState::Suspect,
        2 => SyncState::Dead,
        3 => SyncState::Left,
        _ => return Err(MessageError::Malformed),
    };
    let alive = Alive {
        incarnation,
        name,
        addr: origin.member(ip, port)?,
        versions: read_versions(versions)?,
        meta,
    };
    Ok(SyncEntry {
        state,
        // Comes with the user state.
        intent: Intent::NONE,
        alive,
    })
}

fn append_entry(out: &mut Vec<u8>, state: SyncState, alive: &Alive<'_>) {
    append_map_len(out, 7);
    append_text(out, b"Addr");
    append_ip(out, alive.addr.ip());
    append_text(out, b"Incarnation");
    append_uint(out, alive.incarnation);
    append_text(out, b"Meta");
    append_bytes(out, alive.meta);
    append_text(out, b"Name");
    append_text(out, alive.name.as_bytes());
    append_text(out, b"Port");
    append_uint(out, alive.addr.port());
    append_text(out, b"State");
    append_uint(out, state as u8);
    append_text(out, b"Vsn");
    append_versions(out, alive.versions);
}

/// Appends a push/pull whose entries are encoded already.
pub(super) fn append_sync(out: &mut Vec<u8>, sync: &Sync<'_>) {
    let header = Header {
        nodes: sync.count.into(),
        user_state: sync.user_state.len() as u64,
        join: sync.join,
    };
    header.append(out);
    out.extend_from_slice(sync.entries);
    out.extend_from_slice(sync.user_state);
}

/// The entries of a state exchange, in the order in which they were written.
///
/// An entry that cannot be read is an `Err`, and the next one follows. Only where the end of an
/// entry cannot be found is that `Err` the last item. There are never more items than bytes.
#[derive(Debug, Clone)]
pub struct SyncEntries<'a> {
    reader: Reader<'a>,
    left: u32,
    origin: Origin,
}

impl<'a> SyncEntries<'a> {
    /// The entries of `sync`.
    #[must_use]
    pub fn new(sync: &Sync<'a>, origin: Origin) -> Self {
        Self {
            reader: Reader::new(sync.entries),
            left: sync.count,
            origin,
        }
    }
}

impl<'a> Iterator for SyncEntries<'a> {
    type Item = Result<SyncEntry<'a>, MessageError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match read_entry(&mut self.reader, self.origin) {
            Ok(entry) => Some(Ok(entry)),
            Err(Failed::Entry(error)) => Some(Err(error)),
            Err(Failed::Rest(fault)) => {
                self.left = 0;
                Some(Err(fault.into()))
            }
        }
    }
}

impl core::iter::FusedIterator for SyncEntries<'_> {}

/// Writes a state exchange at the end of a buffer that the caller owns.
///
/// Bytes already in the buffer stay as they are. It must be brought to an end with
/// [`finish`](Self::finish).
#[derive(Debug)]
#[must_use = "a state exchange without `finish` has no header"]
pub struct SyncWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    /// The length that `buf` must not pass with an entry.
    limit: usize,
    join: bool,
    count: u32,
}

impl<'b> SyncWriter<'b> {
    /// Begins a message whose header and entries together take at most `budget` bytes; the user
    /// state comes on top of that.
    pub fn new(buf: &'b mut Vec<u8>, join: bool, budget: usize) -> Self {
        let start = buf.len();
        // The length of the header is only known in the end.
        buf.resize(start + Header::MAX_LEN, 0);
        Self {
            limit: start.saturating_add(budget),
            start,
            join,
            count: 0,
            buf,
        }
    }

    /// Adds a member. If it does not fit in what is left of the budget, leaves the message as it
    /// is and returns false.
    #[must_use = "false means that the entry is not in the message"]
    pub fn push(&mut self, entry: &SyncEntry<'_>) -> bool {
        self.push_entry(entry.state, &entry.alive)
    }

    /// Adds a member as [`push`](Self::push) would.
    #[must_use = "false means that the entry is not in the message"]
    pub fn push_profile(&mut self, state: SyncState, incarnation: u32, profile: &Profile) -> bool {
        self.push_entry(state, &announcement(incarnation, profile))
    }

    fn push_entry(&mut self, state: SyncState, alive: &Alive<'_>) -> bool {
        let before = self.buf.len();
        append_entry(self.buf, state, alive);
        let fits = self.buf.len() <= self.limit;
        if fits {
            self.count += 1;
        } else {
            self.buf.truncate(before);
        }
        fits
    }

    /// Adds what the layer above sends along, ends the message and returns its length in bytes: it
    /// is the last that many bytes of the buffer. With a compressor it is compressed, even where
    /// that makes it longer, as the reference system does on streams.
    pub fn finish(self, user_state: &[u8], compressor: Option<&mut Compressor>) -> usize {
        self.buf.extend_from_slice(user_state);
        let header = Header {
            nodes: self.count.into(),
            user_state: user_state.len() as u64,
            join: self.join,
        };
        let mut encoded = Vec::with_capacity(Header::MAX_LEN);
        header.append(&mut encoded);
        let entries = self.start + Header::MAX_LEN;
        self.buf[self.start..self.start + encoded.len()].copy_from_slice(&encoded);
        let end = self.buf.len();
        self.buf
            .copy_within(entries..end, self.start + encoded.len());
        self.buf.truncate(end - (Header::MAX_LEN - encoded.len()));
        if let Some(compressor) = compressor {
            compressor.compress(self.buf, self.start, true);
        }
        self.buf.len() - self.start
    }
}
