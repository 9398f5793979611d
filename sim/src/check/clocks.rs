//! Lamport clocks never go back.

use super::{Check, Observation, Tally, Wants, What};

/// A node's clock for user events never goes back while it runs.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    /// By node.
    times: Vec<u64>,
    advances: u64,
}

impl Check for Clocks {
    fn name(&self) -> &'static str {
        "Lamport clocks never go back"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::WAITS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        if self.times.len() <= seen.node {
            self.times.resize(seen.node + 1, 0);
        }
        let known = &mut self.times[seen.node];
        if matches!(seen.what, What::Started { .. }) {
            *known = 0;
            return Ok(());
        }
        let Some(node) = seen.world.node(seen.node) else {
            return Ok(());
        };
        let time = node.event_time().get();
        if time < *known {
            let node = seen.node;
            return Err(format!(
                "the event clock of node {node} went from {known} to {time}"
            ));
        }
        self.advances += u64::from(time > *known);
        *known = time;
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("times a clock went on", self.advances)]
    }
}
