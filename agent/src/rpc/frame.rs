//! Cuts a byte stream into msgpack values, within limits.
//!
//! The protocol has no length prefix: a value ends where its msgpack ends. [`Framer`] remembers
//! how far it has looked, so bytes that trickle in one by one cost no more than a single read,
//! and counts what a value claims to hold before anything is allocated for it.

use std::io;

use bytes::{Buf, BytesMut};
use rmp::Marker;
use rmpv::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroize as _;

use super::codec::Malformed;

/// How large one value may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of its encoding.
    pub bytes: usize,
    /// Elements of all its lists and maps (a map entry counts as two).
    pub elements: usize,
    /// Levels of nesting.
    pub depth: usize,
}

impl Limits {
    /// For requests, which come from anybody who can connect.
    pub const REQUEST: Self = Self {
        bytes: 1 << 20,
        elements: 1 << 16,
        depth: 16,
    };
    /// For requests of clients that have yet to show who they are.
    pub const STRANGER: Self = Self {
        bytes: 16 << 10,
        elements: 1 << 10,
        depth: 16,
    };
    /// For responses, which may list every member of a large cluster.
    pub const RESPONSE: Self = Self {
        bytes: 256 << 20,
        elements: 16 << 20,
        depth: 16,
    };
}

/// Cuts bytes into values.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    /// Bytes of `buffer` that belong to the value under way and have been looked at.
    scanned: usize,
    /// Elements still to come on each open level of nesting.
    open: Vec<u64>,
    elements: usize,
}

impl Framer {
    /// Starts with no bytes.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            scanned: 0,
            open: Vec::new(),
            elements: 0,
        }
    }

    /// Changes what is accepted from the next value on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// True if a value has begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole value, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// What arrived is not msgpack or passes a limit; the stream cannot be read any further.
    pub fn next_value(&mut self) -> Result<Option<Value>, Malformed> {
        if !self.scan()? {
            return Ok(None);
        }
        let whole = &mut self.buffer[..self.scanned];
        let value = rmpv::decode::read_value(&mut &*whole);
        // It may have been a request with a key.
        whole.zeroize();
        if self.scanned == self.buffer.len() {
            // Do not hold on to the room that one large message took.
            self.buffer = BytesMut::new();
        } else {
            self.buffer.advance(self.scanned);
        }
        self.scanned = 0;
        self.elements = 0;
        value
            .map(Some)
            .map_err(|error| Malformed::Syntax(error.to_string()))
    }

    /// Makes room for more bytes. What has to move leaves no copy behind.
    fn reserve(&mut self, more: usize) {
        let len = self.buffer.len();
        if self.buffer.capacity() - len < more {
            let mut larger = BytesMut::with_capacity(len + more.max(len));
            larger.extend_from_slice(&self.buffer);
            self.buffer.zeroize();
            self.buffer = larger;
        }
    }

    /// Looks for the end of the value under way; true when `scanned` has reached it.
    fn scan(&mut self) -> Result<bool, Malformed> {
        loop {
            let Some((&marker, rest)) = self.buffer[self.scanned..].split_first() else {
                return Ok(false);
            };
            let Some(Shape { bytes, children }) = Shape::of(Marker::from_u8(marker), rest)? else {
                return Ok(false);
            };
            let end = self.scanned.saturating_add(1).saturating_add(bytes);
            if end > self.limits.bytes {
                return Err(Malformed::TooLarge {
                    limit: self.limits.bytes,
                });
            }
            if end > self.buffer.len() {
                return Ok(false);
            }
            self.scanned = end;
            if children > 0 {
                self.descend(children)?;
            } else if self.ascend() {
                return Ok(true);
            }
        }
    }

    fn descend(&mut self, children: u64) -> Result<(), Malformed> {
        let limit = self.limits.elements;
        self.elements = usize::try_from(children)
            .ok()
            .and_then(|children| self.elements.checked_add(children))
            .filter(|elements| *elements <= limit)
            .ok_or(Malformed::TooMany { limit })?;
        if self.open.len() == self.limits.depth {
            return Err(Malformed::TooDeep {
                limit: self.limits.depth,
            });
        }
        self.open.push(children);
        Ok(())
    }

    /// One element is complete; true if with it the whole value is.
    fn ascend(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

impl Drop for Framer {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

/// What follows a marker byte.
struct Shape {
    /// Bytes that belong to this element itself.
    bytes: usize,
    /// Elements nested in it.
    children: u64,
}

impl Shape {
    /// `None` if the length is not there yet.
    fn of(marker: Marker, rest: &[u8]) -> Result<Option<Self>, Malformed> {
        let plain = |bytes| Ok(Some(Self { bytes, children: 0 }));
        let counted = |width: usize, extra: usize| {
            Ok(number(rest, width).map(|len| Self {
                bytes: usize::try_from(len)
                    .unwrap_or(usize::MAX)
                    .saturating_add(width + extra),
                children: 0,
            }))
        };
        let nested = |width: usize, per_entry: u64| {
            Ok(number(rest, width).map(|len| Self {
                bytes: width,
                children: len * per_entry,
            }))
        };
        match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
                plain(0)
            }
            Marker::U8 | Marker::I8 => plain(1),
            Marker::U16 | Marker::I16 => plain(2),
            Marker::U32 | Marker::I32 | Marker::F32 => plain(4),
            Marker::U64 | Marker::I64 | Marker::F64 => plain(8),
            Marker::FixStr(len) => plain(usize::from(len)),
            Marker::Str8 | Marker::Bin8 => counted(1, 0),
            Marker::Str16 | Marker::Bin16 => counted(2, 0),
            Marker::Str32 | Marker::Bin32 => counted(4, 0),
            Marker::FixExt1 => plain(2),
            Marker::FixExt2 => plain(3),
            Marker::FixExt4 => plain(5),
            Marker::FixExt8 => plain(9),
            Marker::FixExt16 => plain(17),
            Marker::Ext8 => counted(1, 1),
            Marker::Ext16 => counted(2, 1),
            Marker::Ext32 => counted(4, 1),
            Marker::FixArray(len) => Ok(Some(Self {
                bytes: 0,
                children: u64::from(len),
            })),
            Marker::Array16 => nested(2, 1),
            Marker::Array32 => nested(4, 1),
            Marker::FixMap(len) => Ok(Some(Self {
                bytes: 0,
                children: u64::from(len) * 2,
            })),
            Marker::Map16 => nested(2, 2),
            Marker::Map32 => nested(4, 2),
            Marker::Reserved => Err(Malformed::Syntax("the reserved type 0xc1".to_owned())),
        }
    }
}

/// The big-endian number in the first `width` bytes.
fn number(bytes: &[u8], width: usize) -> Option<u64> {
    let bytes = bytes.get(..width)?;
    Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// Reads values from a connection.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    framer: Framer,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `source`, within `limits`.
    pub fn new(source: R, limits: Limits) -> Self {
        Self {
            source,
            framer: Framer::new(limits),
        }
    }

    /// Changes what is accepted from the next value on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.framer.set_limits(limits);
    }

    /// True if a value has begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.framer.is_partial()
    }

    /// Whether a whole value is at hand without reading.
    ///
    /// # Errors
    /// As [`Framer::next_value`].
    pub fn buffered(&mut self) -> Result<Option<Value>, Malformed> {
        self.framer.next_value()
    }

    /// Reads once; false at the end of the stream. Cancelling loses nothing.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn fill(&mut self) -> io::Result<bool> {
        self.framer.reserve(4096);
        Ok(self.source.read_buf(&mut self.framer.buffer).await? > 0)
    }
}
