//! `serf force-leave`

use std::process::ExitCode;

use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Declares a failed member as left, so that nobody tries to reach it any more. A member that is
/// in fact alive comes back.
#[derive(Debug, clap::Parser)]
#[command(name = "serf force-leave")]
pub(super) struct ForceLeave {
    /// Also forget the member at once
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    remote: Remote,
    /// Name of the member
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run for ForceLeave {
    async fn run(self) -> Result<ExitCode, Failure> {
        let [name] = self.names.as_slice() else {
            let text = "A node name must be specified to force leave.";
            return Err(Failure::Usage(text.to_owned()));
        };
        let client = self.remote.connect().await?;
        client
            .force_leave(name, self.prune)
            .await
            .map_err(failed("Error force leaving"))?;
        Ok(ExitCode::SUCCESS)
    }
}
