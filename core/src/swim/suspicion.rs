//! A suspicion and its timer (Lifeguard, section IV.B; wire-protocol reference, section 6.9).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::swim::accuser::Accuser;
use crate::swim::scaling::{Scale, suspicion_timeouts};
use crate::time::{Instant, nanos};

/// As many accusers as the default settings ask for are kept in place.
const FEW: usize = 3;

/// One member's time to refute. The more members confirm the suspicion on their own account, the
/// shorter it gets.
///
/// After a partition a node has one of these for every other member, so it is kept small.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Suspicion {
    deadline: Instant,
    /// The size of the cluster when it began.
    scale: Scale,
    /// How many independent confirmations bring the timeout down to the shortest.
    wanted: u16,
    /// The first accuser, then those who confirmed. At most `wanted + 1`.
    first: [Option<Accuser>; FEW],
    #[expect(clippy::box_collection, reason = "seldom there, and then small")]
    others: Option<Box<Vec<Accuser>>>,
}

const _: () = assert!(
    size_of::<Suspicion>() <= 32,
    "one for each pair of members after a partition"
);

impl Suspicion {
    /// A suspicion raised by `accuser`. With no confirmations wanted (a tiny cluster, or Lifeguard
    /// off) it runs for the shortest time.
    pub(crate) fn new(
        accuser: Accuser,
        wanted: u32,
        scale: Scale,
        config: &Config,
        now: Instant,
    ) -> Self {
        let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
        Self {
            deadline: now + timeout(0, wanted, suspicion_timeouts(config, scale)),
            scale,
            wanted,
            first: [Some(accuser), None, None],
            others: None,
        }
    }

    /// Takes note that `accuser` suspects, too. True if that is news that others should hear; it
    /// ends earlier then, though not before `now`: an end that was over already would look as if this
    /// node had slept through it.
    pub(crate) fn confirm(&mut self, accuser: Accuser, config: &Config, now: Instant) -> bool {
        if self.is_settled() || self.accusers().any(|known| known == accuser) {
            return false;
        }
        let bounds = suspicion_timeouts(config, self.scale);
        let before = timeout(self.confirmations(), self.wanted, bounds);
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(accuser),
            None => self.others.get_or_insert_default().push(accuser),
        }
        let after = timeout(self.confirmations(), self.wanted, bounds);
        let earlier = self.deadline - before.saturating_sub(after);
        self.deadline = earlier.max(now.min(self.deadline));
        true
    }

    /// Leaves it no more than the shortest time since it began, as if all had confirmed it; though, like a
    /// confirmation, it does not end it before `now`.
    pub(crate) fn hasten(&mut self, config: &Config, now: Instant) {
        let bounds = suspicion_timeouts(config, self.scale);
        let total = timeout(self.confirmations(), self.wanted, bounds);
        let earlier = self.deadline - total.saturating_sub(bounds.0);
        self.deadline = earlier.max(now.min(self.deadline));
        self.wanted = self.confirmations();
    }

    /// True if no more confirmations make it any shorter.
    pub(crate) fn is_settled(&self) -> bool {
        self.confirmations() >= self.wanted
    }

    fn confirmations(&self) -> u16 {
        self.accusers().count() as u16 - 1
    }

    /// When it ends, unless confirmed or refuted before.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Adds time in which this node could not have heard a refutation.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.deadline = self.deadline + by;
    }

    /// Who raised it, and who confirmed.
    pub(crate) fn accusers(&self) -> impl Iterator<Item = Accuser> {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.iter().flatten().chain(others).copied()
    }

    /// One accuser is known by another number from now on.
    pub(crate) fn replace_accuser(&mut self, old: Accuser, new: Accuser) {
        let others = self.others.iter_mut().flat_map(|others| others.iter_mut());
        for accuser in self.first.iter_mut().flatten().chain(others) {
            if *accuser == old {
                *accuser = new;
            }
        }
    }
}

/// How long a suspicion runs in all with so many confirmations. `bounds` are the shortest and the
/// longest time.
fn timeout(confirmations: u16, wanted: u16, bounds: (Duration, Duration)) -> Duration {
    let (min, max) = bounds;
    if wanted < 1 {
        return min;
    }
    let fraction = libm::log(f64::from(confirmations) + 1.0) / libm::log(f64::from(wanted) + 1.0);
    let cut = fraction * nanos(max - min) as f64;
    let total = nanos(max).saturating_sub(cut as u64);
    let whole_millis = Duration::from_millis(total / 1_000_000);
    whole_millis.max(min)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn accuser(number: u32) -> Accuser {
        Accuser::member(number)
    }

    /// Settings and a scale with these bounds, in seconds, of the timeout.
    fn settings(min_s: u32, max_s: u32) -> (Config, Scale) {
        let config = Config {
            suspicion_mult: min_s,
            suspicion_max_mult: max_s / min_s,
            ..Config::lan()
        };
        (config, Scale::of(10))
    }

    #[test]
    fn timeout_shrinks_with_confirmations_as_in_the_reference() {
        let bounds = (Duration::from_secs(2), Duration::from_secs(30));
        let timeouts = [0, 1, 2, 3].map(|n| timeout(n, 3, bounds).as_millis());
        assert_eq!(timeouts, [30_000, 16_000, 7_810, 2_000]);
    }

    #[test]
    fn each_confirmation_brings_the_end_nearer() {
        let (config, scale) = settings(2, 30);
        let start = Instant::from_millis(500);
        let mut s = Suspicion::new(accuser(0), 3, scale, &config, start);
        let mut ends = vec![s.deadline().since(start).as_millis()];
        for n in 1..=3 {
            assert!(s.confirm(accuser(n), &config, Instant::ZERO));
            ends.push(s.deadline().since(start).as_millis());
        }
        assert_eq!(ends, [30_000, 16_000, 7_810, 2_000]);
        s.postpone(Duration::from_secs(1));
        assert_eq!(s.deadline().since(start).as_millis(), 3_000);
    }

    #[test]
    fn a_late_confirmation_ends_it_at_once_and_not_before() {
        let (config, scale) = settings(2, 30);
        let start = Instant::from_millis(500);
        let mut s = Suspicion::new(accuser(0), 3, scale, &config, start);
        let late = start + Duration::from_secs(20);
        assert!(s.confirm(accuser(1), &config, late));
        assert_eq!(s.deadline(), late);
        let later = late + Duration::from_secs(1);
        assert!(s.confirm(accuser(2), &config, later));
        assert!(s.deadline() <= late, "it was to end before");
    }

    #[test]
    fn one_that_is_hastened_ends_as_if_all_had_confirmed_it_and_not_before() {
        let (config, scale) = settings(2, 30);
        let start = Instant::from_millis(500);
        for (accusers, after, end) in [
            (1, 0, 2),
            (1, 1, 2),
            (1, 10, 10),
            (2, 1, 2),
            (2, 15, 15),
            (3, 9, 7),
        ] {
            let mut s = Suspicion::new(accuser(0), 3, scale, &config, start);
            for n in 1..accusers {
                assert!(s.confirm(accuser(n), &config, start));
            }
            let due = s.deadline();
            let now = start + Duration::from_secs(after);
            s.hasten(&config, now);
            assert!(s.deadline() <= due && s.deadline() >= now.min(due));
            assert_eq!(s.deadline().since(start).as_secs(), end);
            assert!(s.is_settled());
            assert!(!s.confirm(accuser(9), &config, start));
        }
    }

    #[test]
    fn an_accuser_counts_once_and_no_more_are_taken_than_wanted() {
        let (config, scale) = settings(1, 6);
        for wanted in [2, 5] {
            let mut s = Suspicion::new(accuser(0), wanted, scale, &config, Instant::ZERO);
            assert!(!s.confirm(accuser(0), &config, Instant::ZERO));
            for n in 1..=wanted {
                assert!(!s.is_settled());
                assert!(s.confirm(accuser(n), &config, Instant::ZERO));
                assert!(!s.confirm(accuser(n), &config, Instant::ZERO));
            }
            assert!(s.is_settled());
            assert!(!s.confirm(accuser(99), &config, Instant::ZERO));
            let expected: Vec<Accuser> = (0..=wanted).map(accuser).collect();
            assert_eq!(s.accusers().collect::<Vec<_>>(), expected);
            s.replace_accuser(accuser(wanted), accuser(70));
            assert_eq!(s.accusers().last(), Some(accuser(70)));
        }
    }

    #[test]
    fn without_wanted_confirmations_it_runs_for_the_minimum() {
        let (config, scale) = settings(4, 24);
        let mut s = Suspicion::new(accuser(0), 0, scale, &config, Instant::ZERO);
        assert_eq!(s.deadline().since(Instant::ZERO), Duration::from_secs(4));
        assert!(!s.confirm(accuser(1), &config, Instant::ZERO));
    }

    proptest! {
        #[test]
        fn timeout_never_grows_and_stays_within_bounds(
            wanted in 0u32..20, mult in 1u32..100, factor in 1u32..20, members in 1usize..100_000,
            accusers: Vec<u8>,
        ) {
            let config = Config {
                suspicion_mult: mult,
                suspicion_max_mult: factor,
                ..Config::lan()
            };
            let scale = Scale::of(members);
            let bounds = suspicion_timeouts(&config, scale);
            let mut s = Suspicion::new(accuser(300), wanted, scale, &config, Instant::ZERO);
            let mut last = s.deadline().since(Instant::ZERO);
            prop_assert!(last <= bounds.1);
            for n in accusers {
                s.confirm(accuser(u32::from(n)), &config, Instant::ZERO);
                let timeout = s.deadline().since(Instant::ZERO);
                prop_assert!(bounds.0 <= timeout && timeout <= last);
                last = timeout;
            }
            if s.is_settled() {
                prop_assert_eq!(last, bounds.0);
            }
        }
    }
}
