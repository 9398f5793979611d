//! What is still to be told to others: the transmit-limited broadcast queue (wire-protocol
//! reference, section 6.11).
//!
//! A message is kept as a value and encoded afresh into each packet, so the queue holds no bytes,
//! and a packet is written in one pass. There is at most one message per subject: a newer one
//! displaces the older. Those without a subject displace nothing until there are [`MAX_QUEUED`].
//! So every queue is bounded, by the member table or by that.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::stats::QueueStats;
use crate::time::Instant;

/// The most messages that wait in a queue that nothing else bounds. One more displaces the one
/// that was told most often, and the oldest of those.
pub(crate) const MAX_QUEUED: usize = 4096;

/// Something to be told.
pub(crate) trait Broadcast {
    /// What it is about.
    type Subject: Clone + Eq + Hash;

    /// What it is about, if a later message about the same takes its place.
    fn subject(&self) -> Option<&Self::Subject>;
}

/// Handle of an entry in the slab.
type Index = u32;

const NONE: Index = u32::MAX;

/// In one fill, this many messages in a row may turn out not to fit before it stops looking.
const MAX_MISSES: u32 = 8;

#[derive(Debug, Clone)]
struct Entry<M> {
    /// None if the place is free.
    message: Option<M>,
    queued: Instant,
    transmits: u32,
    prev: Index,
    next: Index,
}

/// The queue: tiers of messages sent equally often, least often first, newest first in each.
#[derive(Debug, Clone)]
pub(crate) struct Broadcasts<M: Broadcast> {
    /// A slab; an entry is in a tier, or free.
    entries: Vec<Entry<M>>,
    free: Vec<Index>,
    /// First entries of doubly linked lists through the slab, newest first.
    tiers: Vec<Index>,
    by_subject: HashTable<Index>,
    len: usize,
    limit: usize,
    displaced: u64,
    /// What the packet being filled has taken so far; kept for its memory.
    taken: Vec<Index>,
    finished: Vec<M::Subject>,
}

/// What became of a message that was offered to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is in the packet.
    Packed,
    /// It does not fit any more; a shorter one may.
    TooLong,
    /// Nothing fits any more.
    Full,
}

fn hash<S: Hash>(subject: &S) -> u64 {
    FixedState::with_seed(0).hash_one(subject)
}

impl<M: Broadcast> Broadcasts<M> {
    /// An empty queue that never holds more than `limit` messages.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            tiers: Vec::new(),
            by_subject: HashTable::new(),
            len: 0,
            limit,
            displaced: 0,
            taken: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Queues a message, displacing an earlier one about the same subject, or, from a full queue,
    /// the one told most often.
    pub(crate) fn push(&mut self, message: M, now: Instant) {
        let same = message.subject().and_then(|subject| self.find(subject));
        let index = match same {
            Some(index) => {
                self.unlink(index);
                index
            }
            None => {
                if self.len >= self.limit {
                    self.displace();
                }
                self.len += 1;
                let index = self.free.pop().unwrap_or(self.entries.len() as Index);
                if let Some(subject) = message.subject() {
                    let entries = &self.entries;
                    let rehash = |&other: &Index| subject_of(entries, other).map_or(0, hash);
                    let key = hash(subject);
                    self.by_subject.insert_unique(key, index, rehash);
                }
                index
            }
        };
        let entry = Entry {
            message: Some(message),
            queued: now,
            transmits: 0,
            prev: NONE,
            next: NONE,
        };
        match self.entries.get_mut(index as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.link(index, 0);
    }

    /// Drops the message about `subject`, if there is one. Returns whether there was.
    pub(crate) fn remove(&mut self, subject: &M::Subject) -> bool {
        let Some(index) = self.find(subject) else {
            return false;
        };
        self.unlink(index);
        self.release(index);
        true
    }

    /// How often the others have been told of `subject` so far; `None` if that is over.
    pub(crate) fn told(&self, subject: &M::Subject) -> Option<u32> {
        let index = self.find(subject)?;
        Some(self.entries[index as usize].transmits)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How the queue is doing. Looks at every message.
    pub(crate) fn stats(&self, now: Instant) -> QueueStats {
        let waiting = self.entries.iter().filter(|entry| entry.message.is_some());
        let oldest = waiting.map(|entry| entry.queued).min();
        QueueStats {
            depth: self.len,
            age: oldest.map_or(Duration::ZERO, |queued| now.since(queued)),
            displaced: self.displaced,
        }
    }

    /// Offers messages to a packet, least often sent first. Each that is packed counts as sent
    /// once, unless there is no `limit`; one that reaches it is dropped and its subject noted in
    /// [`Self::take_finished`].
    pub(crate) fn fill(&mut self, limit: Option<u32>, mut offer: impl FnMut(&M) -> Offer) {
        if self.is_empty() {
            return;
        }
        let mut misses = 0;
        let mut taken = core::mem::take(&mut self.taken);
        'tiers: for tier in 0..self.tiers.len() {
            let mut index = self.tiers[tier];
            while index != NONE {
                let entry = &self.entries[index as usize];
                let next = entry.next;
                match entry.message.as_ref().map_or(Offer::TooLong, &mut offer) {
                    Offer::Packed => {
                        misses = 0;
                        self.unlink(index);
                        taken.push(index);
                    }
                    Offer::TooLong if misses < MAX_MISSES => misses += 1,
                    Offer::TooLong | Offer::Full => break 'tiers,
                }
                index = next;
            }
        }
        // Linked in again only now, so that no message is twice in one packet; the one packed
        // first comes out first again.
        while let Some(index) = taken.pop() {
            let before = self.entries[index as usize].transmits;
            let transmits = match limit {
                Some(limit) if before + 1 >= limit => {
                    let message = self.release(index);
                    let subject = message.as_ref().and_then(M::subject);
                    self.finished.extend(subject.cloned());
                    continue;
                }
                Some(_) => before + 1,
                None => before,
            };
            self.link(index, transmits);
        }
        self.taken = taken;
    }

    /// The next subject whose message has been sent as often as the limit asks.
    pub(crate) fn take_finished(&mut self) -> Option<M::Subject> {
        self.finished.pop()
    }

    /// Gives memory back after a storm.
    pub(crate) fn shrink_if_idle(&mut self) {
        const KEEP: usize = 64;
        if self.is_empty() && self.entries.capacity() > KEEP {
            let finished = core::mem::take(&mut self.finished);
            *self = Self {
                finished,
                displaced: self.displaced,
                ..Self::new(self.limit)
            };
        }
    }

    fn find(&self, subject: &M::Subject) -> Option<Index> {
        let same = |&index: &Index| subject_of(&self.entries, index) == Some(subject);
        self.by_subject.find(hash(subject), same).copied()
    }

    /// Makes room: the one that was told most often, and the oldest of those, goes untold.
    fn displace(&mut self) {
        let last = self.tiers.iter().rev().find(|&&first| first != NONE);
        let Some(&(mut index)) = last else { return };
        while self.entries[index as usize].next != NONE {
            index = self.entries[index as usize].next;
        }
        self.unlink(index);
        self.release(index);
        self.displaced += 1;
    }

    /// Frees the place of a message that is in no tier.
    fn release(&mut self, index: Index) -> Option<M> {
        let message = self.entries[index as usize].message.take()?;
        if let Some(subject) = message.subject() {
            let found = self
                .by_subject
                .find_entry(hash(subject), |&other| other == index);
            if let Ok(found) = found {
                found.remove();
            }
        }
        self.free.push(index);
        self.len -= 1;
        Some(message)
    }

    /// Makes an entry that is in no tier the first of one.
    fn link(&mut self, index: Index, transmits: u32) {
        let tier = transmits as usize;
        if tier >= self.tiers.len() {
            self.tiers.resize(tier + 1, NONE);
        }
        let next = core::mem::replace(&mut self.tiers[tier], index);
        let entry = &mut self.entries[index as usize];
        entry.transmits = transmits;
        entry.prev = NONE;
        entry.next = next;
        if next != NONE {
            self.entries[next as usize].prev = index;
        }
    }

    /// Takes an entry out of its tier.
    fn unlink(&mut self, index: Index) {
        let Entry {
            transmits,
            prev,
            next,
            ..
        } = self.entries[index as usize];
        if prev == NONE {
            self.tiers[transmits as usize] = next;
        } else {
            self.entries[prev as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
    }
}

fn subject_of<M: Broadcast>(entries: &[Entry<M>], index: Index) -> Option<&M::Subject> {
    entries[index as usize].message.as_ref()?.subject()
}

#[cfg(test)]
mod tests;
