//! Local health: how far this node trusts its own view (Lifeguard, section IV.A).

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The local health multiplier: 0 is healthy, each failure that may be this node's own fault adds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Awareness {
    score: u8,
    /// Exclusive.
    max: u8,
}

impl Awareness {
    pub(crate) const fn new(max: u8) -> Self {
        Self { score: 0, max }
    }

    pub(crate) const fn score(self) -> u8 {
        self.score
    }

    /// Adds `delta`, within `0..max`. Returns true if the score changed.
    #[inline]
    pub(crate) fn apply(&mut self, delta: i32) -> bool {
        let before = self.score;
        let wanted = i32::from(before).saturating_add(delta);
        self.score = wanted.clamp(0, i32::from(self.max) - 1) as u8;
        self.score != before
    }

    /// Stretches a probe interval or timeout.
    pub(crate) fn scale(self, duration: Duration) -> Duration {
        match self.score {
            0 => duration,
            score => duration.saturating_mul(u32::from(score) + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// From the reference's test vectors (`awareness`): start at 0, limit 8.
    #[test]
    fn score_follows_the_reference() {
        let mut awareness = Awareness::new(8);
        let steps = [
            (0, 0),
            (-1, 0),
            (1, 1),
            (-1, 0),
            (5, 5),
            (1, 6),
            (1, 7),
            (1, 7),
            (10, 7),
            (-1, 6),
            (-100, 0),
            (3, 3),
        ];
        for (delta, score) in steps {
            awareness.apply(delta);
            assert_eq!(awareness.score(), score, "after {delta:+}");
        }
    }

    proptest! {
        #[test]
        fn score_stays_within_bounds_and_scales_linearly(max in 1u8..64, deltas: Vec<i32>) {
            let mut awareness = Awareness::new(max);
            for delta in deltas {
                let before = awareness.score();
                let changed = awareness.apply(delta);
                prop_assert_eq!(changed, before != awareness.score());
                prop_assert!(awareness.score() < max);
            }
            let second = Duration::from_secs(1);
            prop_assert_eq!(awareness.scale(second), second * (u32::from(awareness.score()) + 1));
        }
    }
}
