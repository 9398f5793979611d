//! What is still to be told to others: the transmit-limited broadcast queue (wire-protocol
//! reference, section 6.11).
//!
//! A rumour is kept as a value and encoded afresh into each packet, so the queue holds no bytes,
//! and a packet is written in one pass. There is at most one rumour per member: a newer one
//! displaces the older, which bounds the queue by the member table.

use alloc::vec::Vec;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::member::Name;
use crate::swim::table::Slot;

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
    transmits: u32,
    prev: Index,
    next: Index,
}

/// A doubly linked list of entries through the slab, newest first.
#[derive(Debug, Clone, Copy)]
struct Tier {
    head: Index,
}

/// The queue: tiers of rumours sent equally often, least often first, newest first in each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rumours {
    entries: Vec<Option<Entry>>,
    free: Vec<Index>,
    tiers: Vec<Tier>,
    by_subject: HashTable<Index>,
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
    pub(crate) fn push(&mut self, rumour: Rumour) {
        self.remove(rumour.subject);
        let subject = rumour.subject;
        let entry = Entry {
            rumour,
            transmits: 0,
            prev: NONE,
            next: NONE,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = Some(entry);
                index
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() as Index - 1
            }
        };
        let Self {
            entries,
            by_subject,
            ..
        } = self;
        by_subject.insert_unique(hash(subject), index, |&other| {
            hash(subject_of(entries, other))
        });
        self.link(index, 0);
    }

    /// Drops the rumour about `subject`, if there is one. Returns whether there was.
    pub(crate) fn remove(&mut self, subject: Slot) -> bool {
        let Self {
            entries,
            by_subject,
            ..
        } = self;
        let found = by_subject.find_entry(hash(subject), |&index| {
            subject_of(entries, index) == subject
        });
        let Ok(found) = found else { return false };
        let (index, _) = found.remove();
        self.unlink(index);
        self.entries[index as usize] = None;
        self.free.push(index);
        true
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
            let mut index = self.tiers[tier].head;
            while index != NONE {
                let Some(entry) = &self.entries[index as usize] else {
                    break;
                };
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
            let Some(entry) = &mut self.entries[index as usize] else {
                continue;
            };
            entry.transmits += 1;
            let (transmits, subject) = (entry.transmits, entry.rumour.subject);
            self.link(index, transmits);
            if transmits >= limit {
                self.remove(subject);
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

    fn link(&mut self, index: Index, transmits: u32) {
        let tier = transmits as usize;
        if tier >= self.tiers.len() {
            self.tiers.resize(tier + 1, Tier { head: NONE });
        }
        let head = self.tiers[tier].head;
        if let Some(Some(entry)) = self.entries.get_mut(index as usize) {
            entry.transmits = transmits;
            entry.prev = NONE;
            entry.next = head;
        }
        if let Some(Some(old)) = self.entries.get_mut(head as usize) {
            old.prev = index;
        }
        self.tiers[tier].head = index;
    }

    fn unlink(&mut self, index: Index) {
        let Some(Some(entry)) = self.entries.get_mut(index as usize) else {
            return;
        };
        let (tier, prev, next) = (entry.transmits as usize, entry.prev, entry.next);
        (entry.prev, entry.next) = (NONE, NONE);
        match self.entries.get_mut(prev as usize) {
            Some(Some(before)) => before.next = next,
            _ if self.tiers[tier].head == index => self.tiers[tier].head = next,
            _ => {}
        }
        if let Some(Some(after)) = self.entries.get_mut(next as usize) {
            after.prev = prev;
        }
    }
}

fn subject_of(entries: &[Option<Entry>], index: Index) -> Slot {
    entries[index as usize]
        .as_ref()
        .map_or(Slot::MAX, |entry| entry.rumour.subject)
}

#[cfg(test)]
mod tests;
