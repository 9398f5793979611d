//! The loop: one task that owns the UDP socket, the timer and the node.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use serf_runtime::adapter::{Command, Commands, Driver, Instant, Io, Sockets, sendable};
use tokio::net::UdpSocket;
use tracing::debug;

use crate::stream::{Input, Streams};

/// Datagrams taken per wake, so that a flood does not keep callers and timers waiting.
const BATCH: usize = 64;

/// Datagrams taken before a tick that is due: about as many as a full socket holds.
const BATCH_WHEN_DUE: usize = 4096;

/// Stream inputs and commands taken per wake, of each.
const TURNS: usize = 64;

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_536;

pub(crate) struct Loop {
    udp: UdpSocket,
    /// The same socket, to ask without tokio in between; see [`Loop::receive`].
    direct: std::net::UdpSocket,
    bound: SocketAddr,
    streams: Streams,
    commands: Commands,
    received: Box<[u8]>,
    output: Vec<u8>,
    /// The last field: others are told that the node has stopped when all else is gone.
    driver: Driver,
}

/// What ended a wait.
enum Woken {
    Socket,
    Timer,
    Stream(Option<Input>),
    Command(Option<Command>),
}

impl Loop {
    pub(crate) fn new(driver: Driver, commands: Commands, sockets: Sockets) -> io::Result<Self> {
        Ok(Self {
            direct: sockets.udp.try_clone()?,
            udp: UdpSocket::from_std(sockets.udp)?,
            bound: sockets.addr,
            streams: Streams::new(sockets.tcp, driver.params())?,
            commands,
            received: vec![0; MAX_DATAGRAM].into(),
            output: Vec::new(),
            driver,
        })
    }

    pub(crate) async fn run(mut self) {
        // tokio takes a socket as unwritable until it was waited for once.
        let _ = self.udp.writable().await;
        let mut sleep = pin!(tokio::time::sleep_until(tokio::time::Instant::now()));
        let mut armed = None;
        while let Some(deadline) = self.drain() {
            if armed != Some(deadline) {
                let deadline = self.driver.clock().to_system(deadline);
                sleep.as_mut().reset(deadline.into());
            }
            armed = Some(deadline);
            let woken = tokio::select! {
                biased;
                _ = self.udp.readable() => Woken::Socket,
                input = self.streams.next() => Woken::Stream(input),
                command = self.commands.next() => Woken::Command(command),
                () = &mut sleep => Woken::Timer,
            };
            self.driver.wake();
            let more = self.receive();
            let mut command = None;
            match woken {
                Woken::Socket => {}
                // If it fired early, it has to be armed again for the same deadline.
                Woken::Timer => armed = None,
                Woken::Stream(Some(input)) => self.streams.handle(input, &mut self.driver),
                Woken::Command(Some(first)) => command = Some(first),
                // The last handle is gone. (The streams' own channel never closes.)
                Woken::Command(None) | Woken::Stream(None) => self.driver.stop(),
            }
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
            self.streams.reap();
            if more {
                // In a flood, other tasks get their turn, too.
                tokio::task::yield_now().await;
            }
        }
        self.streams.shutdown().await;
    }

    /// Does all that the node asks for. Returns when to wake up, or `None` if it has stopped.
    fn drain(&mut self) -> Option<Instant> {
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
        match self.udp.try_send_to(&self.output, to) {
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
            driver, received, ..
        } = self;
        let more = take(driver, received, BATCH, |buf| self.udp.try_recv_from(buf));
        // What tokio knows of the socket is as old as its last look at all sockets, which may be
        // long ago if a task kept the thread busy. Before a timer fires, ask the socket itself.
        if driver.due() {
            return take(driver, received, BATCH_WHEN_DUE, |buf| {
                self.direct.recv_from(buf)
            });
        }
        more
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
            Err(error) => {
                driver.counters.receive_errors += 1;
                debug!(%error, "receiving a datagram failed");
            }
        }
    }
    true
}
