//! A TCP proxy that breaks a stream in the middle.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::loopback;

/// What happens to the stream once so many bytes have gone one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is passed on any more, either way, and nothing is closed.
    Stall,
    /// Both sides are closed.
    Cut,
}

/// Which way is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the node that dialled.
    There,
    /// To the node that dialled.
    Back,
}

/// Takes a connection, passes it on to `to`, and breaks it when `after` bytes have gone `way`.
/// Returns where it listens. What stalls is held until both sides have closed it. Whoever is cut
/// off may not have been understood and asks again in the other wire: that is cut, too.
pub(crate) fn proxy(to: SocketAddr, way: Way, after: usize, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((loopback(), 0)).expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let connections = match fault {
            Fault::Stall => 1,
            Fault::Cut => 2,
        };
        for _ in 0..connections {
            let Ok((dialler, _)) = listener.accept() else {
                return;
            };
            let Ok(acceptor) = TcpStream::connect(to) else {
                return;
            };
            thread::scope(|scope| {
                let limit = |this| if this == way { after } else { usize::MAX };
                let (there, back) = (limit(Way::There), limit(Way::Back));
                let (dialler, acceptor) = (&dialler, &acceptor);
                scope.spawn(move || copy(dialler, acceptor, there, fault));
                scope.spawn(move || copy(acceptor, dialler, back, fault));
            });
        }
    });
    addr
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, limit: usize, fault: Fault) {
    let mut left = limit;
    let mut chunk = [0; 4096];
    while left > 0 {
        let len = chunk.len().min(left);
        match from.read(&mut chunk[..len]) {
            Ok(0) | Err(_) => {
                // Where one side gives up on a stalled stream, the other is not told.
                if fault == Fault::Cut {
                    let _ = to.shutdown(Shutdown::Write);
                }
                return;
            }
            Ok(len) => {
                if to.write_all(&chunk[..len]).is_err() {
                    return;
                }
                left -= len;
            }
        }
    }
    match fault {
        // The rest is read and goes nowhere.
        Fault::Stall => while !matches!(from.read(&mut chunk), Ok(0) | Err(_)) {},
        Fault::Cut => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}
