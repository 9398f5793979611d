//! How limits grow with the cluster (wire-protocol reference, sections 6.9, 6.11, 6.12).

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::time::nanos;

/// How often one message is sent: `mult * ceil(log10(members + 1))`, at least once.
///
/// The logarithm of an integer rounded up is its number of decimal digits.
pub(crate) fn retransmit_limit(mult: u32, members: usize) -> u32 {
    let digits = members.checked_ilog10().map_or(0, |log| log + 1);
    (mult * digits).max(1)
}

/// What suspicion timeouts grow with: the common logarithm of the size of the cluster, at least one,
/// in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scale(u16);

impl Scale {
    /// That of a cluster of so many members.
    pub(crate) fn of(members: usize) -> Self {
        let scale = libm::log10(members.max(1) as f64).max(1.0);
        Self((scale * 1000.0) as u16)
    }
}

/// Shortest and longest suspicion timeout.
pub(crate) fn suspicion_timeouts(config: &Config, scale: Scale) -> (Duration, Duration) {
    let min = u128::from(config.suspicion_mult)
        * u128::from(scale.0)
        * u128::from(nanos(config.probe_interval))
        / 1000;
    let min = u64::try_from(min).unwrap_or(u64::MAX);
    let max = min.saturating_mul(u64::from(config.suspicion_max_mult));
    (Duration::from_nanos(min), Duration::from_nanos(max))
}

/// Time between state exchanges: unscaled to 32 members, then one step more per doubling.
pub(crate) fn push_pull_interval(interval: Duration, members: usize) -> Duration {
    if members <= 32 {
        return interval;
    }
    let doublings = usize::BITS - (members - 1).leading_zeros() - 5;
    interval.saturating_mul(doublings + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmit_limit_follows_the_reference() {
        for (members, limit) in [
            (0, 1),
            (1, 4),
            (9, 4),
            (10, 8),
            (99, 8),
            (100, 12),
            (1000, 16),
        ] {
            assert_eq!(retransmit_limit(4, members), limit, "{members} members");
        }
    }

    #[test]
    fn push_pull_interval_grows_by_one_step_per_doubling_past_32() {
        let second = Duration::from_secs(1);
        for (members, scale) in [
            (0, 1),
            (32, 1),
            (33, 2),
            (64, 2),
            (65, 3),
            (128, 3),
            (129, 4),
        ] {
            assert_eq!(
                push_pull_interval(second, members),
                second * scale,
                "{members} members"
            );
        }
    }

    #[test]
    fn suspicion_timeouts_follow_the_reference() {
        let config = Config::lan();
        for (members, millis) in [
            (1, 4_000),
            (10, 4_000),
            (50, 6_792),
            (100, 8_000),
            (1000, 12_000),
        ] {
            let min = Duration::from_millis(millis);
            assert_eq!(
                suspicion_timeouts(&config, Scale::of(members)),
                (min, 6 * min),
                "{members} members"
            );
        }
    }
}
