//! Whom a node suspects, and whose time is up.

use alloc::vec::Vec;
use core::ops;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::swim::accuser::Accuser;
use crate::swim::index::Index;
use crate::swim::suspicion::Suspicion;
use crate::swim::table::Slot;
use crate::time::Instant;

/// All running suspicions, of one member each.
///
/// After a partition a node has one for every other member, and most of them are confirmed
/// several times before they end: each of that is a few steps in three rows of numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Slot, Suspicion)>", into = "Vec<(Slot, Suspicion)>")]
pub(crate) struct Suspicions {
    /// In no order.
    all: Pages,
    /// Places in `all`; none ends before the one at half its place here.
    heap: Vec<u32>,
    /// Places in `all`.
    by_member: Index,
}

/// A row that never moves: as it grew it would leave holes in memory that are too small for what comes
/// after. All pages but the last are full.
#[derive(Debug, Clone, Default)]
struct Pages(Vec<Vec<Entry>>);

/// As long as a page of rumours: the memory of the one serves the other afterwards.
const PAGE: usize = 25;

#[derive(Debug, Clone)]
struct Entry {
    suspicion: Suspicion,
    member: Slot,
    /// Its place in the heap.
    at: u32,
}

const _: () = assert!(
    size_of::<Entry>() <= 40,
    "one for each pair of members after a partition"
);

impl Pages {
    fn len(&self) -> usize {
        let last = self.0.last().map_or(PAGE, Vec::len);
        self.0.len() * PAGE - (PAGE - last)
    }

    fn push(&mut self, entry: Entry) {
        if self.0.last().is_none_or(|page| page.len() == PAGE) {
            self.0.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.0.last_mut() {
            page.push(entry);
        }
    }

    /// Takes out the entry at a place, and puts the last one there.
    fn swap_remove(&mut self, place: usize) -> Option<Entry> {
        let last = self.0.last_mut()?.pop()?;
        self.0.pop_if(|page| page.is_empty());
        match self.get_mut(place) {
            Some(entry) => Some(core::mem::replace(entry, last)),
            None => Some(last),
        }
    }

    fn get(&self, place: usize) -> Option<&Entry> {
        self.0.get(place / PAGE)?.get(place % PAGE)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.0.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut().flatten()
    }
}

impl ops::Index<u32> for Pages {
    type Output = Entry;

    fn index(&self, place: u32) -> &Entry {
        &self.0[place as usize / PAGE][place as usize % PAGE]
    }
}

impl ops::IndexMut<u32> for Pages {
    fn index_mut(&mut self, place: u32) -> &mut Entry {
        &mut self.0[place as usize / PAGE][place as usize % PAGE]
    }
}

impl Suspicions {
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Begins to suspect a member that is not suspected.
    pub(crate) fn insert(&mut self, member: Slot, suspicion: Suspicion) {
        let (place, at) = (self.all.len() as u32, self.heap.len());
        self.all.push(Entry {
            suspicion,
            member,
            at: at as u32,
        });
        self.heap.push(place);
        self.move_up(at);
        let rehash = |place| hash(self.all[place].member);
        self.by_member.insert(hash(member), place, rehash);
    }

    /// Takes note that `accuser` suspects a member, too. If that is news that others should hear,
    /// answers whether it was the last confirmation that makes a difference.
    pub(crate) fn confirm(
        &mut self,
        member: Slot,
        accuser: Accuser,
        config: &Config,
        now: Instant,
    ) -> Option<bool> {
        let place = self.find(member)?;
        let Entry { suspicion, at, .. } = &mut self.all[place];
        if !suspicion.confirm(accuser, config, now) {
            return None;
        }
        let (settled, at) = (suspicion.is_settled(), *at as usize);
        self.move_up(at);
        Some(settled)
    }

    /// Leaves the suspicion of a member no more than the shortest time since it began.
    pub(crate) fn hasten(&mut self, member: Slot, config: &Config, now: Instant) {
        let Some(place) = self.find(member) else {
            return;
        };
        let Entry { suspicion, at, .. } = &mut self.all[place];
        suspicion.hasten(config, now);
        let at = *at as usize;
        self.move_up(at);
    }

    /// Ends the suspicion of a member.
    pub(crate) fn remove(&mut self, member: Slot) -> Option<Suspicion> {
        let place = self.find(member)?;
        self.by_member.remove(hash(member), place);
        let Entry { suspicion, at, .. } = self.all.swap_remove(place as usize)?;
        if let Some(moved) = self.all.get(place as usize) {
            self.heap[moved.at as usize] = place;
            let (key, before) = (hash(moved.member), self.all.len() as u32);
            self.by_member.renumber(key, before, place);
        }
        let at = at as usize;
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            self.note(at);
            self.move_up(at);
            self.move_down(at);
        }
        if self.heap.is_empty() {
            *self = Self::default();
        }
        Some(suspicion)
    }

    /// When the first one ends.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        let first = self.heap.first()?;
        Some(self.all[*first].suspicion.deadline())
    }

    /// Ends one whose time is up.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Slot, Suspicion)> {
        let &first = self.heap.first()?;
        let Entry {
            suspicion, member, ..
        } = &self.all[first];
        if suspicion.deadline() > now {
            return None;
        }
        let member = *member;
        Some((member, self.remove(member)?))
    }

    /// Gives all of them so much longer.
    pub(crate) fn postpone(&mut self, by: Duration) {
        for entry in self.all.iter_mut() {
            entry.suspicion.postpone(by);
        }
        for at in 1..self.heap.len() {
            self.move_up(at);
        }
    }

    /// One accuser is known by another number from now on.
    pub(crate) fn replace_accuser(&mut self, old: Accuser, new: Accuser) {
        for entry in self.all.iter_mut() {
            entry.suspicion.replace_accuser(old, new);
        }
    }

    /// Who accuses a member.
    #[cfg(test)]
    pub(crate) fn get(&self, member: Slot) -> Option<&Suspicion> {
        Some(&self.all[self.find(member)?].suspicion)
    }

    fn find(&self, member: Slot) -> Option<u32> {
        let is = |place| self.all[place].member == member;
        self.by_member.find(hash(member), is)
    }

    /// What the heap is ordered by.
    fn key(&self, at: usize) -> (Instant, Slot) {
        let Entry {
            suspicion, member, ..
        } = &self.all[self.heap[at]];
        (suspicion.deadline(), *member)
    }

    /// Notes with a suspicion where it is in the heap.
    fn note(&mut self, at: usize) {
        self.all[self.heap[at]].at = at as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    /// Moves one that may end too early for its place in the heap.
    fn move_up(&mut self, mut at: usize) {
        while at > 0 {
            let above = (at - 1) / 2;
            if self.key(above) <= self.key(at) {
                return;
            }
            self.swap(above, at);
            at = above;
        }
    }

    /// Moves one that may end too late for its place in the heap.
    fn move_down(&mut self, mut at: usize) {
        loop {
            let below = [2 * at + 1, 2 * at + 2];
            let below = below.into_iter().filter(|&it| it < self.heap.len());
            let Some(first) = below.min_by_key(|&it| self.key(it)) else {
                return;
            };
            if self.key(at) <= self.key(first) {
                return;
            }
            self.swap(at, first);
            at = first;
        }
    }
}

impl From<Vec<(Slot, Suspicion)>> for Suspicions {
    fn from(saved: Vec<(Slot, Suspicion)>) -> Self {
        let mut suspicions = Self::default();
        for (member, suspicion) in saved {
            suspicions.insert(member, suspicion);
        }
        suspicions
    }
}

impl From<Suspicions> for Vec<(Slot, Suspicion)> {
    fn from(suspicions: Suspicions) -> Self {
        let all = suspicions.all.0.into_iter().flatten();
        all.map(|entry| (entry.member, entry.suspicion)).collect()
    }
}

/// Slots count up; the index wants them spread.
fn hash(member: Slot) -> u64 {
    u64::from(member).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::swim::scaling::Scale;

    proptest! {
        /// Against a map, of which the first to end is searched each time.
        #[test]
        fn they_end_in_order_of_time_then_of_members(
            ops in prop::collection::vec((0..8_u8, 0..40_u32, 0..5_000_u64), 1..300),
        ) {
            let config = Config::lan();
            let (mut suspicions, mut model) = (Suspicions::default(), BTreeMap::new());
            let mut now = Instant::ZERO;
            for (op, member, time) in ops {
                match op {
                    0..3 => {
                        // Few times, so that some are the same.
                        let now = now + Duration::from_secs(time % 3);
                        let new = || {
                            let scale = Scale::of(100);
                            Suspicion::new(Accuser::member(1), 3, scale, &config, now)
                        };
                        model.entry(member).or_insert_with(|| {
                            suspicions.insert(member, new());
                            new()
                        });
                    }
                    3..5 => {
                        let accuser = Accuser::member(time as u32 % 4);
                        let expected = model.get_mut(&member).and_then(|it| {
                            it.confirm(accuser, &config, now).then(|| it.is_settled())
                        });
                        prop_assert_eq!(suspicions.confirm(member, accuser, &config, now), expected);
                    }
                    5 => {
                        let removed = suspicions.remove(member).map(|it| it.deadline());
                        prop_assert_eq!(removed, model.remove(&member).map(|it| it.deadline()));
                    }
                    6 => {
                        let by = Duration::from_millis(time);
                        suspicions.postpone(by);
                        model.values_mut().for_each(|it| it.postpone(by));
                    }
                    _ => {
                        now = now + Duration::from_millis(time);
                        let saved: Vec<(Slot, Suspicion)> = suspicions.into();
                        suspicions = saved.into();
                        let first = model.iter().map(|(member, it)| (it.deadline(), *member)).min();
                        let due = first.filter(|(at, _)| *at <= now);
                        let ended = suspicions.take_due(now);
                        prop_assert_eq!(ended.map(|(member, it)| (it.deadline(), member)), due);
                        due.and_then(|(_, member)| model.remove(&member));
                    }
                }
                let first = model.values().map(Suspicion::deadline).min();
                prop_assert_eq!(suspicions.first_deadline(), first);
                prop_assert_eq!(suspicions.is_empty(), model.is_empty());
            }
        }
    }
}
