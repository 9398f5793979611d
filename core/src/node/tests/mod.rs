//! Scripted stories of a few nodes, told through the public calls alone.

mod checkpoints;
mod claims;
mod departures;
mod events;
mod intents;
mod keys;
mod lifeguard;
mod merging;
mod mixed;
mod queries;
mod reconnects;
mod restarts;
mod stories;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::message::{Alive, Message};
use crate::wire::native::PacketWriter;
use crate::{
    Action, Answer, Config, Event, Identity, Instant, MemberEventKind, Name, Node, Outcome, Params,
    QueryKey, QuerySummary, Status, StreamFailure, StreamId, StreamInput, Tags, Versions,
};

const SECOND: Duration = Duration::from_secs(1);

/// Longest time from silence to being declared failed in a handful of members: their turn in the
/// probe round, the probe itself, the longest suspicion.
const DETECTION: Duration = Duration::from_secs(2 * 3 + 1 + 24);

fn packet(message: &Message<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    assert!(writer.push(message));
    writer.finish();
    buf
}

fn alive_message(n: usize, at: SocketAddr, incarnation: u32, names: &[Name]) -> Vec<u8> {
    packet(&Message::Alive(Alive {
        incarnation,
        name: (&names[n]).into(),
        addr: at,
        versions: Versions::CURRENT,
        meta: &[0xff, 0x80],
    }))
}

/// A few nodes on a network that takes a millisecond per hop. No randomness of its own.
struct Cluster {
    nodes: Vec<Node>,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sent: u64,
    /// Directed pairs whose datagrams are lost.
    deaf: BTreeSet<(usize, usize)>,
    /// Nodes that are down: they hear nothing, do nothing, and refuse connections.
    down: BTreeSet<usize>,
    /// The other end of each stream.
    peers: BTreeMap<(usize, StreamId), (usize, StreamId)>,
    events: Vec<(usize, Event)>,
    outcomes: Vec<(usize, Outcome)>,
    answers: Vec<(usize, QueryKey, Answer)>,
    ended: Vec<(usize, QueryKey, QuerySummary)>,
    /// The largest datagram so far.
    largest: usize,
    /// Whether to keep datagrams, and those kept: from, to, bytes.
    record: bool,
    recorded: Vec<(usize, usize, Vec<u8>)>,
    /// The last time that each node was told.
    told: BTreeMap<usize, Instant>,
}

enum Delivery {
    Datagram {
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    },
    Dial {
        from: usize,
        id: StreamId,
        to: SocketAddr,
    },
    Opened {
        to: usize,
        id: StreamId,
    },
    Data {
        to: usize,
        id: StreamId,
        bytes: Vec<u8>,
    },
    Closed {
        to: usize,
        id: StreamId,
        failure: Option<StreamFailure>,
    },
}

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8 + 1], 7946))
}

fn name(n: usize) -> Name {
    Name::new(&format!("node-{n}")).expect("a valid name")
}

fn node(n: usize, config: Config, run: u8, now: Instant) -> Node {
    let params = Params::new(config).expect("a valid configuration");
    let identity = Identity::new(name(n), addr(n));
    let mut seed = [run; 32];
    seed[0] = n as u8;
    Node::new(identity, params, seed, now).expect("a valid identity")
}

impl Cluster {
    fn new(count: usize, config: Config) -> Self {
        let start = Instant::from_millis(1_000);
        Self {
            nodes: (0..count)
                .map(|n| node(n, config.clone(), 1, start))
                .collect(),
            now: start,
            queue: BTreeMap::new(),
            sent: 0,
            deaf: BTreeSet::new(),
            down: BTreeSet::new(),
            peers: BTreeMap::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            answers: Vec::new(),
            ended: Vec::new(),
            largest: 0,
            record: false,
            recorded: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// `count` nodes that know each other and have nothing left to tell.
    fn joined(count: usize, config: Config) -> Self {
        let mut cluster = Self::new(count, config);
        for n in 1..count {
            let now = cluster.now;
            cluster.nodes[n]
                .join(&[addr(0)], now)
                .expect("join is accepted");
        }
        cluster.run(Duration::from_secs(10));
        for n in 0..count {
            assert_eq!(
                cluster.nodes[n].alive_count(),
                count,
                "node-{n} knows everybody"
            );
        }
        cluster.events.clear();
        cluster.outcomes.clear();
        cluster
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let mut wake = end;
            for n in 0..self.nodes.len() {
                wake = wake.min(self.drain(n));
            }
            let next = self
                .queue
                .first_key_value()
                .map_or(end, |(&(at, _), _)| at)
                .min(wake);
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next;
            match self.queue.first_key_value() {
                Some((&key, _)) if key.0 <= next => {
                    let delivery = self.queue.remove(&key).expect("it was there");
                    self.deliver(delivery);
                }
                _ => {
                    for n in 0..self.nodes.len() {
                        if !self.down.contains(&n) {
                            self.nodes[n].handle_tick(next);
                            self.told.insert(n, next);
                        }
                    }
                }
            }
        }
    }

    /// Carries out what a node asks for; returns when it wants to be woken.
    fn drain(&mut self, n: usize) -> Instant {
        if self.down.contains(&n) {
            return Instant::FAR_FUTURE;
        }
        loop {
            let mut buf = Vec::new();
            match self.nodes[n].poll_action(&mut buf) {
                Action::SendDatagram { to } => {
                    self.largest = self.largest.max(buf.len());
                    let to = usize::from(to.ip().last_octet() - 1);
                    if self.record && to < self.nodes.len() {
                        self.recorded.push((n, to, buf.clone()));
                    }
                    if to < self.nodes.len() && !self.deaf.contains(&(n, to)) {
                        self.later(Delivery::Datagram {
                            from: n,
                            to,
                            bytes: buf,
                        });
                    }
                }
                Action::OpenStream { id, to } => self.later(Delivery::Dial { from: n, id, to }),
                Action::WriteStream { id } => {
                    if let Some(&(to, id)) = self.peers.get(&(n, id)) {
                        self.later(Delivery::Data { to, id, bytes: buf });
                    }
                }
                Action::CloseStream { id, abort } => {
                    if let Some((to, id)) = self.peers.remove(&(n, id)) {
                        let failure = abort.then_some(StreamFailure::Reset);
                        self.later(Delivery::Closed { to, id, failure });
                    }
                }
                Action::Event(event) => self.events.push((n, event)),
                Action::Answer { query, answer } => self.answers.push((n, query, answer)),
                Action::QueryEnded { query, summary } => self.ended.push((n, query, summary)),
                Action::Done { outcome, .. } => self.outcomes.push((n, outcome)),
                Action::Wait(deadline) => {
                    let deadline = deadline.unwrap_or(Instant::FAR_FUTURE);
                    // Overdue can only be what it has not been told the time of.
                    let told = self.told.get(&n).copied().unwrap_or_default();
                    assert!(deadline > told, "a drained node asks for a future deadline");
                    return deadline;
                }
            }
        }
    }

    fn later(&mut self, delivery: Delivery) {
        self.sent += 1;
        self.queue
            .insert((self.now + Duration::from_millis(1), self.sent), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Datagram { from, to, bytes } => {
                if !self.down.contains(&to) {
                    self.nodes[to].handle_datagram(addr(from), &bytes, now);
                }
            }
            Delivery::Dial { from, id, to } => {
                let to = usize::from(to.ip().last_octet() - 1);
                let up = to < self.nodes.len() && !self.down.contains(&to);
                let accepted = if up {
                    self.nodes[to].accept_stream(addr(from), now)
                } else {
                    None
                };
                match accepted {
                    Some(theirs) => {
                        self.peers.insert((from, id), (to, theirs));
                        self.peers.insert((to, theirs), (from, id));
                        self.later(Delivery::Opened { to: from, id });
                    }
                    None => self.later(Delivery::Closed {
                        to: from,
                        id,
                        failure: Some(StreamFailure::Refused),
                    }),
                }
            }
            Delivery::Opened { to, id } => {
                self.nodes[to].handle_stream(id, StreamInput::Opened, now);
            }
            Delivery::Data { to, id, bytes } => {
                // In two pieces, as streams come.
                let (first, second) = bytes.split_at(bytes.len() / 3);
                self.nodes[to].handle_stream(id, StreamInput::Data(first), now);
                self.nodes[to].handle_stream(id, StreamInput::Data(second), now);
            }
            Delivery::Closed { to, id, failure } => {
                self.peers.remove(&(to, id));
                let input = failure.map_or(StreamInput::Finished, StreamInput::Failed);
                self.nodes[to].handle_stream(id, input, now);
            }
        }
    }

    /// The ends of commands that spread something: at which node, and whether it was complete.
    fn completions(&self) -> Vec<(usize, bool)> {
        let spread = |(n, outcome): &(usize, Outcome)| match outcome {
            Outcome::Spread { complete, .. } => Some((*n, *complete)),
            _ => None,
        };
        self.outcomes.iter().filter_map(spread).collect()
    }

    fn status(&self, at: usize, of: usize) -> Option<Status> {
        self.nodes[at]
            .member(&name(of))
            .map(|member| member.status())
    }

    /// The kinds of membership events that `at` had about `of`.
    fn kinds(&self, at: usize, of: usize) -> Vec<MemberEventKind> {
        let about = |event: &Event| match event {
            Event::Member(event) if *event.member.name() == name(of) => Some(event.kind),
            _ => None,
        };
        self.events
            .iter()
            .filter(|(n, _)| *n == at)
            .filter_map(|(_, event)| about(event))
            .collect()
    }
}

trait LastOctet {
    fn last_octet(&self) -> u8;
}

impl LastOctet for core::net::IpAddr {
    fn last_octet(&self) -> u8 {
        match self {
            Self::V4(ip) => ip.octets()[3],
            Self::V6(ip) => ip.octets()[15],
        }
    }
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs
        .iter()
        .map(|&(key, value)| (key.into(), value.into()))
        .collect()
}
