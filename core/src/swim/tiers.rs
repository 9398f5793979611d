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

/// Set in what stands before the first of a tier: the number of that, which so takes no memory of
/// each of the others.
const FIRST: Index = 1 << 31;

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
    prev: Index,
    next: Index,
}

impl Link {
    /// In no tier yet.
    pub(super) const NEW: Self = Self {
        prev: FIRST,
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
    /// What the packet being filled has taken so far, and how often that had been sent; kept for its
    /// memory.
    #[serde(skip)]
    taken: Vec<(Index, u32)>,
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
            prev: FIRST | transmits,
            next,
        };
        if next != NONE {
            all.link_mut(next).prev = index;
        }
    }

    /// Takes a broadcast out of its tier.
    pub(super) fn remove(&mut self, all: &mut impl Linked, index: Index) {
        let Link { prev, next } = *all.link(index);
        if prev & FIRST != 0 {
            self.firsts[(prev & !FIRST) as usize] = next;
        } else {
            all.link_mut(prev).next = next;
        }
        if next != NONE {
            all.link_mut(next).prev = prev;
        }
    }

    /// How often a broadcast has been sent. Looks at all before it in its tier.
    pub(super) fn transmits(all: &impl Linked, mut index: Index) -> u32 {
        loop {
            let prev = all.link(index).prev;
            if prev & FIRST != 0 {
                return prev & !FIRST;
            }
            index = prev;
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
                        taken.push((index, tier as u32));
                    }
                    Offer::TooLong if misses < MAX_MISSES => misses += 1,
                    Offer::TooLong | Offer::Full => break 'tiers,
                }
                index = next;
            }
        }
        // Inserted again only now, so that none is twice in one packet; the one packed first comes
        // out first again.
        while let Some((index, before)) = taken.pop() {
            match limit {
                Some(limit) if before + 1 >= limit => finish(all, index),
                Some(_) => self.insert(all, index, before + 1),
                None => self.insert(all, index, before),
            }
        }
        self.taken = taken;
    }
}
