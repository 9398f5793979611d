//! smol's sockets and timer, as a node's loop uses them.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use serf_runtime::adapter;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::{Async, Executor};

/// An executor of smol: the global one, or another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Smol(Option<Arc<Executor<'static>>>);

impl Smol {
    pub(crate) fn on(executor: Arc<Executor<'static>>) -> Self {
        Self(Some(executor))
    }

    pub(crate) fn detach(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.0 {
            Some(executor) => executor.spawn(future).detach(),
            None => smol::spawn(future).detach(),
        }
    }
}

impl adapter::Runtime for Smol {
    type Datagrams = Datagrams;
    type Listener = Listener;
    type Stream = Stream;
    type Timer = Timer;

    fn datagrams(&self, socket: UdpSocket) -> io::Result<Datagrams> {
        Ok(Datagrams(Async::new_nonblocking(socket)?))
    }

    fn listener(&self, socket: TcpListener) -> io::Result<Listener> {
        Ok(Listener(Async::new_nonblocking(socket)?))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        Stream::new(Async::<TcpStream>::connect(to).await?)
    }

    fn timer(&self) -> Timer {
        Timer(smol::Timer::never())
    }

    fn spawn(&self, task: adapter::Task<Self>) {
        self.detach(task.run());
    }
}

#[derive(Debug)]
pub(crate) struct Datagrams(Async<UdpSocket>);

impl adapter::Datagrams for Datagrams {
    async fn readable(&mut self) -> io::Result<()> {
        self.0.readable().await
    }

    fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.get_ref().recv_from(buf)
    }

    fn try_send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.get_ref().send_to(bytes, to)
    }
}

#[derive(Debug)]
pub(crate) struct Listener(Async<TcpListener>);

impl adapter::Listener for Listener {
    type Stream = Stream;

    async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        let (socket, from) = self.0.accept().await?;
        Ok((Stream::new(socket)?, from))
    }
}

#[derive(Debug)]
pub(crate) struct Stream(Async<TcpStream>);

impl Stream {
    fn new(socket: Async<TcpStream>) -> io::Result<Self> {
        socket.get_ref().set_nodelay(true)?;
        Ok(Self(socket))
    }
}

impl adapter::Stream for Stream {
    async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes).await
    }

    async fn finish(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }
}

#[derive(Debug)]
pub(crate) struct Timer(smol::Timer);

impl adapter::Timer for Timer {
    fn set(&mut self, at: Instant) {
        self.0.set_at(at);
    }

    async fn fired(&mut self) {
        Pin::new(&mut self.0).await;
    }
}
