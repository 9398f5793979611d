//! Reading datagrams: checksum, compression, compounds (wire-protocol reference, section 2).

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use core::slice;

use zeroize::Zeroizing;

use super::compress::Unpacker;
use super::error::{MessageError, PacketError};
use super::field::Origin;
use super::kind;
use super::message::read_message_from;
use crate::message::Message;
use crate::wire::msgpack::Reader;

/// The most bytes that a packet may have in plain form. Senders fill packets to 1,400 bytes before
/// they compress them.
pub const MAX_INFLATED: usize = 256 * 1024;

/// How many compounds and compressions may be around a message of a packet. No release nests more
/// than a compound in a compression.
pub const MAX_DEPTH: usize = 4;

/// The most messages in a packet with nested compounds. A single compound has at most 255.
pub const MAX_PARTS: usize = 1024;

const CRC_LEN: usize = 4;

/// Checks and unpacks a packet, from which label and seal have been removed already. The messages
/// are decoded one by one as the result is iterated over; they borrow from `packet` or, if it is
/// compressed, from `unpacker`.
///
/// # Errors
/// See [`PacketError`]. What is wrong with single messages shows when it is their turn.
pub fn read_packet<'a>(
    packet: &'a [u8],
    origin: Origin,
    unpacker: &'a mut Unpacker,
) -> Result<Messages<'a>, PacketError> {
    let content = check_crc(packet)?;
    let compressed = match content.split_first() {
        None => return Err(PacketError::Empty),
        Some((&kind::COMPRESS, body)) => {
            unpacker.inflate(body, MAX_INFLATED)?;
            true
        }
        Some(_) => false,
    };
    let plain = if compressed {
        &unpacker.inflated
    } else {
        content
    };
    let parts = if is_nested(plain)? {
        let inflated = mem::take(&mut unpacker.inflated);
        match compressed {
            true => flatten(unpacker, &inflated, 1, inflated.len()),
            false => flatten(unpacker, content, 0, 0),
        }
        unpacker.inflated = inflated;
        Parts::Flat {
            parts: unpacker.parts.iter(),
            bytes: &unpacker.flat,
        }
    } else if compressed {
        Parts::of(&unpacker.inflated)?
    } else {
        Parts::of(content)?
    };
    Ok(Messages {
        parts,
        origin,
        trailed: 0,
    })
}

fn check_crc(packet: &[u8]) -> Result<&[u8], PacketError> {
    let Some((&kind::CRC, rest)) = packet.split_first() else {
        return Ok(packet);
    };
    match rest.split_first_chunk::<CRC_LEN>() {
        Some((sum, content)) if u32::from_be_bytes(*sum) == crc32fast::hash(content) => Ok(content),
        _ => Err(PacketError::Corrupt),
    }
}

const fn is_container(message: &[u8]) -> bool {
    matches!(message.first(), Some(&kind::COMPOUND | &kind::COMPRESS))
}

/// True if there are containers in the container that this is.
fn is_nested(content: &[u8]) -> Result<bool, PacketError> {
    Ok(match content.first() {
        Some(&kind::COMPRESS) => true,
        Some(&kind::COMPOUND) => Parts::of(content)?.flatten().any(is_container),
        _ => false,
    })
}

/// The messages of a packet, not decoded yet.
#[derive(Debug, Clone)]
enum Parts<'a> {
    One(Option<&'a [u8]>),
    Compound {
        lens: slice::Iter<'a, [u8; 2]>,
        rest: &'a [u8],
    },
    Flat {
        parts: slice::Iter<'a, Result<Range<usize>, MessageError>>,
        bytes: &'a [u8],
    },
}

impl<'a> Parts<'a> {
    fn of(content: &'a [u8]) -> Result<Self, PacketError> {
        let Some((&kind::COMPOUND, rest)) = content.split_first() else {
            return Ok(Self::One(Some(content)));
        };
        let (&count, rest) = rest.split_first().ok_or(PacketError::Truncated)?;
        let (lens, rest) = rest
            .split_at_checked(2 * usize::from(count))
            .ok_or(PacketError::Truncated)?;
        let lens = lens.as_chunks().0.iter();
        Ok(Self::Compound { lens, rest })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<&'a [u8], MessageError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(message) => message.take().map(Ok),
            Self::Compound { lens, rest } => {
                let Some(&len) = lens.next() else {
                    let len = mem::take(rest).len();
                    return (len > 0).then_some(Err(MessageError::Trailing { len }));
                };
                let len = usize::from(u16::from_be_bytes(len));
                let Some((part, behind)) = rest.split_at_checked(len) else {
                    *self = Self::One(None);
                    return Some(Err(MessageError::Truncated));
                };
                *rest = behind;
                Some(if part.is_empty() {
                    Err(MessageError::Empty)
                } else {
                    Ok(part)
                })
            }
            Self::Flat { parts, bytes } => Some(parts.next()?.clone().map(|range| &bytes[range])),
        }
    }
}

/// Takes containers in containers apart, into the buffers of the unpacker. `depth` containers have
/// been taken off already, and `inflated` bytes have been decompressed.
#[cold]
fn flatten(unpacker: &mut Unpacker, content: &[u8], depth: usize, inflated: usize) {
    unpacker.flat.clear();
    unpacker.parts.clear();
    let mut flattening = Flattening {
        budget: MAX_INFLATED.saturating_sub(inflated),
        unpacker,
    };
    flattening.add(content, depth);
}

struct Flattening<'u> {
    unpacker: &'u mut Unpacker,
    /// How many bytes may still be decompressed.
    budget: usize,
}

impl Flattening<'_> {
    fn add(&mut self, content: &[u8], depth: usize) {
        if self.unpacker.parts.len() >= MAX_PARTS {
            return;
        }
        if self.unpacker.parts.len() == MAX_PARTS - 1 {
            return self.note(MessageError::TooMany);
        }
        match content.split_first() {
            Some((&(kind::COMPOUND | kind::COMPRESS), _)) if depth == MAX_DEPTH => {
                self.note(MessageError::TooDeep);
            }
            Some((&kind::COMPRESS, body)) => self.add_compressed(body, depth),
            Some((&kind::COMPOUND, _)) => match Parts::of(content) {
                Err(_) => self.note(MessageError::Truncated),
                Ok(parts) => {
                    for part in parts {
                        match part {
                            Ok(part) => self.add(part, depth + 1),
                            Err(error) => self.note(error),
                        }
                    }
                }
            },
            _ => {
                let start = self.unpacker.flat.len();
                self.unpacker.flat.extend_from_slice(content);
                let end = self.unpacker.flat.len();
                self.unpacker.parts.push(Ok(start..end));
            }
        }
    }

    fn add_compressed(&mut self, body: &[u8], depth: usize) {
        let mut inflated = Zeroizing::new(Vec::new());
        match self.unpacker.inflate_into(&mut inflated, body, self.budget) {
            Ok(()) => {
                self.budget -= inflated.len();
                self.add(&inflated, depth + 1);
            }
            Err(error) => {
                // How much it took to find out is not known, so it counts as all there was.
                self.budget = 0;
                self.note(error.into());
            }
        }
    }

    fn note(&mut self, error: MessageError) {
        if self.unpacker.parts.len() < MAX_PARTS {
            self.unpacker.parts.push(Err(error));
        }
    }
}

/// The messages of a packet, in the order in which they were written.
///
/// A message that cannot be read is an `Err`, and the next one follows. Only when a length runs
/// past the end of the packet, or there are bytes behind the last message, is that `Err` the last
/// item. There are at most 256 items, or [`MAX_PARTS`] where compounds are nested.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    parts: Parts<'a>,
    origin: Origin,
    trailed: u64,
}

impl<'a> Messages<'a> {
    /// How many of the messages so far had bytes behind them, which were ignored.
    #[must_use]
    pub const fn trailed(&self) -> u64 {
        self.trailed
    }

    /// The next message as it came, for [`read_message`](super::read_message) and, to pass it on as it is, for
    /// [`PacketWriter::push_encoded`](super::PacketWriter::push_encoded).
    #[inline]
    pub fn next_encoded(&mut self) -> Option<Result<&'a [u8], MessageError>> {
        self.parts.next()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_encoded()? {
            Ok(message) => {
                let mut reader = Reader::new(message);
                let message = read_message_from(&mut reader, self.origin);
                self.trailed += u64::from(message.is_ok() && !reader.rest().is_empty());
                Some(message)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Messages<'_> {}
