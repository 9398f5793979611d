//! The operations that are measured, shared by the two benchmarks: nodes with a history, and the
//! bytes that are fed to them. Everything goes through the public calls.

use std::net::SocketAddr;

use serf_core::message::{Alive, Message, Ping, SyncEntry, SyncState};
use serf_core::wire::native::{PacketWriter, SyncWriter};
use serf_core::{
    Action, Config, Identity, Instant, Intent, Name, Node, Params, StreamId, StreamInput,
    VersionRange, Versions,
};

/// Tags of a usual size, as encoded: `role=web`, `dc=east`, `rack=r12`.
pub(crate) const META: &[u8] = b"\xff\x83\xa2dc\xa4east\xa4rack\xa3r12\xa4role\xa3web\xc1\xb1";

pub(crate) const NOW: Instant = Instant::from_millis(60_000);

pub(crate) fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 7946))
}

pub(crate) fn name(n: usize) -> String {
    format!("node-{n:05}")
}

pub(crate) fn params() -> Params {
    // Rumours last for many packets, so that a full queue stays full while it is measured.
    let config = Config {
        retransmit_mult: 36,
        ..Config::lan()
    };
    Params::new(config).expect("a valid configuration")
}

/// A packet that announces members `range` at `incarnation`.
pub(crate) fn announcements(range: std::ops::Range<usize>, incarnation: u32) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 65_507);
    for n in range {
        let (name, versions) = (name(n), Versions::CURRENT);
        let alive = Alive {
            incarnation,
            name: (&*name).into(),
            addr: addr(n),
            versions,
            meta: META,
        };
        assert!(writer.push(&Message::Alive(alive)), "it fits");
    }
    writer.finish();
    buf
}

/// Packets that each announce ten members that no node here knows.
pub(crate) fn strangers(packets: usize) -> Vec<Vec<u8>> {
    let first = |n| 20_000 + 10 * n;
    (0..packets)
        .map(|n| announcements(first(n)..first(n + 1), 1))
        .collect()
}

pub(crate) fn ping() -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    let (target, source_name) = (name(0), name(1));
    let ping = Ping {
        seq: 77,
        target: (&*target).into(),
        source: addr(1),
        source_name: (&*source_name).into(),
    };
    assert!(writer.push(&Message::Ping(ping)), "it fits");
    writer.finish();
    buf
}

/// A state exchange that lists `count` members at incarnation 1, as a peer would send it.
pub(crate) fn exchange(count: usize) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut versions = VersionRange::EMPTY;
    versions.add(Versions::CURRENT, true);
    let mut writer = SyncWriter::new(&mut buf, false, versions, usize::MAX);
    for n in 1..count {
        let (name, versions) = (name(n), Versions::CURRENT);
        let alive = Alive {
            incarnation: 1,
            name: (&*name).into(),
            addr: addr(n),
            versions,
            meta: META,
        };
        assert!(
            writer.push(&SyncEntry {
                state: SyncState::Alive,
                intent: Intent::NONE,
                alive
            }),
            "it fits"
        );
    }
    writer.finish(&[]);
    buf
}

pub(crate) fn identity() -> Identity {
    Identity::new(Name::new(&name(0)).expect("a valid name"), addr(0))
}

/// A node that knows `members` members, with as many rumours queued as it has just heard.
pub(crate) fn node(members: usize) -> Node {
    let node = Node::new(identity(), params(), [7; 32], NOW).expect("a valid identity");
    filled(node, members)
}

/// Makes a new node know others.
pub(crate) fn filled(mut node: Node, members: usize) -> Node {
    for first in (1..members).step_by(100) {
        node.handle_datagram(
            addr(1),
            &announcements(first..members.min(first + 100), 1),
            NOW,
        );
    }
    drain(&mut node, &mut Vec::new());
    node
}

/// The same with nothing left to tell.
pub(crate) fn quiet_node(members: usize) -> Node {
    quiet(node(members))
}

/// Lets a node tell what it has to tell.
pub(crate) fn quiet(mut node: Node) -> Node {
    let mut now = NOW;
    let mut buf = Vec::new();
    while node.queued_broadcasts() > 0 {
        now = now + std::time::Duration::from_millis(200);
        // Pings keep it answering; acks carry the rumours away.
        for _ in 0..64 {
            node.handle_datagram(addr(1), &ping(), now);
        }
        drain(&mut node, &mut buf);
    }
    node
}

/// A node whose queue holds exactly `rumours`, and which knows no more members than that.
pub(crate) fn busy_node(rumours: usize) -> Node {
    let node = node(rumours);
    assert_eq!(node.queued_broadcasts(), rumours);
    node
}

pub(crate) fn accept(node: &mut Node) -> StreamId {
    node.accept_stream(addr(1), NOW)
        .expect("there is room for a stream")
}

pub(crate) fn merge(node: &mut Node, stream: StreamId, bytes: &[u8]) {
    node.handle_stream(stream, StreamInput::Data(bytes), NOW);
}

/// Polls until there is nothing to do. Returns how many bytes there were.
pub(crate) fn drain(node: &mut Node, buf: &mut Vec<u8>) -> usize {
    let mut bytes = 0;
    loop {
        buf.clear();
        if let Action::Wait(_) = node.poll_action(buf) {
            return bytes;
        }
        bytes += buf.len();
    }
}
