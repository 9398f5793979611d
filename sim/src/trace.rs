//! The rolling hash of a run: every input, every action, in order.

use std::fmt;

use serf_core::Event;
use xxhash_rust::xxh3::xxh3_64;

/// What went on so far, in 16 bytes. Two runs that did the same have equal hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHash {
    /// How many inputs and actions there were.
    pub entries: u64,
    /// The hash over all of them.
    pub hash: u64,
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.hash, self.entries)
    }
}

/// The kinds of entries; the numbers are part of the hash.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    Datagram = 1,
    Stream = 2,
    Accept = 3,
    Tick = 4,
    Op = 5,
    SendDatagram = 16,
    OpenStream = 17,
    WriteStream = 18,
    CloseStream = 19,
    Event = 20,
    Done = 21,
    Wait = 22,
    Answer = 23,
    QueryEnded = 24,
}

#[derive(Debug, Clone)]
pub(crate) struct Trace {
    entries: u64,
    hash: u64,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: 0,
            hash: seed,
        }
    }

    pub(crate) fn hash(&self) -> TraceHash {
        TraceHash {
            entries: self.entries,
            hash: self.hash,
        }
    }

    /// Adds one entry: its kind, when and at which node, and one number that goes with it.
    pub(crate) fn add(&mut self, entry: Entry, now: u64, node: usize, number: u64) {
        self.entries += 1;
        self.word((entry as u64) << 56 ^ (node as u64) << 32 ^ number);
        // The next word mixes it in with all that was before.
        self.hash = self.hash.wrapping_add(now);
    }

    /// Adds the bytes that go with the entry.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(xxh3_64(bytes));
    }

    /// Adds a number that goes with the entry.
    pub(crate) fn number(&mut self, number: u64) {
        self.word(number);
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Member(change) => {
                self.bytes(change.member.name().as_bytes());
                self.word((change.kind as u64) << 32 | u64::from(change.member.incarnation()));
            }
            Event::Suspected { member, by } => {
                self.bytes(member.name().as_bytes());
                self.bytes(by.as_bytes());
                self.word(u64::from(member.incarnation()));
            }
            // The text of the rarer ones is as good as a field-by-field hash, and follows new fields.
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }

    /// For a given word this maps hashes one to one, so that history is never forgotten.
    #[inline]
    fn word(&mut self, word: u64) {
        let mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash =
            (self.hash.rotate_left(23) ^ mixed ^ (mixed >> 32)).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }
}
