//! Datagrams: several messages behind one checksum.

use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::alive::{Announcement, append_alive, read_alive};
use super::probe::{append_ack, append_ping, read_ack, read_ping};
use super::serf::{append_serf, read_serf};
use super::sized::{append, append_sized, begin_sized, end_sized, split_sized, take};
use super::{CHECKSUM_LEN, FIRST_BYTE, Strange, check_first_byte, checksum, kind};
use crate::message::Message;

pub(super) const HEADER_LEN: usize = 1 + CHECKSUM_LEN;

/// Writes one packet at the end of a buffer that the caller owns.
///
/// Bytes already in the buffer stay as they are. The only allocation is the buffer's own growth;
/// a caller that keeps its buffer has none. Every packet must be brought to an end with
/// [`finish`](Self::finish): until then it has no checksum, and any receiver drops it.
#[derive(Debug)]
#[must_use = "a packet without `finish` has no checksum"]
pub struct PacketWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    /// The length that `buf` must not pass.
    limit: usize,
}

impl<'b> PacketWriter<'b> {
    /// Begins a packet of at most `budget` bytes, header included.
    #[inline]
    pub fn new(buf: &'b mut Vec<u8>, budget: usize) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&[FIRST_BYTE, 0, 0, 0, 0]);
        Self {
            limit: start.saturating_add(budget),
            start,
            buf,
        }
    }

    /// Adds a message. If it does not fit in what is left of the budget, leaves the packet as it
    /// is and returns false; a shorter message may still fit.
    // Always inlined: of a known kind, a message takes half as long.
    #[must_use = "false means that the message is not in the packet"]
    #[inline(always)]
    pub fn push(&mut self, message: &Message<'_>) -> bool {
        if message_min_len(message) > self.remaining() {
            return false;
        }
        let start = begin_sized(self.buf);
        append_message(self.buf, message);
        end_sized(self.buf, self.limit, start)
    }

    /// Adds a message that is encoded already, by [`append_message`] or by the member that it
    /// came from, byte by byte: fields that only later versions know survive. Otherwise like
    /// [`push`](Self::push).
    #[must_use = "false means that the message is not in the packet"]
    pub fn push_encoded(&mut self, message: &[u8]) -> bool {
        append_sized(self.buf, self.limit, |out| out.extend_from_slice(message))
    }

    /// Adds a [`Message::Alive`] whose fields are encoded already, as [`push`](Self::push) would.
    #[must_use = "false means that the message is not in the packet"]
    pub(crate) fn push_alive(&mut self, incarnation: u32, announced: &Announcement) -> bool {
        announced.append_sized(self.buf, self.limit, kind::ALIVE, incarnation)
    }

    /// How many bytes of the budget are left. A message takes its length (one byte, from 128
    /// bytes on two), its kind (one byte) and its fields.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.limit.saturating_sub(self.buf.len())
    }

    /// True if the packet holds no message yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.len() == self.start + HEADER_LEN
    }

    /// Ends the packet and returns its length in bytes: it is the last that many bytes of the
    /// buffer. A packet without messages is taken back and has length zero.
    #[inline]
    pub fn finish(self) -> usize {
        if self.is_empty() {
            self.buf.truncate(self.start);
            return 0;
        }
        let packet = &mut self.buf[self.start..];
        let sum = checksum(&packet[HEADER_LEN..]);
        packet[1..HEADER_LEN].copy_from_slice(&sum);
        packet.len()
    }
}

/// Appends a message without the length that it has in a packet: its kind and its fields.
#[inline(always)]
pub fn append_message(out: &mut Vec<u8>, message: &Message<'_>) {
    match message {
        Message::Ping(m) => {
            out.push(kind::PING);
            append_ping(out, m);
        }
        Message::Ack(m) => {
            out.push(kind::ACK);
            append_ack(out, m);
        }
        Message::IndirectPing(m) => append_rare(out, &(kind::INDIRECT_PING, m)),
        Message::Nack(m) => append_rare(out, &(kind::NACK, m)),
        Message::Suspect(m) => append_rare(out, &(kind::SUSPECT, m)),
        Message::Alive(m) => {
            out.push(kind::ALIVE);
            append_alive(out, m);
        }
        Message::Dead(m) => append_rare(out, &(kind::DEAD, m)),
        Message::Serf(m) => append_serf(out, m),
    }
}

/// A message that is not worth its code at each place that writes one.
#[inline(never)]
fn append_rare<T: Serialize>(out: &mut Vec<u8>, message: &T) {
    append(out, message);
}

/// A length that a message has at the least; one that does not fit is then seldom encoded in vain.
/// Packets are filled with what fits at the end of a queue, so this is asked often.
#[inline(always)]
fn message_min_len(message: &Message<'_>) -> usize {
    // Length, kind, and one byte for each number and for the length of each string.
    match message {
        Message::Alive(m) => {
            let addr = if m.addr.is_ipv4() { 6 } else { 18 };
            12 + m.name.as_bytes().len() + addr + m.meta.len()
        }
        Message::Suspect(m) | Message::Dead(m) => {
            5 + m.name.as_bytes().len() + m.from.as_bytes().len()
        }
        _ => 3,
    }
}

/// Checks the envelope of a packet. The messages are decoded one by one as the result is iterated
/// over; they borrow from `packet`.
///
/// # Errors
/// The packet is of another protocol, of a version that this one does not know, or damaged.
#[inline]
pub fn read_packet(packet: &[u8]) -> Result<Messages<'_>, PacketError> {
    let (&first, rest) = packet.split_first().ok_or(PacketError::Foreign)?;
    check_first_byte(first)?;
    match rest.split_first_chunk::<CHECKSUM_LEN>() {
        Some((sum, messages)) if *sum == checksum(messages) => Ok(Messages { rest: messages }),
        _ => Err(PacketError::Corrupt),
    }
}

/// A packet that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// Its first byte is not one of this wire, or it is empty.
    Foreign,
    /// It is of another version of this wire.
    Version(u8),
    /// It is shorter than its header, or the checksum does not match.
    Corrupt,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("a packet of another protocol"),
            Self::Version(version) => {
                write!(f, "a packet of unknown version {version}")
            }
            Self::Corrupt => f.write_str("a damaged packet"),
        }
    }
}

impl core::error::Error for PacketError {}

impl From<Strange> for PacketError {
    fn from(strange: Strange) -> Self {
        match strange {
            Strange::Foreign => Self::Foreign,
            Strange::Version(version) => Self::Version(version),
        }
    }
}

/// The messages of a packet, in the order in which they were written.
///
/// A message that cannot be read is an `Err`, and the next one follows. Only when a length runs
/// past the end of the packet is that `Err` the last item. There are never more items than bytes.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The next message as it came, for [`read_message`] and, to pass it on as it is, for
    /// [`PacketWriter::push_encoded`].
    #[inline(always)]
    pub fn next_encoded(&mut self) -> Option<Result<&'a [u8], MessageError>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((message, rest)) = split_sized(self.rest) else {
            self.rest = &[];
            return Some(Err(MessageError::Malformed));
        };
        self.rest = rest;
        Some(Ok(message))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    // Always inlined, so that a message is used where it is made: copying it out through an
    // option and a result took as long as decoding it.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_encoded()? {
            Ok(message) => Some(read_message(message)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

/// Reads a message without the length that it has in a packet: its kind and its fields.
///
/// # Errors
/// It is of a kind that this version does not know, or malformed.
#[inline(always)]
pub fn read_message(message: &[u8]) -> Result<Message<'_>, MessageError> {
    match message.split_first() {
        Some((&kind::PING, fields)) => read_ping(fields).map(Message::Ping),
        Some((&kind::ACK, fields)) => read_ack(fields).map(Message::Ack),
        Some((&kind::ALIVE, fields)) => read_alive(fields).map(Message::Alive),
        _ => return read_other(message),
    }
    .ok_or(MessageError::Malformed)
}

/// Everything but announcements, pings and acks.
#[inline(never)]
fn read_other(message: &[u8]) -> Result<Message<'_>, MessageError> {
    let (&kind, fields) = message.split_first().ok_or(MessageError::Malformed)?;
    match kind {
        kind::INDIRECT_PING => take(fields).map(|(m, _)| Message::IndirectPing(m)),
        kind::NACK => take(fields).map(|(m, _)| Message::Nack(m)),
        kind::SUSPECT => take(fields).map(|(m, _)| Message::Suspect(m)),
        kind::DEAD => take(fields).map(|(m, _)| Message::Dead(m)),
        _ => return read_serf(kind, fields).map(Message::Serf),
    }
    .ok_or(MessageError::Malformed)
}

/// A message, or an entry of a state exchange, that cannot be read. Those around it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// Of a kind that this version does not know. It may be of a newer one, so this is no fault.
    Unknown {
        /// Its number.
        kind: u8,
    },
    /// Cut short, or with a field that cannot be.
    Malformed,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind } => write!(f, "a message of unknown kind {kind}"),
            Self::Malformed => f.write_str("a malformed message"),
        }
    }
}

impl core::error::Error for MessageError {}
