//! The state of the whole cluster, again and again.

use std::time::Duration;

use serf_core::Instant;

use super::beliefs::Beliefs;
use crate::check::Truth;
use crate::host::State;
use crate::world::World;

/// The state of the whole cluster at one moment, and its traffic since the one before.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// When, in seconds.
    pub at: f64,
    /// Nodes that run.
    pub running: usize,
    /// Of those, the ones that hold the right number of members as alive.
    pub agreeing: usize,
    /// Bytes per second that a node sent in datagrams and streams, on average over all nodes.
    pub bytes: f64,
    /// The same of the node that sent most.
    pub most_bytes: f64,
    /// Datagrams per second that a node sent, on average over all nodes.
    pub datagrams: f64,
    /// The same of the node that sent most.
    pub most_datagrams: f64,
    /// How far members are taken for failed: neighbours share a cell if there are more than 128.
    pub members: Vec<Cell>,
    /// The share of members that nodes take for failed, in cells of the same nodes.
    pub observers: Vec<f32>,
}

/// How far the members of one cell are taken for failed: the share of all running nodes that do,
/// on average over the members.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cell {
    /// Members that are down, stand still, or have left.
    pub rightly: f32,
    /// Members that run.
    pub wrongly: f32,
}

/// Rows of nodes that can be told apart.
const CELLS: usize = 128;

/// Samples that are kept; beyond these, two become one.
const MOST: usize = 480;

#[derive(Debug)]
pub(super) struct Samples {
    all: Vec<Sample>,
    step: Duration,
    next: Instant,
    last: Instant,
    /// Bytes and datagrams that each node had sent at the last sample.
    sent: Vec<(u64, u64)>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            step: Duration::from_secs(1),
            next: Instant::ZERO + Duration::from_secs(1),
            last: Instant::ZERO,
            sent: Vec::new(),
        }
    }
}

impl Samples {
    pub(super) fn all(&self) -> &[Sample] {
        &self.all
    }

    pub(super) fn due(&self, now: Instant) -> bool {
        now >= self.next
    }

    pub(super) fn take(&mut self, world: &World, beliefs: &mut Beliefs) {
        let now = world.now();
        let passed = now.since(self.last).as_secs_f64();
        let (running, agreeing) = Truth::of(world).matching(world);
        let mut sample = Sample {
            at: super::seconds(now),
            running,
            agreeing,
            ..Sample::default()
        };
        self.traffic(world, passed, &mut sample);
        cells(world, beliefs, running, &mut sample);
        self.all.push(sample);
        if self.all.len() > MOST {
            self.step *= 2;
            self.all = self.all.chunks(2).map(merged).collect();
        }
        self.last = now;
        self.next = now + self.step;
    }

    fn traffic(&mut self, world: &World, passed: f64, sample: &mut Sample) {
        self.sent.resize(world.len(), (0, 0));
        let (mut bytes, mut datagrams) = (0, 0);
        let (mut most_bytes, mut most_datagrams) = (0, 0);
        for (node, sent) in self.sent.iter_mut().enumerate() {
            let usage = world.usage(node);
            let total = usage.datagram_bytes_sent + usage.stream_bytes_sent;
            let before = std::mem::replace(sent, (total, usage.datagrams_sent));
            let (more, packets) = (total - before.0, usage.datagrams_sent - before.1);
            bytes += more;
            datagrams += packets;
            most_bytes = most_bytes.max(more);
            most_datagrams = most_datagrams.max(packets);
        }
        let rate = |count: u64, nodes: usize| count as f64 / passed.max(1e-9) / nodes.max(1) as f64;
        sample.bytes = rate(bytes, world.len());
        sample.most_bytes = rate(most_bytes, 1);
        sample.datagrams = rate(datagrams, world.len());
        sample.most_datagrams = rate(most_datagrams, 1);
    }
}

fn cells(world: &World, beliefs: &mut Beliefs, running: usize, sample: &mut Sample) {
    let (nodes, count) = (world.len(), world.len().min(CELLS));
    let observers = running.max(1) as f32;
    for cell in 0..count {
        let range = cell * nodes / count..(cell + 1) * nodes / count;
        let size = range.len() as f32;
        let (mut value, mut of) = (Cell::default(), 0.0);
        for node in range {
            if matches!(world.state(node), State::Down | State::Left) {
                beliefs.forget(node);
            }
            let (about, held) = beliefs.take_most(node);
            let share = (about as f32 / observers).min(1.0) / size;
            match world.state(node) {
                State::Running => value.wrongly += share,
                _ => value.rightly += share,
            }
            of += held as f32 / nodes as f32 / size;
        }
        sample.members.push(value);
        sample.observers.push(of);
    }
}

/// Two samples as one that hides nothing: the end of both, and the worse of each.
fn merged(pair: &[Sample]) -> Sample {
    let [one, other] = pair else {
        return pair[0].clone();
    };
    let share = |it: &Sample| it.agreeing as f64 / it.running.max(1) as f64;
    let worse = match share(one) < share(other) {
        true => one,
        false => other,
    };
    let most = |one: f32, other: f32| one.max(other);
    Sample {
        at: other.at,
        running: worse.running,
        agreeing: worse.agreeing,
        bytes: (one.bytes + other.bytes) / 2.0,
        most_bytes: one.most_bytes.max(other.most_bytes),
        datagrams: (one.datagrams + other.datagrams) / 2.0,
        most_datagrams: one.most_datagrams.max(other.most_datagrams),
        members: std::iter::zip(&one.members, &other.members)
            .map(|(one, other)| Cell {
                rightly: most(one.rightly, other.rightly),
                wrongly: most(one.wrongly, other.wrongly),
            })
            .collect(),
        observers: std::iter::zip(&one.observers, &other.observers)
            .map(|(one, other)| most(*one, *other))
            .collect(),
    }
}
