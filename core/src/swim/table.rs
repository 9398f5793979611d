//! All members that a node knows.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::array;
use core::hash::{BuildHasher, Hasher};
use core::hint;

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use crate::member::{Profile, Status};
use crate::message::RawName;
use crate::serf::intent::Intent;
use crate::swim::census::Census;
use crate::swim::index::Index;
use crate::swim::record::{Record, State};
use crate::time::Instant;

/// A member's place in the table. Stays the same while the member is known; reused afterwards.
pub(crate) type Slot = u32;

/// Records of a page. One less than there are numbers for, so that a page with the two counts of an
/// [`Arc`] takes no more than 1,536 bytes, which allocators have a size for; the next is a sixth more.
const PAGE: usize = 63;

/// The numbers of slots go on at the next multiple of this with each page.
const STEP: usize = 64;

/// As many members as a packet of usual size speaks of.
pub(crate) const AHEAD: usize = 48;

type Page = [Option<Record>; PAGE];

/// A slab of records with an index by name.
///
/// Records live in pages that clones of a node share until one of them writes; the index maps a
/// name to its slot. The order of slots depends on the order of arrival alone, never on hashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[repr(C)]
pub(crate) struct Table {
    #[serde(with = "pages")]
    pages: Vec<Arc<Page>>,
    counts: [u32; 4],
    /// Live members that are said to leave.
    leaving: u32,
    /// Slots ever used.
    slots: u32,
    /// Slots by name. Hashes are keyed per node: names come from the network, and a peer must
    /// not be able to choose names that collide.
    #[serde(skip)]
    index: Index,
    #[serde(skip)]
    hasher: FixedState,
    free: Vec<Slot>,
    census: Census,
    /// See [`digest`](Self::digest).
    digest: u64,
}

impl Table {
    pub(crate) fn new(hash_key: u64) -> Self {
        Self {
            pages: Vec::new(),
            index: Index::default(),
            hasher: FixedState::with_seed(hash_key),
            free: Vec::new(),
            slots: 0,
            counts: [0; 4],
            leaving: 0,
            census: Census::default(),
            digest: 0,
        }
    }

    /// Makes the index anew, which is not saved.
    pub(crate) fn reindex(&mut self) {
        let key = |record: &Record| hash(&self.hasher, (&record.profile.name).into());
        let keys: Vec<(Slot, u64)> = self.iter().map(|(slot, it)| (slot, key(it))).collect();
        let mut index = Index::default();
        let rehash = |slot| self.get(slot).map_or(0, key);
        index.reserve(keys.len(), rehash);
        for (slot, key) in keys {
            index.insert(key, slot, rehash);
        }
        self.index = index;
    }

    /// The slot of the member called `name`.
    pub(crate) fn find(&self, name: RawName<'_>) -> Option<Slot> {
        let key = hash(&self.hasher, name);
        self.index.find(key, |slot| {
            self.get(slot)
                .is_some_and(|record| name == record.profile.name)
        })
    }

    /// The same for one of many names in the order of somebody else's table, which mostly is that
    /// of this one, too: `near` is where it is then.
    pub(crate) fn find_near(&self, near: Slot, name: RawName<'_>) -> Option<Slot> {
        let there = self.get(near);
        match there.is_some_and(|record| name == record.profile.name) {
            true => Some(near),
            false => self.find(name),
        }
    }

    /// Has the processor fetch what finding these members needs, for a program that has more memory
    /// in use than fits in its caches: one wait for all of them instead of several for each. Looks at
    /// no more than [`AHEAD`] of them, and changes nothing.
    pub(crate) fn prefetch<'a>(&self, names: impl Iterator<Item = RawName<'a>>) {
        let mut keys = [0; AHEAD];
        let mut count = 0;
        // What is read is not looked at before all of it has been asked for.
        let mut read = 0;
        for (key, name) in keys.iter_mut().zip(names) {
            *key = hash(&self.hasher, name);
            read ^= self.index.peek(*key);
            count += 1;
        }
        hint::black_box(read);
        for key in &keys[..count] {
            let likely = self.index.find(*key, |_| true);
            let record = likely.and_then(|slot| self.get(slot));
            read ^= record.map_or(0, |it| it.incarnation ^ u32::from(it.profile.addr.port()));
        }
        hint::black_box(read);
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Record> {
        let page = self.pages.get(slot as usize / STEP)?;
        page.get(slot as usize % STEP)?.as_ref()
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut Record> {
        let page = self.pages.get_mut(slot as usize / STEP)?;
        Arc::make_mut(page).get_mut(slot as usize % STEP)?.as_mut()
    }

    /// Makes room in the index for so many members that come at once.
    pub(crate) fn reserve(&mut self, more: usize) {
        let (pages, hasher) = (&self.pages, &self.hasher);
        self.index.reserve(more, rehash(pages, hasher));
    }

    /// Adds a member that is not there yet.
    pub(crate) fn insert(&mut self, record: Record) -> Slot {
        debug_assert!(
            self.find((&record.profile.name).into()).is_none(),
            "names are unique"
        );
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots + u32::from(self.slots as usize % STEP == PAGE);
            self.slots = slot + 1;
            slot
        });
        let page = slot as usize / STEP;
        if page == self.pages.len() {
            self.pages.push(Arc::new(array::from_fn(|_| None)));
        }
        self.counts[record.state() as usize] += 1;
        self.leaving += u32::from(record.is_leaving());
        self.digest = self.digest.wrapping_add(share(&record));
        self.census
            .add(record.profile.versions, record.state() == State::Alive);
        let key = hash(&self.hasher, (&record.profile.name).into());
        Arc::make_mut(&mut self.pages[page])[slot as usize % STEP] = Some(record);
        let (pages, hasher) = (&self.pages, &self.hasher);
        self.index.insert(key, slot, rehash(pages, hasher));
        slot
    }

    /// Removes a member, freeing its slot.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Record> {
        let page = self.pages.get_mut(slot as usize / STEP)?;
        let record = Arc::make_mut(page).get_mut(slot as usize % STEP)?.take()?;
        let key = hash(&self.hasher, (&record.profile.name).into());
        self.index.remove(key, slot);
        self.counts[record.state() as usize] -= 1;
        self.leaving -= u32::from(record.is_leaving());
        self.digest = self.digest.wrapping_sub(share(&record));
        self.census
            .remove(record.profile.versions, record.state() == State::Alive);
        self.free.push(slot);
        Some(record)
    }

    /// Changes a member's state and incarnation, noting the time if the state is new.
    pub(crate) fn set_state(&mut self, slot: Slot, state: State, incarnation: u32, now: Instant) {
        let Some(record) = self.get_mut(slot) else {
            return;
        };
        record.incarnation = incarnation;
        let before = record.state();
        if before == state {
            return;
        }
        let (was_leaving, share_before) = (record.is_leaving(), share(record));
        record.set_state(state, now);
        let (is_leaving, share_after) = (record.is_leaving(), share(record));
        let versions = record.profile.versions;
        self.count_leaving(was_leaving, is_leaving);
        self.count_share(share_before, share_after);
        self.counts[before as usize] -= 1;
        self.counts[state as usize] += 1;
        if (before == State::Alive) != (state == State::Alive) {
            self.census.remove(versions, before == State::Alive);
            self.census.add(versions, state == State::Alive);
        }
    }

    /// Notes whether more accusers of a suspected member would make no difference; it would until
    /// then.
    pub(crate) fn settle(&mut self, slot: Slot, settled: bool) {
        if self.get(slot).is_some_and(|it| it.is_settled() != settled)
            && let Some(record) = self.get_mut(slot)
        {
            record.settle(settled);
        }
    }

    /// Notes that another address claims the name of a member, until the member's status changes.
    pub(crate) fn claim(&mut self, slot: Slot) {
        if self.get(slot).is_some_and(|it| !it.is_claimed())
            && let Some(record) = self.get_mut(slot)
        {
            record.claim();
        }
    }

    /// Replaces what a member announces about itself. The name must be the same.
    pub(crate) fn set_profile(&mut self, slot: Slot, profile: Arc<Profile>) {
        let Some(record) = self.get_mut(slot) else {
            return;
        };
        debug_assert_eq!(record.profile.name, profile.name, "a record keeps its name");
        let alive = record.state() == State::Alive;
        let (old, new) = (record.profile.versions, profile.versions);
        let share_before = share(record);
        record.profile = profile;
        let share_after = share(record);
        self.count_share(share_before, share_after);
        if old != new {
            self.census.remove(old, alive);
            self.census.add(new, alive);
        }
    }

    /// Takes over the latest word on whether a member stays, noting the time if its status is
    /// another one now.
    pub(crate) fn set_intent(&mut self, slot: Slot, intent: Intent, now: Instant) {
        if let Some(record) = self.get_mut(slot) {
            let (before, was_leaving) = (record.status(), record.is_leaving());
            let share_before = share(record);
            record.intent = intent;
            if record.status() != before {
                record.set_state(record.state(), now);
            }
            let (is_leaving, share_after) = (record.is_leaving(), share(record));
            self.count_leaving(was_leaving, is_leaving);
            self.count_share(share_before, share_after);
        }
    }

    fn count_share(&mut self, before: u64, after: u64) {
        self.digest = self.digest.wrapping_sub(before).wrapping_add(after);
    }

    fn count_leaving(&mut self, before: bool, after: bool) {
        self.leaving = self.leaving + u32::from(after) - u32::from(before);
    }

    /// All members, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Record)> {
        let pages = (0..).step_by(STEP).zip(&self.pages);
        pages.flat_map(|(first, page)| {
            let slots = (first..).zip(page.iter());
            slots.filter_map(|(slot, record)| Some((slot, record.as_ref()?)))
        })
    }

    /// Every slot is below this.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Members of any state.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn count(&self, state: State) -> usize {
        self.counts[state as usize] as usize
    }

    /// Members that take part: alive or suspected.
    pub(crate) fn live(&self) -> usize {
        self.count(State::Alive) + self.count(State::Suspect)
    }

    /// Live members that are said to leave.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving as usize
    }

    /// A number that is the same in all tables which hold the same members, at the same addresses, for
    /// alive.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn census(&self) -> &Census {
        &self.census
    }
}

/// Pages are saved as one row of slots.
mod pages {
    use serde::ser::SerializeSeq as _;
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(
        pages: &[Arc<Page>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut slots = serializer.serialize_seq(Some(pages.len() * PAGE))?;
        for slot in pages.iter().flat_map(|page| page.iter()) {
            slots.serialize_element(slot)?;
        }
        slots.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<Page>>, D::Error> {
        let mut slots = Vec::<Option<Record>>::deserialize(deserializer)?.into_iter();
        let pages = 0..slots.len().div_ceil(PAGE);
        Ok(pages
            .map(|_| Arc::new(array::from_fn(|_| slots.next().flatten())))
            .collect())
    }
}

/// What a member adds to the digest: nothing unless its status is alive.
fn share(record: &Record) -> u64 {
    if record.status() != Status::Alive {
        return 0;
    }
    let Profile { name, addr, .. } = &*record.profile;
    FixedState::with_seed(0).hash_one((name, addr))
}

/// The hash of a member that is there.
fn rehash(pages: &[Arc<Page>], hasher: &FixedState) -> impl Fn(Slot) -> u64 {
    |slot| {
        let record = pages[slot as usize / STEP][slot as usize % STEP].as_ref();
        record.map_or(0, |record| hash(hasher, (&record.profile.name).into()))
    }
}

fn hash(hasher: &FixedState, name: RawName<'_>) -> u64 {
    // In one write and without a length: nothing else is hashed along with it.
    let mut hasher = hasher.build_hasher();
    hasher.write(name.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use core::net::SocketAddr;

    use super::*;
    use crate::member::{Name, Versions};
    use crate::serf::clock::LamportTime;

    fn record(name: &str, state: State) -> Record {
        record_at(name, state, 1)
    }

    fn record_at(name: &str, state: State, host: u8) -> Record {
        let name = Name::new(name).expect("test names are valid");
        let addr = SocketAddr::from(([10, 0, 0, host], 7946));
        let profile = Profile::new(name, addr, Versions::CURRENT, &[]);
        Record::new(Arc::new(profile), 1, state, Instant::ZERO)
    }

    fn state(n: u8) -> State {
        [State::Alive, State::Suspect, State::Dead, State::Left][usize::from(n % 4)]
    }

    proptest! {
        /// Against a model: a map from name to state.
        #[test]
        fn lookups_and_counts_follow_any_history(ops: Vec<(u8, u8, u8)>) {
            let mut table = Table::new(7);
            let mut model = BTreeMap::<String, State>::new();
            for (op, name, new) in ops {
                let name = format!("member-{}", name % 100);
                let found = table.find((&*name).into());
                prop_assert_eq!(found.is_some(), model.contains_key(&name));
                match (op % 5, found) {
                    (0, None) => {
                        table.insert(record(&name, state(new)));
                        model.insert(name, state(new));
                    }
                    (1, Some(slot)) => {
                        table.remove(slot);
                        model.remove(&name);
                    }
                    (2, Some(slot)) => {
                        table.set_state(slot, state(new), 2, Instant::from_millis(5));
                        model.insert(name, state(new));
                    }
                    (3, Some(slot)) => {
                        let moved = record_at(&name, state(new), new).profile;
                        table.set_profile(slot, moved);
                    }
                    (4, Some(slot)) => {
                        let time = LamportTime::new(u64::from(new) + 1);
                        let intent = match new % 2 {
                            0 => Intent::leave(time),
                            _ => Intent::join(time),
                        };
                        table.set_intent(slot, intent, Instant::from_millis(7));
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
                let shares = table.iter().map(|(_, record)| share(record));
                prop_assert_eq!(table.digest(), shares.fold(0, u64::wrapping_add));
                for n in 0..4 {
                    let counted = model.values().filter(|&&s| s == state(n)).count();
                    prop_assert_eq!(table.count(state(n)), counted);
                }
            }
            let listed: BTreeMap<String, State> = table
                .iter()
                .map(|(_, record)| (String::from(record.profile.name.as_str()), record.state()))
                .collect();
            prop_assert_eq!(listed, model);
        }
    }

    #[test]
    fn a_clone_shares_pages_until_one_side_writes() {
        let mut table = Table::new(7);
        for n in 0..200 {
            table.insert(record(&format!("member-{n}"), State::Alive));
        }
        let mut clone = table.clone();
        assert!(
            table
                .pages
                .iter()
                .zip(&clone.pages)
                .all(|(a, b)| Arc::ptr_eq(a, b))
        );
        clone.set_state(70, State::Dead, 1, Instant::ZERO);
        let shared: Vec<bool> = table
            .pages
            .iter()
            .zip(&clone.pages)
            .map(|(a, b)| Arc::ptr_eq(a, b))
            .collect();
        assert_eq!(shared, [true, false, true, true]);
        assert_eq!(table.get(70).map(Record::state), Some(State::Alive));
    }

    #[test]
    fn ages_are_right_across_the_wrap_of_the_stored_time() {
        use core::time::Duration;
        let start = Instant::ZERO + Duration::from_secs(52 * 24 * 3600);
        let mut table = Table::new(7);
        let slot = table.insert(record("a", State::Alive));
        table.set_state(slot, State::Dead, 1, start);
        let age = table
            .get(slot)
            .expect("just added")
            .age(start + Duration::from_secs(86_400));
        assert!(
            age.abs_diff(Duration::from_secs(86_400)) < Duration::from_millis(300),
            "{age:?}"
        );
    }
}
