//! `serf event`

use std::process::ExitCode;

use clap::ArgAction;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Sends a user event to all members of the cluster.
#[derive(Debug, clap::Parser)]
#[command(name = "serf event")]
pub(super) struct Event {
    /// Whether receivers may keep only the latest of several events of this name in quick
    /// succession
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true"
    )]
    coalesce: bool,
    #[command(flatten)]
    remote: Remote,
    /// Name of the event and, if it has one, its payload
    #[arg(value_names = ["NAME", "PAYLOAD"], num_args = 0..)]
    args: Vec<String>,
}

impl Run for Event {
    async fn run(self) -> Result<ExitCode, Failure> {
        let (name, payload) = match self.args.as_slice() {
            [] => {
                let text = "An event name must be specified.";
                return Err(Failure::Usage(text.to_owned()));
            }
            [name] => (name, ""),
            [name, payload] => (name, payload.as_str()),
            _ => {
                let text = "Too many command line arguments. \
                            Only a name and payload must be specified.";
                return Err(Failure::Usage(text.to_owned()));
            }
        };
        let client = self.remote.connect().await?;
        client
            .user_event(name, payload.as_bytes(), self.coalesce)
            .await
            .map_err(failed("Error sending event"))?;
        say(format_args!(
            "Event '{name}' dispatched! Coalescing enabled: {}",
            self.coalesce
        ));
        Ok(ExitCode::SUCCESS)
    }
}
