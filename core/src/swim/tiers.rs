//! The order in which broadcasts are told: those told least often first, and of these the newest
//! first (wire-protocol reference, section 6.11).
//!
//! Each tier is a doubly linked list through whatever holds the broadcasts, so that one can be
//! taken out wherever it is.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Where a broadcast is held.
pub(super) type Index = u32;

const NONE: Index = u32::MAX;

/// In one fill, this many broadcasts in a row may turn out not to fit before it stops looking.
const MAX_MISSES: u32 = 8;

/// What became of a broadcast that was offered to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is in the packet.
    Packed,
    /// It does not fit any more; a shorter one may.
    TooLong,
    /// Nothing fits any more.
    Full,
}

/// A broadcast's place among the others.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Link {
    /// How often it has been sent.
    pub(super) transmits: u32,
    prev: Index,
    next: Index,
}

impl Link {
    /// In no tier yet.
    pub(super) const NEW: Self = Self {
        transmits: 0,
        prev: NONE,
        next: NONE,
    };
}

/// What holds the broadcasts.
pub(super) trait Linked {
    fn link(&self, index: Index) -> &Link;
    fn link_mut(&mut self, index: Index) -> &mut Link;
}

/// The tiers. Whatever they are given to work on has to be the same holder each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tiers {
    /// The first of each, by how often its broadcasts have been sent.
    firsts: Vec<Index>,
    /// What the packet being filled has taken so far; kept for its memory.
    #[serde(skip)]
    taken: Vec<Index>,
}

impl Tiers {
    pub(super) const fn new() -> Self {
        Self {
            firsts: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Makes a broadcast that is in no tier the first of one.
    pub(super) fn insert(&mut self, all: &mut impl Linked, index: Index, transmits: u32) {
        let tier = transmits as usize;
        if tier >= self.firsts.len() {
            self.firsts.resize(tier + 1, NONE);
        }
        let next = core::mem::replace(&mut self.firsts[tier], index);
        *all.link_mut(index) = Link {
            transmits,
            prev: NONE,
            next,
        };
        if next != NONE {
            all.link_mut(next).prev = index;
        }
    }

    /// Takes a broadcast out of its tier.
    pub(super) fn remove(&mut self, all: &mut impl Linked, index: Index) {
        let Link {
            transmits,
            prev,
            next,
        } = *all.link(index);
        if prev == NONE {
            self.firsts[transmits as usize] = next;
        } else {
            all.link_mut(prev).next = next;
        }
        if next != NONE {
            all.link_mut(next).prev = prev;
        }
    }

    /// The one that was told most often, and the oldest of those.
    pub(super) fn last(&self, all: &impl Linked) -> Option<Index> {
        let mut last = *self.firsts.iter().rev().find(|&&first| first != NONE)?;
        loop {
            let next = all.link(last).next;
            if next == NONE {
                return Some(last);
            }
            last = next;
        }
    }

    /// Offers broadcasts to a packet, in order. Each that is packed counts as sent once more, unless
    /// there is no `limit`; one that reaches it is in no tier any more and handed to `finish`.
    pub(super) fn fill<L: Linked>(
        &mut self,
        all: &mut L,
        limit: Option<u32>,
        mut offer: impl FnMut(&L, Index) -> Offer,
        mut finish: impl FnMut(&mut L, Index),
    ) {
        let mut misses = 0;
        let mut taken = core::mem::take(&mut self.taken);
        'tiers: for tier in 0..self.firsts.len() {
            let mut index = self.firsts[tier];
            while index != NONE {
                let next = all.link(index).next;
                match offer(all, index) {
                    Offer::Packed => {
                        misses = 0;
                        self.remove(all, index);
                        taken.push(index);
                    }
                    Offer::TooLong if misses < MAX_MISSES => misses += 1,
                    Offer::TooLong | Offer::Full => break 'tiers,
                }
                index = next;
            }
        }
        // Inserted again only now, so that none is twice in one packet; the one packed first comes
        // out first again.
        while let Some(index) = taken.pop() {
            let before = all.link(index).transmits;
            match limit {
                Some(limit) if before + 1 >= limit => finish(all, index),
                Some(_) => self.insert(all, index, before + 1),
                None => self.insert(all, index, before),
            }
        }
        self.taken = taken;
    }
}
