//! Values with a length in front, so that a reader can step over what it does not know.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Where postcard writes: the end of a buffer, up to a limit.
struct Tail<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl Flavor for Tail<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        if data.len() > self.limit - self.out.len() {
            return Err(postcard::Error::SerializeBufferFull);
        }
        match data {
            // Most numbers and lengths; many times faster than a copy of unknown length.
            [byte] => self.out.push(*byte),
            _ => self.out.extend_from_slice(data),
        }
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.out.len() >= self.limit {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.push(byte);
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a value, without a length. False, with `out` as it was, if `out` would grow past `limit` bytes.
#[inline]
pub(super) fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, limit: usize, value: &T) -> bool {
    let start = out.len();
    if start > limit {
        return false;
    }
    let done = postcard::serialize_with_flavor(value, Tail { out, limit }).is_ok();
    if !done {
        out.truncate(start);
    }
    done
}

/// Appends a value with its length in front. False, with `out` as it was, if `out` would grow
/// past `limit` bytes.
#[inline]
pub(super) fn append_sized<T: Serialize>(out: &mut Vec<u8>, limit: usize, value: &T) -> bool {
    let start = out.len();
    if start >= limit {
        return false;
    }
    // Nearly all values are shorter than 128 bytes, so that their length takes one byte.
    out.push(0);
    if !append(out, limit, value) {
        out.truncate(start);
        return false;
    }
    let len = out.len() - start - 1;
    if len < 0x80 {
        out[start] = len as u8;
        return true;
    }
    let done = lengthen(out, limit, start, len);
    if !done {
        out.truncate(start);
    }
    done
}

/// Makes room for a length of more than one byte.
#[cold]
fn lengthen(out: &mut Vec<u8>, limit: usize, start: usize, len: usize) -> bool {
    let mut prefix = [0; 5];
    let Ok(len32) = u32::try_from(len) else {
        return false;
    };
    let Ok(prefix) = postcard::to_slice(&len32, &mut prefix) else {
        return false;
    };
    let more = prefix.len() - 1;
    if more > limit - out.len() {
        return false;
    }
    out.extend_from_slice(&prefix[..more]);
    out.copy_within(start + 1..start + 1 + len, start + prefix.len());
    out[start..start + prefix.len()].copy_from_slice(prefix);
    true
}

/// Reads a value at the start of `bytes`; also gives the bytes after it.
#[inline]
pub(super) fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// Splits off what stands behind a length. `None` if the length cannot be read or runs past the
/// end.
#[inline]
pub(super) fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return rest.split_at_checked(usize::from(first));
    }
    let (len, rest) = take::<u32>(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}
