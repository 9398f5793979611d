//! What nodes at rest do, in the measurements.

use std::time::Duration;

use serf_core::{Config, Params};
use serf_sim::{Builder, MAX_COORDINATES, World};

/// How much of what a node does at rest is switched on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Probes and gossip; no exchanges of state, no reconnects, no coordinates.
    ProbesAndGossip,
    /// All that a node does.
    All,
    /// The same, with all checks watching.
    Watched,
}

impl Load {
    pub(crate) const ALL: [Self; 3] = [Self::ProbesAndGossip, Self::All, Self::Watched];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ProbesAndGossip => "probes and gossip",
            Self::All => "all",
            Self::Watched => "all, watched",
        }
    }

    /// A world without nodes so far.
    pub(crate) fn world(self, seed: u64) -> Builder {
        let mut config = Config {
            max_coordinates: MAX_COORDINATES,
            ..Config::lan()
        };
        if let Self::ProbesAndGossip = self {
            config.push_pull_interval = Duration::ZERO;
            config.reconnect_interval = Duration::ZERO;
            config.coordinates = false;
        }
        let params = Params::new(config).expect("the settings are within their bounds");
        let builder = World::builder(seed).params(params);
        match self {
            Self::ProbesAndGossip | Self::All => builder.unchecked(),
            Self::Watched => builder,
        }
    }
}
