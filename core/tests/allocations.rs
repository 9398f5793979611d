//! Steady state takes no memory: pings, acks and gossip that is known already.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serf_core::message::{Alive, Message};
use serf_core::wire::native::PacketWriter;
use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, Versions};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system allocator.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 7946))
}

fn packet(messages: &[Message<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    for message in messages {
        assert!(writer.push(message), "it fits");
    }
    writer.finish();
    buf
}

/// Two nodes on a perfect network, for the given number of milliseconds. Only probes and their
/// answers are delivered; the buffers are the caller's, and reused.
fn run(
    nodes: &mut [Node; 2],
    buf: &mut Vec<u8>,
    mail: &mut [Vec<u8>; 2],
    millis: std::ops::Range<u64>,
) -> u64 {
    let mut delivered = 0;
    for now in millis.map(Instant::from_millis) {
        for n in 0..2 {
            let inbox = &mut mail[n];
            if !inbox.is_empty() {
                nodes[n].handle_datagram(addr(2 - n as u8), inbox, now);
                inbox.clear();
                delivered += 1;
            }
            nodes[n].handle_tick(now);
            loop {
                buf.clear();
                match nodes[n].poll_action(buf) {
                    Action::SendDatagram { .. } => {
                        let inbox = &mut mail[1 - n];
                        inbox.clear();
                        inbox.extend_from_slice(buf);
                    }
                    Action::Wait(_) => break,
                    _ => {}
                }
            }
        }
    }
    delivered
}

#[test]
fn steady_state_allocates_nothing() {
    // No state exchanges: a stream's message is built in the caller's buffer, but the stream
    // itself is an entry in a table.
    let config = Config {
        push_pull_interval: Duration::ZERO,
        ..Config::lan()
    };
    let params = Params::new(config).expect("a valid configuration");
    let mut nodes = [1, 2].map(|n| {
        let name = Name::new(&format!("node-{n}")).expect("a valid name");
        Node::new(
            Identity::new(name, addr(n)),
            params.clone(),
            [n; 32],
            Instant::ZERO,
        )
        .expect("a valid identity")
    });
    let names = ["node-1", "node-2"];
    let announcements: Vec<Message<'_>> = (0..2u8)
        .map(|n| {
            let name = names[usize::from(n)].into();
            let (versions, meta) = (Versions::CURRENT, &[0xff, 0x80][..]);
            Message::Alive(Alive {
                incarnation: 1,
                name,
                addr: addr(n + 1),
                versions,
                meta,
            })
        })
        .collect();
    let gossip = packet(&announcements);
    for node in &mut nodes {
        node.handle_datagram(addr(9), &gossip, Instant::ZERO);
    }
    let (mut buf, mut mail) = (Vec::with_capacity(2048), [const { Vec::new() }; 2]);
    for inbox in &mut mail {
        inbox.reserve(2048);
    }
    // Until everything has been told and every buffer has been used.
    run(&mut nodes, &mut buf, &mut mail, 1..60_000);
    assert!(nodes.iter().all(|node| node.queued_broadcasts() == 0));

    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let delivered = run(&mut nodes, &mut buf, &mut mail, 60_000..120_000);
    for _ in 0..1_000 {
        nodes[0].handle_datagram(addr(2), &gossip, Instant::from_millis(120_000));
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(
        delivered > 200,
        "a minute of probes both ways: {delivered} datagrams"
    );
    assert_eq!(
        allocations, 0,
        "in {delivered} datagrams of probes and 1,000 of known gossip"
    );
}
