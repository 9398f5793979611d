//! Values with a length in front, so that a reader can step over what it does not know.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::secret;

/// Where postcard writes: the end of a buffer.
struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        match data {
            // Most numbers and lengths; much faster than a copy of unknown length.
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(data),
        }
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a value, without a length.
#[inline]
pub(super) fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    postcard::serialize_with_flavor(value, Tail(out))
        .expect("the flavor never fails, and messages have no sequence of unknown length");
}

/// Appends a number, as [`append`] would, by one store of all its bytes.
#[inline(always)]
pub(super) fn append_u32(out: &mut Vec<u8>, value: u32) {
    let digits = (0..5).fold(0, |word, nth| {
        word | ((u64::from(value) >> (7 * nth)) & 0x7f) << (8 * nth)
    });
    let more = (u32::BITS - 1 - (value | 1).leading_zeros()) / 7;
    let marks = 0x80_8080_8080 & ((1 << (8 * more)) - 1);
    out.extend_from_slice(&(digits | marks).to_le_bytes());
    out.truncate(out.len() - 7 + more as usize);
}

/// Appends a byte string with its length in front.
#[inline(always)]
pub(super) fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len @ 0..0x80) => out.push(len),
        _ => append(out, &bytes.len()),
    }
    out.extend_from_slice(bytes);
}

/// Appends what `write` appends with its length in front. False, with `out` as it was, if that
/// takes `out` past `limit` bytes.
#[inline]
pub(super) fn append_sized(
    out: &mut Vec<u8>,
    limit: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let start = begin_sized(out);
    write(out);
    end_sized(out, limit, start)
}

/// Leaves room for a length; answers where.
#[inline(always)]
pub(super) fn begin_sized(out: &mut Vec<u8>) -> usize {
    // Nearly all values are shorter than 128 bytes, so that their length takes one byte.
    out.push(0);
    out.len() - 1
}

/// Puts the length of what has been appended since into the room at `start`; otherwise as
/// [`append_sized`].
#[inline(always)]
pub(super) fn end_sized(out: &mut Vec<u8>, limit: usize, start: usize) -> bool {
    match u8::try_from(out.len() - start - 1) {
        Ok(len @ 0..0x80) => out[start] = len,
        _ => lengthen(out, start),
    }
    let fits = out.len() <= limit;
    if !fits {
        secret::truncate(out, start);
    }
    fits
}

/// Replaces the one byte at `start` by the length of what follows it.
#[cold]
fn lengthen(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start - 1;
    let mut prefix = [0; 10];
    let prefix = postcard::to_slice(&len, &mut prefix).expect("a length has at most ten bytes");
    out.splice(start..=start, prefix.iter().copied());
}

/// Reads a value at the start of `bytes`; also gives the bytes after it.
#[inline]
pub(super) fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// Reads a number at the start of `bytes`, as [`take`] would; most have one byte.
#[inline(always)]
pub(super) fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes.split_first()? {
        (&byte @ 0..0x80, rest) => Some((byte.into(), rest)),
        _ => take_rare_u32(bytes),
    }
}

#[cold]
fn take_rare_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    take_long_u32(bytes)
}

/// Reads a number at the start of `bytes`, as [`take`] would, by one load of all the bytes that it
/// can have, if they are there.
#[inline(always)]
pub(super) fn take_long_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut longest = [0x80; 8];
    match bytes.first_chunk::<5>() {
        Some(&[a, b, c, d, e]) => longest[..5].copy_from_slice(&[a, b, c, d, e]),
        None => longest[..bytes.len()].copy_from_slice(bytes),
    }
    let word = u64::from_le_bytes(longest);
    let ends = !word & 0x80_8080_8080;
    if ends == 0 {
        return None;
    }
    let last = ends.trailing_zeros() / 8;
    let digits = word & ((1 << (8 * last + 7)) - 1);
    // Twice two neighbours become one, then the fifth is put on top.
    let pairs = (digits & 0x7f_007f_007f) | (digits & 0x7f00_7f00) >> 1;
    let value = (pairs & 0x3fff) | (pairs & 0x3fff_0000) >> 2 | (pairs & 0x7f_0000_0000) >> 4;
    Some((u32::try_from(value).ok()?, &bytes[last as usize + 1..]))
}

/// Splits off what stands behind a length. `None` if the length cannot be read or runs past the
/// end.
#[inline(always)]
pub(super) fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = take_u32(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}
