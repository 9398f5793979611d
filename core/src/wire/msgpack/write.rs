//! Writing, in the forms of the older generation.
//!
//! `rmp` could write most of it, but into a buffer type of its own, and shorter headers of texts
//! than older peers understand.

use alloc::vec::Vec;

use rmp::Marker;

#[inline]
fn append<const N: usize>(out: &mut Vec<u8>, marker: Marker, be: [u8; N]) {
    out.push(marker.to_u8());
    out.extend_from_slice(&be);
}

pub(crate) fn append_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

pub(crate) fn append_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { Marker::True } else { Marker::False }.to_u8());
}

#[inline]
pub(crate) fn append_uint(out: &mut Vec<u8>, value: impl Into<u64>) {
    let value = value.into();
    if let Ok(byte) = u8::try_from(value) {
        match byte {
            0..0x80 => out.push(byte),
            _ => append(out, Marker::U8, [byte]),
        }
    } else if let Ok(value) = u16::try_from(value) {
        append(out, Marker::U16, value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        append(out, Marker::U32, value.to_be_bytes());
    } else {
        append(out, Marker::U64, value.to_be_bytes());
    }
}

pub(crate) fn append_f64(out: &mut Vec<u8>, value: f64) {
    append(out, Marker::F64, value.to_be_bytes());
}

/// A text, which need not be UTF-8: never with a length of one byte.
#[inline]
pub(crate) fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(len @ 0..32) => out.push(Marker::FixStr(len).to_u8()),
        _ => match u16::try_from(text.len()) {
            Ok(len) => append(out, Marker::Str16, len.to_be_bytes()),
            Err(_) => append(out, Marker::Str32, len_u32(text.len()).to_be_bytes()),
        },
    }
    out.extend_from_slice(text);
}

/// A byte string: like a text, and nil if it is empty.
#[inline]
pub(crate) fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes {
        [] => append_nil(out),
        _ => append_text(out, bytes),
    }
}

pub(crate) fn append_array_len(out: &mut Vec<u8>, len: usize) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..16), _) => out.push(Marker::FixArray(len).to_u8()),
        (_, Ok(len)) => append(out, Marker::Array16, len.to_be_bytes()),
        _ => append(out, Marker::Array32, len_u32(len).to_be_bytes()),
    }
}

pub(crate) fn append_map_len(out: &mut Vec<u8>, len: usize) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..16), _) => out.push(Marker::FixMap(len).to_u8()),
        (_, Ok(len)) => append(out, Marker::Map16, len.to_be_bytes()),
        _ => append(out, Marker::Map32, len_u32(len).to_be_bytes()),
    }
}

/// What has 4 GiB or more is refused for its size afterwards, whatever it says here.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
