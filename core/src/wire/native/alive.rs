//! Announcements, written and read by hand.
//!
//! Nearly all messages of a node are announcements, thousands at a time in a state exchange. The
//! bytes are those that serde and postcard would give and accept (a test compares them), in half
//! the time: here a value is read in one place instead of being handed up piece by piece.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::field::addr;
use super::sized::{append, append_bytes, append_sized, split_sized, take, take_u32};
use crate::member::Versions;
use crate::message::{Alive, RawName, SyncEntry, SyncState};
use crate::serf::intent::Intent;

/// What a member announces about itself in encoded form: an [`Alive`] without its incarnation.
///
/// A node passes on the same announcements over and over, to others and in state exchanges. Kept
/// like this, each of them is one copy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Announcement {
    bytes: Box<[u8]>,
    /// Where the metadata begins; it goes to the end.
    meta: u16,
}

impl Announcement {
    pub(crate) fn new(
        name: RawName<'_>,
        addr: SocketAddr,
        versions: Versions,
        meta: &[u8],
    ) -> Self {
        // Nearly always the exact length: IPv4, and lengths of one byte.
        let mut bytes = Vec::with_capacity(15 + name.as_bytes().len() + meta.len());
        append_announced(&mut bytes, name, addr, versions, meta);
        Self {
            meta: u16::try_from(bytes.len() - meta.len())
                .expect("what precedes it is a name of at most 255 bytes and little else"),
            bytes: bytes.into_boxed_slice(),
        }
    }

    pub(crate) fn meta(&self) -> &[u8] {
        &self.bytes[usize::from(self.meta)..]
    }

    /// Appends the kind of the message, the incarnation and the announcement, with their length in
    /// front. False, with `out` as it was, if that takes `out` past `limit` bytes.
    #[inline]
    pub(super) fn append_sized(
        &self,
        out: &mut Vec<u8>,
        limit: usize,
        kind: u8,
        incarnation: u32,
    ) -> bool {
        // At the end of a packet this is asked of several that do not fit.
        if limit.saturating_sub(out.len()) < 3 + self.bytes.len() {
            return false;
        }
        let len = u8::try_from(2 + self.bytes.len());
        match (len, u8::try_from(incarnation)) {
            // Nearly always: all numbers take one byte.
            (Ok(len @ 0..0x80), Ok(incarnation @ 0..0x80)) => {
                out.extend_from_slice(&[len, kind, incarnation]);
                out.extend_from_slice(&self.bytes);
                true
            }
            _ => append_sized(out, limit, |out| {
                out.push(kind);
                append(out, &incarnation);
                out.extend_from_slice(&self.bytes);
            }),
        }
    }

    /// Appends it as an entry of a state exchange; otherwise like
    /// [`append_sized`](Self::append_sized).
    #[inline]
    pub(super) fn append_entry(
        &self,
        out: &mut Vec<u8>,
        limit: usize,
        state: SyncState,
        intent: Intent,
        incarnation: u32,
    ) -> bool {
        let numbers = (
            u8::try_from(3 + self.bytes.len()),
            u8::try_from(intent.to_bits()),
            u8::try_from(incarnation),
        );
        let room = limit.saturating_sub(out.len());
        match numbers {
            // Nearly always: all numbers take one byte.
            (Ok(len @ 0..0x80), Ok(intent @ 0..0x80), Ok(incarnation @ 0..0x80)) => {
                let fits = room > usize::from(len);
                if fits {
                    out.extend_from_slice(&[len, state as u8, intent, incarnation]);
                    out.extend_from_slice(&self.bytes);
                }
                fits
            }
            _ => append_sized(out, limit, |out| {
                out.push(state as u8);
                append(out, &intent);
                append(out, &incarnation);
                out.extend_from_slice(&self.bytes);
            }),
        }
    }

    /// If `bytes` begin with an entry that says nothing new, how long it is: that the member is alive,
    /// just so announced, at no later incarnation and with no later intent than these. Not all such
    /// entries are recognised.
    #[inline]
    pub(super) fn known_entry(
        &self,
        bytes: &[u8],
        intent: Intent,
        incarnation: u32,
    ) -> Option<usize> {
        const ALIVE: u8 = SyncState::Alive as u8;
        let [len @ 0..0x80, ALIVE, its @ 0..0x80, nth @ 0..0x80, ..] = *bytes else {
            return None;
        };
        let end = 1 + usize::from(len);
        let known = u64::from(its) <= intent.to_bits() && u32::from(nth) <= incarnation;
        let same = end == 4 + self.bytes.len() && bytes.get(4..end)? == &*self.bytes;
        (known && same).then_some(end)
    }
}

pub(super) fn append_alive(out: &mut Vec<u8>, alive: &Alive<'_>) {
    append(out, &alive.incarnation);
    append_announced(out, alive.name, alive.addr, alive.versions, alive.meta);
}

fn append_announced(
    out: &mut Vec<u8>,
    name: RawName<'_>,
    addr: SocketAddr,
    versions: Versions,
    meta: &[u8],
) {
    append_bytes(out, name.as_bytes());
    addr::with_bytes(&addr, |bytes| append_bytes(out, bytes));
    append(out, &versions);
    append_bytes(out, meta);
}

#[inline(always)]
pub(super) fn read_alive(bytes: &[u8]) -> Option<Alive<'_>> {
    let (incarnation, bytes) = take_u32(bytes)?;
    let (name, bytes) = split_sized(bytes)?;
    let name = RawName::new(name);
    // Nearly all announcements: one look at the length of all that is fixed.
    if let [
        6,
        a,
        b,
        c,
        d,
        low,
        high,
        e,
        f,
        g,
        h,
        i,
        j,
        len @ 0..0x80,
        rest @ ..,
    ] = bytes
    {
        let ip = Ipv4Addr::new(*a, *b, *c, *d);
        let port = u16::from_le_bytes([*low, *high]);
        return Some(Alive {
            incarnation,
            name,
            addr: SocketAddr::V4(SocketAddrV4::new(ip, port)),
            versions: versions(&[*e, *f, *g, *h, *i, *j]),
            meta: rest.get(..usize::from(*len))?,
        });
    }
    let (addr, bytes) = split_sized(bytes)?;
    let (spoken, bytes) = bytes.split_first_chunk()?;
    let (meta, _) = split_sized(bytes)?;
    let (addr, versions) = (addr::from_bytes(addr)?, versions(spoken));
    Some(Alive {
        incarnation,
        name,
        addr,
        versions,
        meta,
    })
}

#[inline(always)]
pub(super) fn read_entry(bytes: &[u8]) -> Option<SyncEntry<'_>> {
    let (state, rest) = read_state(bytes)?;
    let (intent, alive) = match rest.split_first()? {
        (&0, rest) => (Intent::NONE, rest),
        _ => take(rest)?,
    };
    let alive = read_alive(alive)?;
    Some(SyncEntry {
        state,
        intent,
        alive,
    })
}

#[inline(always)]
fn read_state(bytes: &[u8]) -> Option<(SyncState, &[u8])> {
    let (state, rest) = take_u32(bytes)?;
    let state = match state {
        0 => SyncState::Alive,
        1 => SyncState::Suspect,
        2 => SyncState::Dead,
        3 => SyncState::Left,
        _ => return None,
    };
    Some((state, rest))
}

fn versions(bytes: &[u8; 6]) -> Versions {
    let [
        protocol_min,
        protocol_max,
        protocol_cur,
        delegate_min,
        delegate_max,
        delegate_cur,
    ] = *bytes;
    Versions {
        protocol_min,
        protocol_max,
        protocol_cur,
        delegate_min,
        delegate_max,
        delegate_cur,
    }
}

pub(super) fn append_entry(out: &mut Vec<u8>, entry: &SyncEntry<'_>) {
    append(out, &(entry.state, entry.intent));
    append_alive(out, &entry.alive);
}
