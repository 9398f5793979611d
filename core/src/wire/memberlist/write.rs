//! Writing datagrams.

use alloc::vec::Vec;

use super::compress::Compressor;
use super::kind;
use super::message::{announcement, append_message};
use crate::member::Profile;
use crate::message::Message;
use crate::secret;

/// The most messages that are written in one packet: with more than 127, older peers read the
/// table of lengths wrongly.
pub const MAX_WRITTEN_PARTS: usize = 127;

/// Checksum with its type.
const CRC_HEADER: usize = 5;

/// Writes one packet at the end of a buffer that the caller owns.
///
/// Bytes already in the buffer stay as they are. The only allocation is the buffer's own growth;
/// a caller that keeps its buffer has none. Every packet must be brought to an end with
/// [`finish`](Self::finish).
#[derive(Debug)]
#[must_use = "a packet without `finish` cannot be read"]
pub struct PacketWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    /// The length that `buf` must not pass, once there are headers.
    limit: usize,
    crc: bool,
    count: usize,
    lens: [u16; MAX_WRITTEN_PARTS],
}

impl<'b> PacketWriter<'b> {
    /// Begins a packet of at most `budget` bytes, headers included. Only members whose newest
    /// protocol is 5 or later understand one with a checksum.
    pub fn new(buf: &'b mut Vec<u8>, budget: usize, crc: bool) -> Self {
        let start = buf.len();
        buf.resize(start + if crc { CRC_HEADER } else { 0 }, 0);
        Self {
            limit: start.saturating_add(budget),
            start,
            buf,
            crc,
            count: 0,
            lens: [0; MAX_WRITTEN_PARTS],
        }
    }

    /// Adds a message. If it does not fit in what is left of the budget, leaves the packet as it
    /// is and returns false; a shorter message may still fit.
    #[must_use = "false means that the message is not in the packet"]
    pub fn push(&mut self, message: &Message<'_>) -> bool {
        if message_min_len(message) > self.remaining() {
            return false;
        }
        self.push_with(|out| append_message(out, message))
    }

    /// Adds a message that is encoded already, by [`append_message`] or by the member that it
    /// came from, byte by byte: fields that only later versions know survive. Otherwise like
    /// [`push`](Self::push).
    #[must_use = "false means that the message is not in the packet"]
    pub fn push_encoded(&mut self, message: &[u8]) -> bool {
        self.push_with(|out| out.extend_from_slice(message))
    }

    /// Adds the message of a [`Relay`](crate::message::Relay) that came over this wire. Otherwise
    /// like [`push_encoded`](Self::push_encoded).
    #[must_use = "false means that the message is not in the packet"]
    pub fn push_relayed(&mut self, message: &[u8]) -> bool {
        self.push_with(|out| {
            out.push(kind::USER);
            out.extend_from_slice(message);
        })
    }

    /// Adds the announcement of a member. Otherwise like [`push`](Self::push).
    #[must_use = "false means that the message is not in the packet"]
    pub fn push_alive(&mut self, incarnation: u32, profile: &Profile) -> bool {
        self.push(&Message::Alive(announcement(incarnation, profile)))
    }

    fn push_with(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.count == MAX_WRITTEN_PARTS {
            return false;
        }
        let start = self.buf.len();
        let room = self.remaining();
        append(self.buf);
        match u16::try_from(self.buf.len() - start) {
            Ok(len) if len > 0 && usize::from(len) <= room => {
                self.lens[self.count] = len;
                self.count += 1;
                true
            }
            _ => {
                secret::truncate(self.buf, start);
                false
            }
        }
    }

    /// How many bytes the next message may have. All that is around it is accounted for.
    #[must_use]
    pub fn remaining(&self) -> usize {
        let headers = compound_header_len(self.count + 1);
        self.limit.saturating_sub(self.buf.len() + headers)
    }

    /// True if the packet holds no message yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends the packet and returns its length in bytes: it is the last that many bytes of the
    /// buffer. A packet without messages is taken back and has length zero. With a compressor the
    /// messages are compressed where that makes the packet shorter.
    pub fn finish(self, compressor: Option<&mut Compressor>) -> usize {
        if self.is_empty() {
            self.buf.truncate(self.start);
            return 0;
        }
        let content = self.start + if self.crc { CRC_HEADER } else { 0 };
        insert_compound_header(self.buf, content, &self.lens[..self.count]);
        if let Some(compressor) = compressor {
            compressor.compress(self.buf, content, false);
        }
        if self.crc {
            let sum = crc32fast::hash(&self.buf[content..]).to_be_bytes();
            self.buf[self.start] = kind::CRC;
            self.buf[self.start + 1..content].copy_from_slice(&sum);
        }
        self.buf.len() - self.start
    }
}

/// A message on its own needs no header.
const fn compound_header_len(count: usize) -> usize {
    if count > 1 { 2 + 2 * count } else { 0 }
}

fn insert_compound_header(buf: &mut Vec<u8>, at: usize, lens: &[u16]) {
    let header = compound_header_len(lens.len());
    if header == 0 {
        return;
    }
    let end = buf.len();
    buf.resize(end + header, 0);
    buf.copy_within(at..end, at + header);
    let (head, table) = buf[at..at + header].split_at_mut(2);
    head.copy_from_slice(&[
        kind::COMPOUND,
        u8::try_from(lens.len()).expect("at most 127 messages are written"),
    ]);
    for (entry, len) in table.chunks_exact_mut(2).zip(lens) {
        entry.copy_from_slice(&len.to_be_bytes());
    }
}

/// A length that a message has at the least; one that does not fit is then seldom encoded in vain.
/// Packets are filled with what fits at the end of a queue, so this is asked often.
fn message_min_len(message: &Message<'_>) -> usize {
    match message {
        Message::Alive(m) => {
            let ip = if m.addr.is_ipv4() { 4 } else { 16 };
            51 + m.name.as_bytes().len() + ip + m.meta.len()
        }
        Message::Suspect(m) | Message::Dead(m) => {
            27 + m.name.as_bytes().len() + m.from.as_bytes().len()
        }
        _ => 2,
    }
}
