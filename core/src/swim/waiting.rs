//! A broadcast's place among the others, and since when it waits, in eight bytes.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::swim::tiers::{Place, TIER_BITS};
use crate::time::Instant;

/// Time is kept in steps of 2^24 ns (17 ms). The bits that the tier leaves of them wrap after 39
/// hours: what waits for longer, as it does in a node that has nobody to tell, looks younger.
const STEP_BITS: u32 = 24;
const STEPS: u32 = u32::MAX >> TIER_BITS;
const TIER: u32 = !(u32::MAX << TIER_BITS);

const fn steps(now: Instant) -> u32 {
    (now.as_nanos() >> STEP_BITS) as u32 & STEPS
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Waiting {
    position: u32,
    /// The tier in the low [`TIER_BITS`], and when it was queued.
    packed: u32,
}

impl Waiting {
    /// Of what does not wait.
    pub(super) const NONE: Self = Self {
        position: Place::NONE.position,
        packed: Place::NONE.tier as u32,
    };

    pub(super) const fn place(&self) -> Place {
        Place {
            position: self.position,
            tier: (self.packed & TIER) as u16,
        }
    }

    pub(super) fn set_place(&mut self, place: Place) {
        self.position = place.position;
        self.packed = self.packed & !TIER | u32::from(place.tier);
    }

    /// Waits from now on, wherever it is.
    pub(super) fn begin(&mut self, now: Instant) {
        self.packed = self.packed & TIER | steps(now) << TIER_BITS;
    }

    /// For how long it has waited, to a step.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let age = steps(now).wrapping_sub(self.packed >> TIER_BITS) & STEPS;
        Duration::from_nanos(u64::from(age) << STEP_BITS)
    }

    /// For the processor to fetch; it means nothing.
    pub(super) const fn peek(&self) -> u32 {
        self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_changes_nothing_about_the_age_nor_the_age_about_the_place() {
        let hours = |hours: u64| Instant::ZERO + Duration::from_secs(hours * 3_600);
        let place = Place {
            position: 70_000,
            tier: 288,
        };
        let mut waiting = Waiting::NONE;
        assert_eq!(waiting.place(), Place::NONE);
        waiting.begin(hours(400));
        waiting.set_place(place);
        let age = waiting.age(hours(438));
        let off = age.abs_diff(Duration::from_secs(38 * 3_600));
        assert!(off < Duration::from_millis(17), "{age:?}");
        waiting.begin(hours(438));
        assert_eq!(waiting.place(), place);
        assert_eq!(waiting.age(hours(438)), Duration::ZERO);
    }
}
