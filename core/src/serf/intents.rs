//! Intents about members that are not known yet (wire-protocol reference, section 8.2).
//!
//! Gossip comes in any order: that a member leaves may be heard before the member itself. Such
//! news waits here until the member shows up, or for so long that it no longer will.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::message::RawName;
use crate::serf::intent::Intent;
use crate::time::Instant;

/// How long an intent waits for its member.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Waiting {
    intent: Intent,
    received: Instant,
}

/// The latest intent of each unknown member: at most as many as the capacity, the one received
/// first making room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Intents {
    by_name: BTreeMap<Name, Waiting>,
    by_age: BTreeSet<(Instant, Name)>,
    capacity: usize,
}

impl Intents {
    /// None yet; at most `capacity` later.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            by_name: BTreeMap::new(),
            by_age: BTreeSet::new(),
            capacity,
        }
    }

    /// Keeps an intent if it counts more than the one that is known; `None` if not, or if no
    /// member can have that name. One that is kept is to be passed on.
    #[must_use = "one that is kept is to be passed on"]
    pub(crate) fn insert(
        &mut self,
        name: RawName<'_>,
        intent: Intent,
        now: Instant,
    ) -> Option<Name> {
        let name = Name::try_from(name).ok()?;
        let known = self.by_name.get(&name);
        if known.is_some_and(|known| intent <= known.intent) {
            return None;
        }
        self.take(&name);
        while self.by_name.len() >= self.capacity {
            let (_, oldest) = self.by_age.pop_first()?;
            self.by_name.remove(&oldest);
        }
        self.by_age.insert((now, name.clone()));
        let received = now;
        self.by_name
            .insert(name.clone(), Waiting { intent, received });
        Some(name)
    }

    /// Hands out what is known of a member that has shown up, and forgets it: from now on the
    /// member's own record knows better.
    pub(crate) fn take(&mut self, name: &Name) -> Option<Intent> {
        let (name, waiting) = self.by_name.remove_entry(name)?;
        self.by_age.remove(&(waiting.received, name));
        Some(waiting.intent)
    }

    /// Forgets those that have waited for longer than [`TIMEOUT`].
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((received, _)) = self.by_age.first() {
            if now.since(*received) <= TIMEOUT {
                return;
            }
            if let Some((_, name)) = self.by_age.pop_first() {
                self.by_name.remove(&name);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serf::clock::LamportTime;
    use proptest::prelude::*;

    fn time(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    type Kind = fn(LamportTime) -> Intent;
    const JOIN: Kind = Intent::join;
    const LEAVE: Kind = Intent::leave;

    fn insert(intents: &mut Intents, name: &str, kind: Kind, ltime: u64, at: u64) -> bool {
        let intent = kind(LamportTime::new(ltime));
        intents.insert(name.into(), intent, time(at)).is_some()
    }

    fn take(intents: &mut Intents, name: &str) -> Option<(bool, u64)> {
        let intent = intents.take(&Name::new(name).expect("a valid name"))?;
        Some((intent.is_leave(), intent.ltime().get()))
    }

    #[test]
    fn the_newest_of_each_name_counts() {
        let mut intents = Intents::new(10);
        assert!(insert(&mut intents, "a", JOIN, 5, 0));
        assert!(!insert(&mut intents, "a", LEAVE, 5, 1));
        assert!(!insert(&mut intents, "a", LEAVE, 4, 1));
        assert!(insert(&mut intents, "a", LEAVE, 6, 1));
        assert!(insert(&mut intents, "b", JOIN, 1, 1));
        assert_eq!(take(&mut intents, "a"), Some((true, 6)));
        assert_eq!(take(&mut intents, "a"), None);
        assert_eq!(take(&mut intents, "b"), Some((false, 1)));
    }

    #[test]
    fn they_wait_for_five_minutes_after_the_last_news() {
        let mut intents = Intents::new(10);
        assert!(insert(&mut intents, "a", JOIN, 1, 0));
        assert!(insert(&mut intents, "b", JOIN, 1, 0));
        assert!(insert(&mut intents, "b", LEAVE, 2, 100));
        intents.expire(time(300));
        assert_eq!(intents.len(), 2);
        intents.expire(time(301));
        assert_eq!(take(&mut intents, "a"), None);
        assert_eq!(take(&mut intents, "b"), Some((true, 2)));
        assert_eq!(intents.len(), 0);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut intents = Intents::new(2);
        assert!(insert(&mut intents, "b", JOIN, 1, 0));
        assert!(insert(&mut intents, "a", JOIN, 1, 1));
        assert!(insert(&mut intents, "c", JOIN, 1, 2));
        assert_eq!(intents.len(), 2);
        assert_eq!(take(&mut intents, "b"), None);
        // A newer one of a known name displaces nobody.
        assert!(insert(&mut intents, "c", LEAVE, 2, 3));
        assert_eq!(intents.len(), 2);
        assert!(!insert(&mut Intents::new(0), "a", JOIN, 1, 0));
    }

    #[test]
    fn names_that_no_member_can_have_are_refused() {
        let mut intents = Intents::new(2);
        for name in [&b""[..], b"\xff", &[b'a'; 256]] {
            let intent = Intent::join(LamportTime::new(1));
            assert_eq!(intents.insert(RawName::new(name), intent, time(0)), None);
        }
        assert_eq!(intents.len(), 0);
    }

    proptest! {
        #[test]
        fn both_orders_always_hold_the_same_within_the_bound(
            steps in prop::collection::vec(("[a-e]", 0..8_u64, 0..600_u64, any::<bool>()), 0..60),
        ) {
            let mut intents = Intents::new(3);
            let mut now = 0;
            for (name, ltime, wait, remove) in steps {
                now += wait;
                if remove {
                    take(&mut intents, &name);
                } else {
                    let _ = insert(&mut intents, &name, JOIN, ltime, now);
                }
                intents.expire(time(now));
                prop_assert!(intents.len() <= 3);
                let by_name: BTreeSet<_> =
                    intents.by_name.iter().map(|(n, i)| (i.received, n.clone())).collect();
                prop_assert_eq!(&by_name, &intents.by_age);
            }
        }
    }
}
