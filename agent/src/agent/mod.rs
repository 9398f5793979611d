//! A running agent: a node of the cluster, its RPC listener, its log.

mod coalesce;
mod events;
mod join;
mod run;
mod signals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serf_core::MemberEventKind;
use serf_tokio::{CallError, Handle, Left, Member};
use tokio::sync::{Mutex, Notify, broadcast};

use crate::log::Log;

pub(crate) use join::describe as describe_join_error;
pub(crate) use run::{Source, run};

/// Events that a slow subscriber may fall behind before it loses some.
pub(crate) const EVENTS_KEPT: usize = 512;

/// What subscribers of the agent are told. Member events are grouped: see [`coalesce`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AgentEvent {
    /// The same happened to these members.
    Member {
        kind: MemberEventKind,
        members: Vec<Member>,
    },
}

impl AgentEvent {
    /// Such as `member-join`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Member { kind, .. } => kind.as_str(),
        }
    }
}

/// What all parts of an agent share.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) handle: Handle,
    pub(crate) log: Log,
    pub(crate) events: broadcast::Sender<Arc<AgentEvent>>,
    /// Token that RPC clients must show; empty for none.
    pub(crate) rpc_auth: String,
    /// Held while tags are read, changed and written.
    pub(crate) tags: Mutex<()>,
    leaving: AtomicBool,
    dismissed: Notify,
}

impl Agent {
    fn new(handle: Handle, log: Log, rpc_auth: String) -> Self {
        Self {
            handle,
            log,
            events: broadcast::Sender::new(EVENTS_KEPT),
            rpc_auth,
            tags: Mutex::new(()),
            leaving: AtomicBool::new(false),
            dismissed: Notify::new(),
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
