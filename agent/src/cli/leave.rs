//! `serf leave`

use std::process::ExitCode;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Makes a running agent leave its cluster gracefully and end.
#[derive(Debug, clap::Parser)]
#[command(name = "serf leave")]
pub(super) struct Leave {
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Leave {
    async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.remote.connect().await?;
        client.leave().await.map_err(failed("Error leaving"))?;
        say("Graceful leave complete");
        Ok(ExitCode::SUCCESS)
    }
}
