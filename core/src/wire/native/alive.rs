//! Announcements, written and read by hand.
//!
//! Nearly all messages of a node are announcements, thousands at a time in a state exchange. The
//! bytes are those that serde and postcard would give and accept (a test compares them), in half
//! the time: here a value is read in one place instead of being handed up piece by piece.

use alloc::vec::Vec;

use super::field::addr;
use super::sized::{append, append_bytes, split_sized, take, take_u32};
use crate::member::Versions;
use crate::message::{Alive, RawName, SyncEntry};

#[inline]
pub(super) fn append_alive(out: &mut Vec<u8>, alive: &Alive<'_>) {
    match u8::try_from(alive.incarnation) {
        Ok(byte @ 0..0x80) => out.push(byte),
        _ => append(out, &alive.incarnation),
    }
    append_bytes(out, alive.name.as_bytes());
    addr::with_bytes(&alive.addr, |bytes| append_bytes(out, bytes));
    let v = alive.versions;
    out.extend_from_slice(&[
        v.protocol_min,
        v.protocol_max,
        v.protocol_cur,
        v.delegate_min,
        v.delegate_max,
        v.delegate_cur,
    ]);
    append_bytes(out, alive.meta);
}

#[inline]
pub(super) fn read_alive(bytes: &[u8]) -> Option<Alive<'_>> {
    let (incarnation, bytes) = take_u32(bytes)?;
    let (name, bytes) = split_sized(bytes)?;
    let (addr, bytes) = split_sized(bytes)?;
    let (versions, bytes) = bytes.split_first_chunk()?;
    let (meta, _) = split_sized(bytes)?;
    let [
        protocol_min,
        protocol_max,
        protocol_cur,
        delegate_min,
        delegate_max,
        delegate_cur,
    ] = *versions;
    Some(Alive {
        incarnation,
        name: RawName::new(name),
        addr: addr::from_bytes(addr)?,
        versions: Versions {
            protocol_min,
            protocol_max,
            protocol_cur,
            delegate_min,
            delegate_max,
            delegate_cur,
        },
        meta,
    })
}

#[inline]
pub(super) fn read_entry(bytes: &[u8]) -> Option<SyncEntry<'_>> {
    let (state, alive) = take(bytes)?;
    let alive = read_alive(alive)?;
    Some(SyncEntry { state, alive })
}

#[inline]
pub(super) fn append_entry(out: &mut Vec<u8>, entry: &SyncEntry<'_>) {
    append(out, &entry.state);
    append_alive(out, &entry.alive);
}
