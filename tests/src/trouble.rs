//! The part of the suite about peers, networks and programs that misbehave.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_channel::bounded;
use futures_lite::future;
use serf_core::Outcome;
use serf_runtime::MemberEventKind::Failed;
use serf_runtime::{
    Config, Counters, Event, Handle, JoinError, SeedFailureReason, Status, StreamFailure,
};

use crate::harness::{
    Runtime, cluster, eventually, fast, hears, join, loopback, member, options, sees, start, within,
};
use crate::populous::{MEMBERS, exchange_state, first_words, populous};
use crate::proxy::{Fault, Way, proxy};

/// Does on a thread what would hold up the nodes of the test.
async fn aside<R: Runtime, T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = bounded(1);
    let thread = thread::spawn(move || {
        let _ = done.send_blocking(work());
    });
    let result = within::<R, _>(what, result.recv()).await;
    thread.join().unwrap();
    result.unwrap()
}

/// A node that gives up on streams soon.
async fn impatient<R: Runtime>(name: &str) -> Handle {
    let config = Config {
        stream_timeout: Duration::from_millis(300),
        ..fast()
    };
    R::bind(options(name).config(config)).await.unwrap()
}

/// Why joining through this address fails.
async fn join_failure<R: Runtime>(node: &Handle, through: SocketAddr) -> SeedFailureReason {
    let joined = within::<R, _>("joining", node.join(&[through.to_string()])).await;
    match joined {
        Err(JoinError::Unreachable(mut failed)) => failed.remove(0).reason,
        other => panic!("unexpected {other:?}"),
    }
}

pub async fn a_stream_that_stalls_is_given_up_by_both_sides<R: Runtime>() {
    let (a, b) = (impatient::<R>("a").await, impatient::<R>("b").await);
    let timed_out = SeedFailureReason::Exchange(StreamFailure::TimedOut);
    for (way, at) in [(Way::There, 0), (Way::There, 20), (Way::Back, 20)] {
        let through = proxy(a.advertise_addr(), way, at, Fault::Stall);
        assert_eq!(join_failure::<R>(&b, through).await, timed_out, "{way:?}");
    }
    eventually::<R>("a should give up waiting for b", async || {
        a.stats().await.unwrap().counters.timed_out_streams >= 2
    })
    .await;
    // As impatient as they are, on a busy machine that may take more than one attempt.
    let seeds = [a.advertise_addr().to_string()];
    eventually::<R>("b should get in", async || b.join(&seeds).await.is_ok()).await;
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn a_stream_that_is_cut_fails_at_once_and_the_next_works<R: Runtime>() {
    let (a, b) = (start::<R>("a").await, start::<R>("b").await);
    let reset = SeedFailureReason::Exchange(StreamFailure::Reset);
    for (way, at) in [(Way::There, 0), (Way::There, 20), (Way::Back, 20)] {
        let through = proxy(a.advertise_addr(), way, at, Fault::Cut);
        assert_eq!(join_failure::<R>(&b, through).await, reset, "{way:?}");
    }
    join::<R>(&b, &a).await;
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn a_large_state_is_exchanged_both_ways<R: Runtime>() {
    let (a, b) = (start::<R>("a").await, start::<R>("b").await);
    let to = a.bind_addr();
    let outcome = aside::<R, _>("the exchange", move || exchange_state(populous(), to)).await;
    let (contacted, failed) = (vec![to], vec![]);
    assert_eq!(outcome, Outcome::Join { contacted, failed });
    assert_eq!(a.members().await.unwrap().len(), MEMBERS + 1);
    // Now from a node of the runtime to another.
    join::<R>(&b, &a).await;
    assert_eq!(b.members().await.unwrap().len(), MEMBERS + 2);
    let received = b.stats().await.unwrap().counters.stream_bytes_received;
    assert!(received > 480 * MEMBERS as u64, "{received}");
}

pub async fn s_49_a_peer_that_does_not_read_is_dropped<R: Runtime>() {
    let a = impatient::<R>("a").await;
    let to = a.bind_addr();
    let mut stuck = aside::<R, _>("an exchange", move || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        // The answer does not fit in what the kernel keeps for either side.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&to.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.write_all(&first_words(&mut populous(), to)).unwrap();
        stream
    })
    .await;
    eventually::<R>("the state should be taken", async || {
        a.members().await.unwrap().len() > MEMBERS
    })
    .await;
    // Whatever is written to a connection that the other side has closed is answered with a reset.
    eventually::<R>("a should give up on its reader", async || {
        let written = stuck.write(b"?").map_err(|error| error.kind());
        matches!(
            written,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        )
    })
    .await;
    let b = start::<R>("b").await;
    join::<R>(&b, &a).await;
}

pub async fn s_49_a_peer_that_drips_is_dropped<R: Runtime>() {
    let a = impatient::<R>("a").await;
    let mut dripping = TcpStream::connect(a.bind_addr()).unwrap();
    // A frame of a MiB, of which a byte comes now and then.
    dripping.write_all(b"\xb1\0\0\x10\0").unwrap();
    eventually::<R>("a should give up on it", async || {
        let written = dripping.write(b"?").map_err(|error| error.kind());
        matches!(
            written,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        )
    })
    .await;
    let counters = a.stats().await.unwrap().counters;
    assert_eq!(counters.timed_out_streams, 1, "{counters:?}");
}

/// What was dropped because it means nothing, whatever is wrong with it.
fn refused(counters: &Counters) -> u64 {
    counters.dropped_empty
        + counters.dropped_foreign
        + counters.dropped_corrupt
        + counters.dropped_truncated
        + counters.dropped_malformed
}

/// Sends datagrams to an address as fast as it can, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn begin(to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let socket = UdpSocket::bind((loopback(), 0)).unwrap();
            let noise: Vec<u8> = (0..=255).cycle().take(1400).collect();
            for len in (0..noise.len()).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // As long as nobody is there, the system may say so.
                let _ = socket.send_to(&noise[..len], to);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub async fn s_48_a_node_starts_and_joins_under_a_flood_of_datagrams<R: Runtime>() {
    let a = start::<R>("a").await;
    let addr = SocketAddr::from((loopback(), 7946));
    // It begins before there is a node.
    let flood = Flood::begin(addr);
    let b = R::bind(options("b").bind(addr.to_string())).await.unwrap();
    join::<R>(&b, &a).await;
    // Its timers fire, and its questions are answered.
    eventually::<R>("probes under the flood", async || {
        b.stats().await.unwrap().counters.probes >= 5
    })
    .await;
    let counters = b.stats().await.unwrap().counters;
    assert!(refused(&counters) > 0, "{counters:?}");
    drop(flood);
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
    let gone = within::<R, _>("leaving", b.leave()).await;
    assert!(gone.unwrap().complete);
}

pub async fn s_48_a_handler_that_blocks_holds_up_nobody_and_misses_nothing<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let (mut slow, mut quick) = (a.events(), a.events());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begun, began) = bounded(1);
    let handler = thread::spawn(move || {
        let mut names = Vec::new();
        while let Some(event) = future::block_on(slow.next()) {
            let Event::User(event) = event.expect("nothing is lost") else {
                continue;
            };
            if names.is_empty() {
                begun.send_blocking(()).unwrap();
                // The handler of the first event does not return until the test says so.
                let _ = released.recv();
            }
            names.push(event.name.to_string());
        }
        names
    });
    let sent: Vec<String> = (0..20).map(|i| format!("event-{i}")).collect();
    for (i, name) in sent.iter().enumerate() {
        b.user_event(name, b"", false).await.unwrap();
        let hearing = async {
            loop {
                if let Some(Ok(Event::User(event))) = quick.next().await {
                    return event.name.to_string();
                }
            }
        };
        assert_eq!(&within::<R, _>("an event", hearing).await, name);
        if i == 0 {
            within::<R, _>("the handler", began.recv()).await.unwrap();
        }
    }
    let probes = a.stats().await.unwrap().counters.probes;
    eventually::<R>("a should go on probing", async || {
        a.stats().await.unwrap().counters.probes >= probes + 3
    })
    .await;
    sees::<R>(&b, "a", Status::Alive).await;
    drop(release);
    a.shutdown().await;
    assert_eq!(handler.join().unwrap(), sent);
}

pub async fn s_50_what_was_meant_for_a_node_that_is_gone_does_no_harm<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let mut events = b.events();
    let addr = a.bind_addr();
    a.shutdown().await;
    // Somebody else takes the address over while b still asks for the old holder.
    let c = R::bind(options("c").bind(addr.to_string())).await.unwrap();
    hears::<R>(&mut events, Failed, "a").await;
    eventually::<R>("pings for a should reach c", async || {
        c.stats().await.unwrap().counters.dropped_misdirected >= 1
    })
    .await;
    assert_eq!(c.local().await.unwrap().status(), Status::Alive);
    join::<R>(&c, &b).await;
    sees::<R>(&b, "c", Status::Alive).await;
    sees::<R>(&b, "a", Status::Failed).await;
    assert_eq!(member(&b, "c").await.unwrap().addr(), addr);
}

/// Has the node's UDP socket report that a peer is not there, as some systems do unasked. False if
/// it cannot be told to.
#[cfg(target_os = "linux")]
fn report_refusals(node: &Handle, whether: bool) -> bool {
    use nix::sys::socket::{setsockopt, sockopt::Ipv4RecvErr};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let mut found = false;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap();
        let number = number.parse().unwrap();
        let Ok(file) = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let socket = socket2::SockRef::from(&file);
        let bound = socket.local_addr().ok().and_then(|addr| addr.as_socket());
        let datagrams = socket.r#type().ok() == Some(socket2::Type::DGRAM);
        if datagrams && bound == Some(node.bind_addr()) {
            setsockopt(&file, Ipv4RecvErr, &whether).unwrap();
            found = true;
        }
    }
    assert!(found, "no socket at {}", node.bind_addr());
    true
}

#[cfg(not(target_os = "linux"))]
fn report_refusals(_node: &Handle, _whether: bool) -> bool {
    false
}

pub async fn s_38_refusals_that_the_socket_reports_are_counted_and_the_node_goes_on<R: Runtime>() {
    let [a, b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    let reported = report_refusals(&a, true);
    c.shutdown().await;
    eventually::<R>("a should be told that nobody is there", async || {
        let sockets = a.stats().await.unwrap().sockets;
        !reported || sockets.receive_errors + sockets.send_errors >= 3
    })
    .await;
    sees::<R>(&a, "c", Status::Failed).await;
    report_refusals(&a, false);
    let before = a.stats().await.unwrap();
    eventually::<R>("a should go on probing, and be answered", async || {
        let stats = a.stats().await.unwrap();
        stats.counters.probes >= before.counters.probes + 5
    })
    .await;
    let mut events = b.events();
    a.user_event("still here", b"", false).await.unwrap();
    let hearing = async {
        while !matches!(events.next().await, Some(Ok(Event::User(event))) if &*event.name == "still here")
        {
        }
    };
    within::<R, _>("an event of a", hearing).await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn s_38_datagrams_that_cannot_be_sent_are_counted<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    // A socket of IPv4 cannot send to it.
    let c = options("c").advertise("[2001:db8::1]:7946");
    let c = R::bind(c).await.unwrap();
    join::<R>(&c, &a).await;
    eventually::<R>("sending to c should fail", async || {
        a.stats().await.unwrap().sockets.send_errors >= 1
    })
    .await;
    sees::<R>(&a, "c", Status::Failed).await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn garbage_is_counted_and_does_no_harm<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let before = a.stats().await.unwrap().counters;
    let socket = UdpSocket::bind((loopback(), 0)).unwrap();
    for len in [0, 1, 2, 20, 1400, 9000] {
        let noise: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        socket.send_to(&noise, a.bind_addr()).unwrap();
        let mut stream = TcpStream::connect(a.bind_addr()).unwrap();
        // The node may hang up on the way.
        let _ = stream.write_all(&noise);
    }
    eventually::<R>("garbage should be counted", async || {
        let counters = a.stats().await.unwrap().counters;
        let dropped = |c: &Counters| refused(c) + c.failed_streams;
        dropped(&counters) >= dropped(&before) + 5
    })
    .await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn no_datagram_is_lost_to_calls_that_interrupt_the_wait_for_it<R: Runtime>() {
    let a = start::<R>("a").await;
    let socket = UdpSocket::bind((loopback(), 0)).unwrap();
    for sent in 0..500 {
        // Each call wakes the node, which then waits for datagrams anew.
        let dropped = a.stats().await.unwrap().counters.dropped_foreign;
        assert!(dropped <= sent, "{dropped} of {sent}");
        socket.send_to(b"?", a.bind_addr()).unwrap();
    }
    eventually::<R>("all should come", async || {
        a.stats().await.unwrap().counters.dropped_foreign == 500
    })
    .await;
}

pub async fn idle_connections_do_not_lock_others_out<R: Runtime>() {
    let config = Config {
        max_inbound_streams: 4,
        stream_timeout: Duration::from_millis(300),
        ..fast()
    };
    let a = R::bind(options("a").config(config)).await.unwrap();
    let idle: Vec<TcpStream> = (0..32)
        .map(|_| TcpStream::connect(a.bind_addr()).unwrap())
        .collect();
    let b = start::<R>("b").await;
    let seeds = [a.advertise_addr().to_string()];
    eventually::<R>("b should get in", async || b.join(&seeds).await.is_ok()).await;
    eventually::<R>("most should be refused, the others time out", async || {
        let stats = a.stats().await.unwrap();
        stats.sockets.refused_connections >= 1 && stats.counters.timed_out_streams >= 4
    })
    .await;
    for mut stream in idle {
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        let end = stream.read(&mut [0; 1]);
        let closed = end.map_err(|e| e.kind());
        assert!(
            matches!(closed, Ok(0) | Err(ErrorKind::ConnectionReset)),
            "{closed:?}"
        );
    }
}
