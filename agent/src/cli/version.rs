//! `serf version`

use std::process::ExitCode;

use serf_core::Versions;

use super::output::say;
use super::{Failure, Run};

/// Prints the version of this program and of the protocol it speaks.
#[derive(Debug, clap::Parser)]
#[command(name = "serf version")]
pub(super) struct Version {
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Version {
    const IGNORES_ARGUMENTS: bool = true;

    async fn run(self) -> Result<ExitCode, Failure> {
        say(env!("CARGO_PKG_VERSION"));
        say(format_args!(
            "Agent Protocol: {} (Understands back to: {})",
            Versions::CURRENT.delegate_cur,
            Versions::CURRENT.delegate_min
        ));
        Ok(ExitCode::SUCCESS)
    }
}
