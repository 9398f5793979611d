//! `serf join`

use std::process::ExitCode;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Makes a running agent join a cluster through at least one of its members.
#[derive(Debug, clap::Parser)]
#[command(name = "serf join")]
pub(super) struct Join {
    /// Also deliver user events of the past
    #[arg(long)]
    replay: bool,
    #[command(flatten)]
    remote: Remote,
    /// Addresses of members: host, host:port, [v6]:port
    #[arg(value_name = "ADDR")]
    addrs: Vec<String>,
}

impl Run for Join {
    async fn run(self) -> Result<ExitCode, Failure> {
        if self.addrs.is_empty() {
            let text = "At least one address to join must be specified.";
            return Err(Failure::Usage(text.to_owned()));
        }
        let client = self.remote.connect().await?;
        let contacted = client
            .join(&self.addrs, self.replay)
            .await
            .map_err(failed("Error joining the cluster"))?;
        say(format_args!(
            "Successfully joined cluster by contacting {contacted} nodes."
        ));
        Ok(ExitCode::SUCCESS)
    }
}
