//! A node that is pinged at a growing rate, while it and a peer probe each other as ever: at which
//! rate the first probe goes without an answer in time, and what a datagram costs.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::bounded;
use serf_core::message::{Message, Ping};
use serf_core::wire::native::PacketWriter;
use serf_runtime::{Config, Handle, Options};
use serf_tests::runtimes::OneThread;
use serf_tests::{Runtime, loopback};

use crate::Scale;
use crate::usage::Usage;

/// The first rate that is tried.
const SLOW: u64 = 25_000;

/// Probes often, so that a rate need not be kept up for long to be seen through.
fn options(name: &str) -> Options {
    let config = Config {
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(200),
        push_pull_interval: Duration::ZERO,
        ..Config::lan()
    };
    let addr = format!("{}:0", loopback());
    Options::new(name).bind(addr).config(config)
}

pub(crate) async fn measure<R: Runtime>(scale: &Scale) {
    let node = R::bind(options("flooded")).await.expect("it starts");
    // The peer has a thread of its own, and answers all the time.
    let (tell, told) = bounded(1);
    let host = thread::spawn(move || {
        OneThread::run(async {
            let peer = OneThread::bind(options("peer")).await.expect("it starts");
            tell.send(peer.clone()).await.expect("somebody waits");
            peer.stopped().await;
        });
    });
    let peer = told.recv().await.expect("it starts");
    let seeds = [node.bind_addr().to_string()];
    let joined = peer.join(&seeds).await.expect("the node answers");
    assert_eq!(joined.failed, []);

    let (mut taken, mut missed) = (0, None);
    let (mut rate, mut refinements) = (SLOW, scale.refinements);
    loop {
        let step = step::<R>(&node, &peer, rate, scale).await;
        match step.missed {
            0 => taken = taken.max(step.sent),
            _ => missed = Some(rate),
        }
        rate = match missed {
            Some(missed) if refinements > 0 => taken.midpoint(missed),
            // The sender keeps up.
            None if step.sent > rate / 10 * 9 => rate * 2,
            _ => break,
        };
        refinements -= usize::from(missed.is_some());
    }
    match missed {
        Some(missed) => {
            println!("  all probes answered at {taken} datagrams a second, not at {missed}")
        }
        None => println!("  all probes answered at {taken} datagrams a second, more were not sent"),
    }
    peer.shutdown().await;
    node.shutdown().await;
    host.join().expect("the peer ends in good order");
}

/// How a rate was taken.
struct Step {
    sent: u64,
    missed: u64,
}

async fn step<R: Runtime>(node: &Handle, peer: &Handle, rate: u64, scale: &Scale) -> Step {
    let missed = async || {
        let mut missed = 0;
        for node in [node, peer] {
            let counters = node.stats().await.expect("it runs").counters;
            missed += counters.failed_probes + counters.probes_saved_by_stream;
        }
        missed
    };
    let received = async || {
        let stats = node.stats().await.expect("it runs");
        (stats.counters.datagrams_received, stats.sockets.wakes)
    };
    let missed_before = missed().await;
    let flood = Flood::begin(node.bind_addr(), rate);
    let (earlier, sent, before) = (received().await, flood.sent(), Usage::now());
    R::sleep(scale.flood).await;
    let (used, sent) = (Usage::now() - before, flood.sent() - sent);
    let later = received().await;
    flood.end();
    // Probes that are under way come to their end.
    R::sleep(Duration::from_millis(500)).await;
    let missed = missed().await - missed_before;
    let each_second = |n: u64| (n as f64 / used.wall.as_secs_f64()) as u64;
    let (datagrams, wakes) = (later.0 - earlier.0, later.1 - earlier.1);
    println!(
        "  flood: {:>7} sent and {:>7} received each second, {:.1} for each wake; {:>3.0} % of a \
         CPU, {:.2} us of it for each, and ready but without one for {:.0} % of the time; {missed} \
         probes missed",
        each_second(sent),
        each_second(datagrams),
        datagrams as f64 / wakes.max(1) as f64,
        used.thread.as_secs_f64() / used.wall.as_secs_f64() * 100.0,
        used.thread.as_secs_f64() * 1e6 / datagrams.max(1) as f64,
        used.waited.as_secs_f64() / used.wall.as_secs_f64() * 100.0,
    );
    Step {
        sent: each_second(sent),
        missed,
    }
}

/// A thread that sends pings, at a rate.
struct Flood {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Flood {
    fn begin(to: SocketAddr, rate: u64) -> Self {
        let (sent, stop) = <(Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let (count, stopped) = (Arc::clone(&sent), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let socket = UdpSocket::bind((loopback(), 0)).expect("a free port");
            let ping = ping(socket.local_addr().expect("it is bound"));
            let begun = Instant::now();
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
                // What one who is held up owes is not sent at once, but spread over what follows.
                let next = due.min(sent + 64);
                for _ in sent..next {
                    let _ = socket.send_to(&ping, to);
                }
                sent = next;
                count.store(sent, Ordering::Relaxed);
                if due == sent {
                    thread::sleep(Duration::from_micros(200));
                }
            }
        });
        Self { sent, stop, thread }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only sends");
    }
}

fn ping(source: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = PacketWriter::new(&mut bytes, 1400);
    let ping = Ping {
        seq: 77,
        target: "flooded".into(),
        source,
        source_name: "somebody".into(),
    };
    assert!(writer.push(&Message::Ping(ping)), "it fits");
    writer.finish();
    bytes
}
