//! Scenarios: a cluster, its network, what happens to it and what must hold, as TOML.
//!
//! ```
//! use serf_sim::scenario::Scenario;
//!
//! let scenario = Scenario::parse(r#"
//!     about = "Half of the nodes are cut off for a minute"
//!     lasts = "4m"
//!     cluster.nodes = 20
//!
//!     [[fault]]
//!     at = "10s"
//!     for = "1m"
//!     partition.side = "50%"
//!
//!     [[work]]
//!     every = "5s"
//!     event.payload = 100
//!
//!     [expect]
//!     converged_within = "1m"
//! "#)?;
//! let report = scenario.run(42);
//! assert!(report.held(), "{report}");
//! # Ok::<(), serf_sim::scenario::Invalid>(())
//! ```
//!
//! Times count from when all nodes have joined, unless `cluster.cold` is set. Whatever a scenario
//! expects, all [checks](crate::check) watch it, too.

mod builtin;
mod cluster;
mod draw;
mod expect;
mod fault;
mod group;
mod hostile;
mod keys;
mod network;
mod nodes;
mod plan;
mod query;
mod recorder;
mod report;
mod run;
mod settings;
mod shrink;
mod value;
mod work;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use builtin::{Builtin, builtins};
pub use cluster::Cluster;
pub use expect::{Expect, Standard};
pub use fault::{
    Back, Crash, Drift, Fault, ForceLeave, Join, Narrow, Partition, Slow, Stutter, Traffic, Whom,
};
pub use group::{Group, Speaks};
pub use hostile::{Namesake, Poison, ReuseAddress, Slander};
pub use keys::{GiveKeys, RotateKey};
pub use network::{BurstLoss, Distances, Network, Times};
pub use nodes::{End, Node, Nodes, Part};
pub use query::Query;
pub use recorder::Recorder;
pub use report::{Report, Wrong, quantile};
pub use run::Progress;
pub use settings::{Profile, Settings};
pub use shrink::{Shrunk, shrink};
pub use value::{Share, Span};
pub use work::{Churn, Event, Work};

/// A cluster, its network, what happens to it, and what must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    #[serde(default)]
    pub about: String,
    /// The seed it runs with if no other is given.
    #[serde(default)]
    pub seed: u64,
    /// How long it lasts, from when all have joined.
    pub lasts: Span,
    /// The nodes.
    pub cluster: Cluster,
    /// Those of them that differ from the others.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Their settings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config: Settings,
    /// The network between them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// What goes wrong, and when.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What the cluster is used for.
    #[serde(default, rename = "work", skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Work>,
    /// What must hold, beyond what the checks see to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expect,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is wrong with a scenario: the key, its value, and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for Invalid {}

impl Invalid {
    fn new(key: &str, value: impl fmt::Display, accepted: &str) -> Self {
        Self(format!("{key} is {value}, accepted is {accepted}"))
    }
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Names the key, the value and what is accepted.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::parse_with(text, &[])
    }

    /// Reads a scenario in which some keys, such as `cluster.nodes` or `config.probe_interval`,
    /// have other values. Elements of lists are counted from 0, such as `fault.0.at`.
    ///
    /// # Errors
    /// As for [`Scenario::parse`].
    pub fn parse_with(text: &str, overrides: &[(&str, &str)]) -> Result<Self, Invalid> {
        let scenario: Self = if overrides.is_empty() {
            toml::from_str(text).map_err(not_toml)?
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(not_toml)?;
            for (key, value) in overrides {
                set(&mut table, key, value)?;
            }
            let text = toml::to_string(&table).map_err(|error| Invalid(error.to_string()))?;
            toml::from_str(&text).map_err(not_toml)?
        };
        scenario.validate()?;
        Ok(scenario)
    }

    /// The scenario as TOML, which [`Scenario::parse`] reads again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a scenario has nothing that TOML cannot say")
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.cluster.validate()?;
        for (nth, group) in self.groups.iter().enumerate() {
            group.validate(&format!("group.{nth}"), self.cluster.nodes)?;
        }
        self.config.params()?;
        self.network.validate("network")?;
        for (nth, fault) in self.faults.iter().enumerate() {
            fault.validate(&format!("fault.{nth}"), self.cluster.nodes)?;
        }
        for (nth, work) in self.work.iter().enumerate() {
            work.validate(&format!("work.{nth}"), self.cluster.nodes)?;
        }
        Ok(())
    }
}

/// What the parser says, without the names that Rust has for numbers.
fn not_toml(error: toml::de::Error) -> Invalid {
    let whole = [
        "expected usize",
        "expected u64",
        "expected u32",
        "expected u8",
        "expected i32",
    ];
    let text = whole.iter().fold(error.to_string(), |text, kind| {
        text.replace(kind, "expected a whole number")
    });
    Invalid(text.replace("expected f64", "expected a number"))
}

/// Sets one value, given as TOML or as a bare word.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), Invalid> {
    let parsed = format!("value = {value}").parse::<toml::Table>();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let Some(rest) = rest else {
        table.insert(first.to_owned(), value);
        return Ok(());
    };
    let empty = || toml::Value::Table(toml::Table::new());
    let mut place = table.entry(first).or_insert_with(empty);
    for part in rest.split('.') {
        place = match place {
            toml::Value::Table(table) => table.entry(part).or_insert_with(empty),
            toml::Value::Array(items) => {
                let accepted = format!("the number of one of {} elements", items.len());
                let nth = part.parse::<usize>().ok();
                nth.and_then(|nth| items.get_mut(nth))
                    .ok_or_else(|| Invalid::new(key, format!("about {part:?}"), &accepted))?
            }
            other => {
                let value = format!("about {part:?} in {other}");
                return Err(Invalid::new(key, value, "the name of a key"));
            }
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests;
