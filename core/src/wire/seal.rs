//! The encryption envelope: AES-GCM (wire-protocol reference, section 2.4).
//!
//! ```text
//! sealed = version (0 or 1) | nonce (12 bytes) | ciphertext | tag (16 bytes)
//! packet = sealed
//! frame  = 10 | length of what follows (u32, big-endian) | sealed
//! ```
//!
//! What is sealed may be of either wire. It is sealed together with the label of the cluster and, on
//! a stream, with the five bytes in front. What is written is version 1. In version 0, which only
//! the oldest protocol uses, the plaintext is padded to whole blocks of 16 bytes.
//!
//! Sealing and opening happen in place and allocate nothing. Nonces come from the caller, who has
//! to see to it that no two messages under one key have the same: twelve bytes drawn anew from a
//! good generator for each.

use alloc::vec::Vec;
use core::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit, Tag, aes};

use super::label::Label;
use super::native::Frame;
use crate::serf::keyring::{Key, Keyring};

/// How many bytes the envelope of a packet adds.
pub const PACKET_OVERHEAD: usize = 1 + NONCE_LEN + TAG_LEN;

/// How many bytes the envelope of a frame on a stream adds.
pub const FRAME_OVERHEAD: usize = FRAME_HEADER + PACKET_OVERHEAD;

/// The first byte of a sealed frame on a stream. No frame of either wire begins with it.
pub const FRAME_FIRST_BYTE: u8 = 10;

/// Bytes in a nonce.
pub const NONCE_LEN: usize = 12;

const TAG_LEN: usize = 16;
const FRAME_HEADER: usize = 5;
const PADDED_VERSION: u8 = 0;
const VERSION: u8 = 1;
const BLOCK: usize = 16;

type Aes192Gcm = AesGcm<aes::Aes192, U12>;

/// Seals with the primary key of a ring, and opens with any key of it.
///
/// Make another one whenever the ring changes. Keys are overwritten in memory when it is dropped,
/// and never printed.
#[derive(Clone)]
pub struct Sealer {
    /// The primary first; never empty.
    ciphers: Vec<Cipher>,
}

/// A key, expanded. The sizes of the three hardly differ, and there are few of them.
#[derive(Clone)]
enum Cipher {
    Aes128(Aes128Gcm),
    Aes192(Aes192Gcm),
    Aes256(Aes256Gcm),
}

impl Cipher {
    fn new(key: &Key) -> Self {
        let bytes = key.as_bytes();
        match bytes.len() {
            16 => Aes128Gcm::new_from_slice(bytes).map(Self::Aes128),
            24 => Aes192Gcm::new_from_slice(bytes).map(Self::Aes192),
            _ => Aes256Gcm::new_from_slice(bytes).map(Self::Aes256),
        }
        .expect("a key has 16, 24 or 32 bytes")
    }

    fn encrypt(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = nonce.into();
        match self {
            Self::Aes128(c) => c.encrypt_inout_detached(&nonce, aad, plain.into()),
            Self::Aes192(c) => c.encrypt_inout_detached(&nonce, aad, plain.into()),
            Self::Aes256(c) => c.encrypt_inout_detached(&nonce, aad, plain.into()),
        }
        .expect("messages are shorter than 64 GiB")
        .into()
    }

    /// False, with the bytes as they were, if it is not the right key or anything was changed. The
    /// tag is compared in constant time, and before anything is decrypted.
    fn decrypt(&self, nonce: [u8; NONCE_LEN], aad: &[u8], bytes: &mut [u8], tag: &Tag) -> bool {
        let nonce = nonce.into();
        match self {
            Self::Aes128(c) => c.decrypt_inout_detached(&nonce, aad, bytes.into(), tag),
            Self::Aes192(c) => c.decrypt_inout_detached(&nonce, aad, bytes.into(), tag),
            Self::Aes256(c) => c.decrypt_inout_detached(&nonce, aad, bytes.into(), tag),
        }
        .is_ok()
    }
}

/// A few bytes by which a key can be recognised, and from which nothing about it follows: the tag
/// of an empty message under a nonce that is never drawn in practice.
pub(crate) fn key_check_value(key: &Key) -> [u8; 4] {
    let [a, b, c, d, ..] = Cipher::new(key).encrypt([0; NONCE_LEN], &[], &mut []);
    [a, b, c, d]
}

impl Sealer {
    /// A sealer with the keys of a ring.
    #[must_use]
    pub fn new(ring: &Keyring) -> Self {
        Self {
            ciphers: ring.keys().iter().map(Cipher::new).collect(),
        }
    }

    /// Seals the packet that `buf` holds from `start` on. `nonce` must never be used again.
    pub fn seal_packet(
        &self,
        buf: &mut Vec<u8>,
        start: usize,
        nonce: [u8; NONCE_LEN],
        label: &Label,
    ) {
        self.seal_packet_as(VERSION, buf, start, nonce, label);
    }

    pub(super) fn seal_packet_as(
        &self,
        version: u8,
        buf: &mut Vec<u8>,
        start: usize,
        nonce: [u8; NONCE_LEN],
        label: &Label,
    ) {
        self.seal(buf, start, version, nonce, label.as_bytes());
    }

    /// Seals the frame of a stream that `buf` holds from `start` on. `nonce` must never be used
    /// again.
    pub fn seal_frame(
        &self,
        buf: &mut Vec<u8>,
        start: usize,
        nonce: [u8; NONCE_LEN],
        label: &Label,
    ) {
        self.seal_frame_as(VERSION, buf, start, nonce, label);
    }

    pub(super) fn seal_frame_as(
        &self,
        version: u8,
        buf: &mut Vec<u8>,
        start: usize,
        nonce: [u8; NONCE_LEN],
        label: &Label,
    ) {
        let len = PACKET_OVERHEAD + padded_len(version, buf.len() - start);
        let len = u32::try_from(len).expect("what a node sends has less than 4 GiB");
        let mut header = [FRAME_FIRST_BYTE; FRAME_HEADER];
        header[1..].copy_from_slice(&len.to_be_bytes());
        let aad = FrameAad::new(header, label);
        self.seal(buf, start, version, nonce, aad.as_bytes());
        insert(buf, start, &header);
    }

    fn seal(
        &self,
        buf: &mut Vec<u8>,
        start: usize,
        version: u8,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
    ) {
        let plain = buf.len() - start;
        let padded = padded_len(version, plain);
        let padding = u8::try_from(padded - plain).expect("at most a block");
        buf.reserve(PACKET_OVERHEAD + usize::from(padding));
        buf.resize(start + padded, padding);
        let [primary, ..] = &self.ciphers[..] else {
            unreachable!("a ring is never empty");
        };
        let tag = primary.encrypt(nonce, aad, &mut buf[start..]);
        buf.extend_from_slice(&tag);
        let mut header = [version; 1 + NONCE_LEN];
        header[1..].copy_from_slice(&nonce);
        insert(buf, start, &header);
    }

    /// Opens a packet, whose label has been removed, in place. If it cannot be opened it is as it
    /// was: whoever accepts packets that are not sealed can go on with it. Only
    /// [`SealError::Padding`] means that it was opened, and was none.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open_packet<'p>(
        &self,
        packet: &'p mut [u8],
        label: &Label,
    ) -> Result<&'p [u8], SealError> {
        self.open(packet, label.as_bytes())
    }

    /// Opens a whole frame of a stream in place; its end is found by [`frame`]. Bytes after it are
    /// ignored.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open_frame<'p>(
        &self,
        received: &'p mut [u8],
        label: &Label,
    ) -> Result<&'p [u8], SealError> {
        let Frame::Complete { len } = frame(received, usize::MAX)? else {
            return Err(SealError::TooShort {
                len: received.len(),
            });
        };
        let (header, sealed) = received[..len]
            .split_first_chunk_mut()
            .expect("a complete frame has a header");
        let aad = FrameAad::new(*header, label);
        self.open(sealed, aad.as_bytes())
    }

    fn open<'p>(&self, sealed: &'p mut [u8], aad: &[u8]) -> Result<&'p [u8], SealError> {
        let too_short = SealError::TooShort { len: sealed.len() };
        let (&mut version, rest) = sealed.split_first_mut().ok_or(too_short)?;
        if version > VERSION {
            return Err(SealError::Version(version));
        }
        let (nonce, rest) = rest.split_first_chunk_mut().ok_or(too_short)?;
        let (bytes, tag) = rest.split_last_chunk_mut().ok_or(too_short)?;
        let (nonce, tag) = (*nonce, Tag::from(*tag));
        if !self
            .ciphers
            .iter()
            .any(|cipher| cipher.decrypt(nonce, aad, bytes, &tag))
        {
            return Err(SealError::NoKey);
        }
        match version {
            PADDED_VERSION => without_padding(bytes),
            _ => Ok(bytes),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.ciphers.len())
    }
}

/// What is sealed together with a frame: the bytes in front of it and the label.
struct FrameAad {
    bytes: [u8; FRAME_HEADER + Label::MAX_LEN],
    len: usize,
}

impl FrameAad {
    fn new(header: [u8; FRAME_HEADER], label: &Label) -> Self {
        let mut bytes = [0; FRAME_HEADER + Label::MAX_LEN];
        let label = label.as_bytes();
        let len = FRAME_HEADER + label.len();
        bytes[..FRAME_HEADER].copy_from_slice(&header);
        bytes[FRAME_HEADER..len].copy_from_slice(label);
        Self { bytes, len }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Looks whether the bytes received so far hold a whole sealed frame. This only looks at the first
/// few bytes, so it may be called after every read.
///
/// `cap` is the most bytes that a frame may have, header included. A frame that says it is longer
/// is refused as soon as its header is there; the caller never needs room for more than `cap`.
///
/// # Errors
/// [`SealError::Plain`], [`SealError::TooShort`] or [`SealError::TooLarge`]. No further bytes can
/// change that.
pub fn frame(received: &[u8], cap: usize) -> Result<Frame, SealError> {
    let Some((&first, rest)) = received.split_first() else {
        return Ok(Frame::Partial);
    };
    if first != FRAME_FIRST_BYTE {
        return Err(SealError::Plain);
    }
    let Some((sealed_len, _)) = rest.split_first_chunk() else {
        return Ok(Frame::Partial);
    };
    let len = u64::from(u32::from_be_bytes(*sealed_len)) + FRAME_HEADER as u64;
    match usize::try_from(len) {
        Ok(len) if len < FRAME_OVERHEAD => Err(SealError::TooShort { len }),
        Ok(len) if len <= cap && len <= received.len() => Ok(Frame::Complete { len }),
        Ok(len) if len <= cap => Ok(Frame::Partial),
        _ => Err(SealError::TooLarge { len, cap }),
    }
}

const fn padded_len(version: u8, len: usize) -> usize {
    match version {
        PADDED_VERSION => len + BLOCK - len % BLOCK,
        _ => len,
    }
}

/// Every byte of the padding is its length. Whoever made it has the key, so it does no harm to tell
/// what is wrong with it.
fn without_padding(padded: &[u8]) -> Result<&[u8], SealError> {
    let padding = padded.last().copied().unwrap_or(0);
    let plain = padded.len().checked_sub(padding.into());
    match plain.map(|len| padded.split_at(len)) {
        Some((plain, tail))
            if padded.len().is_multiple_of(BLOCK)
                && (1..=BLOCK).contains(&tail.len())
                && tail.iter().all(|&byte| byte == padding) =>
        {
            Ok(plain)
        }
        _ => Err(SealError::Padding),
    }
}

/// Puts bytes in front of those that `buf` holds from `start` on.
fn insert(buf: &mut Vec<u8>, start: usize, header: &[u8]) {
    let end = buf.len();
    buf.extend_from_slice(header);
    buf.copy_within(start..end, start + header.len());
    buf[start..start + header.len()].copy_from_slice(header);
}

/// A packet or frame that cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// A frame that is not sealed.
    Plain,
    /// Shorter than an envelope with nothing in it.
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// A frame that says that it is longer than accepted.
    TooLarge {
        /// Its length in bytes, header included.
        len: u64,
        /// The most bytes accepted.
        cap: usize,
    },
    /// Sealed in a way that is not known, or not sealed at all.
    Version(u8),
    /// Sealed with another key or for another cluster, or changed on the way.
    NoKey,
    /// Opened, but padded in a way that cannot be. The version is not sealed with the rest, so that
    /// this may be a packet of version 1 whose first byte was changed.
    Padding,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("not encrypted"),
            Self::TooShort { len } => {
                write!(f, "{len} bytes, too few for an encrypted message")
            }
            Self::TooLarge { len, cap } => {
                write!(f, "a message of {len} bytes, at most {cap} are accepted")
            }
            Self::Version(version) => write!(f, "an unknown version {version} of encryption"),
            Self::NoKey => f.write_str("no installed key could decrypt the message"),
            Self::Padding => f.write_str("an encrypted message with broken padding"),
        }
    }
}

impl core::error::Error for SealError {}

#[cfg(test)]
mod tests;
