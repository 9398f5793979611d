//! How a run of a scenario ended, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How a run of a scenario ended. Times are in simulated seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the scenario is about.
    pub about: String,
    /// The seed of the world.
    pub seed: u64,
    /// How many nodes it had.
    pub nodes: usize,
    /// What did not hold, if anything.
    pub failure: Option<Wrong>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The hash over every input and action.
    pub trace: String,
    /// How long it lasted.
    pub simulated: f64,
    /// How many entries of the event queue were worked off.
    pub occurrences: u64,
    /// How long it took until all nodes had joined and agreed.
    pub joined_after: Option<f64>,
    /// From when on the times of the scenario count.
    #[serde(default)]
    pub began_at: f64,
    /// How long after the last fault, and after what waited for a narrow uplink, all views agreed.
    pub converged_after: Option<f64>,
    /// How long it took until the first node noticed each crash.
    pub noticed_first: Vec<f64>,
    /// How long it took until the last one did.
    pub noticed_last: Vec<f64>,
    /// How long each user event took to reach the last node.
    pub delivered_after: Vec<f64>,
    /// How long the last answer to each query took.
    #[serde(default)]
    pub answered_after: Vec<f64>,
    /// What a node sent on average since all had joined, in datagrams and streams.
    pub bytes_per_node_per_second: f64,
    /// The same, datagrams.
    pub datagrams_per_node_per_second: f64,
    /// How often each fault really happened; those that did not are left out.
    pub faults: BTreeMap<String, u64>,
    /// How often each check had something to judge, and what else it counted.
    pub checks: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Something that had to hold and did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wrong {
    /// What had to hold.
    pub expected: String,
    /// What was found instead.
    pub found: String,
    /// When, in simulated seconds.
    pub at: f64,
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self {
            expected: failure.expected,
            found: failure.found,
            at: failure.at.as_nanos() as f64 / 1e9,
        }
    }
}

impl Report {
    /// True if everything held up to the end.
    #[must_use]
    pub fn held(&self) -> bool {
        self.failure.is_none() && !self.stopped
    }

    /// A number that a check counted.
    #[must_use]
    pub fn tally(&self, what: &str) -> Option<u64> {
        let mut tallies = self.checks.values();
        tallies.find_map(|tally| tally.get(what)).copied()
    }

    /// Its numbers by name, for tables and comparisons. Lists are told by their median and their
    /// greatest.
    #[must_use]
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let mut out = Vec::new();
        let mut note = |name: &str, number: Option<f64>| {
            out.extend(number.map(|number| (name.to_owned(), number)));
        };
        note("joined after [s]", self.joined_after);
        note("converged after [s]", self.converged_after);
        for (name, list) in [
            ("crash noticed first after", &self.noticed_first),
            ("crash noticed last after", &self.noticed_last),
            ("event delivered after", &self.delivered_after),
            ("query answered after", &self.answered_after),
        ] {
            note(&format!("{name} [s], median"), quantile(list, 0.5));
            note(&format!("{name} [s], most"), quantile(list, 1.0));
        }
        note(
            "bytes per node and second",
            Some(self.bytes_per_node_per_second),
        );
        note(
            "datagrams per node and second",
            Some(self.datagrams_per_node_per_second),
        );
        let counted = self.checks.values().flatten();
        for (what, count) in counted.filter(|(what, _)| what.starts_with("false failures")) {
            note(what, Some(*count as f64));
        }
        for (fault, count) in &self.faults {
            note(fault, Some(*count as f64));
        }
        out
    }
}

/// The smallest number that a share of all numbers do not exceed.
#[must_use]
pub fn quantile(numbers: &[f64], share: f64) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, nodes, .. } = self;
        write!(f, "seed {seed}, {nodes} nodes, {:.1} s: ", self.simulated)?;
        match &self.failure {
            Some(wrong) => write!(
                f,
                "FAILED at {:.3} s: {}: {}",
                wrong.at, wrong.expected, wrong.found
            )?,
            None if self.stopped => f.write_str("stopped")?,
            None => f.write_str("held")?,
        }
        write!(f, " (trace {})", self.trace)
    }
}
