//! What is still to be told to others: the transmit-limited broadcast queue (wire-protocol
//! reference, section 6.11).
//!
//! A rumour is kept as a value and encoded afresh into each packet, so the queue holds no bytes,
//! and a packet is written in one pass. There is at most one rumour per member: a newer one
//! displaces the older, which bounds the queue by the member table.

use alloc::vec::Vec;
use core::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table as table;

use crate::member::Name;
use crate::swim::table::Slot;
use crate::time::Instant;

/// One thing to tell about one member.
#[derive(Debug, Clone)]
pub(crate) struct Rumour {
    /// Whom it is about.
    pub(crate) subject: Slot,
    pub(crate) claim: Claim,
    pub(crate) incarnation: u32,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is alive, as announced; the announcement is taken from the member table.
    Alive,
    /// It is suspected, by the named member.
    Suspect(Name),
    /// It is dead, says the named member; or it left, if that is its own name.
    Dead(Name),
}

/// Handle of an entry in the slab.
type Index = u32;

const NONE: Index = u32::MAX;

/// In one fill, this many rumours in a row may turn out not to fit before it stops looking.
const MAX_MISSES: u32 = 8;

#[derive(Debug, Clone)]
struct Entry {
    rumour: Rumour,
    queued: Instant,
    transmits: u32,
    prev: Index,
    next: Index,
}

/// The queue: tiers of rumours sent equally often, least often first, newest first in each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rumours {
    /// A slab; an entry is in a tier, or free.
    entries: Vec<Entry>,
    free: Vec<Index>,
    /// First entries of doubly linked lists through the slab, newest first.
    tiers: Vec<Index>,
    by_subject: HashTable<Index>,
    /// What the packet being filled has taken so far; kept for its memory.
    taken: Vec<Index>,
    finished: Vec<Slot>,
}

/// What became of a rumour that was offered to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is in the packet.
    Packed,
    /// It does not fit any more; a shorter one may.
    TooLong,
    /// Nothing fits any more.
    Full,
}

fn hash(subject: Slot) -> u64 {
    use core::hash::BuildHasher;
    FixedState::with_seed(0).hash_one(subject)
}

impl Rumours {
    /// Queues a rumour, displacing an earlier one about the same member.
    pub(crate) fn push(&mut self, rumour: Rumour, now: Instant) {
        let entries = &self.entries;
        let key = hash(rumour.subject);
        let same = |&other: &Index| entries[other as usize].rumour.subject == rumour.subject;
        let rehash = |&other: &Index| hash(entries[other as usize].rumour.subject);
        let index = match self.by_subject.entry(key, same, rehash) {
            table::Entry::Occupied(found) => {
                let index = *found.get();
                self.unlink(index);
                let entry = &mut self.entries[index as usize];
                (entry.rumour, entry.queued) = (rumour, now);
                index
            }
            table::Entry::Vacant(vacant) => {
                let index = self.free.pop().unwrap_or(entries.len() as Index);
                vacant.insert(index);
                self.occupy(index, rumour, now);
                index
            }
        };
        self.link(index, 0);
    }

    /// Drops the rumour about `subject`, if there is one. Returns whether there was.
    pub(crate) fn remove(&mut self, subject: Slot) -> bool {
        let Some(index) = self.release(subject) else {
            return false;
        };
        self.unlink(index);
        true
    }

    /// How often the others have been told of `subject` so far; `None` if that is over.
    pub(crate) fn told(&self, subject: Slot) -> Option<u32> {
        let entry = |&index: &Index| &self.entries[index as usize];
        let same = |index: &Index| entry(index).rumour.subject == subject;
        let found = self.by_subject.find(hash(subject), same)?;
        Some(entry(found).transmits)
    }

    /// For how long the rumour has waited that has waited longest.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        let entry = |&index: &Index| &self.entries[index as usize];
        let oldest = self.by_subject.iter().map(|it| entry(it).queued).min();
        oldest.map_or(Duration::ZERO, |queued| now.since(queued))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_subject.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// Offers rumours to a packet, least often sent first. Each that is packed counts as sent
    /// once; one that reaches `limit` is dropped and its subject noted in [`Self::take_finished`].
    pub(crate) fn fill(&mut self, limit: u32, mut offer: impl FnMut(&Rumour) -> Offer) {
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
                match offer(&entry.rumour) {
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
        // Linked in again only now, so that no rumour is twice in one packet; the one packed
        // first comes out first again.
        while let Some(index) = taken.pop() {
            let entry = &self.entries[index as usize];
            let (transmits, subject) = (entry.transmits + 1, entry.rumour.subject);
            if transmits < limit {
                self.link(index, transmits);
            } else {
                self.release(subject);
                self.finished.push(subject);
            }
        }
        self.taken = taken;
    }

    /// The next subject whose rumour has been sent as often as the limit asks.
    pub(crate) fn take_finished(&mut self) -> Option<Slot> {
        self.finished.pop()
    }

    /// Gives memory back after a storm.
    pub(crate) fn shrink_if_idle(&mut self) {
        const KEEP: usize = 64;
        if self.is_empty() && self.entries.capacity() > KEEP {
            let finished = core::mem::take(&mut self.finished);
            *self = Self {
                finished,
                ..Self::default()
            };
        }
    }

    /// Puts a rumour into a place that is free, or next after the last.
    fn occupy(&mut self, index: Index, rumour: Rumour, queued: Instant) {
        match self.entries.get_mut(index as usize) {
            Some(entry) => (entry.rumour, entry.queued) = (rumour, queued),
            None => self.entries.push(Entry {
                rumour,
                queued,
                transmits: 0,
                prev: NONE,
                next: NONE,
            }),
        }
    }

    /// Frees the place of the rumour about `subject`, which may be linked still.
    fn release(&mut self, subject: Slot) -> Option<Index> {
        let entries = &self.entries;
        let same = |&index: &Index| entries[index as usize].rumour.subject == subject;
        let found = self.by_subject.find_entry(hash(subject), same).ok()?;
        let (index, _) = found.remove();
        self.free.push(index);
        // Lets go of the name in it.
        self.entries[index as usize].rumour.claim = Claim::Alive;
        Some(index)
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

#[cfg(test)]
mod tests;
