//! What is still to be told of members: that of each of them what is believed, and on whose word.
//!
//! A rumour says no more than the member table does, so it is written from that. There is at most
//! one about each member; a newer one takes its place. In the wake of a partition there is one
//! about every member at every node: it takes 12 bytes, at a place that follows from the
//! member's slot, and four in the order of what is told next.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::stats::QueueStats;
use crate::swim::accuser::Accuser;
use crate::swim::table::Slot;
use crate::swim::tiers::{Index, Offer, Place, Placed, Tiers};
use crate::swim::waiting::Waiting;
use crate::time::Instant;

/// As much as 1 kB holds.
const PAGE: usize = 85;

/// What is to be told of one member.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Entry {
    /// Whose word it is; `None` if there is nothing to tell.
    by: Option<Accuser>,
    waiting: Waiting,
}

const _: () = assert!(
    size_of::<Entry>() <= 12,
    "one for each pair of members after a partition"
);

impl Entry {
    const NONE: Self = Self {
        by: None,
        waiting: Waiting::NONE,
    };
}

/// One entry per slot, in pages that are there once one of theirs is needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
struct Pages(Vec<Option<Box<[Entry; PAGE]>>>);

/// How pages are saved: row by row, an empty one if it is not there.
#[derive(Serialize, Deserialize)]
struct Saved(Vec<Vec<Entry>>);

impl From<Pages> for Saved {
    fn from(pages: Pages) -> Self {
        let entries = |page: Option<Box<[Entry; PAGE]>>| page.map_or(Vec::new(), |it| it.to_vec());
        Self(pages.0.into_iter().map(entries).collect())
    }
}

impl From<Saved> for Pages {
    fn from(saved: Saved) -> Self {
        let page = |entries: Vec<Entry>| <Box<[Entry; PAGE]>>::try_from(entries).ok();
        Self(saved.0.into_iter().map(page).collect())
    }
}

impl Pages {
    fn get(&self, slot: Slot) -> Option<&Entry> {
        let page = self.0.get(slot as usize / PAGE)?.as_ref()?;
        Some(&page[slot as usize % PAGE])
    }

    /// The entry of a slot, which is made if need be.
    fn entry(&mut self, slot: Slot) -> &mut Entry {
        let page = slot as usize / PAGE;
        if page >= self.0.len() {
            self.0.resize(page + 1, None);
        }
        let page = self.0[page].get_or_insert_with(|| Box::new([Entry::NONE; PAGE]));
        &mut page[slot as usize % PAGE]
    }
}

impl Placed for Pages {
    fn place(&self, index: Index) -> Place {
        self.get(index)
            .map_or(Place::NONE, |entry| entry.waiting.place())
    }

    fn set_place(&mut self, index: Index, place: Place) {
        self.entry(index).waiting.set_place(place);
    }
}

/// The queue of rumours, transmit-limited (wire-protocol reference, section 6.11).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rumours {
    pages: Pages,
    tiers: Tiers,
    len: usize,
    #[serde(skip)]
    finished: Vec<Slot>,
}

impl Rumours {
    pub(crate) const fn new() -> Self {
        Self {
            pages: Pages(Vec::new()),
            tiers: Tiers::new(),
            len: 0,
            finished: Vec::new(),
        }
    }

    /// Has what is believed of a member told, on the word of `by`, in place of what was to be told
    /// of it so far.
    pub(crate) fn push(&mut self, subject: Slot, by: Accuser, now: Instant) {
        let entry = self.pages.entry(subject);
        let known = entry.by.replace(by).is_some();
        entry.waiting.begin(now);
        if known {
            self.tiers.remove(&mut self.pages, subject);
        } else {
            self.len += 1;
        }
        self.tiers.insert(&mut self.pages, subject, 0);
    }

    /// Drops what is to be told of a member.
    pub(crate) fn remove(&mut self, subject: Slot) {
        if self.by(subject).is_some() {
            self.tiers.remove(&mut self.pages, subject);
            *self.pages.entry(subject) = Entry::NONE;
            self.len -= 1;
        }
    }

    /// How often the others have been told of a member so far; `None` if that is over.
    pub(crate) fn told(&self, subject: Slot) -> Option<u32> {
        self.by(subject)?;
        Some(self.pages.place(subject).transmits())
    }

    /// On whose word a member is told of; `None` if that is over.
    pub(crate) fn by(&self, subject: Slot) -> Option<Accuser> {
        self.pages.get(subject)?.by
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How the queue is doing. Looks at every rumour.
    pub(crate) fn stats(&self, now: Instant) -> QueueStats {
        let entries = self.pages.0.iter().flatten().flat_map(|page| page.iter());
        let waiting = entries.filter(|entry| entry.by.is_some());
        QueueStats {
            depth: self.len,
            age: waiting
                .map(|entry| entry.waiting.age(now))
                .max()
                .unwrap_or_default(),
            displaced: 0,
        }
    }

    /// Members of whom a packet would tell, in about that order.
    pub(crate) fn upcoming(&self) -> impl Iterator<Item = Slot> + '_ {
        self.tiers.upcoming()
    }

    /// Has the processor fetch what is noted of a rumour; what is answered means nothing.
    pub(crate) fn peek(&self, subject: Slot) -> u32 {
        self.pages
            .get(subject)
            .map_or(0, |entry| entry.waiting.peek())
    }

    /// Offers rumours to a packet, least often told first: about whom, and on whose word. Each that
    /// is packed counts as told once, unless there is no `limit`; one that reaches it is dropped and
    /// its subject noted in [`Self::take_finished`].
    pub(crate) fn fill(
        &mut self,
        limit: Option<u32>,
        mut offer: impl FnMut(Slot, Accuser) -> Offer,
    ) {
        let Self {
            pages,
            tiers,
            len,
            finished,
        } = self;
        tiers.fill(
            pages,
            limit,
            |pages, slot| {
                let by = pages.get(slot).and_then(|entry| entry.by);
                by.map_or(Offer::TooLong, |by| offer(slot, by))
            },
            |pages, slot| {
                *pages.entry(slot) = Entry::NONE;
                *len -= 1;
                finished.push(slot);
            },
        );
    }

    /// The next subject of whom has been told as often as the limit asks.
    pub(crate) fn take_finished(&mut self) -> Option<Slot> {
        self.finished.pop()
    }

    /// What was told on the word of one is told on that of another from now on.
    pub(crate) fn replace_accuser(&mut self, old: Accuser, new: Accuser) {
        let pages = self.pages.0.iter_mut().flatten();
        for entry in pages.flat_map(|page| page.iter_mut()) {
            if entry.by == Some(old) {
                entry.by = Some(new);
            }
        }
    }

    /// Gives memory back after a storm.
    pub(crate) fn shrink_if_idle(&mut self) {
        if self.is_empty() {
            let finished = core::mem::take(&mut self.finished);
            *self = Self {
                finished,
                ..Self::new()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const BY: Accuser = Accuser::member(7);

    /// One packet with room for so many rumours.
    fn packet(rumours: &mut Rumours, limit: u32, room: usize) -> Vec<Slot> {
        let mut packed = vec![];
        rumours.fill(Some(limit), |slot, _| {
            if packed.len() == room {
                return Offer::Full;
            }
            packed.push(slot);
            Offer::Packed
        });
        packed
    }

    #[test]
    fn newer_word_of_a_member_takes_the_place_of_older() {
        let mut rumours = Rumours::new();
        rumours.push(3, BY, Instant::ZERO);
        assert_eq!(packet(&mut rumours, 5, 9), [3]);
        assert_eq!(rumours.told(3), Some(1));
        rumours.push(3, Accuser::member(8), Instant::ZERO);
        assert_eq!((rumours.len(), rumours.told(3)), (1, Some(0)));
        rumours.fill(None, |slot, by| {
            assert_eq!((slot, by), (3, Accuser::member(8)));
            Offer::Packed
        });
    }

    #[test]
    fn the_age_of_the_oldest_is_told_to_a_sixtieth_of_a_second() {
        let mut rumours = Rumours::new();
        rumours.push(3, BY, Instant::from_millis(500));
        rumours.push(900, BY, Instant::from_millis(700));
        let stats = rumours.stats(Instant::from_millis(1_000));
        assert_eq!(stats.depth, 2);
        let off = stats.age.abs_diff(Duration::from_millis(500));
        assert!(off < Duration::from_millis(17), "{:?}", stats.age);
    }

    proptest! {
        /// Against a model: a list of (told, age, subject) sorted for every packet.
        #[test]
        fn packets_follow_the_stated_order_and_end_at_the_limit(
            ops in prop::collection::vec((0..4_u8, 0..12_u32), 1..200),
        ) {
            const LIMIT: u32 = 4;
            let mut rumours = Rumours::new();
            let mut model: Vec<(u32, u32, Slot)> = vec![];
            let mut clock = u32::MAX;
            for (op, number) in ops {
                // On several pages.
                let subject = number * 50;
                match op {
                    0 | 1 => {
                        rumours.push(subject, BY, Instant::ZERO);
                        model.retain(|&(_, _, s)| s != subject);
                        clock -= 1;
                        model.push((0, clock, subject));
                    }
                    2 => {
                        rumours.remove(subject);
                        model.retain(|&(_, _, s)| s != subject);
                        prop_assert_eq!(rumours.told(subject), None);
                    }
                    _ => {
                        let room = number as usize;
                        model.sort_unstable();
                        let packed = packet(&mut rumours, LIMIT, room);
                        let first = model.iter().take(room);
                        prop_assert_eq!(packed, first.map(|&(_, _, s)| s).collect::<Vec<_>>());
                        // Those told keep their order at the front of the next tier.
                        for entry in model.iter_mut().take(room).rev() {
                            clock -= 1;
                            *entry = (entry.0 + 1, clock, entry.2);
                        }
                        let over = |&(told, _, _): &(u32, _, _)| told == LIMIT;
                        for &(_, _, subject) in model.iter().filter(|it| over(it)) {
                            prop_assert_eq!(rumours.take_finished(), Some(subject));
                        }
                        prop_assert_eq!(rumours.take_finished(), None);
                        model.retain(|it| !over(it));
                    }
                }
                prop_assert_eq!(rumours.len(), model.len());
                for &(told, _, subject) in &model {
                    prop_assert_eq!(rumours.told(subject), Some(told));
                }
            }
        }
    }
}
