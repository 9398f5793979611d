//! Pings and acks, written and read by hand.
//!
//! They are all that a cluster at rest says. As with [announcements](super::alive) the bytes are
//! those that serde and postcard would give and accept, which a test compares.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::field::addr;
use super::sized::{append_bytes, append_u32, split_sized, take_long_u32};
use crate::message::{Ack, Ping, RawName};

#[inline(always)]
pub(super) fn append_ping(out: &mut Vec<u8>, ping: &Ping<'_>) {
    append_u32(out, ping.seq);
    append_bytes(out, ping.target.as_bytes());
    match ping.source {
        SocketAddr::V4(source) => {
            let ([a, b, c, d], [low, high]) = (source.ip().octets(), source.port().to_le_bytes());
            out.extend_from_slice(&[6, a, b, c, d, low, high]);
        }
        SocketAddr::V6(_) => addr::with_bytes(&ping.source, |bytes| append_bytes(out, bytes)),
    }
    append_bytes(out, ping.source_name.as_bytes());
}

#[inline(always)]
pub(super) fn read_ping(bytes: &[u8]) -> Option<Ping<'_>> {
    let (seq, bytes) = take_long_u32(bytes)?;
    let (target, bytes) = split_sized(bytes)?;
    let (source, bytes) = split_sized(bytes)?;
    let (source_name, _) = split_sized(bytes)?;
    Some(Ping {
        seq,
        target: RawName::new(target),
        source: addr::from_bytes(source)?,
        source_name: RawName::new(source_name),
    })
}

#[inline(always)]
pub(super) fn append_ack(out: &mut Vec<u8>, ack: &Ack<'_>) {
    append_u32(out, ack.seq);
    append_bytes(out, ack.payload);
}

#[inline(always)]
pub(super) fn read_ack(bytes: &[u8]) -> Option<Ack<'_>> {
    let (seq, bytes) = take_long_u32(bytes)?;
    let (payload, _) = split_sized(bytes)?;
    Some(Ack { seq, payload })
}
