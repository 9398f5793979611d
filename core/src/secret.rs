//! Bytes that may hold a key, and so are overwritten before their memory is given back.
//!
//! Keys travel as what queries carry and answer, so that every payload of a query is treated as if it
//! were one, and so is whatever came out of an encrypted packet.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes that are overwritten when they are dropped, and not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret(Zeroizing<Box<[u8]>>);

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// Shortens a buffer, and overwrites what is cut off.
pub(crate) fn truncate(buf: &mut Vec<u8>, len: usize) {
    if let Some(tail) = buf.get_mut(len..) {
        tail.zeroize();
        buf.truncate(len);
    }
}

/// Lengthens a buffer by zeros to `len` bytes, and overwrites the place that it had, if it moves.
pub(crate) fn extend(buf: &mut Vec<u8>, len: usize) {
    if len > buf.capacity() {
        let mut larger = Vec::with_capacity(len);
        larger.extend_from_slice(buf);
        truncate(buf, 0);
        *buf = larger;
    }
    buf.resize(len, 0);
}
