//! `serf rtt`

use std::process::ExitCode;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Estimates the round-trip time between two members from their network coordinates.
#[derive(Debug, clap::Parser)]
#[command(name = "serf rtt")]
pub(super) struct Rtt {
    #[command(flatten)]
    remote: Remote,
    /// One or two names of members; the second defaults to the agent's own
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Run for Rtt {
    async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.remote.connect().await?;
        let (a, b) = match self.nodes.as_slice() {
            [a] => {
                let stats = client
                    .stats()
                    .await
                    .map_err(failed("Unable to look up agent info"))?;
                let own = stats.get("agent").and_then(|agent| agent.get("name"));
                (a.clone(), own.cloned().unwrap_or_default())
            }
            [a, b] => (a.clone(), b.clone()),
            _ => {
                let text = "One or two node names must be specified";
                return Err(Failure::Usage(text.to_owned()));
            }
        };
        let mut coordinates = Vec::new();
        for node in [&a, &b] {
            let coordinate = client
                .coordinate(node)
                .await
                .map_err(failed("Error getting coordinates"))?
                .ok_or_else(|| format!("Could not find a coordinate for node \"{node}\""))?;
            coordinates.push(coordinate);
        }
        let seconds = coordinates[0]
            .round_trip_to(&coordinates[1])
            .ok_or_else(|| {
                format!("The coordinates of \"{a}\" and \"{b}\" have different dimensions")
            })?;
        say(format_args!(
            "Estimated {a} <-> {b} rtt: {:.3} ms",
            seconds * 1000.0
        ));
        Ok(ExitCode::SUCCESS)
    }
}
