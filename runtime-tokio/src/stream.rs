//! Streams: one task each, which copies bytes between its socket and the loop.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use serf_runtime::adapter::{Driver, StreamId, StreamInput, canonical, stream_failure};
use serf_runtime::{Params, StreamFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Inputs that may wait for the loop; tasks beyond that wait, and then their peers do.
const INPUTS: usize = 16;

/// Pause after a failure to accept: with no file descriptors left, it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a closed stream waits for its peer to close, too. Closing with bytes unread would
/// reset the connection, and the peer might lose what was written last.
const LINGER: Duration = Duration::from_secs(1);

/// News from a task.
pub(crate) enum Input {
    Accepted(TcpStream, SocketAddr),
    AcceptFailed(io::Error),
    Stream(StreamId, News),
}

/// News about a stream: [`StreamInput`] with bytes of its own.
pub(crate) enum News {
    Opened,
    Data(Vec<u8>),
    Finished,
    Failed(StreamFailure),
}

/// All streams of a node, and the task that accepts them.
pub(crate) struct Streams {
    /// Those that the node has not closed.
    open: HashMap<StreamId, Stream>,
    tasks: JoinSet<()>,
    inputs: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    /// Tasks beyond which no more connections are taken. Those that write out their last bytes
    /// no longer count for the node, but do here.
    max_tasks: usize,
    /// Bytes that the node may write to one stream.
    max_written: usize,
    /// The node's deadline for the exchange, and as much again for writing out what is left.
    lifetime: Duration,
}

struct Stream {
    /// Closed to say: write out what is left, then close.
    writes: mpsc::UnboundedSender<Vec<u8>>,
    /// Bytes handed over for writing so far. Bounds those that wait, too.
    written: usize,
    task: AbortHandle,
}

impl Streams {
    pub(crate) fn new(listener: std::net::TcpListener, params: &Params) -> io::Result<Self> {
        let (sender, inputs) = mpsc::channel(INPUTS);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(TcpListener::from_std(listener)?, sender.clone()));
        Ok(Self {
            open: HashMap::new(),
            tasks,
            inputs,
            sender,
            max_tasks: 2 * params.max_inbound_streams,
            max_written: 2 * params.max_stream_message,
            lifetime: 2 * params.stream_timeout,
        })
    }

    pub(crate) async fn next(&mut self) -> Option<Input> {
        self.inputs.recv().await
    }

    pub(crate) fn try_next(&mut self) -> Option<Input> {
        self.inputs.try_recv().ok()
    }

    /// Passes news on to the node, unless the stream was closed in the meantime.
    pub(crate) fn handle(&mut self, input: Input, driver: &mut Driver) {
        match input {
            Input::Accepted(socket, from) => self.accepted(socket, from, driver),
            Input::AcceptFailed(error) => {
                driver.counters.accept_errors += 1;
                debug!(%error, "accepting a connection failed");
            }
            Input::Stream(id, news) if self.open.contains_key(&id) => match news {
                News::Opened => driver.stream(id, StreamInput::Opened),
                News::Data(bytes) => driver.stream(id, StreamInput::Data(&bytes)),
                News::Finished => driver.stream(id, StreamInput::Finished),
                News::Failed(failure) => {
                    self.open.remove(&id);
                    driver.stream(id, StreamInput::Failed(failure));
                }
            },
            Input::Stream(..) => {}
        }
    }

    fn accepted(&mut self, socket: TcpStream, from: SocketAddr, driver: &mut Driver) {
        if self.tasks.len() > self.max_tasks {
            driver.counters.refused_connections += 1;
        } else if let Some(id) = driver.accept(from) {
            self.spawn(id, false, async { Ok(socket) });
        }
    }

    pub(crate) fn dial(&mut self, id: StreamId, to: SocketAddr) {
        self.spawn(id, true, TcpStream::connect(canonical(to)));
    }

    pub(crate) fn write(&mut self, id: StreamId, bytes: &[u8], driver: &mut Driver) {
        let Some(stream) = self.open.get_mut(&id) else {
            return;
        };
        stream.written = stream.written.saturating_add(bytes.len());
        if stream.written > self.max_written {
            driver.counters.overflowed_streams += 1;
            driver.stream(id, StreamInput::Failed(StreamFailure::Other));
            self.close(id, true);
            return;
        }
        // If the task has ended, it has said why.
        let _ = stream.writes.send(bytes.to_vec());
    }

    pub(crate) fn close(&mut self, id: StreamId, abort: bool) {
        if let Some(stream) = self.open.remove(&id)
            && abort
        {
            stream.task.abort();
        }
    }

    /// Forgets tasks that have ended.
    pub(crate) fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends all tasks and waits until they have ended.
    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }

    fn spawn(
        &mut self,
        id: StreamId,
        dialled: bool,
        connecting: impl Future<Output = io::Result<TcpStream>> + Send + 'static,
    ) {
        let (writes, queue) = mpsc::unbounded_channel();
        let lifetime = self.lifetime;
        let reporter = Reporter {
            id,
            inputs: self.sender.clone(),
        };
        let task = self.tasks.spawn(async move {
            let exchange = async {
                let mut socket = connecting.await?;
                if dialled {
                    reporter.report(News::Opened).await;
                }
                copy(&mut socket, queue, &reporter).await
            };
            let failure = match timeout(lifetime, exchange).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => stream_failure(&error),
                Err(_) => StreamFailure::TimedOut,
            };
            reporter.report(News::Failed(failure)).await;
        });
        let stream = Stream {
            writes,
            written: 0,
            task,
        };
        self.open.insert(id, stream);
    }
}

/// Where a task reports what happens on its stream.
struct Reporter {
    id: StreamId,
    inputs: mpsc::Sender<Input>,
}

impl Reporter {
    async fn report(&self, news: News) {
        // The loop listens for as long as it lets the task run.
        let _ = self.inputs.send(Input::Stream(self.id, news)).await;
    }
}

/// Accepts connections for as long as it is let.
async fn accept(listener: TcpListener, inputs: mpsc::Sender<Input>) {
    loop {
        let input = match listener.accept().await {
            Ok((socket, from)) => Input::Accepted(socket, from),
            Err(error) => Input::AcceptFailed(error),
        };
        let failed = matches!(input, Input::AcceptFailed(_));
        if inputs.send(input).await.is_err() {
            return;
        }
        if failed {
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Copies in both directions until the queue is closed and written out.
async fn copy(
    socket: &mut TcpStream,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    reporter: &Reporter,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut reader, mut writer) = socket.split();
    let reading = async {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if reader.read_buf(&mut chunk).await? == 0 {
                reporter.report(News::Finished).await;
                return io::Result::Ok(());
            }
            reporter.report(News::Data(chunk)).await;
        }
    };
    let writing = async {
        while let Some(bytes) = queue.recv().await {
            writer.write_all(&bytes).await?;
        }
        writer.shutdown().await
    };
    {
        let mut writing = pin!(writing);
        tokio::select! {
            biased;
            read = reading => {
                read?;
                return writing.await;
            }
            written = &mut writing => written?,
        }
    }
    let mut rest = [0; 1024];
    let peer_closes = async { while matches!(reader.read(&mut rest).await, Ok(1..)) {} };
    let _ = timeout(LINGER, peer_closes).await;
    Ok(())
}
