//! `serf keygen`

use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::output::say;
use super::{Failure, Run};

/// Makes a new encryption key and prints it in the form that an agent takes.
#[derive(Debug, clap::Parser)]
#[command(name = "serf keygen")]
pub(super) struct Keygen {
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Keygen {
    const IGNORES_ARGUMENTS: bool = true;

    async fn run(self) -> Result<ExitCode, Failure> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| format!("Error reading random data: {error}"))?;
        say(BASE64_STANDARD.encode(key));
        Ok(ExitCode::SUCCESS)
    }
}
