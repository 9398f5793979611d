//! The event queue: what happens next, and among simultaneous things, what was asked for first.
//!
//! A hierarchical timing wheel over nanoseconds: eight levels of 256 slots, each slot a list.
//! A time lives on the level of the highest base-256 digit in which it differs from the cursor
//! (no pending time is earlier), in the slot named by that digit. So the place of an entry
//! is a function of its time and the cursor alone; equal times always share a list, and lists keep
//! their order. That makes the queue first-in first-out among equals without sequence numbers,
//! and an entry is found again without a search, to be moved or taken out.
//!
//! The next event is in the first occupied slot of the lowest occupied level. If it is alone there
//! it is taken from where it is; otherwise the slot is emptied onto lower levels, after moving the
//! cursor to where the slot begins. So a packet, due within milliseconds, mostly never moves, and
//! a timer once; entries are relinked rather than copied.

/// 256 slots on a level: a timer of seconds is four levels up, a packet of milliseconds three.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
/// The slots of all levels, one after the other: a place is a level times 256 plus a slot.
const PLACES: usize = SLOTS * (u64::BITS / BITS) as usize;
const WORDS: usize = PLACES / u64::BITS as usize;
const NONE: u32 = u32::MAX;

/// Entries ordered by (time, order of insertion). Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    /// No pending entry is earlier than this.
    cursor: u64,
    /// The first place that has entries; past the last one if none has.
    first: usize,
    /// One bit per word of `occupied` that is not zero.
    words: u32,
    /// One bit per place that has entries.
    occupied: [u64; WORDS],
    lists: Box<[List; PLACES]>,
    cells: Vec<Cell<T>>,
    /// Head of the list of unused cells.
    free: u32,
    len: usize,
}

/// Names an entry that is pending: from when it is added until it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

/// The entries of a place. Which place is occupied says whether there are any.
#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// Of the neighbours only those within the list mean anything.
#[derive(Debug, Clone)]
struct Cell<T> {
    at: u64,
    previous: u32,
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
        let empty = List { head: 0, tail: 0 };
        Self {
            cursor: 0,
            first: PLACES,
            words: 0,
            occupied: [0; WORDS],
            lists: Box::new([empty; PLACES]),
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
    #[inline(always)]
    pub fn push(&mut self, at: u64, item: T) -> Ticket {
        let at = at.max(self.cursor);
        let item = Some(item);
        let index = self.free;
        if let Some(cell) = self.cells.get_mut(index as usize) {
            self.free = cell.next;
            cell.at = at;
            cell.item = item;
            self.link(index, at);
            self.len += 1;
            return Ticket(index);
        }
        self.grow(at, item)
    }

    /// Adds an entry when no cell is free.
    #[cold]
    fn grow(&mut self, at: u64, item: Option<T>) -> Ticket {
        let index = u32::try_from(self.cells.len()).expect("memory ends before the index does");
        self.cells.push(Cell {
            at,
            previous: NONE,
            next: NONE,
            item,
        });
        self.link(index, at);
        self.len += 1;
        Ticket(index)
    }

    /// Moves a pending entry to another time: it is as if it were taken out and added anew.
    ///
    /// The caller owes that the entry is pending, here and in [`remove`](Self::remove): of one that has
    /// been taken, the ticket may name another one by now.
    ///
    /// # Panics
    /// If nothing is pending under that ticket.
    #[inline]
    pub fn move_to(&mut self, ticket: Ticket, at: u64) {
        let at = at.max(self.cursor);
        self.unlink(ticket.0);
        self.cells[ticket.0 as usize].at = at;
        self.link(ticket.0, at);
    }

    /// Takes out a pending entry, whenever it is due.
    ///
    /// # Panics
    /// If nothing is pending under that ticket.
    pub fn remove(&mut self, ticket: Ticket) -> T {
        self.unlink(ticket.0);
        self.take(ticket.0).1
    }

    /// Takes the earliest entry if it is due at or before `limit`, with its time.
    #[inline]
    pub fn pop_until(&mut self, limit: u64) -> Option<(u64, T)> {
        loop {
            let place = self.first;
            let List { head, tail } = *self.lists.get(place)?;
            // On the lowest level all of a list are due at the same time.
            if place < SLOTS || head == tail {
                let cell = &self.cells[head as usize];
                if cell.at > limit {
                    return None;
                }
                self.cursor = cell.at;
                if head == tail {
                    self.vacate(place);
                } else {
                    self.lists[place].head = cell.next;
                }
                return Some(self.take(head));
            }
            let start = self.start_of(place);
            if start > limit {
                return None;
            }
            self.cursor = start;
            self.spill(place);
        }
    }

    /// An entry that is due soon; the earliest one unless others are due at about the same time.
    #[inline]
    #[must_use]
    pub fn likely_next(&self) -> Option<&T> {
        let head = self.lists.get(self.first)?.head;
        self.cells[head as usize].item.as_ref()
    }

    /// Empties a cell that no list has any more.
    #[inline]
    fn take(&mut self, index: u32) -> (u64, T) {
        let cell = &mut self.cells[index as usize];
        let item = cell.item.take().expect("a pending entry has an item");
        cell.next = self.free;
        self.free = index;
        self.len -= 1;
        (cell.at, item)
    }

    /// The start of the span of time that a place stands for; it lies past the cursor.
    fn start_of(&self, place: usize) -> u64 {
        let shift = (place / SLOTS) as u32 * BITS;
        let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
        self.cursor & above | ((place % SLOTS) as u64) << shift
    }

    /// Where a time lives.
    #[inline]
    fn place_of(&self, at: u64) -> usize {
        // `| 1` puts a time equal to the cursor on level 0 without a branch.
        let level = (u64::BITS - 1 - ((at ^ self.cursor) | 1).leading_zeros()) / BITS;
        level as usize * SLOTS + (at >> (level * BITS)) as usize % SLOTS
    }

    /// Moves the entries of a place to where they belong seen from the new cursor, in order.
    fn spill(&mut self, place: usize) {
        let List { head, tail } = self.lists[place];
        self.vacate(place);
        let mut index = head;
        loop {
            let Cell { at, next, .. } = self.cells[index as usize];
            self.link(index, at);
            if index == tail {
                return;
            }
            index = next;
        }
    }

    /// Notes that a place has no entries any more.
    #[inline]
    fn vacate(&mut self, place: usize) {
        let word = place / u64::BITS as usize;
        self.occupied[word] &= !(1 << (place % 64));
        if self.occupied[word] == 0 {
            self.words &= !(1 << word);
        }
        if place == self.first {
            let word = self.words.trailing_zeros() as usize;
            self.first = match self.occupied.get(word) {
                Some(bits) => word * u64::BITS as usize + bits.trailing_zeros() as usize,
                None => PLACES,
            };
        }
    }

    #[inline]
    fn link(&mut self, index: u32, at: u64) {
        let place = self.place_of(at);
        let word = place / u64::BITS as usize;
        let bit = 1 << (place % 64);
        let list = &mut self.lists[place];
        if self.occupied[word] & bit == 0 {
            self.occupied[word] |= bit;
            self.words |= 1 << word;
            self.first = self.first.min(place);
            list.head = index;
        } else {
            self.cells[list.tail as usize].next = index;
            self.cells[index as usize].previous = list.tail;
        }
        list.tail = index;
    }

    /// Takes a cell out of its list.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let Cell {
            at,
            previous,
            next,
            ref item,
        } = self.cells[index as usize];
        assert!(item.is_some(), "an entry that is pending");
        let place = self.place_of(at);
        let list = &mut self.lists[place];
        match (list.head == index, list.tail == index) {
            (true, true) => self.vacate(place),
            (true, false) => list.head = next,
            (false, true) => list.tail = previous,
            (false, false) => {
                self.cells[previous as usize].next = next;
                self.cells[next as usize].previous = previous;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    #[test]
    fn what_is_moved_comes_after_what_was_there_already_and_what_is_removed_never() {
        let mut queue = Queue::new();
        let late = queue.push(9_000_000, 'b');
        queue.push(70_000, 'a');
        let gone = queue.push(70_000, 'x');
        queue.push(70_000, 'c');
        queue.move_to(late, 70_000);
        assert_eq!(queue.remove(gone), 'x');
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop_until(u64::MAX)).collect();
        assert_eq!(rest, [(70_000, 'a'), (70_000, 'c'), (70_000, 'b')]);
    }

    /// What is done to a queue.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Push,
        Pop,
        Move(usize),
        Remove(usize),
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => Just(Act::Push),
            3 => Just(Act::Pop),
            1 => any::<usize>().prop_map(Act::Move),
            1 => any::<usize>().prop_map(Act::Remove),
        ]
    }

    proptest! {
        /// The wheel against the obvious: a map of (time, sequence).
        #[test]
        fn agrees_with_a_map_of_times_and_sequence_numbers(
            ops in prop::collection::vec((acts(), 0u32..63, any::<u64>()), 1..400)
        ) {
            let mut wheel = Queue::new();
            let mut map = BTreeMap::new();
            let mut now = 0u64;
            for (seq, (act, magnitude, noise)) in ops.into_iter().enumerate() {
                let ahead = noise & ((1 << magnitude) - 1);
                let at = now.saturating_add(ahead);
                let nth = |n: usize| map.keys().nth(n % map.len().max(1)).copied();
                match act {
                    Act::Push => drop(map.insert((at, seq), (seq, wheel.push(at, seq)))),
                    Act::Pop => {
                        let first = map.first_entry().filter(|entry| entry.key().0 <= at);
                        let expected = first.map(|entry| (entry.key().0, entry.remove().0));
                        prop_assert_eq!(wheel.pop_until(at), expected);
                        now = expected.map_or(at, |(at, _)| at);
                    }
                    Act::Move(n) => if let Some(key) = nth(n) {
                        let (item, ticket) = map.remove(&key).expect("it is there");
                        wheel.move_to(ticket, at);
                        map.insert((at, seq), (item, ticket));
                    }
                    Act::Remove(n) => if let Some(key) = nth(n) {
                        let (item, ticket) = map.remove(&key).expect("it is there");
                        prop_assert_eq!(wheel.remove(ticket), item);
                    }
                }
                prop_assert_eq!(wheel.len(), map.len());
                prop_assert_eq!(wheel.likely_next().is_some(), !map.is_empty());
            }
        }
    }
}
