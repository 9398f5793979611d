//! The loop: one task that owns the UDP socket, the timer and the node.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant as SystemInstant};

use futures_lite::future::or;
use tracing::debug;

use crate::adapter::{Datagrams, Runtime, Timer};
use crate::command::{Command, Commands};
use crate::driver::{Driver, Io};
use crate::error::BindError;
use crate::sockets::{Sockets, sendable};
use crate::streams::{Input, Streams};
use crate::tasks::Counted;

/// Datagrams taken per wake, so that a flood does not keep callers and timers waiting.
const BATCH: usize = 64;

/// Datagrams taken before a tick that is due: about as many as a full socket holds.
const BATCH_WHEN_DUE: usize = 4096;

/// Stream inputs and commands taken per wake, of each.
const TURNS: usize = 64;

/// How long the end waits for the files.
const FILES: Duration = Duration::from_secs(2);

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_536;

/// The loop of a node on a runtime, as [`Driver`] describes it.
pub struct EventLoop<R: Runtime> {
    runtime: R,
    datagrams: R::Datagrams,
    bound: SocketAddr,
    streams: Streams<R>,
    timer: R::Timer,
    commands: Commands,
    received: Box<[u8]>,
    output: Vec<u8>,
    _counted: Counted,
    /// The last field: others are told that the node has stopped when all else is gone.
    driver: Driver,
}

/// What ended a wait.
enum Woken<S> {
    Socket(io::Result<()>),
    Timer,
    Stream(Option<Input<S>>),
    Command(Option<Command>),
}

impl<R: Runtime> EventLoop<R> {
    pub(crate) fn new(
        runtime: R,
        driver: Driver,
        commands: Commands,
        sockets: Sockets,
    ) -> Result<Self, BindError> {
        let failed = |protocol| {
            move |source| BindError::Socket {
                protocol,
                addr: sockets.addr,
                source,
            }
        };
        let datagrams = runtime.datagrams(sockets.udp).map_err(failed("UDP"))?;
        let listener = runtime.listener(sockets.tcp).map_err(failed("TCP"))?;
        Ok(Self {
            datagrams,
            bound: sockets.addr,
            streams: Streams::new(runtime.clone(), listener, driver.params()),
            timer: runtime.timer(),
            runtime,
            commands,
            received: vec![0; MAX_DATAGRAM].into(),
            output: Vec::new(),
            _counted: Counted::new(),
            driver,
        })
    }

    /// Runs the node until it stops: it left, was shut down, or its last handle is gone. When
    /// this returns all tasks have ended and all sockets are closed. If it is dropped before, the
    /// node stops at once, and its tasks end as soon as they run.
    pub async fn run(mut self) {
        self.streams.listen();
        let mut armed = None;
        while let Some(deadline) = self.drain() {
            if armed != Some(deadline) {
                self.timer.set(self.driver.clock().to_system(deadline));
            }
            armed = Some(deadline);
            let woken = self.wait().await;
            self.driver.wake();
            let mut command = None;
            match woken {
                Woken::Socket(Ok(())) => {}
                Woken::Socket(Err(error)) => receive_failed(&mut self.driver, &error),
                // If it fired early, it has to be armed again for the same deadline.
                Woken::Timer => armed = None,
                Woken::Stream(Some(input)) => self.streams.handle(input, &mut self.driver),
                Woken::Command(Some(first)) => command = Some(first),
                // The last handle is gone. (The streams' own channel never closes.)
                Woken::Command(None) | Woken::Stream(None) => self.driver.stop(),
            }
            let more = self.receive();
            for _ in 0..TURNS {
                let Some(input) = self.streams.try_next() else {
                    break;
                };
                self.streams.handle(input, &mut self.driver);
            }
            self.driver.tick();
            for _ in 0..TURNS {
                let Some(command) = command.take().or_else(|| self.commands.try_next()) else {
                    break;
                };
                self.driver.command(command);
            }
            if more {
                // In a flood, other tasks get their turn, too.
                self.runtime.yield_now().await;
            }
        }
        self.streams.shutdown().await;
        self.datagrams.close().await;
        // A disk that hangs must not keep the node from ending.
        let (timer, driver) = (&mut self.timer, &mut self.driver);
        timer.set(SystemInstant::now() + FILES);
        or(driver.finish_files(), timer.fired()).await;
    }

    /// Waits for whatever comes first; of things that are there already, in this order.
    async fn wait(&mut self) -> Woken<R::Stream> {
        let socket = async { Woken::Socket(self.datagrams.readable().await) };
        let stream = async { Woken::Stream(self.streams.next().await) };
        let command = async { Woken::Command(self.commands.next().await) };
        let timer = async {
            self.timer.fired().await;
            Woken::Timer
        };
        or(or(socket, stream), or(command, timer)).await
    }

    /// Does all that the node asks for. Returns when to wake up, or `None` if it has stopped.
    fn drain(&mut self) -> Option<serf_core::Instant> {
        loop {
            match self.driver.poll(&mut self.output) {
                Io::Send { to } => self.send(to),
                Io::Open { id, to } => self.streams.dial(id, to),
                Io::Write { id } => self.streams.write(id, &self.output, &mut self.driver),
                Io::Close { id, abort } => self.streams.close(id, abort),
                Io::Wait(deadline) => return Some(deadline),
                Io::Stop => return None,
            }
        }
    }

    /// Sends the output. What the system does not take is lost, as datagrams may be.
    fn send(&mut self, to: SocketAddr) {
        let to = sendable(to, self.bound);
        match self.datagrams.try_send(&self.output, to) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.driver.counters.send_buffer_full += 1;
            }
            Err(error) => {
                self.driver.counters.send_errors += 1;
                debug!(%to, len = self.output.len(), %error, "datagram not sent");
            }
        }
    }

    /// Takes what the socket holds, up to a bound. True if there may be more.
    fn receive(&mut self) -> bool {
        let Self {
            driver,
            received,
            datagrams,
            ..
        } = self;
        let more = take(driver, received, BATCH, |buf| datagrams.try_receive(buf));
        if driver.due() {
            // Before a timer fires, ask the socket itself.
            return take(driver, received, BATCH_WHEN_DUE, |buf| {
                datagrams.receive_now(buf)
            });
        }
        more
    }
}

impl<R: Runtime> fmt::Debug for EventLoop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// Hands up to `limit` datagrams to the node. True if there may be more.
fn take(
    driver: &mut Driver,
    buf: &mut [u8],
    limit: usize,
    mut receive: impl FnMut(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
) -> bool {
    for _ in 0..limit {
        match receive(buf) {
            Ok((len, from)) => driver.datagram(from, &buf[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => receive_failed(driver, &error),
        }
    }
    true
}

fn receive_failed(driver: &mut Driver, error: &io::Error) {
    driver.counters.receive_errors += 1;
    debug!(%error, "receiving a datagram failed");
}

#[cfg(test)]
mod tests;
