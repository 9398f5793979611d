//! The loop on a runtime without sockets, whose errors come as scripted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{pending, ready};
use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::time::Instant as SystemInstant;

use futures_lite::future::{block_on, or, poll_once};
use io::ErrorKind::{
    ConnectionRefused, Interrupted, NetworkUnreachable, PermissionDenied, WouldBlock,
};

use super::*;
use crate::adapter::{Listener, Resolver, Started, Stream, Task, start};
use crate::options::Options;
use crate::{Config, Handle};

/// Linux's EMSGSIZE and ENOBUFS, for which there are no kinds.
const TOO_LONG: i32 = 90;
const NO_BUFFERS: i32 = 105;

fn os(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// What the sockets of a [`Scripted`] runtime say; when it runs out, that they would block.
#[derive(Default)]
struct Script {
    readable: VecDeque<io::Error>,
    receive: VecDeque<io::Error>,
    send: VecDeque<io::Error>,
    sent: usize,
    closed: bool,
}

#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<Script>>);

impl Runtime for Scripted {
    type Datagrams = Self;
    type Listener = Self;
    type Stream = Self;
    type Timer = Self;

    fn datagrams(&self, _socket: UdpSocket) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn listener(&self, _socket: TcpListener) -> io::Result<Self> {
        Ok(self.clone())
    }

    async fn connect(&self, _to: SocketAddr) -> io::Result<Self> {
        Err(ConnectionRefused.into())
    }

    fn timer(&self) -> Self {
        self.clone()
    }

    fn spawn(&self, task: Task<Self>) {
        // Nothing is accepted or dialled here.
        drop(task);
    }
}

impl Datagrams for Scripted {
    async fn readable(&mut self) -> io::Result<()> {
        let error = self.0.borrow_mut().readable.pop_front();
        match error {
            Some(error) => Err(error),
            None => pending().await,
        }
    }

    fn try_receive(&mut self, _buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let error = self.0.borrow_mut().receive.pop_front();
        Err(error.unwrap_or(WouldBlock.into()))
    }

    fn try_send(&mut self, bytes: &[u8], _to: SocketAddr) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        match script.send.pop_front() {
            Some(error) => Err(error),
            None => {
                script.sent += 1;
                Ok(bytes.len())
            }
        }
    }

    fn close(self) -> impl Future<Output = ()> {
        self.0.borrow_mut().closed = true;
        ready(())
    }
}

impl Listener for Scripted {
    type Stream = Self;

    async fn accept(&mut self) -> io::Result<(Self, SocketAddr)> {
        pending().await
    }
}

impl Stream for Scripted {
    async fn read(&self, _buf: &mut [u8]) -> io::Result<usize> {
        pending().await
    }

    async fn write(&self, _bytes: &[u8]) -> io::Result<usize> {
        pending().await
    }

    async fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Timer for Scripted {
    fn set(&mut self, _at: SystemInstant) {}

    async fn fired(&mut self) {
        pending().await
    }
}

fn started(runtime: &Scripted) -> (Handle, impl Future<Output = ()>) {
    let options = Options::new("a").bind("127.81.9.1:0").config(Config {
        leave_propagate_delay: Duration::ZERO,
        ..Config::local()
    });
    let started = block_on(start(runtime.clone(), options, Resolver::system()));
    let Started {
        handle, event_loop, ..
    } = started.unwrap();
    (handle, event_loop.run())
}

#[test]
fn s_38_errors_of_the_socket_are_counted_and_the_loop_goes_on() {
    let runtime = Scripted::default();
    {
        let mut script = runtime.0.borrow_mut();
        script.readable = [ConnectionRefused.into(), os(NO_BUFFERS)].into();
        let receive = [ConnectionRefused, Interrupted, PermissionDenied];
        script.receive = receive.map(io::Error::from).into();
    }
    let (handle, running) = started(&runtime);
    let test = async {
        while !runtime.0.borrow().readable.is_empty() {
            handle.stats().await.unwrap();
        }
        // Each of both kinds is one, and what would block is none.
        let errors = handle.stats().await.unwrap().sockets.receive_errors;
        assert_eq!(errors, 5);
        assert_eq!(handle.members().await.unwrap().len(), 1);
        handle.shutdown().await;
    };
    block_on(futures_lite::future::zip(test, running));
    assert!(runtime.0.borrow().closed);
}

#[test]
fn s_38_datagrams_that_the_system_refuses_are_lost_and_the_rest_is_sent() {
    let runtime = Scripted::default();
    runtime.0.borrow_mut().send = [
        ConnectionRefused.into(),
        NetworkUnreachable.into(),
        PermissionDenied.into(),
        os(TOO_LONG),
        os(NO_BUFFERS),
        WouldBlock.into(),
        WouldBlock.into(),
    ]
    .into();
    let started = start(
        runtime.clone(),
        Options::new("a").bind("127.81.9.2:0"),
        Resolver::system(),
    );
    let Started { mut event_loop, .. } = block_on(started).unwrap();
    for _ in 0..9 {
        event_loop.send("127.0.0.1:1".parse().unwrap());
    }
    let counters = event_loop.driver.counters;
    assert_eq!(counters.send_errors, 5);
    assert_eq!(counters.send_buffer_full, 2);
    assert_eq!(runtime.0.borrow().sent, 2);
}

#[test]
fn a_loop_that_is_dropped_midway_tells_its_handles() {
    let runtime = Scripted::default();
    let (handle, running) = started(&runtime);
    let mut running = Box::pin(running);
    assert!(block_on(poll_once(&mut running)).is_none());
    drop(running);
    let never = async { pending().await };
    block_on(or(handle.stopped(), never));
    assert!(block_on(handle.members()).is_err());
}
