//! What a node sends stays within a budget.

use std::time::Duration;

use serf_core::{Instant, Params};

use super::{Check, Observation, Tally, Wants};
use crate::world::World;

/// No node sends more bytes in datagrams per second than its budget, on average over ten seconds.
/// These are seconds of its own clock if that is fast: by that it gossips and probes.
///
/// By default the budget follows from the settings: every round of gossip with full packets, and
/// twenty more full packets for each probe interval. That is what a node may need in a storm; for
/// what it needs at rest set a limit.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    limit: Option<u64>,
    /// Bytes sent, by node, at the last look.
    sent: Vec<u64>,
    /// What the clock of each node showed then.
    local: Vec<Instant>,
    looked: Instant,
    windows: u64,
    most: u64,
}

const WINDOW: Duration = Duration::from_secs(10);

impl Traffic {
    /// A budget in bytes per node and second.
    #[must_use]
    pub fn limit(bytes_per_second: u64) -> Self {
        Self {
            limit: Some(bytes_per_second),
            ..Self::default()
        }
    }
}

/// Bytes per second.
fn budget(params: &Params) -> u64 {
    let packet = params.packet_budget as f64;
    let gossip = f64::from(params.gossip_nodes) / params.gossip_interval.as_secs_f64();
    let probes = 20.0 / params.probe_interval.as_secs_f64();
    (packet * (gossip + probes)) as u64
}

impl Check for Traffic {
    fn name(&self) -> &'static str {
        "traffic stays within the budget"
    }

    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn observe(&mut self, _seen: &Observation<'_>) -> Result<(), String> {
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let passed = world.now().since(self.looked);
        if passed < WINDOW {
            return Ok(());
        }
        self.sent.resize(world.len(), 0);
        self.local.resize(world.len(), self.looked);
        self.looked = world.now();
        for node in 0..world.len() {
            let local = world.hosts[node].clock.local(world.now());
            let own = local.since(std::mem::replace(&mut self.local[node], local));
            let sent = world.usage(node).datagram_bytes_sent;
            let before = std::mem::replace(&mut self.sent[node], sent);
            let rate = ((sent - before) as f64 / own.max(passed).as_secs_f64()) as u64;
            self.windows += u64::from(rate > 0);
            self.most = self.most.max(rate);
            let limit = self
                .limit
                .unwrap_or_else(|| budget(&world.hosts[node].params));
            if rate > limit {
                return Err(format!(
                    "node {node} sent {rate} bytes per second, accepted are {limit}"
                ));
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![
            ("looks", self.windows),
            ("most bytes per second", self.most),
        ]
    }
}
