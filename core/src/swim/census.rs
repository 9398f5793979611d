//! Which protocol versions are about, kept up to date member by member.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::member::{VersionRange, Versions};

/// Counts members by their versions, so that the compatibility check of a state exchange need not
/// walk the table. Almost always one entry; never more than members.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Census(BTreeMap<Versions, Count>);

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    known: u32,
    alive: u32,
}

impl Census {
    pub(crate) fn add(&mut self, versions: Versions, alive: bool) {
        let count = self.0.entry(versions).or_default();
        count.known += 1;
        count.alive += u32::from(alive);
    }

    pub(crate) fn remove(&mut self, versions: Versions, alive: bool) {
        let Some(count) = self.0.get_mut(&versions) else {
            return;
        };
        count.known -= 1;
        count.alive -= u32::from(alive);
        if count.known == 0 {
            self.0.remove(&versions);
        }
    }

    /// Widens `range` by all members counted here.
    pub(crate) fn survey(&self, range: &mut VersionRange) {
        for (versions, count) in &self.0 {
            range.add(*versions, count.alive > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(min: u8, max: u8, cur: u8) -> Versions {
        Versions {
            protocol_min: min,
            protocol_max: max,
            protocol_cur: cur,
            ..Versions::CURRENT
        }
    }

    #[test]
    fn members_with_overlapping_ranges_are_compatible() {
        let mut census = Census::default();
        census.add(versions(1, 5, 2), true);
        census.add(versions(2, 7, 3), true);
        let mut range = VersionRange::EMPTY;
        census.survey(&mut range);
        assert!(range.is_compatible());
    }

    #[test]
    fn a_member_that_speaks_what_another_does_not_understand_is_incompatible_until_it_goes() {
        let mut census = Census::default();
        census.add(versions(1, 5, 2), true);
        census.add(versions(1, 9, 6), true);
        let mut range = VersionRange::EMPTY;
        census.survey(&mut range);
        assert!(!range.is_compatible());

        census.remove(versions(1, 9, 6), true);
        let mut range = VersionRange::EMPTY;
        census.survey(&mut range);
        assert!(range.is_compatible());
    }

    #[test]
    fn a_dead_member_does_not_narrow_the_range_but_must_lie_in_it() {
        let mut range = VersionRange::EMPTY;
        range.add(versions(1, 5, 2), true);
        range.add(versions(2, 2, 2), false);
        assert!(range.is_compatible());
        range.add(versions(1, 9, 9), false);
        assert!(!range.is_compatible());
    }
}
