//! A key that is forgotten is nowhere in memory any more: not in a node, not in what it has freed.

mod arena;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use arena::{SECRET, SECRET_TEXT, traces};
use serf_core::journal::{Entry, Reader};
use serf_core::keyring::{Key, Keyring};
use serf_core::message::{Filters, Query, SerfMessage, StreamMessage};
use serf_core::wire::label::Label;
use serf_core::wire::memberlist::{Compressor, KeyRequest, write_key_request};
use serf_core::wire::seal::{NONCE_LEN, Sealer};
use serf_core::wire::{Wires, memberlist, native};
use serf_core::{
    Action, Config, Identity, Instant, KeyOperation, LamportTime, Name, Node, Outcome, Params,
    QueryFlags, StreamInput,
};

const NODES: u8 = 6;
const STEP: Duration = Duration::from_millis(50);

/// Nodes that know each other, on a perfect network.
struct Cluster {
    nodes: Vec<Node>,
    now: Instant,
    /// What comes next to whom, from whom.
    mail: VecDeque<(usize, SocketAddr, Vec<u8>)>,
    outcomes: Vec<Outcome>,
}

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 7946))
}

fn identity(n: u8) -> Identity {
    let name = Name::new(&format!("node-{n}")).expect("a valid name");
    Identity::new(name, addr(n))
}

fn old_key() -> Key {
    Key::new(&[1; 16]).expect("a valid length")
}

impl Cluster {
    fn new(config: Config) -> Self {
        let params = Params::new(config).expect("a valid configuration");
        let now = Instant::ZERO;
        // One that keeps a journal, whose copies keep none.
        let first = Node::recorded(identity(1), params, [1; 32], now).expect("a valid identity");
        let mut first = first.with_keyring(Keyring::new(old_key()));
        for n in 2..=NODES {
            first
                .acquaint(&identity(n), Wires::Auto)
                .expect("a valid identity");
        }
        let twin = |n| {
            let twin = first.twin(&format!("node-{n}"), [n; 32], now);
            twin.expect("a known member")
        };
        let others: Vec<Node> = (2..=NODES).map(twin).collect();
        Self {
            nodes: [first].into_iter().chain(others).collect(),
            now,
            mail: VecDeque::new(),
            outcomes: Vec::new(),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + STEP;
            for n in 0..self.nodes.len() {
                self.nodes[n].handle_tick(self.now);
                self.drain(n);
            }
            while let Some((to, from, bytes)) = self.mail.pop_front() {
                self.nodes[to].handle_datagram(from, &bytes, self.now);
                self.drain(to);
            }
        }
    }

    fn drain(&mut self, n: usize) {
        let from = addr(n as u8 + 1);
        // A buffer of its own each time, as if another runtime freed it at once.
        let mut buf = Vec::new();
        loop {
            buf.clear();
            match self.nodes[n].poll_action(&mut buf) {
                Action::SendDatagram { to } => {
                    let SocketAddr::V4(to) = to else {
                        panic!("all have addresses of IPv4");
                    };
                    let to = usize::from(to.ip().octets()[3]) - 1;
                    self.mail.push_back((to, from, buf.clone()));
                }
                Action::Done { outcome, .. } => self.outcomes.push(outcome),
                Action::Wait(_) => return,
                _ => {}
            }
        }
    }

    fn operate(&mut self, operation: KeyOperation) {
        let started = self.nodes[0].key_operation(&operation, self.now);
        started.expect("it is begun");
        drop(operation);
        self.drain(0);
        self.begin_another_journal();
        self.run(Duration::from_secs(20));
        let Some(Outcome::Keys(report)) = self.outcomes.pop() else {
            panic!("it ends with a report");
        };
        assert!(report.is_complete(), "{report:?}");
    }

    /// The request is among what the node still has to tell, all of which is saved.
    fn begin_another_journal(&mut self) {
        let mut journal = Vec::new();
        assert!(self.nodes[0].take_journal(&mut journal));
        assert!(self.nodes[0].restart_journal());
        journal.clear();
        self.nodes[0].take_journal(&mut journal);
        let keys = [old_key(), Key::new(&SECRET).expect("a valid length")];
        let Ok(Some(Entry::Checkpoint(saved))) = Reader::new(&journal).next() else {
            panic!("it begins with a checkpoint");
        };
        let restored = saved.build(&keys).expect("it can be read");
        assert_eq!(restored.queues().queries.depth, 1);
    }

    fn rotate_there_and_back(&mut self) {
        let secret = || Key::new(&SECRET).expect("a valid length");
        self.operate(KeyOperation::Install(secret()));
        assert!(traces() > 0, "it is found where it is");
        self.operate(KeyOperation::Use(secret()));
        self.operate(KeyOperation::List);
        self.operate(KeyOperation::Use(old_key()));
        self.operate(KeyOperation::Remove(secret()));
    }

    /// The request to install the key comes over a stream.
    fn hear_of_it_on_a_stream(&mut self, compressed: bool) {
        let mut payload = Vec::with_capacity(256);
        write_key_request(&mut payload, &KeyRequest { key: &SECRET });
        let query = StreamMessage::Serf(SerfMessage::Query(Query {
            ltime: LamportTime::new(1000),
            id: 1,
            source: addr(2),
            source_name: "node-2".into(),
            filters: Filters::default(),
            flags: QueryFlags::NO_BROADCAST,
            relay_factor: 0,
            timeout: Duration::from_secs(1),
            name: "_serf_install-key",
            payload: &payload,
        }));
        let mut frame = Vec::with_capacity(4096);
        if compressed {
            let mut compressor = Compressor::new();
            memberlist::write_stream_message(&mut frame, &query, Some(&mut compressor));
        } else {
            native::write_stream_message(&mut frame, &query);
        }
        let sealer = Sealer::new(&Keyring::new(old_key()));
        sealer.seal_frame(&mut frame, 0, [9; NONCE_LEN], &Label::none());
        payload.fill(0);
        let node = &mut self.nodes[0];
        let id = node.accept_stream(addr(2), self.now).expect("room");
        for piece in frame.chunks(50) {
            node.handle_stream(id, StreamInput::Data(piece), self.now);
        }
        let ring = node.keyring().expect("it is encrypted");
        assert_eq!(ring.keys().len(), 2, "it was installed");
        node.set_keyring(Keyring::new(old_key()), self.now);
        self.run(Duration::from_secs(1));
    }
}

#[test]
fn a_removed_key_leaves_no_trace_in_nodes_nor_in_what_they_have_freed() {
    assert_eq!(SECRET_TEXT, &*Key::new(&SECRET).expect("valid").to_base64());
    for (wires, compress_packets) in [
        (Wires::Native, false),
        (Wires::Memberlist, false),
        (Wires::Memberlist, true),
    ] {
        let mut cluster = Cluster::new(Config {
            wires,
            compress_packets,
            push_pull_interval: Duration::ZERO,
            ..Config::lan()
        });
        cluster.rotate_there_and_back();
        assert_eq!(
            traces(),
            0,
            "after a rotation, {wires:?}, {compress_packets}"
        );
        cluster.hear_of_it_on_a_stream(wires == Wires::Memberlist);
        assert_eq!(traces(), 0, "after a stream, {wires:?}, {compress_packets}");
    }
}
