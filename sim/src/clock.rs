//! The clock of a machine, which need not run at the right rate.

use serf_core::Instant;

/// What one machine takes for the time: exact up to `world`, where it showed `local`, and at a
/// rate of its own from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    world: u64,
    local: u64,
    /// Deviation in parts per million.
    ppm: i32,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// The fastest and, negated, the slowest deviation: twice as fast, and a tenth of the rate.
    pub(crate) const LIMITS: (i32, i32) = (-900_000, 1_000_000);

    /// What it shows.
    pub(crate) fn local(&self, world: Instant) -> Instant {
        let since = world.as_nanos().saturating_sub(self.world);
        if self.ppm == 0 {
            return Instant::from_nanos(self.local.saturating_add(since));
        }
        let shown = i128::from(since) * (MILLION + i128::from(self.ppm)) / MILLION;
        let shown = u64::try_from(shown).unwrap_or(u64::MAX);
        Instant::from_nanos(self.local.saturating_add(shown))
    }

    /// The first moment at which it shows this or more.
    pub(crate) fn world(&self, local: Instant) -> Instant {
        let since = local.as_nanos().saturating_sub(self.local);
        if self.ppm == 0 || local == Instant::FAR_FUTURE {
            return Instant::from_nanos(self.world.saturating_add(since));
        }
        let rate = MILLION + i128::from(self.ppm);
        let passes = (i128::from(since) * MILLION + rate - 1) / rate;
        let passes = u64::try_from(passes).unwrap_or(u64::MAX);
        Instant::from_nanos(self.world.saturating_add(passes))
    }

    /// Goes on from what it shows at another rate, within [`Clock::LIMITS`].
    pub(crate) fn set_rate(&mut self, now: Instant, ppm: i32) {
        *self = Self {
            local: self.local(now).as_nanos(),
            world: now.as_nanos(),
            ppm: ppm.clamp(Self::LIMITS.0, Self::LIMITS.1),
        };
    }

    /// Deviation in parts per million, either way.
    pub(crate) fn error(&self) -> u32 {
        self.ppm.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_clock_goes_on_where_it_was_when_its_rate_changes() {
        let mut clock = Clock::default();
        assert_eq!(clock.local(at(500)), at(500));
        clock.set_rate(at(1_000_000), 100_000);
        assert_eq!(clock.local(at(2_000_000)), at(2_100_000));
        clock.set_rate(at(2_000_000), 0);
        assert_eq!(clock.local(at(3_000_000)), at(3_100_000));
        assert_eq!(clock.world(at(3_100_000)), at(3_000_000));
    }

    #[test]
    fn a_deadline_never_comes_before_the_clock_shows_it() {
        let mut clock = Clock::default();
        for ppm in [-900_000, -333, -1, 0, 1, 777, 1_000_000] {
            clock.set_rate(at(10), ppm);
            for deadline in 1_000..1_200 {
                let world = clock.world(at(deadline));
                assert!(clock.local(world) >= at(deadline), "{ppm} {deadline}");
                assert!(
                    clock.local(at(world.as_nanos() - 1)) < at(deadline),
                    "{ppm} {deadline}"
                );
            }
        }
    }
}
