//! Finding by name: a hash table of numbers alone, for there is one of it per node, and an entry
//! in it for each pair of members.
//!
//! Open addressing with linear probing: a number lies at the place that its hash names, or behind
//! it where that is taken, with a few bits of the hash beside it to tell most others by. So one
//! that is there is found at one look at memory, mostly; names are compared by whoever holds them.

use alloc::sync::Arc;
use core::iter;

/// What is found: a number of up to [`NUMBER_BITS`].
pub(crate) type Number = u32;

/// As many as it takes for the most members that there can be, and one for none of them.
const NUMBER_BITS: u32 = 25;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
const EMPTY: u32 = u32::MAX;
/// Where a number was that has been removed: searches go on behind it.
const GONE: u32 = EMPTY - 1;

/// Numbers by hash. Clones share their memory until one of them changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    cells: Arc<[u32]>,
    len: usize,
    /// Cells that are not empty.
    used: usize,
}

impl Index {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The number of this hash that `is` the one.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(Number) -> bool) -> Option<Number> {
        let at = self.place(hash, is)?;
        Some(self.cells[at] & NUMBER)
    }

    /// What is at the place that a hash names: to have it fetched ahead of a search.
    #[inline]
    pub(crate) fn peek(&self, hash: u64) -> u32 {
        self.cells.get(self.home(hash)).copied().unwrap_or(EMPTY)
    }

    /// Adds a number that is not there yet. `rehash` tells the hash of those that are.
    pub(crate) fn insert(&mut self, hash: u64, number: Number, rehash: impl Fn(Number) -> u64) {
        debug_assert!(number < GONE & NUMBER, "more than there can be");
        // One in eight stays empty: that ends searches, and soon enough.
        if (self.used + 1) * 8 > self.cells.len() * 7 {
            // By a third only: what is empty is a cost per pair of members, too.
            self.resize(self.len + self.len / 2 + 8, rehash);
        }
        self.put(hash, number);
        self.len += 1;
    }

    /// Makes room for so many more at once.
    pub(crate) fn reserve(&mut self, more: usize, rehash: impl Fn(Number) -> u64) {
        let len = self.len + more;
        if len * 8 > self.cells.len() * 7 {
            self.resize(len + len / 4 + 1, rehash);
        }
    }

    /// Removes a number, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, number: Number) {
        let Some(at) = self.place(hash, |other| other == number) else {
            return;
        };
        let last = self.cells[self.after(at)] == EMPTY;
        Arc::make_mut(&mut self.cells)[at] = if last { EMPTY } else { GONE };
        self.used -= usize::from(last);
        self.len -= 1;
    }

    /// Gives another number to one of this hash that is there.
    pub(crate) fn renumber(&mut self, hash: u64, from: Number, to: Number) {
        if let Some(at) = self.place(hash, |number| number == from) {
            Arc::make_mut(&mut self.cells)[at] = tag(hash) << NUMBER_BITS | to;
        }
    }

    fn place(&self, hash: u64, is: impl Fn(Number) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let cell = *self.cells.get(at)?;
            if cell == EMPTY {
                return None;
            }
            if cell >> NUMBER_BITS == tag(hash) && cell != GONE && is(cell & NUMBER) {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    fn resize(&mut self, cells: usize, rehash: impl Fn(Number) -> u64) {
        let old = core::mem::take(&mut self.cells);
        self.cells = iter::repeat_n(EMPTY, cells).collect();
        self.used = 0;
        for cell in old.iter().filter(|&&cell| cell < GONE) {
            let number = cell & NUMBER;
            self.put(rehash(number), number);
        }
    }

    fn put(&mut self, hash: u64, number: Number) {
        let mut at = self.home(hash);
        while self.cells[at] < GONE {
            at = self.after(at);
        }
        self.used += usize::from(self.cells[at] == EMPTY);
        Arc::make_mut(&mut self.cells)[at] = tag(hash) << NUMBER_BITS | number;
    }

    /// The place that a hash names.
    fn home(&self, hash: u64) -> usize {
        let low = u64::from(hash as u32);
        ((low * self.cells.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        let next = at + 1;
        if next == self.cells.len() { 0 } else { next }
    }
}

/// The bits of a hash that are kept, none of those that name the place.
const fn tag(hash: u64) -> u32 {
    (hash >> (u64::BITS - (u32::BITS - NUMBER_BITS))) as u32
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Many of the same place, and some of the same tag.
    fn hash(number: Number) -> u64 {
        u64::from(number % 7) << 62 | u64::from(number % 5) << 30
    }

    proptest! {
        #[test]
        fn what_was_added_and_not_removed_is_found(ops: Vec<(bool, u8)>) {
            let (mut index, mut model) = (Index::default(), BTreeSet::new());
            for (add, number) in ops {
                let number = Number::from(number % 64);
                let key = hash(number);
                let found = index.find(key, |other| other == number);
                prop_assert_eq!(found, model.get(&number).copied());
                match (add, found) {
                    (true, None) => {
                        index.insert(key, number, hash);
                        model.insert(number);
                    }
                    (false, _) => {
                        index.remove(key, number);
                        model.remove(&number);
                    }
                    (true, Some(_)) => {}
                }
                prop_assert_eq!(index.len(), model.len());
                let lost = model.iter().find(|&&it| {
                    index.find(hash(it), |other| other == it) != Some(it)
                });
                prop_assert_eq!(lost, None);
            }
        }
    }

    #[test]
    fn an_entry_takes_six_bytes_at_the_most() {
        let spread = |number: Number| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut index = Index::default();
        for number in 0..20_000 {
            index.insert(spread(number), number, spread);
            let bytes = index.cells.len() * 4;
            assert!(number < 1_000 || bytes <= (index.len() + 5) * 6, "{bytes}");
        }
    }

    #[test]
    fn a_clone_shares_memory_until_one_side_changes() {
        let mut index = Index::default();
        index.insert(1, 1, |_| 1);
        let mut clone = index.clone();
        assert!(Arc::ptr_eq(&index.cells, &clone.cells));
        clone.insert(2, 2, u64::from);
        assert_eq!(index.find(2, |it| it == 2), None);
        assert_eq!(clone.find(2, |it| it == 2), Some(2));
    }
}
