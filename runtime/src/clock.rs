//! The one place where time enters: the system's monotonic clock as instants of the core.

use std::time::{Duration, Instant as SystemInstant};

use serf_core::Instant;

/// Turns the system's monotonic clock into the core's [`Instant`] and back.
///
/// The core's time starts where the clock was created.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: SystemInstant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: SystemInstant::now(),
        }
    }

    /// Reads the clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// The system's name for an instant of the core, for arming a timer. What lies more than a
    /// year after the start is taken as a year after it, since not every system can name it.
    #[must_use]
    pub fn to_system(&self, instant: Instant) -> SystemInstant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        self.start + instant.since(Instant::ZERO).min(YEAR)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_the_way_to_the_system_and_the_far_future_is_not_out_of_reach() {
        let clock = Clock::new();
        let later = clock.to_system(Instant::from_millis(1500));
        assert_eq!(later - clock.start, Duration::from_millis(1500));
        assert!(clock.to_system(Instant::FAR_FUTURE) > later);
    }
}
