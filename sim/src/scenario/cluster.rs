//! The nodes of a scenario.

use serde::{Deserialize, Serialize};

use super::Invalid;

/// The nodes of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// How many there are. They join through node 0, one each millisecond.
    pub nodes: usize,
    /// How many of them, the last ones, are not there from the start: something starts them.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub late: usize,
    /// Whether times count from the start of the nodes rather than from when all have joined.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub cold: bool,
}

impl Cluster {
    /// The most nodes that a scenario may have.
    pub const MOST: usize = 100_000;

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if !(1..=Self::MOST).contains(&self.nodes) {
            return Err(Invalid::new("cluster.nodes", self.nodes, "1 to 100000"));
        }
        if self.late >= self.nodes {
            let accepted = format!("less than the {} nodes", self.nodes);
            return Err(Invalid::new("cluster.late", self.late, &accepted));
        }
        Ok(())
    }
}
