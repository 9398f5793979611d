//! One copy of each member's profile, shared by all nodes of a process.

use alloc::sync::Arc;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use spin::Mutex;

use crate::member::{Name, Profile};
use crate::message::Alive;

/// A set of member profiles that several nodes draw from.
///
/// A process that runs many nodes of one cluster, as a simulation does, would otherwise hold each
/// member's name, address and tags once per node. Equal content gives the same copy, so sharing
/// a pool changes no behaviour. Clones are handles to the same pool. Profiles that nobody uses any
/// more are dropped whenever the pool has doubled.
#[derive(Debug, Clone, Default)]
pub struct ProfilePool(Arc<Mutex<Profiles>>);

#[derive(Debug, Default)]
struct Profiles {
    table: HashTable<Arc<Profile>>,
    /// Size at which to look for unused profiles.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 64;

impl ProfilePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The profile that `alive` announces: the one in the pool, or a new one.
    pub(crate) fn intern(&self, name: &Name, alive: &Alive<'_>) -> Arc<Profile> {
        let hasher = FixedState::default();
        // Names tell profiles apart but for updates; the rest is compared.
        let hash = hasher.hash_one(&**name);
        let mut pool = self.0.lock();
        if let Some(found) = pool.table.find(hash, |profile| matches(profile, alive)) {
            return Arc::clone(found);
        }
        let profile = Arc::new(profile(name.clone(), alive));
        pool.sweep_if_due();
        let rehash = |profile: &Arc<Profile>| hasher.hash_one(&*profile.name);
        pool.table.insert_unique(hash, Arc::clone(&profile), rehash);
        profile
    }
}

impl Profiles {
    fn sweep_if_due(&mut self) {
        if self.table.len() >= self.sweep_at.max(MIN_SWEEP) {
            self.table.retain(|profile| Arc::strong_count(profile) > 1);
            self.sweep_at = self.table.len() * 2;
        }
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
