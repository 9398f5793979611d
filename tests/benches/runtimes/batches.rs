//! What a datagram costs the thread that receives or sends it, one by one and by the batch.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use serf_tests::loopback;

use crate::Scale;
use crate::usage::thread_time;

/// As many as a node takes at once.
const BATCH: usize = 64;

/// About as many bytes as a ping has.
const LEN: usize = 60;

pub(crate) fn measure(scale: &Scale) {
    let (one, two) = (socket(), socket());
    let SocketAddr::V4(to) = two.local_addr().expect("it is bound") else {
        unreachable!("loopback addresses are of IPv4");
    };
    println!("batches (of {BATCH} or of what is there)");
    for waiting in [1, 2, 8, BATCH] {
        let rounds = scale.datagrams / waiting;
        let by_one = rounds_of(rounds, &one, to, waiting, |buf| {
            for _ in 0..waiting {
                two.recv_from(buf).expect("it is there");
            }
            // As a node does, to see that there is no more.
            assert!(two.recv_from(buf).is_err());
        });
        let mut buffers = vec![[0; 2048]; BATCH];
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let at_once = rounds_of(rounds, &one, to, waiting, |_| {
            let mut slices: Vec<_> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let got = recvmmsg(two.as_raw_fd(), &mut headers, &mut slices, flags, None);
            assert_eq!(got.expect("they are there").count(), waiting);
        });
        report("received", waiting, by_one, at_once);
    }
    for count in [2, 3, 8, BATCH] {
        let rounds = scale.datagrams / count;
        let bytes = [7; LEN];
        let by_one = sending(rounds, &two, || {
            for _ in 0..count {
                one.send_to(&bytes, to).expect("there is room");
            }
        });
        let slices = vec![[IoSlice::new(&bytes)]; count];
        let addrs = vec![Some(SockaddrIn::from(to)); count];
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(count, None);
        let at_once = sending(rounds, &two, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            let fd = one.as_raw_fd();
            let sent = sendmmsg(fd, &mut headers, &slices, &addrs, [], flags);
            assert_eq!(sent.expect("there is room").count(), count);
        });
        report("sent", count, by_one / count as u32, at_once / count as u32);
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((loopback(), 0)).expect("a free port");
    socket.set_nonblocking(true).expect("every socket can");
    socket
}

/// CPU time per datagram to receive `waiting` of them, without that of sending them.
fn rounds_of(
    rounds: usize,
    from: &UdpSocket,
    to: SocketAddrV4,
    waiting: usize,
    mut receive: impl FnMut(&mut [u8]),
) -> Duration {
    let mut buf = vec![0; 65_536];
    let mut used = Duration::ZERO;
    let asking = asking();
    for _ in 0..rounds {
        for _ in 0..waiting {
            from.send_to(&[7; LEN], to).expect("there is room");
        }
        let before = thread_time();
        receive(&mut buf);
        used += (thread_time() - before).saturating_sub(asking);
    }
    used / u32::try_from(rounds * waiting).expect("not that many")
}

/// CPU time per call of `send`, without that of receiving.
fn sending(rounds: usize, receiver: &UdpSocket, mut send: impl FnMut()) -> Duration {
    let mut used = Duration::ZERO;
    let asking = asking();
    for _ in 0..rounds {
        let before = thread_time();
        send();
        used += (thread_time() - before).saturating_sub(asking);
        while receiver.recv(&mut [0; LEN]).is_ok() {}
    }
    used / u32::try_from(rounds).expect("not that many")
}

/// What it takes to ask for the time that was taken.
fn asking() -> Duration {
    let rounds = 10_000;
    let ask = |_| {
        let before = thread_time();
        thread_time() - before
    };
    (0..rounds).map(ask).sum::<Duration>() / rounds
}

fn report(done: &str, count: usize, by_one: Duration, at_once: Duration) {
    println!(
        "  {count:>2} {done}: {:>5} ns each one by one, {:>5} ns at once",
        by_one.as_nanos(),
        at_once.as_nanos()
    );
}
