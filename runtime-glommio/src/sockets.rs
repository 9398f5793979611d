//! glommio's sockets and timer, as a node's loop uses them.
//!
//! The ring treats a non-blocking socket as one that never waits. So the sockets are blocking,
//! and what must not wait says so itself.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{FromRawFd as _, IntoRawFd as _};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::future::{or, poll_fn};
use futures_lite::io::{AsyncRead as _, AsyncWrite as _};
use glommio::net::{TcpListener, TcpStream, UdpSocket};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use serf_runtime::adapter;

/// How long an operation of the ring may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(1);

/// As far ahead as a timer that is not set.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// An operation of the ring: it goes on when whoever waited for it does something else.
type Operation<T> = Pin<Box<dyn Future<Output = io::Result<T>>>>;

/// The current glommio executor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glommio;

impl adapter::Runtime for Glommio {
    type Datagrams = Datagrams;
    type Listener = Listener;
    type Stream = Stream;
    type Timer = Timer;

    fn datagrams(&self, socket: std::net::UdpSocket) -> io::Result<Datagrams> {
        socket.set_nonblocking(false)?;
        Ok(Datagrams {
            ring: Rc::new(ring_udp(socket.try_clone()?)),
            direct: socket,
            peek: None,
        })
    }

    fn listener(&self, socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(false)?;
        Ok(Listener {
            ring: Rc::new(ring_listener(socket.try_clone()?)),
            direct: socket,
            accept: None,
        })
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        Stream::new(TcpStream::connect(to).await?)
    }

    fn timer(&self) -> Timer {
        Timer(glommio::timer::Timer::new(NEVER))
    }

    fn spawn(&self, task: adapter::Task<Self>) {
        glommio::spawn_local(task.run()).detach();
    }

    async fn yield_now(&self) {
        // Of the queue, not just the task: only between queues are the rings looked at.
        glommio::executor().yield_task_queue_now().await;
    }
}

pub(crate) struct Datagrams {
    ring: Rc<UdpSocket>,
    /// The same socket, for what does not wait.
    direct: std::net::UdpSocket,
    peek: Option<Operation<()>>,
}

impl adapter::Datagrams for Datagrams {
    async fn readable(&mut self) -> io::Result<()> {
        let peek = self.peek.get_or_insert_with(|| {
            let ring = Rc::clone(&self.ring);
            Box::pin(async move {
                ring.peek_from(&mut [0]).await?;
                Ok(())
            })
        });
        let peeked = peek.await;
        self.peek = None;
        peeked
    }

    fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, _, from) = recvfrom(&self.direct, buf, RecvFlags::DONTWAIT)?;
        let from = from.and_then(|from| from.try_into().ok());
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        Ok((len, from))
    }

    fn try_send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        Ok(sendto(&self.direct, bytes, SendFlags::DONTWAIT, &to)?)
    }

    /// Ends the peek with an empty datagram, as the kernel keeps the address until it has ended.
    async fn close(mut self) {
        if self.peek.is_none() {
            return;
        }
        if let Ok(own) = self.direct.local_addr() {
            let _ = self.try_send(&[], reachable(own));
        }
        within(PATIENCE, self.readable()).await;
    }
}

pub(crate) struct Listener {
    ring: Rc<TcpListener>,
    /// The same socket, to shut it down.
    direct: std::net::TcpListener,
    accept: Option<Operation<TcpStream>>,
}

impl adapter::Listener for Listener {
    type Stream = Stream;

    async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        loop {
            let accept = self.accept.get_or_insert_with(|| {
                let ring = Rc::clone(&self.ring);
                Box::pin(async move { Ok(ring.accept().await?) })
            });
            let accepted = accept.await;
            self.accept = None;
            let socket = accepted?;
            // One that is gone already says nothing about the listener.
            if let Ok(from) = socket.peer_addr()
                && let Ok(stream) = Stream::new(socket)
            {
                return Ok((stream, from));
            }
        }
    }

    /// Ends the accept, as the kernel keeps the address until it has ended, and a connection that
    /// is accepted meanwhile is to be closed.
    async fn close(mut self) {
        if self.accept.is_none() {
            return;
        }
        let _ = rustix::net::shutdown(&self.direct, rustix::net::Shutdown::Both);
        within(PATIENCE, self.accept()).await;
    }
}

pub(crate) struct Stream(RefCell<TcpStream>);

impl Stream {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self(RefCell::new(socket)))
    }
}

impl adapter::Stream for Stream {
    async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)).await
    }

    async fn finish(&self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self.0.borrow_mut()).poll_close(cx)).await
    }
}

pub(crate) struct Timer(glommio::timer::Timer);

impl adapter::Timer for Timer {
    fn set(&mut self, at: Instant) {
        self.0.reset(at.saturating_duration_since(Instant::now()));
    }

    async fn fired(&mut self) {
        Pin::new(&mut self.0).await;
    }
}

async fn within<T>(patience: Duration, future: impl Future<Output = T>) {
    let give_up = glommio::timer::sleep(patience);
    or(async { drop(future.await) }, give_up).await;
}

/// Where a socket that is bound to `own` reaches itself.
fn reachable(own: SocketAddr) -> SocketAddr {
    let ip = match own.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return own,
    };
    SocketAddr::new(ip, own.port())
}

#[allow(unsafe_code, reason = "glommio takes over a socket only by its number")]
fn ring_udp(socket: std::net::UdpSocket) -> UdpSocket {
    // SAFETY: the descriptor is open, and nothing else owns it any more.
    unsafe { UdpSocket::from_raw_fd(socket.into_raw_fd()) }
}

#[allow(unsafe_code, reason = "glommio takes over a socket only by its number")]
fn ring_listener(socket: std::net::TcpListener) -> TcpListener {
    // SAFETY: the descriptor is open, and nothing else owns it any more.
    unsafe { TcpListener::from_raw_fd(socket.into_raw_fd()) }
}
