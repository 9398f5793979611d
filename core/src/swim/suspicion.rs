//! A suspicion and its timer (Lifeguard, section IV.B; wire-protocol reference, section 6.9).

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::message::RawName;
use crate::time::{Instant, nanos};

/// One member's time to refute. The more members confirm the suspicion on their own account, the
/// shorter it gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Suspicion {
    started: Instant,
    /// Nanoseconds. After a partition a node has one of these for every other member.
    min: u64,
    max: u64,
    /// How many independent confirmations bring the timeout down to `min`.
    wanted: u32,
    /// The first accuser, then those who confirmed. At most `wanted + 1`.
    accusers: Vec<Name>,
}

impl Suspicion {
    /// A suspicion raised by `accuser`. With no confirmations wanted (a tiny cluster, or Lifeguard
    /// off) it runs for `min`.
    pub(crate) fn new(
        accuser: Name,
        wanted: u32,
        (min, max): (Duration, Duration),
        now: Instant,
    ) -> Self {
        Self {
            started: now,
            min: nanos(min),
            max: nanos(max),
            wanted,
            accusers: vec![accuser],
        }
    }

    /// Takes note that `accuser` suspects, too. If that is news that others should hear, answers when
    /// the suspicion would have ended without it.
    pub(crate) fn confirm(&mut self, accuser: RawName<'_>) -> Option<Instant> {
        let full = self.confirmations() >= self.wanted;
        if full || self.accusers.iter().any(|known| accuser == *known) {
            return None;
        }
        let name = Name::try_from(accuser).ok()?;
        let before = self.deadline();
        self.accusers.reserve_exact(1);
        self.accusers.push(name);
        Some(before)
    }

    fn confirmations(&self) -> u32 {
        self.accusers.len() as u32 - 1
    }

    /// When it ends, unless confirmed or refuted before.
    pub(crate) fn deadline(&self) -> Instant {
        self.started + self.timeout()
    }

    /// Adds time in which this node could not have heard a refutation.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.started = self.started + by;
    }

    fn timeout(&self) -> Duration {
        let min = Duration::from_nanos(self.min);
        if self.wanted < 1 {
            return min;
        }
        let fraction = libm::log(f64::from(self.confirmations()) + 1.0)
            / libm::log(f64::from(self.wanted) + 1.0);
        let cut = fraction * (self.max - self.min) as f64;
        let total = self.max.saturating_sub(cut as u64);
        let whole_millis = Duration::from_millis(total / 1_000_000);
        whole_millis.max(min)
    }

    /// Who raised it, and who confirmed.
    pub(crate) fn into_accusers(self) -> Vec<Name> {
        self.accusers
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("test names are valid")
    }

    fn suspicion(wanted: u32, min_s: u64, max_s: u64) -> Suspicion {
        let bounds = (Duration::from_secs(min_s), Duration::from_secs(max_s));
        Suspicion::new(name("first"), wanted, bounds, Instant::ZERO)
    }

    #[test]
    fn timeout_shrinks_with_confirmations_as_in_the_reference() {
        let mut s = suspicion(3, 2, 30);
        let mut timeouts = vec![s.timeout().as_millis()];
        for accuser in ["a", "b", "c"] {
            assert!(s.confirm(accuser.into()).is_some());
            timeouts.push(s.timeout().as_millis());
        }
        assert_eq!(timeouts, [30_000, 16_000, 7_810, 2_000]);
    }

    #[test]
    fn an_accuser_counts_once_and_no_more_are_taken_than_wanted() {
        let mut s = suspicion(2, 1, 6);
        assert_eq!(s.confirm("first".into()), None);
        assert!(s.confirm("a".into()).is_some());
        assert_eq!(s.confirm("a".into()), None);
        assert!(s.confirm("b".into()).is_some());
        assert_eq!(s.confirm("c".into()), None);
        assert_eq!(s.into_accusers(), [name("first"), name("a"), name("b")]);
    }

    #[test]
    fn without_wanted_confirmations_it_runs_for_the_minimum() {
        let mut s = suspicion(0, 4, 24);
        assert_eq!(s.timeout(), Duration::from_secs(4));
        assert_eq!(s.confirm("a".into()), None);
    }

    proptest! {
        #[test]
        fn timeout_never_grows_and_stays_within_bounds(
            wanted in 0u32..20, min in 1u64..100_000, factor in 1u64..20, accusers: Vec<u8>,
        ) {
            let bounds = (Duration::from_millis(min), Duration::from_millis(min * factor));
            let mut s = Suspicion::new(name("first"), wanted, bounds, Instant::ZERO);
            let mut last = s.timeout();
            prop_assert!(last <= bounds.1);
            for accuser in accusers {
                s.confirm((&*format!("n{accuser}")).into());
                let timeout = s.timeout();
                prop_assert!(bounds.0 <= timeout && timeout <= last);
                last = timeout;
            }
            if s.confirmations() >= wanted {
                prop_assert_eq!(last, bounds.0);
            }
        }
    }
}
