//! One client: reads its commands, carries them out one after another, answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmpv::Value;
use serf_core::KeyOperation;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinError, JoinSet};

use super::members::MemberFilter;
use super::query::Pending;
use super::subscription::{Output, monitor, stream};
use super::{keys, query, stats};
use crate::agent::{Agent, describe_join_error};
use crate::handler::EventFilter;
use crate::log::{Level, UnknownLevel};
use crate::rpc::codec::{Bytes, Decode, Encode, Malformed};
use crate::rpc::frame::{FrameReader, Limits};
use crate::rpc::protocol::{self as msg, command, error};

/// Subscriptions that one connection may have open.
const MAX_SUBSCRIPTIONS: usize = 64;

/// How long a client may take to shake hands, and to finish a message it has begun.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection was closed by the agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("Failed to evaluate request: {0}")]
    Request(String),
    #[error("it sent nothing, or half a message, for {READ_TIMEOUT:?}")]
    TimedOut,
    #[error("it was idle, and others need its place")]
    Crowded,
}

/// A client's connection.
pub(super) struct Connection {
    agent: Arc<Agent>,
    /// Wakes the connection that has been idle the longest when another needs its place.
    crowded: Arc<Notify>,
    frames: FrameReader<OwnedReadHalf>,
    output: Output,
    /// Kept from one request to the next: missing keys keep their values.
    header: msg::RequestHeader,
    shaken_hands: bool,
    authenticated: bool,
    subscriptions: HashMap<u64, Subscription>,
    tasks: JoinSet<io::Result<()>>,
    monitor: Option<u64>,
    pending: Pending,
}

/// An open stream, monitor or query. Dropping `stop` ends it between two records.
struct Subscription {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Subscription {
    fn has_ended(&mut self) -> bool {
        self.ended.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }
}

/// What becomes of the connection after a command.
enum Then {
    Continue,
    Close,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, agent: Arc<Agent>, crowded: Arc<Notify>) -> Self {
        // Responses are small and waited for.
        let _ = socket.set_nodelay(true);
        let (read, write) = socket.into_split();
        let authenticated = agent.rpc_auth.is_empty();
        Self {
            agent,
            crowded,
            frames: FrameReader::new(read, Limits::STRANGER),
            output: Output::new(write),
            header: msg::RequestHeader::default(),
            shaken_hands: false,
            authenticated,
            subscriptions: HashMap::new(),
            tasks: JoinSet::new(),
            monitor: None,
            pending: Pending::default(),
        }
    }

    /// Serves until the client goes or has to go.
    pub(super) async fn run(mut self) -> Result<(), Closed> {
        loop {
            let Some(value) = self.next_request().await? else {
                return Ok(());
            };
            self.header.update(value)?;
            if let Then::Close = self.evaluate().await? {
                return Ok(());
            }
        }
    }

    /// The next message, or `None` when the client has gone. Notices clients that do not take
    /// the records of their subscriptions.
    async fn next_request(&mut self) -> Result<Option<Value>, Closed> {
        let crowded = Arc::clone(&self.crowded);
        let crowded = crowded.notified();
        tokio::pin!(crowded);
        loop {
            // Queries end by themselves.
            self.subscriptions.retain(|_, open| !open.has_ended());
            let idle = self.subscriptions.is_empty();
            tokio::select! {
                // What has been sent is answered first.
                biased;
                value = read(&mut self.frames, self.shaken_hands) => return value,
                Some(ended) = self.tasks.join_next() => check(ended)?,
                () = &mut crowded, if idle => return Err(Closed::Crowded),
            }
        }
    }

    async fn body<T: Decode>(&mut self) -> Result<T, Closed> {
        let value = read(&mut self.frames, false)
            .await?
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(T::decode(value)?)
    }

    async fn reply(&self, error: &str) -> Result<Then, Closed> {
        self.output.send(self.header.seq, error, None).await?;
        Ok(Then::Continue)
    }

    async fn reply_with(&self, error: &str, body: &(dyn Encode + Sync)) -> Result<Then, Closed> {
        self.output.send(self.header.seq, error, Some(body)).await?;
        Ok(Then::Continue)
    }

    /// A failure is told to the client, in its words.
    async fn reply_result<T, E: ToString>(&self, result: Result<T, E>) -> Result<Then, Closed> {
        match result {
            Ok(_) => self.reply("").await,
            Err(failure) => self.reply(&failure.to_string()).await,
        }
    }

    async fn evaluate(&mut self) -> Result<Then, Closed> {
        let name = self.header.command.clone();
        self.agent.telemetry.count("agent.ipc.command");
        if name != command::HANDSHAKE && !self.shaken_hands {
            self.reply(error::HANDSHAKE_REQUIRED).await?;
            return Err(Closed::Request(error::HANDSHAKE_REQUIRED.to_owned()));
        }
        if !self.authenticated && name != command::HANDSHAKE && name != command::AUTH {
            // The body is not consumed but taken for the next header, as clients expect.
            tracing::warn!(target: "agent.ipc", "Client sending commands before auth");
            return self.reply(error::AUTH_REQUIRED).await;
        }
        match name.as_str() {
            command::HANDSHAKE => self.handshake().await,
            command::AUTH => self.auth().await,
            command::MEMBERS => self.members().await,
            command::MEMBERS_FILTERED => self.members_filtered().await,
            command::JOIN => self.join().await,
            command::LEAVE => self.leave().await,
            command::FORCE_LEAVE => self.force_leave().await,
            command::STREAM => self.stream().await,
            command::MONITOR => self.monitor().await,
            command::STOP => self.stop().await,
            command::STATS => self.stats().await,
            command::TAGS => self.tags().await,
            command::GET_COORDINATE => self.coordinate().await,
            command::EVENT => self.user_event().await,
            command::WHY => self.why().await,
            command::QUERY => self.query().await,
            command::RESPOND => self.respond().await,
            command::LIST_KEYS => self.operate_keys(KeyOperation::List).await,
            command::INSTALL_KEY | command::USE_KEY | command::REMOVE_KEY => {
                self.change_keys(&name).await
            }
            _ => {
                self.reply(error::UNSUPPORTED_COMMAND).await?;
                Err(Closed::Request(format!("command '{name}' not recognized")))
            }
        }
    }

    async fn handshake(&mut self) -> Result<Then, Closed> {
        let request: msg::HandshakeRequest = self.body().await?;
        if request.version != msg::VERSION {
            return self.reply(error::UNSUPPORTED_VERSION).await;
        }
        if self.shaken_hands {
            return self.reply(error::DUPLICATE_HANDSHAKE).await;
        }
        self.shaken_hands = true;
        self.trust();
        self.reply("").await
    }

    async fn auth(&mut self) -> Result<Then, Closed> {
        let request: msg::AuthRequest = self.body().await?;
        if !same(request.auth_key.as_bytes(), self.agent.rpc_auth.as_bytes()) {
            return self.reply(error::INVALID_AUTH).await;
        }
        self.authenticated = true;
        self.trust();
        self.reply("").await
    }

    fn trust(&mut self) {
        if self.shaken_hands && self.authenticated {
            self.frames.set_limits(Limits::REQUEST);
        }
    }

    async fn members(&self) -> Result<Then, Closed> {
        match self.agent.handle.members().await {
            Ok(members) => {
                let members = members.iter().map(msg::Member::from).collect();
                self.reply_with("", &msg::MembersResponse { members }).await
            }
            Err(stopped) => self.reply(&stopped.to_string()).await,
        }
    }

    async fn members_filtered(&mut self) -> Result<Then, Closed> {
        let request: msg::MembersFilteredRequest = self.body().await?;
        let filter = MemberFilter::new(&request).map_err(Closed::Request)?;
        match self.agent.handle.members().await {
            Ok(members) => {
                let members = members
                    .iter()
                    .map(msg::Member::from)
                    .filter(|member| filter.passes(member))
                    .collect();
                self.reply_with("", &msg::MembersResponse { members }).await
            }
            Err(stopped) => self.reply(&stopped.to_string()).await,
        }
    }

    async fn join(&mut self) -> Result<Then, Closed> {
        let request: msg::JoinRequest = self.body().await?;
        tracing::info!(
            target: "agent",
            "joining: [{}] replay: {}",
            request.existing.join(" "),
            request.replay
        );
        if request.existing.is_empty() {
            // A success, for clients of old.
            return self.reply_with("", &msg::JoinResponse { num: 0 }).await;
        }
        match self.agent.join(&request.existing, request.replay).await {
            Ok(joined) => {
                let count = joined.contacted.len();
                tracing::info!(target: "agent", "joined: {count} nodes");
                let num = i32::try_from(count).unwrap_or(i32::MAX);
                self.reply_with("", &msg::JoinResponse { num }).await
            }
            Err(failure) => {
                let text = describe_join_error(&failure);
                tracing::warn!(target: "agent", "error joining: {text}");
                self.reply_with(&text, &msg::JoinResponse { num: 0 }).await
            }
        }
    }

    async fn leave(&self) -> Result<Then, Closed> {
        tracing::info!(target: "agent.ipc", "Graceful leave triggered");
        let left = self.agent.leave().await;
        let replied = self.reply_result(left).await;
        // The agent ends in any case: also if the leave failed or the client has gone.
        self.agent.dismiss();
        replied?;
        Ok(Then::Close)
    }

    async fn force_leave(&mut self) -> Result<Then, Closed> {
        let msg::ForceLeaveRequest { node, prune } = self.body().await?;
        tracing::info!(target: "agent", "Force leaving node: {node}");
        let done = self.agent.handle.force_leave(&node, prune).await;
        self.reply_result(done).await
    }

    async fn user_event(&mut self) -> Result<Then, Closed> {
        let msg::EventRequest {
            name,
            payload,
            coalesce,
        } = self.body().await?;
        let Bytes(payload) = payload.unwrap_or_default();
        tracing::debug!(
            target: "agent",
            "Requesting user event send: {name}. Coalesced: {coalesce}. Payload: {:?}",
            String::from_utf8_lossy(&payload)
        );
        let sent = self.agent.handle.user_event(&name, &payload, coalesce);
        let sent = sent.await;
        if let Err(error) = &sent {
            tracing::warn!(target: "agent", "failed to send user event: {error}");
        }
        self.reply_result(sent).await
    }

    async fn stream(&mut self) -> Result<Then, Closed> {
        let request: msg::StreamRequest = self.body().await?;
        let seq = self.header.seq;
        if self.subscriptions.contains_key(&seq) {
            return self.reply(error::STREAM_EXISTS).await;
        }
        let Ok(filters) = EventFilter::parse_list(&request.filter) else {
            return self.reply(error::INVALID_FILTER).await;
        };
        if let Some(full) = self.full() {
            return self.reply(&full).await;
        }
        let events = self.agent.events.subscribe();
        self.reply("").await?;
        let output = self.output.clone();
        let pending = self.pending.clone();
        self.subscribe(|stop| stream(seq, filters, events, pending, output, stop));
        Ok(Then::Continue)
    }

    async fn monitor(&mut self) -> Result<Then, Closed> {
        let request: msg::MonitorRequest = self.body().await?;
        let seq = self.header.seq;
        let level: Level = match request.log_level.parse() {
            Ok(level) => level,
            Err(UnknownLevel(text)) => {
                return self.reply(&format!("Unknown log level: {text}")).await;
            }
        };
        if self.monitor.is_some() {
            return self.reply(error::MONITOR_EXISTS).await;
        }
        if self.subscriptions.contains_key(&seq) {
            return self.reply(error::STREAM_EXISTS).await;
        }
        if let Some(full) = self.full() {
            return self.reply(&full).await;
        }
        let lines = self.agent.log.subscribe();
        self.reply("").await?;
        let output = self.output.clone();
        self.subscribe(|stop| monitor(seq, level, lines, output, stop));
        self.monitor = Some(seq);
        Ok(Then::Continue)
    }

    async fn query(&mut self) -> Result<Then, Closed> {
        let request: msg::QueryRequest = self.body().await?;
        let seq = self.header.seq;
        if self.subscriptions.contains_key(&seq) {
            return self.reply(error::STREAM_EXISTS).await;
        }
        if let Some(full) = self.full() {
            return self.reply(&full).await;
        }
        let answers = match query::ask(&self.agent.handle, request).await {
            Ok(answers) => answers,
            Err(failure) => {
                tracing::warn!(target: "agent", "failed to send query: {failure}");
                return self.reply(&failure).await;
            }
        };
        self.reply("").await?;
        let output = self.output.clone();
        self.subscribe(|stop| query::pass_on(seq, answers, output, stop));
        Ok(Then::Continue)
    }

    async fn respond(&mut self) -> Result<Then, Closed> {
        let msg::RespondRequest { id, payload } = self.body().await?;
        let Some(query) = self.pending.find(id) else {
            return self.reply(error::INVALID_QUERY_ID).await;
        };
        let Bytes(payload) = payload.unwrap_or_default();
        match self.agent.handle.respond(query, &payload).await {
            Ok(()) => self.reply("").await,
            Err(failure) => {
                let words = error::RESPOND_FAILED;
                self.reply(&format!("{words}: {failure}")).await
            }
        }
    }

    async fn change_keys(&mut self, name: &str) -> Result<Then, Closed> {
        let msg::KeyRequest { key } = self.body().await?;
        match keys::operation(name, &key) {
            Ok(operation) => self.operate_keys(operation).await,
            // Clients read a body after a key command also when it failed.
            Err(error) => {
                let nothing = msg::KeyResponse::default();
                self.reply_with(&error.to_string(), &nothing).await
            }
        }
    }

    async fn operate_keys(&self, operation: KeyOperation) -> Result<Then, Closed> {
        let (error, response) = keys::operate(&self.agent.handle, operation).await;
        self.reply_with(&error, &response).await
    }

    fn full(&self) -> Option<String> {
        (self.subscriptions.len() >= MAX_SUBSCRIPTIONS).then(|| {
            format!("A connection can have at most {MAX_SUBSCRIPTIONS} streams: stop one first")
        })
    }

    fn subscribe<F>(&mut self, task: impl FnOnce(oneshot::Receiver<()>) -> F)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let task = task(stopped);
        self.tasks.spawn(async move {
            let _end = end;
            task.await
        });
        let subscription = Subscription { stop, ended };
        self.subscriptions.insert(self.header.seq, subscription);
    }

    async fn stop(&mut self) -> Result<Then, Closed> {
        let request: msg::StopRequest = self.body().await?;
        if let Some(Subscription { stop, ended }) = self.subscriptions.remove(&request.stop) {
            drop(stop);
            // So that no record comes after the answer. It ends by being dropped.
            let _ = ended.await;
        }
        if self.monitor == Some(request.stop) {
            self.monitor = None;
        }
        self.reply("").await
    }

    async fn stats(&self) -> Result<Then, Closed> {
        match stats::collect(&self.agent).await {
            Ok(stats) => self.reply_with("", &stats).await,
            Err(stopped) => self.reply(&stopped.to_string()).await,
        }
    }

    async fn tags(&mut self) -> Result<Then, Closed> {
        let request: msg::TagsRequest = self.body().await?;
        let delete = request.delete_tags.unwrap_or_default();
        let done = self.agent.change_tags(request.tags, &delete).await;
        self.reply_result(done).await
    }

    async fn why(&mut self) -> Result<Then, Closed> {
        let msg::WhyRequest { node } = self.body().await?;
        match self.agent.handle.members().await {
            Ok(members) => {
                let member = members.iter().find(|member| member.name().as_str() == node);
                let response = msg::WhyResponse {
                    status: member.map_or_else(String::new, |member| member.status().to_string()),
                    history: self.agent.stories.of(&node),
                };
                self.reply_with("", &response).await
            }
            Err(stopped) => self.reply(&stopped.to_string()).await,
        }
    }

    async fn coordinate(&mut self) -> Result<Then, Closed> {
        let msg::CoordinateRequest { node } = self.body().await?;
        match self.agent.handle.coordinate(&node).await {
            Ok(known) => {
                let response = msg::CoordinateResponse {
                    ok: known.is_some(),
                    coord: known
                        .as_ref()
                        .map(msg::Coordinate::from)
                        .unwrap_or_default(),
                };
                self.reply_with("", &response).await
            }
            Err(stopped) => self.reply(&stopped.to_string()).await,
        }
    }
}

/// Reads a message. Silence is fine `between` messages, and nowhere else.
async fn read(
    frames: &mut FrameReader<OwnedReadHalf>,
    between: bool,
) -> Result<Option<Value>, Closed> {
    loop {
        if let Some(value) = frames.buffered()? {
            return Ok(Some(value));
        }
        let may_wait = between && !frames.is_partial();
        let fill = frames.fill();
        let more = match may_wait {
            true => fill.await?,
            false => tokio::time::timeout(READ_TIMEOUT, fill)
                .await
                .map_err(|_| Closed::TimedOut)??,
        };
        if !more {
            return Ok(None);
        }
    }
}

fn check(ended: Result<io::Result<()>, JoinError>) -> Result<(), Closed> {
    match ended {
        Ok(result) => Ok(result?),
        Err(panicked) => Err(Closed::Request(panicked.to_string())),
    }
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    a.len() == b.len() && differing == 0
}
