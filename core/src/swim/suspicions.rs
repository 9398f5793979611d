//! Whom a node suspects, and whose time is up.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::swim::accuser::Accuser;
use crate::swim::suspicion::Suspicion;
use crate::swim::table::Slot;
use crate::time::Instant;

/// All running suspicions, of one member each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Suspicions {
    by_member: BTreeMap<Slot, Suspicion>,
    deadlines: BTreeSet<(Instant, Slot)>,
}

impl Suspicions {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// Begins to suspect a member that is not suspected.
    pub(crate) fn insert(&mut self, member: Slot, suspicion: Suspicion) {
        self.deadlines.insert((suspicion.deadline(), member));
        self.by_member.insert(member, suspicion);
    }

    /// Takes note that `accuser` suspects a member, too. If that is news that others should hear,
    /// answers whether it was the last confirmation that makes a difference.
    pub(crate) fn confirm(
        &mut self,
        member: Slot,
        accuser: Accuser,
        config: &Config,
    ) -> Option<bool> {
        let suspicion = self.by_member.get_mut(&member)?;
        let before = suspicion.deadline();
        if !suspicion.confirm(accuser, config) {
            return None;
        }
        self.deadlines.remove(&(before, member));
        self.deadlines.insert((suspicion.deadline(), member));
        Some(suspicion.is_settled())
    }

    /// Ends the suspicion of a member.
    pub(crate) fn remove(&mut self, member: Slot) -> Option<Suspicion> {
        let suspicion = self.by_member.remove(&member)?;
        self.deadlines.remove(&(suspicion.deadline(), member));
        Some(suspicion)
    }

    /// When the first one ends.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Ends one whose time is up.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Slot, Suspicion)> {
        let &(deadline, member) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        Some((member, self.remove(member)?))
    }

    /// Gives all of them so much longer.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.deadlines.clear();
        for (&member, suspicion) in &mut self.by_member {
            suspicion.postpone(by);
            self.deadlines.insert((suspicion.deadline(), member));
        }
    }

    /// One accuser is known by another number from now on.
    pub(crate) fn replace_accuser(&mut self, old: Accuser, new: Accuser) {
        for suspicion in self.by_member.values_mut() {
            suspicion.replace_accuser(old, new);
        }
    }

    /// Who accuses a member.
    #[cfg(test)]
    pub(crate) fn get(&self, member: Slot) -> Option<&Suspicion> {
        self.by_member.get(&member)
    }
}
