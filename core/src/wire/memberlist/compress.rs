//! Compression: LZW, as in GIF (wire-protocol reference, section 2.6).

use alloc::vec::Vec;
use core::fmt;

use spin::Mutex;
use weezl::{BitOrder, LzwStatus, decode, encode};

use super::error::MessageError;
use super::kind;
use crate::secret;
use crate::wire::msgpack::{Reader, append_map_len, append_text, append_uint, record};

const LITERAL_BITS: u8 = 8;

/// The only algorithm there is.
const LZW: u64 = 0;

/// How much a buffer grows at least when it is not known how much will be needed.
const STEP: usize = 4096;

/// What it takes to read packets and frames that are compressed: a decoder and buffers, which are
/// used again and again.
///
/// Takes some tens of KiB from the first compressed message on, and as much as the largest one so far
/// had in plain form, which has a bound.
#[derive(Default)]
pub struct Unpacker {
    /// Never locked: it is in a mutex so that an unpacker can be shared between threads, though
    /// the decoder says nothing about that.
    decoder: Option<Mutex<decode::Decoder>>,
    pub(super) inflated: Vec<u8>,
    /// Messages taken out of nested containers, one after the other, and what became of each.
    pub(super) flat: Vec<u8>,
    pub(super) parts: Vec<Result<core::ops::Range<usize>, MessageError>>,
}

impl Unpacker {
    /// An unpacker that has not taken any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the messages that were unpacked last, and overwrites them in memory: they may have
    /// been encrypted. (Of what the decoder itself remembers this is not true.)
    pub(crate) fn wipe(&mut self) {
        secret::truncate(&mut self.inflated, 0);
        secret::truncate(&mut self.flat, 0);
    }

    /// Decompresses the body of a compressed message to at most `cap` bytes.
    pub(super) fn inflate(&mut self, body: &[u8], cap: usize) -> Result<(), InflateError> {
        let mut inflated = core::mem::take(&mut self.inflated);
        let done = self.inflate_into(&mut inflated, body, cap);
        self.inflated = inflated;
        done
    }

    /// The same to another place, which is cleared first.
    pub(super) fn inflate_into(
        &mut self,
        out: &mut Vec<u8>,
        body: &[u8],
        cap: usize,
    ) -> Result<(), InflateError> {
        let (mut algorithm, mut compressed) = (LZW, &[][..]);
        let reader = &mut Reader::new(body);
        let read = record!(reader: MessageError, {
            b"Algo" => algorithm = reader.u64()?,
            b"Buf" => compressed = reader.bytes()?,
        });
        read.map_err(|_| InflateError::Malformed)?;
        if algorithm != LZW {
            return Err(InflateError::Algorithm(algorithm));
        }
        let decoder = self
            .decoder
            .get_or_insert_with(|| Mutex::new(decode::Decoder::new(BitOrder::Lsb, LITERAL_BITS)))
            .get_mut();
        decoder.reset();
        secret::truncate(out, 0);
        inflate(decoder, compressed, cap, out)?;
        match out.is_empty() {
            true => Err(InflateError::Empty),
            false => Ok(()),
        }
    }
}

fn inflate(
    decoder: &mut decode::Decoder,
    mut compressed: &[u8],
    cap: usize,
    out: &mut Vec<u8>,
) -> Result<(), InflateError> {
    let mut len = 0;
    loop {
        // Room for one byte more than allowed, to see that there is one, and never for more.
        if len == out.len() {
            let more = (2 * compressed.len()).max(len).max(STEP);
            let room = len.saturating_add(more).min(cap.saturating_add(1));
            secret::extend(out, room);
        }
        let result = decoder.decode_bytes(compressed, &mut out[len..]);
        compressed = &compressed[result.consumed_in..];
        len += result.consumed_out;
        if len > cap {
            secret::truncate(out, 0);
            return Err(InflateError::TooLarge { cap });
        }
        match result.status {
            Ok(LzwStatus::Done) => break,
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            // Without an end there may be more to come that did not come.
            Ok(_) | Err(_) => {
                secret::truncate(out, 0);
                return Err(InflateError::Malformed);
            }
        }
    }
    out.truncate(len);
    Ok(())
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Clone for Unpacker {
    /// Another one that has not taken any memory yet: there is nothing in it but room.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

/// What it takes to compress packets and frames: an encoder and a buffer, which are used again and
/// again.
///
/// Takes some tens of KiB from the first message on, and as much as the largest one so far took in
/// compressed form.
#[derive(Default)]
pub struct Compressor {
    /// In a mutex for the same reason as the decoder.
    encoder: Option<Mutex<encode::Encoder>>,
    compressed: Vec<u8>,
}

impl Compressor {
    /// A compressor that has not taken any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the message that `buf` holds from `start` on by one that has it in compressed
    /// form; if `always` is false, only where that is shorter.
    pub(super) fn compress(&mut self, buf: &mut Vec<u8>, start: usize, always: bool) {
        self.deflate(&buf[start..]);
        let header = 1 + 1 + 5 + 1 + 4 + text_header_len(self.compressed.len());
        if !always && header + self.compressed.len() >= buf.len() - start {
            return secret::truncate(&mut self.compressed, 0);
        }
        secret::truncate(buf, start);
        buf.push(kind::COMPRESS);
        append_map_len(buf, 2);
        append_text(buf, b"Algo");
        append_uint(buf, LZW);
        append_text(buf, b"Buf");
        append_text(buf, &self.compressed);
        secret::truncate(&mut self.compressed, 0);
    }

    fn deflate(&mut self, mut plain: &[u8]) {
        let encoder = self
            .encoder
            .get_or_insert_with(|| Mutex::new(encode::Encoder::new(BitOrder::Lsb, LITERAL_BITS)))
            .get_mut();
        encoder.reset();
        encoder.finish();
        let (out, mut len) = (&mut self.compressed, 0);
        out.clear();
        loop {
            if len == out.len() {
                out.resize(len + plain.len().max(STEP), 0);
            }
            let result = encoder.encode_bytes(plain, &mut out[len..]);
            plain = &plain[result.consumed_in..];
            len += result.consumed_out;
            match result.status.expect("every byte has a code") {
                LzwStatus::Done => break,
                LzwStatus::Ok | LzwStatus::NoProgress => {}
            }
        }
        out.truncate(len);
    }
}

const fn text_header_len(len: usize) -> usize {
    match len {
        0..32 => 1,
        32..0x1_0000 => 3,
        _ => 5,
    }
}

impl Clone for Compressor {
    /// Another one that has not taken any memory yet: there is nothing in it but room.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// A compressed message that cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// Compressed in a way that nobody knows.
    Algorithm(u64),
    /// Larger in plain form than accepted.
    TooLarge {
        /// The most bytes accepted.
        cap: usize,
    },
    /// Nothing in it.
    Empty,
    /// Cut short, or not compressed at all.
    Malformed,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(number) => write!(f, "compressed by an unknown algorithm {number}"),
            Self::TooLarge { cap } => write!(
                f,
                "a compressed message of more than {cap} bytes in plain form"
            ),
            Self::Empty => f.write_str("a compressed message with nothing in it"),
            Self::Malformed => f.write_str("a compressed message that cannot be decompressed"),
        }
    }
}

impl core::error::Error for InflateError {}
