//! Tells the operator how the writing of the snapshot goes.

use std::sync::Arc;
use std::time::Duration;

use serf_tokio::files::SnapshotStatus;

use super::Agent;

/// How often to look. What is told has lasted, and goes on meanwhile.
const EVERY: Duration = Duration::from_secs(5);

/// Logs trouble with the snapshot when it begins and when it is over, for as long as the node runs.
pub(super) async fn watch(agent: Arc<Agent>) {
    let mut known = SnapshotStatus::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let Ok(Some(status)) = agent.handle.stats().await.map(|stats| stats.snapshot) else {
            return;
        };
        match (&known.trouble, &status.trouble) {
            (before, Some(trouble)) if before.as_ref() != Some(trouble) => tracing::error!(
                target: "serf",
                "Cannot write the snapshot: {trouble}. The node runs on and tries again; until \
                 then a restart would not know what happens now"
            ),
            (Some(_), None) => {
                tracing::info!(target: "serf", "The snapshot is written again, and complete");
            }
            _ => {}
        }
        if status.dropped > known.dropped {
            tracing::warn!(
                target: "serf",
                "The snapshot lacks {} changes: the disk is too slow for them",
                status.dropped - known.dropped
            );
        }
        known = status;
    }
}
