//! How a run says what went wrong.

use std::fmt;

use serf_core::Instant;

use crate::trace::TraceHash;

/// Something that had to hold in a world and did not.
///
/// The text names the seed, the simulated time and what differs; the trace hash tells whether a
/// second run with that seed took the same way there.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// When, in simulated time.
    pub at: Instant,
    /// What had to hold: the name of a check, or what was waited for.
    pub expected: String,
    /// What was found instead.
    pub found: String,
    /// Everything up to there.
    pub trace: TraceHash,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            at,
            expected,
            found,
            trace,
        } = self;
        write!(
            f,
            "seed {seed}, at {at:?}: {expected}: {found} (trace {trace})"
        )
    }
}

/// The same as [`Display`](fmt::Display): a test that returns a failure prints it with `Debug`.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
