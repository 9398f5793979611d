//! Joining in the background, and saying why a join failed.

use std::sync::Arc;

use serf_core::StreamFailure;
use serf_tokio::{JoinError, SeedFailure, SeedFailureReason};

use super::Agent;
use crate::config::Join;

/// Tries until it works. `Err` when the attempts are used up.
pub(super) async fn retry(agent: Arc<Agent>, join: Join, replay: bool) -> Result<(), ()> {
    let mut retries = 0;
    loop {
        tracing::info!(target: "agent", "Joining cluster...(replay: {replay})");
        match agent.join(&join.addrs, replay).await {
            Ok(joined) => {
                let count = joined.contacted.len();
                tracing::info!(target: "agent", "Join completed. Synced with {count} initial agents");
                return Ok(());
            }
            Err(error) if join.max_retries.is_some_and(|max| retries >= max) => {
                tracing::error!(target: "agent", "maximum retry join attempts made, exiting: {}", describe(&error));
                return Err(());
            }
            Err(error) => tracing::warn!(
                target: "agent",
                "Join failed: {}, retrying in {:?}",
                describe(&error),
                join.interval
            ),
        }
        retries += 1;
        tokio::time::sleep(join.interval).await;
    }
}

/// The failures of a join, one to a line.
pub(crate) fn describe(error: &JoinError) -> String {
    let JoinError::Unreachable(failures) = error else {
        return error.to_string();
    };
    let mut text = match failures.len() {
        1 => "1 error occurred:\n".to_owned(),
        count => format!("{count} errors occurred:\n"),
    };
    for failure in failures {
        text.push_str(&format!("\t* {}\n", describe_failure(failure)));
    }
    text.push('\n');
    text
}

/// In the words that operators know, as far as there are such.
fn describe_failure(failure: &SeedFailure) -> String {
    let SeedFailure { seed, addr, reason } = failure;
    let Some(addr) = addr else {
        return format!("Failed to resolve {seed}: {reason}");
    };
    let ip = addr.ip();
    match reason {
        SeedFailureReason::Exchange(StreamFailure::Refused | StreamFailure::Unreachable) => {
            format!("Failed to join {ip}: dial tcp {addr}: connect: {reason}")
        }
        SeedFailureReason::Exchange(StreamFailure::TimedOut) => {
            format!("Failed to join {ip}: dial tcp {addr}: i/o timeout")
        }
        _ => format!("Failed to join {ip}: {addr}: {reason}"),
    }
}
