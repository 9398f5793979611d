//! The life of an agent, from its configuration to its exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serf_tokio::Options;
use tokio::net::TcpListener;

use super::signals::{Caught, Signals};
use super::{Agent, EVENTS_KEPT, events, join};
use crate::config::{RawConfig, Settings};
use crate::handler::Handlers;
use crate::log::Log;
use crate::rpc::server;

/// How long a leave may take that a signal asked for.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// Where the configuration comes from; read again on SIGHUP.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Files and directories, in the order of the command line.
    pub(crate) paths: Vec<PathBuf>,
    /// What the flags say; they come last.
    pub(crate) flags: RawConfig,
}

impl Source {
    fn read(&self) -> Result<Settings, String> {
        let mut raw = RawConfig::default();
        for path in &self.paths {
            raw = raw.merge(RawConfig::from_path(path).map_err(|error| error.to_string())?);
        }
        let raw = raw.merge(self.flags.clone());
        let host = gethostname::gethostname();
        Settings::new(raw, &host.to_string_lossy()).map_err(|error| error.to_string())
    }
}

/// Runs an agent until it leaves, is told to end, or cannot start.
pub(crate) async fn run(source: Source) -> ExitCode {
    match start(&source).await {
        Ok(started) => started.serve(&source).await,
        Err(text) => {
            status(&text);
            ExitCode::FAILURE
        }
    }
}

struct Started {
    agent: Arc<Agent>,
    settings: Settings,
    signals: Signals,
}

async fn start(source: &Source) -> Result<Started, String> {
    let settings = source.read()?;
    for warning in &settings.warnings {
        status(warning);
    }
    let log = Log::new(settings.log_level);
    log.install();

    status("Starting Serf agent...");
    let mut options = Options::new(&settings.node_name)
        .bind(&settings.bind)
        .config(settings.protocol.clone())
        .tags(settings.tags.clone())
        .event_capacity(EVENTS_KEPT);
    if let Some(advertise) = &settings.advertise {
        options = options.advertise(advertise);
    }
    tracing::info!(target: "agent", "Serf agent starting");
    let handle = serf_tokio::bind(options)
        .await
        .map_err(|error| format!("Failed to start the Serf agent: {error}"))?;
    let node_events = handle.events();
    let handlers = Handlers::new(settings.event_handlers.clone());
    let agent = Agent::new(handle, log, handlers, settings.rpc_auth.clone());
    let agent = Arc::new(agent);
    tokio::spawn(events::follow(Arc::clone(&agent), node_events));
    let running = Arc::clone(&agent);
    tokio::spawn(async move { running.handlers.run(running.handle.clone()).await });

    status("Starting Serf agent RPC...");
    let rpc_addr = listen_addr(&settings.rpc_addr);
    let listener = TcpListener::bind(&rpc_addr)
        .await
        .map_err(|error| format!("Error starting RPC listener: listen tcp {rpc_addr}: {error}"))?;
    let rpc_addr = shown_addr(&settings.rpc_addr, &listener);
    tokio::spawn(server::serve(listener, Arc::clone(&agent)));

    status("Serf agent running!");
    describe(&settings, &agent, &rpc_addr);
    if !settings.start_join.is_empty() {
        let replay = settings.replay_on_join;
        status(&format!("Joining cluster...(replay: {replay})"));
        let joined = agent.join(&settings.start_join, replay).await;
        let joined = joined.map_err(|error| join::describe(&error))?;
        let count = joined.contacted.len();
        info(&format!(
            "Join completed. Synced with {count} initial agents"
        ));
    }
    // From here on signals mean what they mean to an agent; before, they simply end it.
    let signals = Signals::new().map_err(|error| format!("Cannot catch signals: {error}"))?;
    line("");
    status("Log data will now stream in as it occurs:\n");
    agent.log.release();
    Ok(Started {
        agent,
        settings,
        signals,
    })
}

impl Started {
    async fn serve(mut self, source: &Source) -> ExitCode {
        let agent = Arc::clone(&self.agent);
        let retry_join = std::mem::take(&mut self.settings.retry_join);
        let replay = self.settings.replay_on_join;
        let retries = async {
            if retry_join.addrs.is_empty()
                || join::retry(Arc::clone(&agent), retry_join, replay)
                    .await
                    .is_ok()
            {
                std::future::pending().await
            }
        };
        tokio::pin!(retries);
        loop {
            let caught = tokio::select! {
                caught = self.signals.next() => caught,
                () = &mut retries => return self.end(ExitCode::FAILURE).await,
                () = agent.dismissal() => return self.end(ExitCode::SUCCESS).await,
                // It lost its name to another node, or its runtime ended.
                () = agent.stopped_by_itself() => return self.end(ExitCode::SUCCESS).await,
            };
            status(&format!("Caught signal: {}", caught.name()));
            let graceful = match caught {
                Caught::Interrupt => !self.settings.skip_leave_on_interrupt,
                Caught::Terminate => self.settings.leave_on_terminate,
                Caught::Hangup => {
                    self.reload(source).await;
                    continue;
                }
                Caught::User1 => {
                    tracing::warn!(target: "agent", "dumping telemetry is not supported yet");
                    continue;
                }
            };
            if !graceful {
                return self.end(ExitCode::FAILURE).await;
            }
            status("Gracefully shutting down agent...");
            let code = tokio::select! {
                left = agent.leave() => match left {
                    Ok(_) => ExitCode::SUCCESS,
                    Err(error) => {
                        status(&format!("Error: {error}"));
                        ExitCode::FAILURE
                    }
                },
                () = self.signals.next_end() => return ExitCode::FAILURE,
                () = tokio::time::sleep(LEAVE_LIMIT) => ExitCode::FAILURE,
            };
            return self.end(code).await;
        }
    }

    async fn end(&self, code: ExitCode) -> ExitCode {
        tracing::info!(target: "agent", "requesting serf shutdown");
        self.agent.handle.shutdown().await;
        tracing::info!(target: "agent", "shutdown complete");
        code
    }

    /// Applies what can be changed while running: log level, event handlers, tags, what signals
    /// do.
    async fn reload(&mut self, source: &Source) {
        status("Reloading configuration...");
        let new = match source.read() {
            Ok(new) => new,
            Err(text) => {
                status(&format!("Failed to reload configs: {text}"));
                return;
            }
        };
        for warning in &new.warnings {
            status(warning);
        }
        self.agent.log.set_level(new.log_level);
        self.settings.log_level = new.log_level;
        self.agent.handlers.replace(new.event_handlers);
        self.settings.leave_on_terminate = new.leave_on_terminate;
        self.settings.skip_leave_on_interrupt = new.skip_leave_on_interrupt;
        let agent = Arc::clone(&self.agent);
        // In the background: spreading takes its time, and signals must not wait for it.
        tokio::spawn(async move {
            let _changing = agent.tags.lock().await;
            match agent.handle.local().await {
                Ok(local) if local.tags() == new.tags => {}
                Ok(_) => {
                    if let Err(error) = agent.handle.set_tags(new.tags).await {
                        tracing::error!(target: "agent", "Failed to update tags: {error}");
                    }
                }
                Err(stopped) => {
                    tracing::error!(target: "agent", "Failed to update tags: {stopped}")
                }
            }
        });
    }
}

fn describe(settings: &Settings, agent: &Agent, rpc_addr: &str) {
    let detail = |label: &str, value: &str| info(&format!("{label:>27}: {value}"));
    let handle = &agent.handle;
    detail("Node name", &format!("'{}'", settings.node_name));
    detail("Bind addr", &format!("'{}'", handle.bind_addr()));
    if settings.advertise.is_some() {
        // Never aligned with the others, and scripts may look for it so.
        info(&format!("Advertise addr: '{}'", handle.advertise_addr()));
    }
    detail("RPC addr", &format!("'{rpc_addr}'"));
    detail("Encrypted", "false");
    detail("Snapshot", "false");
    detail("Profile", &settings.profile);
    detail("Message Compression Enabled", "false");
}

/// The address of the RPC listener as the operator wrote it, except that port 0 stands for the
/// one that was free.
fn shown_addr(configured: &str, listener: &TcpListener) -> String {
    match (configured.rsplit_once(':'), listener.local_addr()) {
        (Some((_, "0")), Ok(bound)) => bound.to_string(),
        _ => configured.to_owned(),
    }
}

/// `:7373` means every address of the machine.
fn listen_addr(text: &str) -> String {
    match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    }
}

fn status(text: &str) {
    line(&format!("==> {text}"));
}

fn info(text: &str) {
    line(&format!("    {text}"));
}

fn line(text: &str) {
    crate::cli::say(text);
}
