//! A running agent: a node of the cluster, its RPC listener, its log.

mod events;
mod join;
mod run;
mod signals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serf_tokio::{CallError, Handle, JoinError, Joined, Left};
use tokio::sync::{Mutex, Notify, broadcast};

use crate::event::AgentEvent;
use crate::handler::Handlers;
use crate::log::Log;

pub(crate) use join::describe as describe_join_error;
pub(crate) use run::{Source, run};

/// Events that a slow subscriber may fall behind before it loses some.
pub(crate) const EVENTS_KEPT: usize = 512;

/// What all parts of an agent share.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) handle: Handle,
    pub(crate) log: Log,
    pub(crate) events: broadcast::Sender<Arc<AgentEvent>>,
    pub(crate) handlers: Handlers,
    /// Token that RPC clients must show; empty for none.
    pub(crate) rpc_auth: String,
    /// Held while tags are read, changed and written.
    pub(crate) tags: Mutex<()>,
    leaving: AtomicBool,
    dismissed: Notify,
}

impl Agent {
    fn new(handle: Handle, log: Log, handlers: Handlers, rpc_auth: String) -> Self {
        Self {
            handle,
            log,
            events: broadcast::Sender::new(EVENTS_KEPT),
            handlers,
            rpc_auth,
            tags: Mutex::new(()),
            leaving: AtomicBool::new(false),
            dismissed: Notify::new(),
        }
    }

    /// Joins a cluster; with `replay` its recent user events are delivered, too.
    pub(crate) async fn join(&self, addrs: &[String], replay: bool) -> Result<Joined, JoinError> {
        match replay {
            true => self.handle.join_replaying(addrs).await,
            false => self.handle.join(addrs).await,
        }
    }

    /// Leaves the cluster. Whoever asked for it owes a [`dismiss`](Self::dismiss).
    pub(crate) async fn leave(&self) -> Result<Left, CallError> {
        self.leaving.store(true, Ordering::Relaxed);
        tracing::info!(target: "agent", "requesting graceful leave from Serf");
        self.handle.leave().await
    }

    /// Ends the agent, now that whoever asked for a leave has been answered.
    pub(crate) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    /// Waits until the agent is to end because of a leave that somebody asked for.
    async fn dismissal(&self) {
        self.dismissed.notified().await;
    }

    /// Waits until the node stops although nobody asked it to leave.
    async fn stopped_by_itself(&self) {
        self.handle.stopped().await;
        if self.leaving.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}
