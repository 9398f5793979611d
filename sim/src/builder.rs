//! How a world is described before it exists.

use std::time::Duration;

use serf_core::{Config, Node, Params};

use crate::check::{Check, Checks};
use crate::link::{Latency, Link, Ratio};
use crate::lives::Memory;
use crate::network::Network;
use crate::rng::{Domain, derive};
use crate::world::World;

/// The coordinates that a node of a world keeps unless its settings say otherwise: those of the others
/// that it met last. What it keeps beyond is 60 bytes for each pair of nodes, if a world runs for long
/// enough, more than twice of all else; an agent has memory for more of them.
pub const MAX_COORDINATES: u32 = 256;

/// The description of a [`World`], from [`World::builder`].
#[must_use]
pub struct Builder {
    seed: u64,
    nodes: usize,
    joined: bool,
    params: Params,
    link: Link,
    stream_chunk: usize,
    checks: Checks,
}

impl Builder {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config {
            max_coordinates: MAX_COORDINATES,
            ..Config::lan()
        };
        Self {
            seed,
            nodes: 0,
            joined: false,
            params: Params::new(config).expect("the profile keeps its own bounds"),
            link: Link::lan(),
            stream_chunk: 16_384,
            checks: Checks::standard(),
        }
    }

    /// How many nodes the world has to begin with, all running, none knowing another. Default: 0.
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// The nodes know each other from the start, as if they had joined long ago and come to rest;
    /// their applications have heard of nobody. Setting up takes a fraction of the time that
    /// joining does, and the nodes share their tables' pages until they change.
    pub fn joined(mut self) -> Self {
        self.joined = true;
        self
    }

    /// The settings of the nodes. Default: [`Config::lan`] with [`MAX_COORDINATES`].
    pub fn params(mut self, params: Params) -> Self {
        self.params = params;
        self
    }

    /// All links between nodes. Default: [`Link::lan`].
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// How long packets are under way.
    pub fn latency(mut self, latency: Latency) -> Self {
        self.link.latency = latency;
        self
    }

    /// The share of packets that get lost, such as `0.01`.
    pub fn loss(mut self, loss: impl Into<Ratio>) -> Self {
        self.link.loss = loss.into();
        self
    }

    /// The share of datagrams that arrive twice.
    pub fn duplicate(mut self, duplicate: impl Into<Ratio>) -> Self {
        self.link.duplicate = duplicate.into();
        self
    }

    /// Bytes of a stream that are handed to a node at once, at least 1. Small values show whether
    /// nodes put messages together again. Default: 16,384.
    pub fn stream_chunk(mut self, bytes: usize) -> Self {
        self.stream_chunk = bytes.max(1);
        self
    }

    /// One more thing that has to hold all the time, in the place of a check of the same name if
    /// there is one. All in [`check`](crate::check) do by default.
    pub fn check(self, check: impl Check + 'static) -> Self {
        self.boxed_check(Box::new(check))
    }

    pub(crate) fn boxed_check(mut self, check: Box<dyn Check>) -> Self {
        self.checks.add(check);
        self
    }

    /// One thing less that has to hold: the check of this name, if there is one.
    pub fn without(mut self, check: &str) -> Self {
        self.checks.remove(check);
        self
    }

    /// Nothing has to hold but what is asked for from here on.
    pub fn unchecked(mut self) -> Self {
        self.checks = Checks::default();
        self
    }

    /// Makes the world and starts its nodes, at time zero.
    #[must_use]
    pub fn build(self) -> World {
        let network = Network::new(self.seed, self.link);
        let mut world = World::new(self.seed, self.params, network, self.stream_chunk);
        world.checks = Some(Box::new(self.checks));
        for _ in 0..self.nodes {
            world.add();
        }
        if self.joined {
            world.start_joined(self.nodes);
        } else {
            (0..self.nodes).for_each(|node| world.start(node));
        }
        world
    }
}

impl World {
    /// Starts so many nodes, the first ones, as ones that know all others of their cluster.
    pub(crate) fn start_joined(&mut self, count: usize) {
        // Those that are alike share the memory of one that knows what they know.
        let mut kinds: Vec<(usize, Node)> = Vec::new();
        for node in 0..count {
            let kind = kinds
                .iter()
                .position(|(first, _)| self.are_alike(*first, node));
            let kind = kind.unwrap_or_else(|| {
                kinds.push((node, self.knowing_all(node, count)));
                kinds.len() - 1
            });
            self.start_with(node, Memory::Of(&kinds[kind].1));
            self.clusters.join(self.door(node), node);
        }
    }

    /// True if a node has the settings, label and keys of another one, and belongs to its cluster.
    fn are_alike(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.hosts[one], &self.hosts[other]);
        one.apart == other.apart
            && one.params == other.params
            && one.identity.label == other.identity.label
            && one.keyring == other.keyring
    }

    /// A node like this one that knows those of its cluster among the first so many.
    fn knowing_all(&self, node: usize, count: usize) -> Node {
        let in_order = "the identities of a world are in order";
        let host = &self.hosts[node];
        let seed = derive(self.seed, Domain::Setup, 0, 0);
        let mut known = Node::new(host.identity.clone(), host.params.clone(), seed, self.now)
            .expect(in_order)
            .with_pool(self.profiles.clone());
        let others = self.hosts[..count].iter();
        for other in others.filter(|other| other.apart == host.apart) {
            let wires = other.params.wires;
            known.acquaint(&other.identity, wires).expect(in_order);
        }
        known
    }

    /// Lets every running node but `seed` join through it, one each millisecond, as machines of a
    /// real cluster do not start in the same instant either; a node that reaches nobody tries
    /// again. Time has to pass for that to happen.
    pub fn join_all_through(&mut self, seed: usize) {
        let nodes: Vec<usize> = self.running().filter(|node| *node != seed).collect();
        for (nth, node) in (1..).zip(nodes) {
            let op = crate::Op::Join {
                node,
                seeds: vec![seed],
                retry: true,
                replay: false,
            };
            self.schedule(Duration::from_millis(nth), op);
        }
    }
}
