//! The life of an agent, from its configuration to its exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serf_tokio::files::load_keyring;
use serf_tokio::{Keyring, Options};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::signals::{Caught, Signals};
use super::source::{Source, host_name};
use super::{Agent, EVENTS_KEPT, events, join, node, snapshot, supervisor};
use crate::config::{Settings, interfaces};
use crate::handler::Handlers;
use crate::log::{Format, Log};
use crate::rpc::server;
use crate::syslog::Syslog;
use crate::telemetry::{self, Sinks};
use crate::{discovery, http};

/// How long a leave may take that a signal asked for.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// How long the handlers may take for what happened last, when all else has ended.
const HANDLERS_LIMIT: Duration = Duration::from_secs(1);

/// Runs an agent until it leaves, is told to end, or cannot start.
pub(crate) async fn run(source: Source) -> ExitCode {
    match start(&source).await {
        Ok(started) => started.serve(&source).await,
        Err(text) => {
            crate::cli::fail(format_args!("==> {text}"));
            ExitCode::FAILURE
        }
    }
}

struct Started {
    agent: Arc<Agent>,
    /// Ends when all events of the node have been passed on.
    events: JoinHandle<()>,
    /// Ends when all handlers have run.
    handlers: JoinHandle<()>,
    console: Console,
    settings: Settings,
    signals: Signals,
}

async fn start(source: &Source) -> Result<Started, String> {
    let settings = source.read()?;
    let console = Console(settings.log_format);
    for warning in &settings.warnings {
        console.status(warning);
    }
    let syslog = settings.syslog.map(Syslog::connect).transpose();
    let syslog = syslog.map_err(|error| format!("Syslog setup failed: {error}"))?;
    let bind = resolve("bind", &bind_addr(&settings)?).await?;
    if let Some(name) = &settings.interface {
        let ip = bind.rsplit_once(':').map_or(bind.as_str(), |(ip, _)| ip);
        console.status(&format!("Using interface '{name}' address '{ip}'"));
    }
    let log = Log::new(settings.log_level, settings.log_format, syslog);
    log.install();

    console.status("Starting Serf agent...");
    let mut options = Options::new(&settings.node_name)
        .bind(&bind)
        .config(settings.protocol.clone())
        .protocol(settings.protocol_version)
        .tags(settings.tags.clone())
        .event_capacity(EVENTS_KEPT);
    if let Some(advertise) = &settings.advertise {
        options = options.advertise(resolve("advertise", advertise).await?);
    }
    options.keyring = read_keyring(&settings)?;
    options.keyring_file = settings.keyring_file.clone();
    options.snapshot = settings.snapshot.clone();
    options.rejoin_after_leave = settings.rejoin_after_leave;
    options.label = settings.label.clone();
    options.record = settings.record.clone();
    if let (Some(path), Some(keys)) = (&settings.keyring_file, &options.keyring) {
        let (count, path) = (keys.keys().len(), path.display());
        tracing::info!(target: "agent", "Restored keyring with {count} keys from {path}");
    }
    if let Some(path) = &settings.tags_file {
        let (count, path) = (settings.tags.len(), path.display());
        if count > 0 {
            tracing::info!(target: "agent", "Restored {count} tag(s) from {path}");
        }
    }
    tracing::info!(target: "agent", "Serf agent starting");
    let (handle, node_events) = node::start(settings.runtime, options)
        .await
        .map_err(|error| format!("Failed to start the Serf agent: Error creating Serf: {error}"))?;
    let announced = handle.local().await.map_err(|error| error.to_string())?;
    let handlers = Handlers::new(settings.event_handlers.clone(), announced.tags());
    let (token, tags_file) = (settings.rpc_auth.clone(), settings.tags_file.clone());
    let agent = Arc::new(Agent::new(handle, log, handlers, token, tags_file));
    let events = tokio::spawn(events::follow(Arc::clone(&agent), node_events));
    if settings.snapshot.is_some() {
        tokio::spawn(snapshot::watch(Arc::clone(&agent)));
    }
    let running = Arc::clone(&agent);
    let handlers = tokio::spawn(async move {
        running
            .handlers
            .run(&running.telemetry, running.handle.clone())
            .await
    });
    if settings.statsd_addr.is_some() || settings.statsite_addr.is_some() {
        let sinks = Sinks {
            statsd: settings.statsd_addr.clone(),
            statsite: settings.statsite_addr.clone(),
            host: host_name(),
        };
        tokio::spawn(telemetry::push(Arc::clone(&agent), sinks));
    }
    if let Some(discover) = settings.discover.clone() {
        discovery::start(Arc::clone(&agent), discover, settings.replay_on_join)
            .map_err(|error| format!("Error starting mDNS listener: {error}"))?;
    }

    console.status("Starting Serf agent RPC...");
    let rpc_addr = listen_addr(&settings.rpc_addr);
    let listener = TcpListener::bind(&rpc_addr)
        .await
        .map_err(|error| format!("Error starting RPC listener: listen tcp {rpc_addr}: {error}"))?;
    let rpc_addr = shown_addr(&settings.rpc_addr, &listener);
    tokio::spawn(server::serve(listener, Arc::clone(&agent)));
    if let Some(addr) = &settings.http_addr {
        let listener = TcpListener::bind(listen_addr(addr)).await;
        let listener = listener
            .map_err(|error| format!("Error starting HTTP listener: listen tcp {addr}: {error}"))?;
        tracing::info!(target: "agent", "HTTP listener at {}", shown_addr(addr, &listener));
        tokio::spawn(http::serve(listener, Arc::clone(&agent)));
    }

    console.status("Serf agent running!");
    console.describe(&settings, &agent, &rpc_addr);
    if !settings.start_join.is_empty() {
        let replay = settings.replay_on_join;
        console.status(&format!("Joining cluster...(replay: {replay})"));
        let joined = agent.join(&settings.start_join, replay).await;
        let joined = joined.map_err(|error| join::describe(&error))?;
        let count = joined.contacted.len();
        console.info(&format!(
            "Join completed. Synced with {count} initial agents"
        ));
    }
    // From here on signals mean what they mean to an agent; before, they simply end it.
    let signals = Signals::new().map_err(|error| format!("Cannot catch signals: {error}"))?;
    console.line("");
    console.status("Log data will now stream in as it occurs:\n");
    agent.log.release();
    supervisor::ready();
    Ok(Started {
        agent,
        events,
        handlers,
        console,
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
                () = agent.stopped_by_itself() => return self.give_up().await,
            };
            self.console
                .status(&format!("Caught signal: {}", caught.name()));
            let graceful = match caught {
                Caught::Interrupt => !self.settings.skip_leave_on_interrupt,
                Caught::Terminate => self.settings.leave_on_terminate,
                Caught::Hangup => {
                    supervisor::reloading();
                    self.reload(source);
                    supervisor::ready();
                    continue;
                }
                Caught::User1 => {
                    if let Ok(readings) = agent.readings().await {
                        eprint!("{}", telemetry::dump(&readings));
                    }
                    continue;
                }
            };
            if !graceful {
                return self.end(ExitCode::FAILURE).await;
            }
            supervisor::stopping();
            self.console.status("Gracefully shutting down agent...");
            let code = tokio::select! {
                left = agent.leave() => match left {
                    Ok(_) => ExitCode::SUCCESS,
                    Err(error) => {
                        self.console.status(&format!("Error: {error}"));
                        ExitCode::FAILURE
                    }
                },
                () = self.signals.next_end() => return ExitCode::FAILURE,
                () = tokio::time::sleep(LEAVE_LIMIT) => ExitCode::FAILURE,
            };
            return self.end(code).await;
        }
    }

    async fn end(&mut self, code: ExitCode) -> ExitCode {
        supervisor::stopping();
        tracing::info!(target: "agent", "requesting serf shutdown");
        self.agent.handle.shutdown().await;
        // The last events are those of the end itself: they are logged, and handled.
        let _ = (&mut self.events).await;
        self.agent.handlers.close();
        let _ = tokio::time::timeout(HANDLERS_LIMIT, &mut self.handlers).await;
        tracing::info!(target: "agent", "shutdown complete");
        code
    }

    /// The node has stopped although nobody asked it to.
    async fn give_up(&mut self) -> ExitCode {
        let code = self.end(ExitCode::FAILURE).await;
        let name = &self.settings.node_name;
        match self.agent.rival() {
            Some(rival) => self.console.status(&format!(
                "The node at {rival} has the name '{name}', too, and most members know that one \
                 by it: give this node another name (-node), or stop the other one"
            )),
            None => self.console.status("The node has stopped"),
        }
        code
    }

    /// Applies what can be changed while running: log level, event handlers, tags, what signals
    /// do.
    fn reload(&mut self, source: &Source) {
        self.console.status("Reloading configuration...");
        let new = match source.read() {
            Ok(new) => new,
            Err(text) => {
                self.console
                    .status(&format!("Failed to reload configs: {text}"));
                return;
            }
        };
        for warning in &new.warnings {
            self.console.status(warning);
        }
        self.agent.log.set_level(new.log_level);
        self.settings.log_level = new.log_level;
        self.agent.handlers.replace(new.event_handlers);
        self.settings.leave_on_terminate = new.leave_on_terminate;
        self.settings.skip_leave_on_interrupt = new.skip_leave_on_interrupt;
        let agent = Arc::clone(&self.agent);
        // In the background: spreading takes its time, and signals must not wait for it.
        tokio::spawn(async move {
            if let Err(error) = agent.replace_tags(new.tags).await {
                tracing::error!(target: "agent", "Failed to update tags: {error}");
            }
        });
    }
}

/// The keys to begin with, from wherever they are kept.
pub(super) fn read_keyring(settings: &Settings) -> Result<Option<Keyring>, String> {
    match &settings.keyring_file {
        None => Ok(settings.keyring.clone()),
        Some(path) => load_keyring(path)
            .map(Some)
            .map_err(|error| format!("Failed to setup the Serf agent: {error}")),
    }
}

/// The address to bind, which may be that of an interface.
pub(super) fn bind_addr(settings: &Settings) -> Result<String, String> {
    if settings.interface.is_none() {
        return Ok(settings.bind.clone());
    }
    let found = interfaces().map_err(|error| format!("Invalid network interface: {error}"))?;
    settings.bind_on(&found).map_err(|error| error.to_string())
}

/// The first address of `host:port`, which is for that.
async fn resolve(what: &str, addr: &str) -> Result<String, String> {
    let mut found = tokio::net::lookup_host(addr)
        .await
        .map_err(|error| format!("Invalid {what} address: '{addr}': {error}"))?;
    match found.next() {
        Some(found) => Ok(found.to_string()),
        None => Err(format!("Invalid {what} address: '{addr}' has none")),
    }
}

/// Where the agent tells how it starts and ends. Standard output, unless that is for structured
/// lines only.
#[derive(Debug, Clone, Copy)]
struct Console(Format);

impl Console {
    fn status(self, text: &str) {
        self.line(&format!("==> {text}"));
    }

    fn info(self, text: &str) {
        self.line(&format!("    {text}"));
    }

    fn line(self, text: &str) {
        match self.0 {
            Format::Text => crate::cli::say(text),
            Format::Json => crate::cli::complain(text),
        }
    }

    fn describe(self, settings: &Settings, agent: &Agent, rpc_addr: &str) {
        let detail = |label: &str, value: &str| self.info(&format!("{label:>27}: {value}"));
        let handle = &agent.handle;
        detail("Node name", &format!("'{}'", settings.node_name));
        detail("Bind addr", &format!("'{}'", handle.bind_addr()));
        if settings.advertise.is_some() {
            // Never aligned with the others, and scripts may look for it so.
            let advertised = handle.advertise_addr();
            self.info(&format!("Advertise addr: '{advertised}'"));
        }
        detail("RPC addr", &format!("'{rpc_addr}'"));
        let encrypted = settings.keyring.is_some() || settings.keyring_file.is_some();
        detail("Encrypted", &encrypted.to_string());
        detail("Snapshot", &settings.snapshot.is_some().to_string());
        detail("Profile", &settings.profile);
        let compression = settings.protocol.compress_streams;
        detail("Message Compression Enabled", &compression.to_string());
        if let Some(discover) = &settings.discover {
            detail("mDNS cluster", &discover.cluster);
        }
    }
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
