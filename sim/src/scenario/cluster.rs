//! The nodes of a scenario.

use serde::{Deserialize, Serialize};

use super::{Invalid, keys};

/// The nodes of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether the nodes know each other from the start, as if they had joined long ago, so that
    /// nobody has to join. That is what makes 10,000 nodes ready in a second. Without it, more than
    /// [`MOST_JOINING`](Self::MOST_JOINING) do, unless times count from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<bool>,
    /// The keys of all nodes, any words; the first one encrypts. Without any, nobody encrypts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl Cluster {
    /// The most nodes that a scenario may have.
    pub const MOST: usize = 100_000;

    /// The most nodes that join if nothing says whether they do: what everybody tells everybody of
    /// every join takes minutes to simulate with a few thousand.
    pub const MOST_JOINING: usize = 1_000;

    /// Whether the nodes know each other from the start.
    #[must_use]
    pub fn knows_itself(&self) -> bool {
        let many = self.nodes > Self::MOST_JOINING && !self.cold;
        self.joined.unwrap_or(many)
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if !(1..=Self::MOST).contains(&self.nodes) {
            return Err(Invalid::new("cluster.nodes", self.nodes, "1 to 100000"));
        }
        if self.late >= self.nodes {
            let accepted = format!("less than the {} nodes", self.nodes);
            return Err(Invalid::new("cluster.late", self.late, &accepted));
        }
        if !self.keys.is_empty() {
            keys::validate_ring("cluster.keys", &self.keys)?;
        }
        Ok(())
    }
}
