//! `serf keygen`

use std::process::ExitCode;

use serf_core::keyring::Key;

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
        let mut key = [0; Key::MAX_LEN];
        getrandom::fill(&mut key).map_err(|error| format!("Error reading random data: {error}"))?;
        let key = Key::new(&key).map_err(|error| error.to_string())?;
        say(key.to_base64().as_str());
        Ok(ExitCode::SUCCESS)
    }
}
