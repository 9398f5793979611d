//! The agent's side of the RPC protocol.
//!
//! Everything a client can do is bounded: the size of a request, the time it may take to arrive,
//! the number of connections and of subscriptions on each, and the records that wait for a slow
//! reader. A client that stalls or sends garbage loses its own connection and nothing else.

mod connection;
mod members;
mod stats;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::agent::Agent;
use connection::Connection;

/// Connections open at once; more are closed at once.
const MAX_CONNECTIONS: usize = 256;

/// The pause after an error of the system on accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients for ever.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(target: "agent.ipc", "Failed to accept client: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(
                target: "agent.ipc",
                "Refused client {peer}: {MAX_CONNECTIONS} clients are connected already"
            );
            continue;
        };
        tracing::info!(target: "agent.ipc", "Accepted client: {peer}");
        agent.telemetry.count("agent.ipc.accept");
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            if let Err(reason) = Connection::new(stream, agent).run().await {
                tracing::error!(target: "agent.ipc", "Closed client {peer}: {reason}");
            }
            drop(place);
        });
    }
}
