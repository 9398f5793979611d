//! A client of an agent.

mod requests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmpv::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::codec::{Bytes, Decode, Encode, Malformed};
use super::dial::dial;
use super::frame::{FrameReader, Limits};
use super::protocol::{self as msg, command};

/// Records of one subscription that may wait to be taken; later ones are lost.
const SUBSCRIPTION_CAPACITY: usize = 512;

/// Likewise of one query: two from each member of the largest clusters.
const QUERY_CAPACITY: usize = 65_536;

/// How to reach an agent.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `host:port` of the agent's RPC listener.
    pub addr: String,
    /// The token, if the agent wants one; empty for none.
    pub auth: String,
    /// The longest wait for the connection, for the handshake and for each write.
    pub timeout: Duration,
}

impl ClientOptions {
    /// No token, 10 seconds.
    #[must_use]
    pub fn new(addr: impl Into<String>) -> Self {
        Self {
            addr: addr.into(),
            auth: String::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// Sets the token.
    #[must_use]
    pub fn auth(mut self, token: impl Into<String>) -> Self {
        self.auth = token.into();
        self
    }
}

/// Why there is no connection to the agent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network said no. The text names the address.
    #[error("dial tcp{0}")]
    Dial(String),
    /// The handshake or the token was refused, or the agent speaks something else.
    #[error(transparent)]
    Refused(#[from] ClientError),
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The agent's own words.
    #[error("{0}")]
    Server(String),
    /// The connection is gone; the agent closes it on requests that it cannot read.
    #[error("client closed")]
    Closed,
    /// The agent took none of the request within the timeout.
    #[error("i/o timeout")]
    TimedOut,
    /// The agent's answer could not be read.
    #[error("unexpected answer: {0}")]
    Malformed(#[from] Malformed),
}

/// Why a key operation failed, and what is known all the same.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct KeyFailure {
    /// Why.
    pub error: ClientError,
    /// Who said what, as far as the agent got to ask.
    pub response: msg::KeyResponse,
}

impl From<ClientError> for KeyFailure {
    fn from(error: ClientError) -> Self {
        let response = msg::KeyResponse::default();
        Self { error, response }
    }
}

/// A connection to an agent, open until dropped. Requests may be made from several tasks; the
/// agent answers them one after another. A request whose future is dropped while it is being sent
/// leaves the connection unusable; one that only waits for its answer does no harm.
#[derive(Debug)]
pub struct Client {
    writer: tokio::sync::Mutex<Writer>,
    waiting: Arc<Mutex<Waiting>>,
    reader: JoinHandle<()>,
    timeout: Duration,
}

#[derive(Debug)]
struct Writer {
    half: OwnedWriteHalf,
    last_seq: u64,
}

/// Who waits for which `Seq`. `None` when the connection is gone.
type Waiting = Option<HashMap<u64, Waiter>>;

#[derive(Debug)]
enum Waiter {
    Reply {
        body: Body,
        to: oneshot::Sender<Answered>,
    },
    Subscription {
        /// Until the request is answered.
        accepted: Option<oneshot::Sender<Answered>>,
        records: mpsc::Sender<Value>,
        /// Whether it ends by itself, with a record that says so.
        is_query: bool,
    },
}

/// A response, as it came.
#[derive(Debug)]
struct Answered {
    error: String,
    body: Value,
}

impl Answered {
    fn into_result(self) -> Result<Value, ClientError> {
        match self.error.is_empty() {
            true => Ok(self.body),
            false => Err(ClientError::Server(self.error)),
        }
    }
}

/// When a response has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Never,
    OnSuccess,
    /// Also after an error of the command itself.
    Always,
}

impl Body {
    fn follows(self, error: &str) -> bool {
        match self {
            Self::Never => false,
            Self::OnSuccess => error.is_empty(),
            Self::Always => error != msg::error::AUTH_REQUIRED,
        }
    }
}

/// Records that the agent sends until it is asked to stop.
#[derive(Debug)]
pub struct Subscription {
    seq: u64,
    records: mpsc::Receiver<Value>,
}

impl Subscription {
    /// The next record, or `None` when the subscription was stopped or the connection is gone.
    /// Records are lost when more than 512 wait.
    pub async fn next(&mut self) -> Option<Value> {
        self.records.recv().await
    }

    /// What [`Client::stop`] wants to know.
    #[must_use]
    pub fn handle(&self) -> u64 {
        self.seq
    }
}

/// What comes back of a query.
#[derive(Debug)]
pub struct Replies {
    records: Subscription,
    over: bool,
}

impl Replies {
    /// The next acknowledgement or response; `None` when the time of the query is over.
    ///
    /// # Errors
    /// The connection was lost before that, or the agent sent something else. There is nothing
    /// more after either.
    pub async fn next(&mut self) -> Option<Result<msg::QueryRecord, ClientError>> {
        if self.over {
            return None;
        }
        let Some(value) = self.records.next().await else {
            self.over = true;
            return Some(Err(ClientError::Closed));
        };
        match msg::QueryRecord::decode(value) {
            // Real agents may send records of nobody around the end.
            Ok(record) if record.kind == msg::query::DONE || record.from.is_empty() => {
                self.over = true;
                None
            }
            Ok(record) => Some(Ok(record)),
            Err(malformed) => {
                self.over = true;
                Some(Err(malformed.into()))
            }
        }
    }

    /// What [`Client::stop`] wants to know. Agents of HashiCorp go on sending.
    #[must_use]
    pub fn handle(&self) -> u64 {
        self.records.handle()
    }
}

impl Client {
    /// Connects, shakes hands and shows the token if there is one. Needs a tokio runtime, on
    /// which it spawns a task that reads.
    ///
    /// # Errors
    /// The agent cannot be reached, or refuses the handshake or the token.
    pub async fn connect(options: &ClientOptions) -> Result<Self, ConnectError> {
        let stream = dial(&options.addr, options.timeout)
            .await
            .map_err(ConnectError::Dial)?;
        // Requests are small and wait for their answers.
        let _ = stream.set_nodelay(true);
        let (read, half) = stream.into_split();
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let reader = tokio::spawn(read_responses(read, Arc::clone(&waiting)));
        let client = Self {
            writer: tokio::sync::Mutex::new(Writer { half, last_seq: 0 }),
            waiting,
            reader,
            timeout: options.timeout,
        };
        let version = msg::HandshakeRequest {
            version: msg::VERSION,
        };
        let shaking = client.call(command::HANDSHAKE, Some(&version), Body::Never);
        // Something that accepts connections and says nothing is no agent.
        tokio::time::timeout(options.timeout, shaking)
            .await
            .map_err(|_| ClientError::TimedOut)??;
        if !options.auth.is_empty() {
            let token = msg::AuthRequest {
                auth_key: options.auth.clone(),
            };
            client
                .call(command::AUTH, Some(&token), Body::Never)
                .await?;
        }
        Ok(client)
    }

    /// True when the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.waiting.lock().expect("never poisoned").is_none()
    }

    async fn call(
        &self,
        command: &str,
        body: Option<&(dyn Encode + Sync)>,
        answer: Body,
    ) -> Result<Value, ClientError> {
        self.exchange(command, body, answer).await?.into_result()
    }

    async fn exchange(
        &self,
        command: &str,
        body: Option<&(dyn Encode + Sync)>,
        answer: Body,
    ) -> Result<Answered, ClientError> {
        let (to, answered) = oneshot::channel();
        let waiter = Waiter::Reply { body: answer, to };
        self.send(command, body, waiter).await?;
        answered.await.map_err(|_| ClientError::Closed)
    }

    async fn begin(
        &self,
        command: &str,
        body: &(dyn Encode + Sync),
        capacity: usize,
    ) -> Result<Subscription, ClientError> {
        let (accepted, answered) = oneshot::channel();
        let (to, records) = mpsc::channel(capacity);
        let waiter = Waiter::Subscription {
            accepted: Some(accepted),
            records: to,
            is_query: command == command::QUERY,
        };
        let seq = self.send(command, Some(body), waiter).await?;
        let answered = answered.await.map_err(|_| ClientError::Closed)?;
        answered.into_result()?;
        Ok(Subscription { seq, records })
    }

    async fn send(
        &self,
        command: &str,
        body: Option<&(dyn Encode + Sync)>,
        waiter: Waiter,
    ) -> Result<u64, ClientError> {
        let mut writer = self.writer.lock().await;
        writer.last_seq += 1;
        let seq = writer.last_seq;
        let mut bytes = Vec::with_capacity(128);
        let header = msg::RequestHeader {
            command: command.to_owned(),
            seq,
        };
        header.encode(&mut bytes);
        if let Some(body) = body {
            body.encode(&mut bytes);
        }
        match self.waiting.lock().expect("never poisoned").as_mut() {
            Some(waiting) => waiting.insert(seq, waiter),
            None => return Err(ClientError::Closed),
        };
        tokio::time::timeout(self.timeout, writer.half.write_all(&bytes))
            .await
            .map_err(|_| ClientError::TimedOut)?
            .map_err(|_| ClientError::Closed)?;
        Ok(seq)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_responses(read: OwnedReadHalf, waiting: Arc<Mutex<Waiting>>) {
    let mut frames = FrameReader::new(read, Limits::RESPONSE);
    // What is wrong with the stream does not matter: it cannot be read any further.
    let _ = dispatch(&mut frames, &waiting).await;
    *waiting.lock().expect("never poisoned") = None;
}

/// `None` at the end of the stream.
async fn next_frame(frames: &mut FrameReader<OwnedReadHalf>) -> Option<Value> {
    loop {
        if let Some(value) = frames.buffered().ok()? {
            return Some(value);
        }
        if !frames.fill().await.ok()? {
            return None;
        }
    }
}

async fn dispatch(frames: &mut FrameReader<OwnedReadHalf>, waiting: &Mutex<Waiting>) -> Option<()> {
    loop {
        let header = msg::ResponseHeader::decode(next_frame(frames).await?).ok()?;
        let has_body = match waiting
            .lock()
            .expect("never poisoned")
            .as_ref()?
            .get(&header.seq)
        {
            Some(Waiter::Reply { body, .. }) => body.follows(&header.error),
            Some(Waiter::Subscription { accepted, .. }) => accepted.is_none(),
            // A repeated error, which real agents send when a token is missing.
            None => false,
        };
        let body = if has_body {
            next_frame(frames).await?
        } else {
            Value::Nil
        };
        let mut waiting = waiting.lock().expect("never poisoned");
        let waiting = waiting.as_mut()?;
        let error = header.error;
        // A requester that no longer waits needs no answer.
        match waiting.remove(&header.seq) {
            Some(Waiter::Reply { to, .. }) => drop(to.send(Answered { error, body })),
            Some(Waiter::Subscription {
                accepted,
                records,
                is_query,
            }) => {
                let refused = !error.is_empty();
                let ended = is_query && body["Type"].as_str() == Some(msg::query::DONE);
                match accepted {
                    Some(accepted) => drop(accepted.send(Answered { error, body })),
                    // Full: a slow consumer loses records rather than stopping all others.
                    None if !refused => drop(records.try_send(body)),
                    None => {}
                }
                if !refused && !ended {
                    let waiter = Waiter::Subscription {
                        accepted: None,
                        records,
                        is_query,
                    };
                    waiting.insert(header.seq, waiter);
                }
            }
            None => {}
        }
    }
}
