//! What is remembered of peers: their last coordinate and round trips. Bounded; peers make room in
//! the order in which they came. As all are probed in turn, those are about the ones updated least
//! recently, and an update has to touch nobody but its peer.

use alloc::vec::Vec;
use core::mem::size_of;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CompactCoordinate, Coordinate};
use crate::swim::index::Index;

/// The median of this many round trips is what counts.
const SAMPLES: usize = 3;

/// Slots numbered without gaps, with an index by key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Peers {
    slots: Vec<Peer>,
    #[serde(skip)]
    index: Index,
    max: u32,
    /// Who makes room next.
    hand: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Peer {
    key: u32,
    rtts: [Rtt; SAMPLES],
    coordinate: CompactCoordinate,
}

const _: () = assert!(size_of::<Peer>() == 60);

/// A round trip in steps of 4 ns, rounded down, so that 10 s fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Rtt(u32);

impl Rtt {
    /// No measurement. Sorts after all others.
    const UNKNOWN: Self = Self(u32::MAX);
    const STEP: u32 = 4;

    fn new(rtt: Duration) -> Self {
        let steps = rtt.as_nanos() / u128::from(Self::STEP);
        Self(u32::try_from(steps).unwrap_or(u32::MAX - 1))
    }

    fn duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.0) * u64::from(Self::STEP))
    }
}

impl Peers {
    pub(super) fn new(max: u32) -> Self {
        Self {
            slots: Vec::new(),
            index: Index::default(),
            max,
            hand: 0,
        }
    }

    /// Makes the index anew, which is not saved.
    pub(super) fn reindex(&mut self) {
        self.index = Index::default();
        for slot in 0..self.slots.len() as u32 {
            self.index_slot(slot);
        }
    }

    /// Remembers a peer's coordinate and the round trip to it. Returns the round trip that counts:
    /// the median of the last three (the longer of two).
    pub(super) fn observe(&mut self, key: u32, rtt: Duration, at: &Coordinate) -> Duration {
        if self.max == 0 {
            return rtt;
        }
        let slot = match self.find(key) {
            Some(slot) => slot,
            None => self.insert(key),
        };
        let peer = &mut self.slots[slot as usize];
        peer.coordinate = at.into();
        peer.rtts.rotate_right(1);
        peer.rtts[0] = Rtt::new(rtt);
        let mut sorted = peer.rtts;
        sorted.sort_unstable();
        let known = sorted.iter().filter(|&&rtt| rtt != Rtt::UNKNOWN).count();
        sorted[known / 2].duration()
    }

    pub(super) fn coordinate(&self, key: u32) -> Option<Coordinate> {
        let slot = self.find(key)?;
        Some((&self.slots[slot as usize].coordinate).into())
    }

    pub(super) fn forget(&mut self, key: u32) {
        let Some(slot) = self.find(key) else {
            return;
        };
        self.unindex(key);
        self.slots.swap_remove(slot as usize);
        // The last peer has moved into the gap.
        if let Some(moved) = self.slots.get(slot as usize) {
            let last = self.slots.len() as u32;
            self.index.renumber(hash(moved.key), last, slot);
        }
    }

    /// A slot for a new peer: a fresh one, or that of the one whose turn it is to make room.
    fn insert(&mut self, key: u32) -> u32 {
        let peer = Peer {
            key,
            rtts: [Rtt::UNKNOWN; SAMPLES],
            coordinate: (&Coordinate::ORIGIN).into(),
        };
        let mut slot = self.slots.len() as u32;
        if slot < self.max {
            if self.slots.len() == self.slots.capacity() {
                // By a quarter rather than twice as many: there is one of these for each node.
                self.slots.reserve_exact(self.slots.len() / 4 + 8);
            }
            self.slots.push(peer);
        } else {
            slot = self.hand;
            self.hand = (slot + 1) % self.max;
            self.unindex(self.slots[slot as usize].key);
            self.slots[slot as usize] = peer;
        }
        self.index_slot(slot);
        slot
    }

    fn find(&self, key: u32) -> Option<u32> {
        let matches = |slot: u32| self.slots[slot as usize].key == key;
        self.index.find(hash(key), matches)
    }

    fn index_slot(&mut self, slot: u32) {
        let slots = &self.slots;
        let key = |slot: u32| hash(slots[slot as usize].key);
        self.index.insert(key(slot), slot, key);
    }

    fn unindex(&mut self, key: u32) {
        if let Some(slot) = self.find(key) {
            self.index.remove(hash(key), slot);
        }
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<u32> {
        assert_eq!(self.index.len(), self.slots.len());
        let mut keys: Vec<u32> = self.slots.iter().map(|peer| peer.key).collect();
        assert!(keys.iter().all(|&key| self.find(key).is_some()));
        keys.sort_unstable();
        keys
    }
}

/// Keys are numbers that this node gave out, so a good spread is all that is needed
/// (Fibonacci hashing).
const fn hash(key: u32) -> u64 {
    (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
