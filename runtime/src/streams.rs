//! Streams: one task each, which copies bytes between its socket and the loop.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant as SystemInstant};

use async_channel::{Receiver, Sender, bounded, unbounded};
use futures_lite::StreamExt as _;
use futures_lite::future::or;
use serf_core::{Params, StreamFailure, StreamId, StreamInput};
use tracing::debug;

use crate::adapter::{Listener as _, Runtime, Stream, Timer as _};
use crate::driver::Driver;
use crate::sockets::{canonical, stream_failure};
use crate::tasks::Counted;

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
pub(crate) enum Input<S> {
    Accepted(S, SocketAddr),
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
pub(crate) struct Streams<R: Runtime> {
    tasks: Tasks<R>,
    /// Until [`listen`](Self::listen).
    listener: Option<R::Listener>,
    /// Those that the node has not closed.
    open: HashMap<StreamId, Open>,
    inputs: Pin<Box<Receiver<Input<R::Stream>>>>,
    /// Tasks beyond which no more connections are taken. Those that write out their last bytes
    /// no longer count for the node, but do here.
    max_tasks: usize,
    /// Bytes that the node may write to one stream.
    max_written: usize,
    /// What the node gives each phase of an exchange.
    phase: Duration,
}

struct Open {
    /// Closed to say: write out what is left, then close.
    writes: Sender<Vec<u8>>,
    /// Sent to, to say: close at once.
    abort: Sender<()>,
    /// Bytes handed over for writing so far. Bounds those that wait, too.
    written: usize,
}

impl<R: Runtime> Streams<R> {
    pub(crate) fn new(runtime: R, listener: R::Listener, params: &Params) -> Self {
        let (sender, inputs) = bounded(INPUTS);
        Self {
            tasks: Tasks::new(runtime, sender),
            listener: Some(listener),
            open: HashMap::new(),
            inputs: Box::pin(inputs),
            max_tasks: 2 * params.max_inbound_streams,
            max_written: 2 * params.max_stream_message,
            phase: params.stream_timeout,
        }
    }

    /// Starts to accept.
    pub(crate) fn listen(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.tasks.spawn(Job::Accept(listener));
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Input<R::Stream>> {
        self.inputs.next().await
    }

    pub(crate) fn try_next(&self) -> Option<Input<R::Stream>> {
        self.inputs.try_recv().ok()
    }

    /// Passes news on to the node, unless the stream was closed in the meantime.
    pub(crate) fn handle(&mut self, input: Input<R::Stream>, driver: &mut Driver) {
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

    fn accepted(&mut self, socket: R::Stream, from: SocketAddr, driver: &mut Driver) {
        if self.tasks.count() > self.max_tasks {
            driver.counters.refused_connections += 1;
        } else if let Some(id) = driver.accept(from) {
            self.open(id, Peer::Accepted(socket));
        }
    }

    pub(crate) fn dial(&mut self, id: StreamId, to: SocketAddr) {
        self.open(id, Peer::Dialled(canonical(to)));
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
        let _ = stream.writes.try_send(bytes.to_vec());
    }

    pub(crate) fn close(&mut self, id: StreamId, abort: bool) {
        if let Some(stream) = self.open.remove(&id)
            && abort
        {
            let _ = stream.abort.try_send(());
        }
    }

    /// Ends all tasks and waits until they have ended.
    pub(crate) async fn shutdown(self) {
        drop(self.inputs);
        self.tasks.end().await;
    }

    fn open(&mut self, id: StreamId, peer: Peer<R::Stream>) {
        let (writes, queue) = unbounded();
        let (abort, aborted) = bounded(1);
        // The node counts the phases, but for the last of an accepted one: writing out its answer.
        let phases = match peer {
            Peer::Dialled(_) => 3,
            Peer::Accepted(_) => 2,
        };
        self.tasks.spawn(Job::Exchange(Exchange {
            id,
            peer,
            queue,
            aborted,
            lifetime: phases * self.phase,
        }));
        let stream = Open {
            writes,
            abort,
            written: 0,
        };
        self.open.insert(id, stream);
    }
}

/// The tasks of a node: how many there are, and how they end.
struct Tasks<R: Runtime> {
    runtime: R,
    inputs: Sender<Input<R::Stream>>,
    /// Dropped to end them all; each has a clone of the other end.
    end: Sender<()>,
    ended: Receiver<()>,
    /// Each has a clone, the last of it to go.
    alive: Sender<()>,
    gone: Receiver<()>,
}

impl<R: Runtime> Tasks<R> {
    fn new(runtime: R, inputs: Sender<Input<R::Stream>>) -> Self {
        let (end, ended) = bounded(1);
        let (alive, gone) = bounded(1);
        Self {
            runtime,
            inputs,
            end,
            ended,
            alive,
            gone,
        }
    }

    fn count(&self) -> usize {
        self.alive.sender_count() - 1
    }

    fn spawn(&self, job: Job<R>) {
        self.runtime.spawn(Task {
            job,
            context: Context {
                runtime: self.runtime.clone(),
                inputs: self.inputs.clone(),
            },
            ended: self.ended.clone(),
            counted: Counted::new(),
            alive: self.alive.clone(),
        });
    }

    async fn end(self) {
        let Self {
            end, alive, gone, ..
        } = self;
        drop((end, alive));
        // Nothing is ever sent: this ends when the last task has dropped its clone.
        let _ = gone.recv().await;
    }
}

/// A task of a node, for [`Runtime::spawn`].
pub struct Task<R: Runtime> {
    job: Job<R>,
    context: Context<R>,
    ended: Receiver<()>,
    counted: Counted,
    /// The last field, so that it is the last to go.
    alive: Sender<()>,
}

enum Job<R: Runtime> {
    Accept(R::Listener),
    Exchange(Exchange<R::Stream>),
}

impl<R: Runtime> Task<R> {
    /// Does the task's work, until it is done or the node stops.
    pub async fn run(self) {
        let Self {
            job,
            context,
            ended,
            counted,
            alive,
        } = self;
        let ended = closed(ended);
        match job {
            Job::Accept(mut listener) => {
                or(ended, context.accept(&mut listener)).await;
                listener.close().await;
            }
            Job::Exchange(exchange) => or(ended, exchange.run(&context)).await,
        }
        drop((context, counted));
        drop(alive);
    }
}

impl<R: Runtime> fmt::Debug for Task<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.job {
            Job::Accept(_) => "Task(accept)",
            Job::Exchange(_) => "Task(exchange)",
        })
    }
}

/// Ends when the other side is gone.
async fn closed(end: Receiver<()>) {
    let _ = end.recv().await;
}

/// Ends when something is sent, and never if the other side just goes.
async fn told(receiver: Receiver<()>) {
    if receiver.recv().await.is_err() {
        pending::<()>().await;
    }
}

/// What each task has at hand.
struct Context<R: Runtime> {
    runtime: R,
    inputs: Sender<Input<R::Stream>>,
}

impl<R: Runtime> Context<R> {
    async fn report(&self, input: Input<R::Stream>) {
        // The loop listens for as long as it lets the task run.
        let _ = self.inputs.send(input).await;
    }

    async fn sleep(&self, duration: Duration) {
        let mut timer = self.runtime.timer();
        timer.set(SystemInstant::now() + duration);
        timer.fired().await;
    }

    /// The output of the future, or `None` if it takes longer.
    async fn within<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Option<T> {
        let late = async {
            self.sleep(duration).await;
            None
        };
        or(async { Some(future.await) }, late).await
    }

    /// Accepts connections for as long as it is let.
    async fn accept(&self, listener: &mut R::Listener) {
        loop {
            match listener.accept().await {
                Ok((socket, from)) => self.report(Input::Accepted(socket, from)).await,
                Err(error) => {
                    self.report(Input::AcceptFailed(error)).await;
                    self.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Where a task reports what happens on its stream.
struct Reporter<S> {
    id: StreamId,
    inputs: Sender<Input<S>>,
}

impl<S> Reporter<S> {
    async fn report(&self, news: News) {
        // The loop listens for as long as it lets the task run.
        let _ = self.inputs.send(Input::Stream(self.id, news)).await;
    }
}

/// One stream, from the node's side.
struct Exchange<S> {
    id: StreamId,
    peer: Peer<S>,
    queue: Receiver<Vec<u8>>,
    aborted: Receiver<()>,
    lifetime: Duration,
}

enum Peer<S> {
    Dialled(SocketAddr),
    Accepted(S),
}

impl<S: Stream> Exchange<S> {
    async fn run<R: Runtime<Stream = S>>(self, context: &Context<R>) {
        let Self {
            id,
            peer,
            queue,
            aborted,
            lifetime,
        } = self;
        let reporter = Reporter {
            id,
            inputs: context.inputs.clone(),
        };
        let exchange = async {
            let socket = match peer {
                Peer::Accepted(socket) => socket,
                Peer::Dialled(to) => {
                    let socket = context.runtime.connect(to).await?;
                    reporter.report(News::Opened).await;
                    socket
                }
            };
            copy(&socket, queue, context, &reporter).await
        };
        let exchange = async {
            let failure = match context.within(lifetime, exchange).await {
                Some(Ok(())) => return,
                Some(Err(error)) => stream_failure(&error),
                None => StreamFailure::TimedOut,
            };
            reporter.report(News::Failed(failure)).await;
        };
        or(told(aborted), exchange).await;
    }
}

/// Copies in both directions until the queue is closed and written out.
async fn copy<R: Runtime>(
    socket: &R::Stream,
    queue: Receiver<Vec<u8>>,
    context: &Context<R>,
    reporter: &Reporter<R::Stream>,
) -> io::Result<()> {
    let reading = async {
        loop {
            let mut chunk = vec![0; CHUNK];
            let len = socket.read(&mut chunk).await?;
            if len == 0 {
                reporter.report(News::Finished).await;
                return io::Result::Ok(());
            }
            chunk.truncate(len);
            reporter.report(News::Data(chunk)).await;
        }
    };
    let writing = async {
        while let Ok(bytes) = queue.recv().await {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match socket.write(rest).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => rest = &rest[written..],
                }
            }
        }
        socket.finish().await
    };
    let mut writing = pin!(writing);
    // True if reading ended first.
    let first = or(async { reading.await.map(|()| true) }, async {
        writing.as_mut().await.map(|()| false)
    });
    if first.await? {
        return writing.await;
    }
    let mut rest = [0; 1024];
    let peer_closes = async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} };
    context.within(LINGER, peer_closes).await;
    Ok(())
}
