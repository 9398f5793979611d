//! tokio's sockets and timer, as a node's loop uses them.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::time::{Duration, Instant};

use serf_runtime::adapter;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::Sleep;

/// The current tokio runtime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokio;

impl adapter::Runtime for Tokio {
    type Datagrams = Datagrams;
    type Listener = Listener;
    type Stream = Stream;
    type Timer = Timer;

    fn datagrams(&self, socket: std::net::UdpSocket) -> io::Result<Datagrams> {
        Ok(Datagrams {
            direct: socket.try_clone()?,
            socket: UdpSocket::from_std(socket)?,
        })
    }

    fn listener(&self, socket: std::net::TcpListener) -> io::Result<Listener> {
        Ok(Listener(TcpListener::from_std(socket)?))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        Stream::new(TcpStream::connect(to).await?)
    }

    fn timer(&self) -> Timer {
        Timer(Box::pin(tokio::time::sleep(Duration::MAX)))
    }

    fn spawn(&self, task: adapter::Task<Self>) {
        tokio::spawn(task.run());
    }

    async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }
}

#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    /// The same socket, to ask without tokio in between, which knows only what it saw when it
    /// last looked at all sockets.
    direct: std::net::UdpSocket,
}

impl adapter::Datagrams for Datagrams {
    async fn readable(&mut self) -> io::Result<()> {
        self.socket.readable().await
    }

    fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_recv_from(buf)
    }

    fn receive_now(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.direct.recv_from(buf)
    }

    fn try_send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.direct.send_to(bytes, to)
    }
}

#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl adapter::Listener for Listener {
    type Stream = Stream;

    async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        let (socket, from) = self.0.accept().await?;
        Ok((Stream::new(socket)?, from))
    }
}

#[derive(Debug)]
pub(crate) struct Stream(TcpStream);

impl Stream {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self(socket))
    }
}

impl adapter::Stream for Stream {
    async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.0.writable().await?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    async fn finish(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Write)
    }
}

#[derive(Debug)]
pub(crate) struct Timer(Pin<Box<Sleep>>);

impl adapter::Timer for Timer {
    fn set(&mut self, at: Instant) {
        self.0.as_mut().reset(at.into());
    }

    async fn fired(&mut self) {
        self.0.as_mut().await;
    }
}
