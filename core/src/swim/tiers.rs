//! The order in which broadcasts are told: those told least often first, and of these the newest
//! first (wire-protocol reference, section 6.11).
//!
//! Each tier is a doubly linked list through whatever holds the broadcasts, so that one can be
//! taken out wherever it is.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Where a broadcast is held.
pub(super) type Index = u32;

/// Set in what stands before the first and behind the last of a tier: the number of that, which so
/// takes no memory of each of the others.
const END: Index = 1 << 31;

const fn is_end(index: Index) -> bool {
    index & END != 0
}

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
        prev: END,
        next: END,
    };
}

/// What holds the broadcasts.
pub(super) trait Linked {
    fn link(&self, index: Index) -> &Link;
    fn link_mut(&mut self, index: Index) -> &mut Link;
}

/// Those that were sent equally often; both are ends if there are none.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tier {
    first: Index,
    last: Index,
}

/// The tiers. Whatever they are given to work on has to be the same holder each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tiers {
    /// By how often their broadcasts have been sent.
    tiers: Vec<Tier>,
    /// What the packet being filled has taken so far, and how often that had been sent; kept for its
    /// memory.
    #[serde(skip)]
    taken: Vec<(Index, u32)>,
}

impl Tiers {
    pub(super) const fn new() -> Self {
        Self {
            tiers: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Makes a broadcast that is in no tier the first of one.
    pub(super) fn insert(&mut self, all: &mut impl Linked, index: Index, transmits: u32) {
        let (number, end) = (transmits as usize, END | transmits);
        if number >= self.tiers.len() {
            let none = Tier {
                first: END,
                last: END,
            };
            self.tiers.resize(number + 1, none);
        }
        let tier = &mut self.tiers[number];
        let mut next = core::mem::replace(&mut tier.first, index);
        if is_end(next) {
            next = end;
            tier.last = index;
        } else {
            all.link_mut(next).prev = index;
        }
        *all.link_mut(index) = Link { prev: end, next };
    }

    /// Takes a broadcast out of its tier.
    pub(super) fn remove(&mut self, all: &mut impl Linked, index: Index) {
        let Link { prev, next } = *all.link(index);
        if is_end(prev) {
            self.tiers[(prev & !END) as usize].first = next;
        } else {
            all.link_mut(prev).next = next;
        }
        if is_end(next) {
            self.tiers[(next & !END) as usize].last = prev;
        } else {
            all.link_mut(next).prev = prev;
        }
    }

    /// How often a broadcast has been sent. Looks at all before it in its tier.
    pub(super) fn transmits(all: &impl Linked, mut index: Index) -> u32 {
        loop {
            let prev = all.link(index).prev;
            if is_end(prev) {
                return prev & !END;
            }
            index = prev;
        }
    }

    /// The one that was told most often, and the oldest of those.
    pub(super) fn last(&self) -> Option<Index> {
        let mut lasts = self.tiers.iter().rev().map(|tier| tier.last);
        lasts.find(|&last| !is_end(last))
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
        'tiers: for tier in 0..self.tiers.len() {
            let mut index = self.tiers[tier].first;
            while !is_end(index) {
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
