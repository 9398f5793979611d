//! The order in which broadcasts are told: those told least often first, and of these the newest
//! first (wire-protocol reference, section 6.11).
//!
//! Each tier is a row of numbers, the newest last. What leaves it from the middle stays in the row until
//! that is walked or too long; the place noted with a broadcast says which number is the true
//! one. So a packet is filled from one piece of memory. (A list through the broadcasts would take
//! less of it, but each step would wait for the one before to come from memory.)

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::swim::row::Row;

/// Where a broadcast is held.
pub(super) type Index = u32;

/// In one fill, this many broadcasts in a row may turn out not to fit before it stops looking.
const MAX_MISSES: u32 = 8;

/// More than the highest retransmit limit takes: 36 for each of the 8 digits of the most members.
pub(super) const TIER_BITS: u32 = 9;

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

/// A broadcast's place among the others: a tier, and a place in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) position: u32,
    /// In [`TIER_BITS`].
    pub(super) tier: u16,
}

impl Place {
    /// In no tier.
    pub(super) const NONE: Self = Self {
        position: u32::MAX,
        tier: (1 << TIER_BITS) - 1,
    };

    const fn new(tier: usize, position: usize) -> Self {
        Self {
            position: position as u32,
            tier: tier as u16,
        }
    }

    /// How often the broadcast has been sent.
    pub(super) const fn transmits(self) -> u32 {
        self.tier as u32
    }
}

/// What holds the broadcasts.
pub(super) trait Placed {
    fn place(&self, index: Index) -> Place;
    fn set_place(&mut self, index: Index, place: Place);
}

/// Those that were sent equally often.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tier {
    row: Row,
    /// No number before this place is a true one.
    start: usize,
    /// How many are.
    len: usize,
}

/// The tiers. Whatever they are given to work on has to be the same holder each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tiers {
    /// By how often their broadcasts have been sent.
    tiers: Vec<Tier>,
    /// What the packet being filled has taken so far, and how often that had been sent; kept for its
    /// memory, as is the next.
    #[serde(skip)]
    taken: Vec<(Index, u32)>,
    /// What did not fit, of the tier that is being looked at.
    #[serde(skip)]
    missed: Vec<Index>,
}

impl Tiers {
    pub(super) const fn new() -> Self {
        Self {
            tiers: Vec::new(),
            taken: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// Makes a broadcast that is in no tier the first of one.
    pub(super) fn insert(&mut self, all: &mut impl Placed, index: Index, transmits: u32) {
        let number = transmits as usize;
        if number >= self.tiers.len() {
            self.tiers.resize(number + 1, Tier::default());
        }
        let tier = &mut self.tiers[number];
        tier.append(all, number, index);
        tier.len += 1;
    }

    /// Takes a broadcast out of its tier.
    pub(super) fn remove(&mut self, all: &mut impl Placed, index: Index) {
        let number = usize::from(all.place(index).tier);
        all.set_place(index, Place::NONE);
        let tier = &mut self.tiers[number];
        tier.len -= 1;
        if tier.len * 2 < tier.row.len() {
            tier.compact(all, number);
        }
    }

    /// The one that was told most often, and the oldest of those.
    pub(super) fn last(&mut self, all: &impl Placed) -> Option<Index> {
        let number = self.tiers.iter().rposition(|tier| tier.len > 0)?;
        let Tier { row, start, .. } = &mut self.tiers[number];
        while !is_true(all, row.at(*start), number, *start) {
            *start += 1;
        }
        Some(row.at(*start))
    }

    /// Broadcasts in the order in which a packet would be filled with them, and some that are not
    /// in their place any more.
    pub(super) fn upcoming(&self) -> impl Iterator<Item = Index> + '_ {
        let tiers = self.tiers.iter();
        tiers.flat_map(|Tier { row, start, .. }| (*start..row.len()).rev().map(|at| row.at(at)))
    }

    /// Offers broadcasts to a packet, in order. Each that is packed counts as sent once more, unless
    /// there is no `limit`; one that reaches it is in no tier any more and handed to `finish`.
    pub(super) fn fill<P: Placed>(
        &mut self,
        all: &mut P,
        limit: Option<u32>,
        mut offer: impl FnMut(&P, Index) -> Offer,
        mut finish: impl FnMut(&mut P, Index),
    ) {
        let Self {
            tiers,
            taken,
            missed,
        } = self;
        let mut misses = 0;
        let mut full = false;
        for (number, tier) in tiers.iter_mut().enumerate() {
            let before = taken.len();
            let mut end = tier.row.len();
            while end > tier.start {
                let (index, at) = (tier.row.at(end - 1), end - 1);
                // What is not true any more goes with what is packed.
                if is_true(all, index, number, at) {
                    match offer(all, index) {
                        Offer::Packed => {
                            misses = 0;
                            taken.push((index, number as u32));
                        }
                        Offer::TooLong if misses < MAX_MISSES => {
                            misses += 1;
                            missed.push(index);
                        }
                        Offer::TooLong | Offer::Full => {
                            full = true;
                            break;
                        }
                    }
                }
                end = at;
            }
            tier.row.truncate(end);
            if end == tier.start {
                tier.row.truncate(0);
                tier.start = 0;
            }
            tier.len -= taken.len() - before;
            while let Some(index) = missed.pop() {
                tier.append(all, number, index);
            }
            if full {
                break;
            }
        }
        // Inserted again only now, so that none is twice in one packet; the one packed first comes
        // out first again.
        while let Some((index, before)) = self.taken.pop() {
            match limit {
                Some(limit) if before + 1 >= limit => finish(all, index),
                Some(_) => self.insert(all, index, before + 1),
                None => self.insert(all, index, before),
            }
        }
    }
}

impl Tier {
    /// Puts a broadcast at the end of the row: it is the first now.
    fn append(&mut self, all: &mut impl Placed, number: usize, index: Index) {
        all.set_place(index, Place::new(number, self.row.len()));
        self.row.push(index);
    }

    /// Moves the true numbers of the row together.
    fn compact(&mut self, all: &mut impl Placed, number: usize) {
        let mut kept = 0;
        for at in self.start..self.row.len() {
            let index = self.row.at(at);
            if is_true(all, index, number, at) {
                self.row.set(kept, index);
                all.set_place(index, Place::new(number, kept));
                kept += 1;
            }
        }
        self.row.truncate(kept);
        self.start = 0;
    }
}

/// Whether the number of a broadcast at a place of a row is the true one.
fn is_true(all: &impl Placed, index: Index, tier: usize, position: usize) -> bool {
    all.place(index) == Place::new(tier, position)
}
