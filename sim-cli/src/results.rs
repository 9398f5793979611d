//! What a sweep over seeds found, in a form that sweeps of several machines can be joined in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serf_sim::scenario::{Report, Wrong};

/// What a sweep found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The arguments that name the scenario; empty if each seed draws its own.
    pub(crate) scenario: String,
    /// What there was to run; all parts of a sweep are one.
    #[serde(default)]
    pub(crate) parts: BTreeSet<Part>,
    /// How many seeds that were.
    pub(crate) wanted: u64,
    /// Those that were.
    pub(crate) seeds: Vec<u64>,
    /// Simulated seconds times nodes, rounded for each seed: sums do not depend on their order.
    pub(crate) node_seconds: u64,
    /// What did not hold.
    pub(crate) failures: Vec<Failed>,
    /// How often each fault happened, over all seeds.
    pub(crate) faults: BTreeMap<String, u64>,
    /// What each check counted; of what it calls "most", the most.
    pub(crate) checks: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The seeds from the first up to but without the end that leave the rest `nth` when divided by
/// `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) of: u64,
    pub(crate) nth: u64,
}

impl Part {
    pub(crate) fn holds(&self, seed: u64) -> bool {
        seed % self.of == self.nth
    }

    /// What it is a part of, by its first part.
    fn sweep(&self) -> Self {
        Self { nth: 0, ..*self }
    }

    pub(crate) fn len(&self) -> u64 {
        let before = |end: u64| end / self.of + u64::from(end % self.of > self.nth);
        before(self.end) - before(self.first)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            end,
            of,
            nth,
        } = self;
        write!(f, "part {nth}/{of} of seeds {first}..{end}")
    }
}

/// A seed that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) wrong: Wrong,
    pub(crate) trace: String,
    /// The command that repeats it.
    pub(crate) repeat: String,
}

impl Results {
    pub(crate) fn of(scenario: &str, part: Part) -> Self {
        Self {
            scenario: scenario.to_owned(),
            parts: BTreeSet::from([part]),
            wanted: part.len(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, report: Report, repeat: String) {
        self.seeds.push(report.seed);
        self.node_seconds += (report.simulated * report.nodes as f64).round() as u64;
        for (fault, count) in report.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (check, tally) in report.checks {
            add_tally(self.checks.entry(check).or_default(), tally);
        }
        if let Some(wrong) = report.failure {
            self.failures.push(Failed {
                seed: report.seed,
                wrong,
                trace: report.trace,
                repeat,
            });
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.wanted += other.wanted;
        self.seeds.extend(other.seeds);
        self.node_seconds += other.node_seconds;
        self.failures.extend(other.failures);
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (check, tally) in other.checks {
            add_tally(self.checks.entry(check).or_default(), tally);
        }
    }

    /// Parts of its sweeps that it does not have, of each sweep a few.
    pub(crate) fn missing(&self) -> Vec<Part> {
        let begun: BTreeSet<Part> = self.parts.iter().map(Part::sweep).collect();
        let missing = begun.into_iter().flat_map(|sweep| {
            let parts = (0..sweep.of).map(move |nth| Part { nth, ..sweep });
            parts.filter(|part| !self.parts.contains(part)).take(8)
        });
        missing.collect()
    }

    /// Puts it in an order that does not depend on which thread or machine was first, nor on how
    /// many there were.
    pub(crate) fn sort(&mut self) {
        let missing = self.missing();
        let complete = |sweep: Part| missing.iter().all(|part| part.sweep() != sweep);
        let parts = self.parts.iter().map(|part| match part.sweep() {
            sweep if complete(sweep) => Part { of: 1, ..sweep },
            _ => *part,
        });
        self.parts = parts.collect();
        self.seeds.sort_unstable();
        self.failures.sort_by_key(|failed| failed.seed);
    }

    pub(crate) fn print(&self) {
        let Self { seeds, wanted, .. } = self;
        sayln!(
            "{} of {wanted} seeds run, {} failed, {} node-seconds",
            seeds.len(),
            self.failures.len(),
            self.node_seconds
        );
        let mut kinds = BTreeMap::<&str, u64>::new();
        for failed in &self.failures {
            *kinds.entry(&failed.wrong.expected).or_default() += 1;
        }
        for (expected, count) in kinds {
            sayln!("  {count} times: {expected}");
        }
        for failed in &self.failures {
            let Wrong {
                expected,
                found,
                at,
            } = &failed.wrong;
            sayln!("\nseed {} at {at:.3} s: {expected}: {found}", failed.seed);
            sayln!("  repeat it: {}", failed.repeat);
        }
        sayln!("\nfaults that happened:");
        for (fault, count) in &self.faults {
            sayln!("  {count:>12} {fault}");
        }
        sayln!("what checks had to judge:");
        for (check, tally) in &self.checks {
            let tally: Vec<String> = tally
                .iter()
                .map(|(what, n)| format!("{n} {what}"))
                .collect();
            sayln!("  {check}: {}", tally.join(", "));
        }
    }
}

fn add_tally(sum: &mut BTreeMap<String, u64>, tally: BTreeMap<String, u64>) {
    for (what, count) in tally {
        let most = what.starts_with("most ");
        let known = sum.entry(what).or_default();
        *known = if most {
            (*known).max(count)
        } else {
            *known + count
        };
    }
}
