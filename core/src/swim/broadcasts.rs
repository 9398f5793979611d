//! What is still to be told to others: the transmit-limited broadcast queue (wire-protocol
//! reference, section 6.11).
//!
//! A message is kept as a value and encoded afresh into each packet, so the queue holds no bytes,
//! and a packet is written in one pass. There is at most one message per subject: a newer one
//! displaces the older. Those without a subject displace nothing until there are [`MAX_QUEUED`].
//! So every queue is bounded, by the member table or by that.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use crate::stats::QueueStats;
use crate::swim::index;
pub(crate) use crate::swim::tiers::Offer;
use crate::swim::tiers::{Index, Place, Placed, Tiers};
use crate::swim::waiting::Waiting;
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

    /// It has been sent as often as the limit asks: whether it begins anew.
    fn again(&mut self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry<M> {
    /// None if the place is free.
    message: Option<M>,
    waiting: Waiting,
}

const _: () = assert!(
    size_of::<Entry<Arc<()>>>() <= 16,
    "there are 4,096 intents at every node while many join"
);

impl<M> Placed for Vec<Entry<M>> {
    fn place(&self, index: Index) -> Place {
        self[index as usize].waiting.place()
    }

    fn set_place(&mut self, index: Index, place: Place) {
        self[index as usize].waiting.set_place(place);
    }
}

/// The queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "M: Serialize", deserialize = "M: Deserialize<'de>"))]
pub(crate) struct Broadcasts<M: Broadcast> {
    /// A slab; an entry is in a tier, or free.
    entries: Vec<Entry<M>>,
    free: Vec<Index>,
    tiers: Tiers,
    #[serde(skip)]
    by_subject: index::Index,
    len: usize,
    limit: usize,
    displaced: u64,
    #[serde(skip)]
    finished: Vec<M::Subject>,
}

fn hash<S: Hash>(subject: &S) -> u64 {
    FixedState::with_seed(0).hash_one(subject)
}

impl<M: Broadcast> Broadcasts<M> {
    /// An empty queue that never holds more than `limit` messages.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            tiers: Tiers::new(),
            by_subject: index::Index::default(),
            len: 0,
            limit,
            displaced: 0,
            finished: Vec::new(),
        }
    }

    /// Makes the index anew, which is not saved.
    pub(crate) fn reindex(&mut self) {
        self.by_subject = index::Index::default();
        let subjects = self.entries.iter().enumerate();
        for (index, entry) in subjects {
            if let Some(subject) = entry.message.as_ref().and_then(M::subject) {
                let rehash = |other| subject_of(&self.entries, other).map_or(0, hash);
                self.by_subject
                    .insert(hash(subject), index as Index, rehash);
            }
        }
    }

    /// Queues a message, displacing an earlier one about the same subject, or, from a full queue,
    /// the one told most often.
    pub(crate) fn push(&mut self, message: M, now: Instant) {
        let same = message.subject().and_then(|subject| self.find(subject));
        let index = match same {
            Some(index) => {
                self.tiers.remove(&mut self.entries, index);
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
                    let rehash = |other| subject_of(entries, other).map_or(0, hash);
                    self.by_subject.insert(hash(subject), index, rehash);
                }
                index
            }
        };
        let mut entry = Entry {
            message: Some(message),
            waiting: Waiting::NONE,
        };
        entry.waiting.begin(now);
        match self.entries.get_mut(index as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.tiers.insert(&mut self.entries, index, 0);
    }

    /// How often the others have been told of `subject` so far; `None` if that is over.
    pub(crate) fn told(&self, subject: &M::Subject) -> Option<u32> {
        let index = self.find(subject)?;
        Some(self.entries[index as usize].waiting.place().transmits())
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
        let ages = waiting.map(|entry| entry.waiting.age(now));
        QueueStats {
            depth: self.len,
            age: ages.max().unwrap_or_default(),
            displaced: self.displaced,
        }
    }

    /// Offers messages to a packet, least often sent first. Each that is packed counts as sent
    /// once, unless there is no `limit`; one that reaches it is dropped, unless it begins again,
    /// and its subject noted in [`Self::take_finished`].
    pub(crate) fn fill(&mut self, limit: Option<u32>, mut offer: impl FnMut(&M) -> Offer) {
        if self.is_empty() {
            return;
        }
        let mut over = Vec::new();
        self.tiers.fill(
            &mut self.entries,
            limit,
            |entries, index| {
                let message = entries[index as usize].message.as_ref();
                message.map_or(Offer::TooLong, &mut offer)
            },
            |_, index| over.push(index),
        );
        for index in over {
            let message = self.entries[index as usize].message.as_mut();
            if message.is_some_and(M::again) {
                self.tiers.insert(&mut self.entries, index, 0);
                continue;
            }
            let message = self.release(index);
            let subject = message.as_ref().and_then(M::subject);
            self.finished.extend(subject.cloned());
        }
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
        let same = |index| subject_of(&self.entries, index) == Some(subject);
        self.by_subject.find(hash(subject), same)
    }

    /// Makes room: the one that was told most often, and the oldest of those, goes untold.
    fn displace(&mut self) {
        let Some(index) = self.tiers.last(&self.entries) else {
            return;
        };
        self.tiers.remove(&mut self.entries, index);
        self.release(index);
        self.displaced += 1;
    }

    /// Frees the place of a message that is in no tier.
    fn release(&mut self, index: Index) -> Option<M> {
        let message = self.entries[index as usize].message.take()?;
        if let Some(subject) = message.subject() {
            self.by_subject.remove(hash(subject), index);
        }
        self.free.push(index);
        self.len -= 1;
        Some(message)
    }
}

fn subject_of<M: Broadcast>(entries: &[Entry<M>], index: Index) -> Option<&M::Subject> {
    entries[index as usize].message.as_ref()?.subject()
}

#[cfg(test)]
mod tests;
