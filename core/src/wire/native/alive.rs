//! Announcements, written and read by hand.
//!
//! Nearly all messages of a node are announcements, thousands at a time in a state exchange. The
//! bytes are those that serde and postcard would give and accept (a test compares them), in half
//! the time: here a value is read in one place instead of being handed up piece by piece.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::field::addr;
use super::sized::{append, append_bytes, split_sized, take_u32};
use crate::member::Versions;
use crate::message::{Alive, RawName, SyncEntry, SyncState};

#[inline]
pub(super) fn append_alive(out: &mut Vec<u8>, alive: &Alive<'_>) {
    let Alive {
        incarnation,
        name,
        addr,
        versions: v,
        meta,
    } = *alive;
    let name = name.as_bytes();
    match (u8::try_from(incarnation), u8::try_from(name.len())) {
        (Ok(incarnation @ 0..0x80), Ok(len @ 0..0x80)) => {
            out.extend_from_slice(&[incarnation, len]);
            out.extend_from_slice(name);
        }
        _ => {
            append(out, &incarnation);
            append_bytes(out, name);
        }
    }
    let [e, f, g, h, i, j] = [
        v.protocol_min,
        v.protocol_max,
        v.protocol_cur,
        v.delegate_min,
        v.delegate_max,
        v.delegate_cur,
    ];
    match (addr, u8::try_from(meta.len())) {
        // Nearly all announcements: what has a fixed length, in one piece.
        (SocketAddr::V4(addr), Ok(len @ 0..0x80)) => {
            let [a, b, c, d] = addr.ip().octets();
            let [low, high] = addr.port().to_le_bytes();
            out.extend_from_slice(&[6, a, b, c, d, low, high, e, f, g, h, i, j, len]);
            out.extend_from_slice(meta);
        }
        _ => {
            addr::with_bytes(&addr, |bytes| append_bytes(out, bytes));
            out.extend_from_slice(&[e, f, g, h, i, j]);
            append_bytes(out, meta);
        }
    }
}

#[inline(always)]
pub(super) fn read_alive(bytes: &[u8]) -> Option<Alive<'_>> {
    let (incarnation, bytes) = take_u32(bytes)?;
    let (name, bytes) = split_sized(bytes)?;
    let name = RawName::new(name);
    // The same shape as when writing: one look at the length of all that is fixed.
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
    let (state, alive) = read_state(bytes)?;
    let alive = read_alive(alive)?;
    Some(SyncEntry { state, alive })
}

/// Only what an entry says about versions, at a fraction of the cost.
#[inline(always)]
pub(super) fn read_versions(bytes: &[u8]) -> Option<(SyncState, Versions)> {
    let (state, bytes) = read_state(bytes)?;
    let (_incarnation, bytes) = take_u32(bytes)?;
    let (_name, bytes) = split_sized(bytes)?;
    let (_addr, bytes) = split_sized(bytes)?;
    Some((state, versions(bytes.first_chunk()?)))
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

#[inline]
pub(super) fn append_entry(out: &mut Vec<u8>, entry: &SyncEntry<'_>) {
    append(out, &entry.state);
    append_alive(out, &entry.alive);
}
