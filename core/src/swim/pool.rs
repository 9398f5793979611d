//! One copy of each member's profile, and of what is to be told of it, shared by all nodes of a
//! process.

use alloc::sync::Arc;
use core::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use spin::Mutex;

use crate::member::{Name, Profile};
use crate::message::Alive;
use crate::serf::intent::IntentNews;

/// A set of member profiles that several nodes draw from.
///
/// A process that runs many nodes of one cluster, as a simulation does, would otherwise hold each
/// member's name, address and tags once per node, and while many join or leave what is to be told
/// of that, too. Equal content gives the same copy, so sharing a pool changes no behaviour. Clones
/// are handles to the same pool. What nobody uses any more is dropped whenever the pool has doubled.
#[derive(Debug, Clone, Default)]
pub struct ProfilePool(Arc<Sets>);

#[derive(Debug, Default)]
struct Sets {
    profiles: Mutex<Set<Profile>>,
    news: Mutex<Set<IntentNews>>,
}

impl ProfilePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The profile that `alive` announces: the one in the pool, or a new one.
    pub(crate) fn intern(&self, name: &Name, alive: &Alive<'_>) -> Arc<Profile> {
        // Names tell profiles apart but for updates; the rest is compared.
        let key = hash(&**name);
        let mut pool = self.0.profiles.lock();
        let found = pool.find(key, |profile| matches(profile, alive));
        found.unwrap_or_else(|| {
            let rehash = |profile: &Profile| hash(&*profile.name);
            pool.insert(key, profile(name.clone(), alive), rehash)
        })
    }

    /// The one in the pool that says the same, or this one.
    pub(crate) fn share(&self, news: IntentNews) -> Arc<IntentNews> {
        let key = hash(&news);
        let mut pool = self.0.news.lock();
        let found = pool.find(key, |other| *other == news);
        found.unwrap_or_else(|| pool.insert(key, news, hash))
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    FixedState::default().hash_one(value)
}

const MIN_SWEEP: usize = 64;

/// Values of which there is one copy each.
#[derive(Debug)]
struct Set<T> {
    table: HashTable<Arc<T>>,
    /// Size at which to look for unused ones.
    sweep_at: usize,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            sweep_at: MIN_SWEEP,
        }
    }
}

impl<T> Set<T> {
    fn find(&self, key: u64, same: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        self.table.find(key, |value| same(value)).cloned()
    }

    fn insert(&mut self, key: u64, value: T, rehash: impl Fn(&T) -> u64) -> Arc<T> {
        if self.table.len() >= self.sweep_at {
            self.table.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (self.table.len() * 2).max(MIN_SWEEP);
        }
        let value = Arc::new(value);
        let rehash = |value: &Arc<T>| rehash(value);
        self.table.insert_unique(key, Arc::clone(&value), rehash);
        value
    }
}

/// True if the profile says what `alive` says.
pub(crate) fn matches(profile: &Profile, alive: &Alive<'_>) -> bool {
    alive.name == profile.name
        && profile.addr == alive.addr
        && profile.meta() == alive.meta
        && profile.versions == alive.versions
}

/// A profile from an announcement.
pub(crate) fn profile(name: Name, alive: &Alive<'_>) -> Profile {
    Profile::new(name, alive.addr, alive.versions, alive.meta)
}
