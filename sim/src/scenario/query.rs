//! Queries of a scenario. Every node answers with its name.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serf_core::QueryParams;

use super::{Invalid, Nodes, Span};
use crate::event::Op;
use crate::world::World;

/// A node asks all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Those that may ask, as work; that ask, as something that happens once. All if not given.
    #[serde(
        default = "super::work::all",
        skip_serializing_if = "super::work::is_all"
    )]
    pub nodes: Nodes,
    /// Bytes of payload.
    #[serde(default)]
    pub payload: usize,
    /// For how long the asker listens; a time that grows with the cluster if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Through how many others each answer travels besides.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub relays: u8,
}

impl Query {
    pub(super) fn validate(&self, key: &str) -> Result<(), Invalid> {
        match self.payload {
            0..=900 => Ok(()),
            payload => Err(Invalid::new(&format!("{key}.payload"), payload, "0 to 900")),
        }
    }

    /// Has a node ask it.
    pub(super) fn plan(&self, world: &mut World, at: Duration, node: usize, name: String) {
        let params = QueryParams {
            timeout: self.timeout.map(|time| time.0),
            relay_factor: self.relays,
            ..QueryParams::default()
        };
        let payload = vec![b'x'; self.payload];
        let op = Op::Query {
            node,
            name,
            payload,
            params,
        };
        world.schedule(at, op);
    }
}
