//! The event queue: what happens next, and among simultaneous things, what was asked for first.
//!
//! A hierarchical timing wheel over nanoseconds: eight levels of 256 slots, each slot a list.
//! A time lives on the level of the highest base-256 digit in which it differs from the cursor
//! (no pending time is earlier), in the slot named by that digit. So the place of an entry
//! is a function of its time and the cursor alone; equal times always share a list, and lists keep
//! their order. That makes the queue first-in first-out among equals without sequence numbers.
//!
//! The next event is in the first occupied slot of the lowest occupied level. If it is alone there
//! it is taken from where it is; otherwise the slot is emptied onto lower levels, after moving the
//! cursor to where the slot begins. So a packet, due within milliseconds, mostly never moves, and
//! a timer once; entries are relinked rather than copied.

/// 256 slots on a level: a timer of seconds is four levels up, a packet of milliseconds three.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = (u64::BITS / BITS) as usize;
const WORDS: usize = SLOTS / u64::BITS as usize;
const NONE: u32 = u32::MAX;

/// Entries ordered by (time, order of insertion). Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    /// No pending entry is earlier than this.
    cursor: u64,
    /// One bit per level that has entries.
    levels: u8,
    /// One bit per word of `occupied` that is not zero.
    words: [u8; LEVELS],
    /// One bit per slot that has entries.
    occupied: [[u64; WORDS]; LEVELS],
    lists: Box<[[List; SLOTS]; LEVELS]>,
    cells: Vec<Cell<T>>,
    /// Head of the list of unused cells.
    free: u32,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

#[derive(Debug, Clone)]
struct Cell<T> {
    at: u64,
    next: u32,
    item: Option<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Queue<T> {
    /// An empty queue, its clock at zero.
    #[must_use]
    pub fn new() -> Self {
        let empty = List {
            head: NONE,
            tail: NONE,
        };
        Self {
            cursor: 0,
            levels: 0,
            words: [0; LEVELS],
            occupied: [[0; WORDS]; LEVELS],
            lists: Box::new([[empty; SLOTS]; LEVELS]),
            cells: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// How many entries are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry for `at` nanoseconds. A time before the last one taken, or before the last limit
    /// if nothing was due then, may count as that one: what is overdue happens next.
    ///
    /// # Panics
    /// At four billion pending entries.
    pub fn push(&mut self, at: u64, item: T) {
        let at = at.max(self.cursor);
        let cell = Cell {
            at,
            next: NONE,
            item: Some(item),
        };
        let index = if self.free == NONE {
            let index = u32::try_from(self.cells.len()).expect("memory ends before the index does");
            self.cells.push(cell);
            index
        } else {
            let index = self.free;
            self.free = self.cells[index as usize].next;
            self.cells[index as usize] = cell;
            index
        };
        self.link(index, at);
        self.len += 1;
    }

    /// Takes the earliest entry if it is due at or before `limit`, with its time.
    pub fn pop_until(&mut self, limit: u64) -> Option<(u64, T)> {
        while self.levels != 0 {
            let level = self.levels.trailing_zeros() as usize;
            let slot = self.first_slot(level);
            let head = self.lists[level][slot].head;
            let first = &self.cells[head as usize];
            // On the lowest level all of a list are due at the same time.
            if level == 0 || first.next == NONE {
                return (first.at <= limit).then(|| self.take_head(level, slot, head));
            }
            let start = self.start_of(level, slot);
            if start > limit {
                return None;
            }
            self.cursor = start;
            self.spill(level, slot);
        }
        None
    }

    /// An entry that is due soon; the earliest one unless others are due at about the same time.
    #[must_use]
    pub fn likely_next(&self) -> Option<&T> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        let head = self.lists[level][self.first_slot(level)].head;
        self.cells[head as usize].item.as_ref()
    }

    /// The first slot of a level that has entries; there is one.
    fn first_slot(&self, level: usize) -> usize {
        let word = self.words[level].trailing_zeros() as usize % WORDS;
        word * u64::BITS as usize + self.occupied[level][word].trailing_zeros() as usize
    }

    fn take_head(&mut self, level: usize, slot: usize, head: u32) -> (u64, T) {
        let cell = &mut self.cells[head as usize];
        let item = cell.item.take().expect("a linked cell holds an item");
        let at = cell.at;
        let next = std::mem::replace(&mut cell.next, self.free);
        self.free = head;
        self.lists[level][slot].head = next;
        if next == NONE {
            self.vacate(level, slot);
        }
        self.cursor = at;
        self.len -= 1;
        (at, item)
    }

    /// The start of the span of time that a slot stands for; it lies past the cursor.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * BITS;
        let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
        self.cursor & above | (slot as u64) << shift
    }

    /// Moves the entries of a slot to where they belong seen from the new cursor, in order.
    fn spill(&mut self, level: usize, slot: usize) {
        let mut index = self.lists[level][slot].head;
        self.vacate(level, slot);
        while index != NONE {
            let cell = &mut self.cells[index as usize];
            let next = std::mem::replace(&mut cell.next, NONE);
            let at = cell.at;
            self.link(index, at);
            index = next;
        }
    }

    fn vacate(&mut self, level: usize, slot: usize) {
        self.lists[level][slot] = List {
            head: NONE,
            tail: NONE,
        };
        let word = &mut self.occupied[level][slot / 64];
        *word &= !(1 << (slot % 64));
        if *word == 0 {
            self.words[level] &= !(1 << (slot / 64));
            if self.words[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }

    fn link(&mut self, index: u32, at: u64) {
        // `| 1` puts a time equal to the cursor on level 0 without a branch.
        let level = ((u64::BITS - 1 - ((at ^ self.cursor) | 1).leading_zeros()) / BITS) as usize;
        let slot = (at >> (level as u32 * BITS)) as usize % SLOTS;
        let list = &mut self.lists[level][slot];
        if list.head == NONE {
            list.head = index;
            self.occupied[level][slot / 64] |= 1 << (slot % 64);
            self.words[level] |= 1 << (slot / 64);
            self.levels |= 1 << level;
        } else {
            self.cells[list.tail as usize].next = index;
        }
        list.tail = index;
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn simultaneous_entries_come_out_in_the_order_they_went_in() {
        let mut queue = Queue::new();
        queue.push(1_000_000, 'a');
        queue.push(5, 'x');
        queue.push(1_000_000, 'b');
        assert_eq!(queue.pop_until(u64::MAX), Some((5, 'x')));
        queue.push(1_000_000, 'c');
        let rest: String = std::iter::from_fn(|| queue.pop_until(u64::MAX))
            .map(|(_, c)| c)
            .collect();
        assert_eq!(rest, "abc");
    }

    #[test]
    fn nothing_comes_out_before_it_is_due() {
        let mut queue = Queue::new();
        queue.push(100, ());
        queue.push(u64::MAX, ());
        assert_eq!(queue.pop_until(99), None);
        assert_eq!(queue.pop_until(100), Some((100, ())));
        assert_eq!(queue.pop_until(u64::MAX - 1), None);
        assert_eq!(queue.pop_until(u64::MAX), Some((u64::MAX, ())));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_overdue_happens_next() {
        let mut queue = Queue::new();
        queue.push(50, 1);
        queue.pop_until(50);
        queue.push(51, 2);
        queue.push(10, 3);
        assert_eq!(queue.pop_until(60), Some((50, 3)));
        assert_eq!(queue.pop_until(60), Some((51, 2)));
    }

    proptest! {
        /// The wheel against the obvious: a heap of (time, sequence).
        #[test]
        fn agrees_with_a_heap_of_times_and_sequence_numbers(
            ops in prop::collection::vec((any::<bool>(), 0u32..63, any::<u64>()), 1..400)
        ) {
            let mut wheel = Queue::new();
            let mut heap = BinaryHeap::new();
            let mut now = 0u64;
            for (seq, (push, magnitude, noise)) in ops.into_iter().enumerate() {
                let ahead = noise & ((1 << magnitude) - 1);
                if push {
                    let at = now.saturating_add(ahead);
                    wheel.push(at, seq);
                    heap.push(Reverse((at, seq)));
                } else {
                    let limit = now.saturating_add(ahead);
                    let due = heap.peek().is_some_and(|Reverse((at, _))| *at <= limit);
                    let expected = due.then(|| heap.pop().expect("just peeked").0);
                    prop_assert_eq!(wheel.pop_until(limit), expected);
                    now = expected.map_or(limit, |(at, _)| at);
                }
                prop_assert_eq!(wheel.len(), heap.len());
                prop_assert_eq!(wheel.likely_next().is_some(), !heap.is_empty());
            }
        }
    }
}
