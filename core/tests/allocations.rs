//! Steady state takes no memory: pings, acks and gossip that is known already, and packets of the
//! memberlist wire, sealed or not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use serf_core::keyring::{Key, Keyring};
use serf_core::message::{Alive, Message};
use serf_core::wire::label::Label;
use serf_core::wire::memberlist::{self, Compressor, Origin, Unpacker};
use serf_core::wire::native::PacketWriter;
use serf_core::wire::seal::Sealer;
use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, Versions};

struct Counting;

thread_local! {
    /// Each test has a thread of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count_one() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is passed on unchanged to the system allocator.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_one();
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
            let (versions, meta) = (Versions::CURRENT, &[0xff, 0x80, 0xc1, 0xb1][..]);
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

    let before = ALLOCATIONS.get();
    let delivered = run(&mut nodes, &mut buf, &mut mail, 60_000..120_000);
    for _ in 0..1_000 {
        nodes[0].handle_datagram(addr(2), &gossip, Instant::from_millis(120_000));
    }
    let allocations = ALLOCATIONS.get() - before;
    assert!(
        delivered > 200,
        "a minute of probes both ways: {delivered} datagrams"
    );
    assert_eq!(
        allocations, 0,
        "in {delivered} datagrams of probes and 1,000 of known gossip"
    );
}

#[test]
fn packets_of_the_memberlist_wire_take_no_memory() {
    let alive = |n| {
        Message::Alive(Alive {
            incarnation: 1,
            name: "one-of-many".into(),
            addr: addr(n),
            versions: Versions::CURRENT,
            meta: b"\xff\x81\xa4role\xa3web",
        })
    };
    let origin = Origin {
        from: addr(1),
        own_port: 7946,
    };
    let key = Key::new(&[7; 32]).expect("a valid length");
    let (sealer, label) = (Sealer::new(&Keyring::new(key)), Label::none());
    let (mut compressor, mut unpacker) = (Compressor::new(), Unpacker::new());
    let mut buf = Vec::with_capacity(4096);
    let mut round = |compress: bool| {
        buf.clear();
        let mut writer = memberlist::PacketWriter::new(&mut buf, 1400, true);
        for n in 0..10 {
            assert!(writer.push(&alive(n)), "it fits");
        }
        writer.finish(compress.then_some(&mut compressor));
        sealer.seal_packet(&mut buf, 0, *b"never again!", &label);
        let packet = sealer.open_packet(&mut buf, &label).expect("one of ours");
        let messages = memberlist::read_packet(packet, origin, &mut unpacker).expect("a packet");
        assert_eq!(messages.filter(|message| message.is_ok()).count(), 10);
    };
    // Until every buffer has been used.
    round(true);
    let before = ALLOCATIONS.get();
    for n in 0..100 {
        round(n % 2 == 0);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
