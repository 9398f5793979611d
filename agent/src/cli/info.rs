//! `serf info`

use std::process::ExitCode;

use super::output::{Format, json, say};
use super::remote::{Remote, failed};
use super::{Failure, Run};

/// Shows numbers about a running agent.
#[derive(Debug, clap::Parser)]
#[command(name = "serf info")]
pub(super) struct Info {
    /// Output format: text or json
    #[arg(long, default_value = "text")]
    format: String,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Info {
    async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.remote.connect().await?;
        let stats = client
            .stats()
            .await
            .map_err(failed("Error querying agent"))?;
        match Format::parse(&self.format)? {
            Format::Json => say(json(&stats)),
            Format::Text => {
                for (section, values) in &stats {
                    say(format_args!("{section}:"));
                    for (key, value) in values {
                        say(format_args!("\t{key} = {value}"));
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
