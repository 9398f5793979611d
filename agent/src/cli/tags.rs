//! `serf tags`

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::output::say;
use super::remote::{Remote, failed, tag};
use super::{Failure, Run};

/// Changes the tags of a running agent. Removal comes first.
#[derive(Debug, clap::Parser)]
#[command(name = "serf tags")]
pub(super) struct Tags {
    /// Tag to set; repeat for more
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Tag to remove, if there is one; repeat for more
    #[arg(long, value_name = "KEY")]
    delete: Vec<String>,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Tags {
    async fn run(self) -> Result<ExitCode, Failure> {
        if self.set.is_empty() && self.delete.is_empty() {
            return Err(Failure::Usage(String::new()));
        }
        let client = self.remote.connect().await?;
        let set = self
            .set
            .iter()
            .map(|text| tag(text))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        client
            .update_tags(set, self.delete)
            .await
            .map_err(failed("Error setting tags"))?;
        say("Successfully updated agent tags");
        Ok(ExitCode::SUCCESS)
    }
}
