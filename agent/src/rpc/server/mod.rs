//! The agent's side of the RPC protocol.
//!
//! Everything a client can do is bounded: the size of a request, the time it may take to arrive,
//! the number of connections and of subscriptions on each, and the records that wait for a slow
//! reader. A client that stalls or sends garbage loses its own connection and nothing else.

mod connection;
mod keys;
mod members;
mod query;
mod stats;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use crate::agent::Agent;
use connection::Connection;

/// Connections open at once. For one more, the one that has been idle the longest has to go; if
/// none is idle, the new one is refused.
const MAX_CONNECTIONS: usize = 256;

/// How long an idle connection may take to go.
const MAKE_ROOM: Duration = Duration::from_millis(100);

/// The pause after an error of the system on accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients for ever.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let crowded = Arc::new(Notify::new());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(target: "agent.ipc", "Failed to accept client: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if places.available_permits() == 0 {
            crowded.notify_one();
        }
        let place = Arc::clone(&places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(MAKE_ROOM, place).await else {
            tracing::warn!(
                target: "agent.ipc",
                "Refused client {peer}: {MAX_CONNECTIONS} clients are connected and busy"
            );
            continue;
        };
        tracing::info!(target: "agent.ipc", "Accepted client: {peer}");
        agent.telemetry.count("agent.ipc.accept");
        let connection = Connection::new(stream, Arc::clone(&agent), Arc::clone(&crowded));
        tokio::spawn(async move {
            if let Err(reason) = connection.run().await {
                tracing::error!(target: "agent.ipc", "Closed client {peer}: {reason}");
            }
            drop(place);
        });
    }
}
