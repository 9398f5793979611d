//! A running agent: a node of the cluster, its RPC listener, its log.

mod events;
mod health;
mod join;
mod node;
mod run;
mod signals;
mod snapshot;
mod source;
mod story;
mod supervisor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serf_core::{Event, Tags};
use serf_tokio::files::save_tags;
use serf_tokio::{CallError, Handle, JoinError, Joined, Left, Stats, Stopped};
use tokio::sync::{Mutex, Notify, broadcast};

use crate::event::AgentEvent;
use crate::handler::Handlers;
use crate::log::Log;
use crate::telemetry::{Reading, Telemetry};
use health::{Health, Signs};
use story::Stories;

pub(crate) use join::describe as describe_join_error;
pub(crate) use run::run;
pub(crate) use source::Source;

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
    pub(crate) stories: Stories,
    pub(crate) telemetry: Telemetry,
    signs: Signs,
    /// Held while tags are read, changed and written.
    tags: Mutex<()>,
    tags_file: Option<PathBuf>,
    leaving: AtomicBool,
    dismissed: Notify,
    rival: OnceLock<SocketAddr>,
}

impl Agent {
    fn new(
        handle: Handle,
        log: Log,
        handlers: Handlers,
        rpc_auth: String,
        tags_file: Option<PathBuf>,
    ) -> Self {
        Self {
            handle,
            log,
            events: broadcast::Sender::new(EVENTS_KEPT),
            handlers,
            rpc_auth,
            stories: Stories::default(),
            telemetry: Telemetry::default(),
            signs: Signs::default(),
            tags: Mutex::new(()),
            tags_file,
            leaving: AtomicBool::new(false),
            dismissed: Notify::new(),
            rival: OnceLock::new(),
        }
    }

    /// Joins a cluster; with `replay` its recent user events are delivered, too.
    pub(crate) async fn join(&self, addrs: &[String], replay: bool) -> Result<Joined, JoinError> {
        match replay {
            true => self.handle.join_replaying(addrs).await,
            false => self.handle.join(addrs).await,
        }
    }

    /// Removes and then sets tags.
    ///
    /// # Errors
    /// In the words that operators are shown.
    pub(crate) async fn change_tags(&self, set: Tags, delete: &[String]) -> Result<(), String> {
        let _changing = self.tags.lock().await;
        let local = self.handle.local().await.map_err(|e| e.to_string())?;
        let mut tags = local.tags();
        for key in delete {
            tags.remove(key);
        }
        tags.extend(set);
        self.write_and_set(tags).await
    }

    /// Replaces all tags, if they are others than now.
    ///
    /// # Errors
    /// As [`change_tags`](Self::change_tags).
    async fn replace_tags(&self, tags: Tags) -> Result<(), String> {
        let _changing = self.tags.lock().await;
        let local = self.handle.local().await.map_err(|e| e.to_string())?;
        match local.tags() == tags {
            true => Ok(()),
            false => self.write_and_set(tags).await,
        }
    }

    /// Under the lock: the file first, so that no restart brings back what was changed.
    async fn write_and_set(&self, tags: Tags) -> Result<(), String> {
        if let Some(path) = &self.tags_file {
            save_tags(path, &tags).map_err(|error| error.to_string())?;
        }
        let set = self.handle.set_tags(tags).await;
        set.map_err(|error| error.to_string())?;
        // In old protocol versions not all of them are announced.
        let local = self.handle.local().await.map_err(|e| e.to_string())?;
        self.handlers.set_tags(local.tags());
        Ok(())
    }

    /// Takes note of an event for those who ask later.
    fn note(&self, event: &Event) {
        if let Event::NameVote {
            rival, lost: true, ..
        } = event
        {
            // Only the first counts: the node stops.
            let _ = self.rival.set(*rival);
        }
        self.stories.note(self.handle.name(), event);
        self.signs.note(event);
    }

    /// How the node is, by these numbers of it.
    pub(crate) fn health(&self, stats: &Stats) -> Health {
        let leaving = self.leaving.load(Ordering::Relaxed);
        self.signs.judge(stats, leaving)
    }

    /// All numbers of the agent and its node.
    pub(crate) async fn readings(&self) -> Result<Vec<Reading>, Stopped> {
        let node = self.handle.stats().await?;
        Ok(self.telemetry.read(&node))
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

    /// The other node to which this one has lost its name.
    fn rival(&self) -> Option<SocketAddr> {
        self.rival.get().copied()
    }

    /// Waits until the node stops although nobody asked it to leave.
    async fn stopped_by_itself(&self) {
        self.handle.stopped().await;
        if self.leaving.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}
