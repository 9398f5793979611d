//! Swarm mode: scenarios that nobody described.

mod faults;
mod people;

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::fault::{Fault, Join, Whom};
use super::network::{BurstLoss, Distances, Network, Times};
use super::settings::{Profile, Settings};
use super::{Cluster, Expect, Group, Node, Nodes, Part, Scenario, Share, Span, Speaks, Standard};
use crate::check::settling_time;
use crate::rng::{Domain, below, generator};

impl Scenario {
    /// The scenario of a seed: draws which faults exist at all, how violent they are, how many
    /// nodes there are and how they are set. Uniform mild noise finds little; what finds bugs are
    /// extremes, and faults that are missing altogether.
    ///
    /// All faults end, and the nodes have their settling time then to agree.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Draw::new(seed).scenario(seed, None)
    }

    /// The same for a cluster of so many nodes, two or more.
    #[must_use]
    pub fn draw_for(seed: u64, nodes: usize) -> Self {
        Draw::new(seed).scenario(seed, Some(nodes.max(2)))
    }
}

/// The words for the keys of a cluster that encrypts.
const OLD_KEY: &str = "old";
const NEW_KEY: &str = "new";

struct Draw {
    rng: ChaCha8Rng,
    /// How many there are, but for one that only ever takes the name of another.
    nodes: usize,
    /// Whether packets may be damaged: not where some have no checksum that would show it.
    flips: bool,
    /// The node that the others of a cluster apart join through.
    door: Option<usize>,
}

impl Draw {
    fn new(seed: u64) -> Self {
        Self::apart(seed, 0)
    }

    /// What is drawn from it changes nothing else.
    fn apart(seed: u64, purpose: u64) -> Self {
        Self {
            rng: generator(seed, Domain::Swarm, purpose),
            nodes: 0,
            flips: true,
            door: None,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.rng, bound)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A time from one to another, in milliseconds, small ones likelier.
    fn span(&mut self, from: u64, to: u64) -> Span {
        let widest = self.below(to - from) + 1;
        Span(Duration::from_millis(from + self.below(widest)))
    }

    fn share(&mut self, most: f64) -> Share {
        Share(most * self.below(1_000) as f64 / 1_000.0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// One to a third of the nodes, but for node 0, so that there is somebody to come back to.
    fn some(&mut self) -> Nodes {
        let most = (self.nodes as u64 / 3).max(1);
        let count = (1 + self.below(most)).min(self.nodes as u64 - 1);
        let mut nodes: Vec<usize> = (0..count)
            .map(|_| 1 + self.below(self.nodes as u64 - 1) as usize)
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        Nodes::these(&nodes)
    }

    /// Of nodes who are to leave, another instead of the door of a cluster apart. Those who stay do
    /// not look for who left, and who comes back knows only the door: that would know nobody either.
    fn but_door(&self, mut nodes: Nodes) -> Nodes {
        if let (Nodes::These(nodes), Some(door)) = (&mut nodes, self.door) {
            for node in nodes.iter_mut().filter(|it| **it == Node::from(door)) {
                *node = self.next(door).into();
            }
            nodes.sort_unstable();
            nodes.dedup();
        }
        nodes
    }

    /// The next node, but for node 0.
    fn next(&self, node: usize) -> usize {
        1 + node % (self.nodes - 1)
    }

    fn scenario(mut self, seed: u64, nodes: Option<usize>) -> Scenario {
        // Small clusters have paths of their own, large ones take long.
        let most = self.pick(&[3, 8, 20, 20, 40, 80]);
        let drawn = 2 + self.below(most) as usize;
        let all = nodes.unwrap_or(drawn);
        let namesake = all > 3 && self.one_in(8);
        self.nodes = all - usize::from(namesake);
        let config = self.config();
        let early = match self.one_in(4) {
            true => self.nodes - self.below(self.nodes as u64 / 2) as usize,
            false => self.nodes,
        };
        let groups = self.groups();
        let mut faults = self.faults();
        let mut work = self.work();
        let (at_once, one_by_one) = self.latecomers(early);
        faults.extend(at_once);
        work.extend(one_by_one);
        if namesake {
            faults.push(self.namesake());
        }
        let calm = faults.iter().filter_map(Fault::end).max();
        let calm = calm.unwrap_or_default().max(Duration::from_secs(150));
        let mut keys = Vec::new();
        if self.one_in(4) {
            keys.push(OLD_KEY.to_owned());
            if self.one_in(2) {
                let moved = join_again(&faults, calm);
                faults.extend(self.rotation(calm));
                faults.extend(moved);
            }
        }
        let params = config.params().expect("drawn within bounds");
        let settling = settling_time(&params, all).expect("drawn with both intervals");
        let mut scenario = Scenario {
            about: format!("Drawn from seed {seed}"),
            seed,
            lasts: Span(calm + settling + Duration::from_secs(60)),
            cluster: Cluster {
                nodes: all,
                late: all - early,
                cold: self.one_in(4),
                joined: self.one_in(8).then_some(true),
                keys,
            },
            groups,
            network: self.fair_network(),
            config,
            faults,
            work,
            // Of two claimants both stay where neither has a majority, as after enough else.
            expect: match namesake {
                true => Expect {
                    unchecked: vec![Standard::Agreement],
                    ..Expect::default()
                },
                false => Expect {
                    converged_within: Some(Span(settling)),
                    ..Expect::default()
                },
            },
        };
        Self::apart(seed, 1).last_question(&mut scenario, calm + settling);
        scenario
    }

    fn faults(&mut self) -> Vec<Fault> {
        let kinds: Vec<u64> = (0..faults::KINDS).filter(|_| self.one_in(4)).collect();
        let count = if kinds.is_empty() { 0 } else { self.below(16) };
        let faults = (0..count).map(|_| {
            let kind = self.pick(&kinds);
            self.fault(kind)
        });
        faults.collect()
    }

    /// Nodes of another wire or version, perhaps as a cluster of their own.
    fn groups(&mut self) -> Vec<Group> {
        if !self.one_in(4) {
            return Vec::new();
        }
        let apart = self.nodes > 4 && self.one_in(4);
        let mut group = Group {
            nodes: self.some(),
            wires: None,
            protocol: None,
            gossip_protocol: None,
            label: apart.then(|| "other".to_owned()),
            keys: None,
            apart,
        };
        match self.below(4) {
            0 => group.wires = Some(Speaks::Memberlist),
            1 => group.wires = Some(Speaks::Native),
            2 => group.protocol = Some(self.pick(&[2, 3, 4])),
            _ => {
                group.wires = Some(Speaks::Memberlist);
                group.gossip_protocol = Some(self.pick(&[2, 3, 4]));
            }
        }
        self.door = match &group.nodes {
            Nodes::These(nodes) if apart => nodes[0].index(self.nodes),
            _ => None,
        };
        // On that wire a packet to a stranger has no checksum, and to old members none has.
        self.flips = group.wires != Some(Speaks::Memberlist);
        vec![group]
    }

    fn config(&mut self) -> Settings {
        let profile = self.pick(&[Profile::Lan, Profile::Lan, Profile::Local]);
        let mut config = Settings {
            profile,
            // Nodes that come back at other addresses have a right to their names.
            dead_reclaim: Some(Span(Duration::from_secs(1))),
            ..Settings::default()
        };
        if self.one_in(3) {
            config.packet_budget = Some(self.pick(&[508, 600, 1_000, 9_000]));
        }
        if self.one_in(4) {
            config.gossip_nodes = Some(self.pick(&[1, 2, 8]));
        }
        if self.one_in(4) {
            config.indirect_checks = Some(self.pick(&[0, 1, 5]));
        }
        if self.one_in(4) {
            config.suspicion_mult = Some(self.pick(&[1, 2, 8]));
        }
        if self.one_in(6) {
            config.retransmit_mult = Some(1);
        }
        if self.one_in(6) {
            config.stream_ping = Some(false);
        }
        if self.one_in(6) {
            config.gossip_to_dead = Some(Span::default());
        }
        if self.one_in(6) {
            config.max_inbound_streams = Some(2);
        }
        if self.one_in(6) {
            config.event_buffer = Some(16);
        }
        config
    }

    fn fair_network(&mut self) -> Network {
        let mut network = self.network();
        network.latency = None;
        network.burst = None;
        network.mtu = None;
        if self.one_in(4) {
            network.regions = Some(self.regions());
        }
        network.loss = self.share(0.05);
        network.flip.0 /= 10.0;
        network.truncate.0 /= 10.0;
        network.sever.0 /= 5.0;
        network.reorder = Share::default();
        if self.one_in(2) {
            network = Network::default();
        }
        network
    }

    fn network(&mut self) -> Network {
        let mut network = Network::default();
        if self.one_in(2) {
            network.latency = Some(match self.below(3) {
                0 => Times::Constant(self.span(1, 400)),
                1 => Times::Uniform {
                    from: Span::default(),
                    to: self.span(1, 2_000),
                },
                _ => Times::LogNormal {
                    median: self.span(1, 200),
                    sigma: 0.1 + self.share(1.5).0,
                },
            });
        }
        if self.one_in(2) {
            network.loss = self.share(0.5);
        }
        if self.one_in(4) {
            network.burst = Some(BurstLoss {
                every: self.span(1_000, 20_000),
                lasts: self.span(100, 5_000),
                loss: Share(1.0),
            });
        }
        for share in [
            &mut network.duplicate,
            &mut network.reorder,
            &mut network.flip,
            &mut network.truncate,
            &mut network.replay,
            &mut network.sever,
        ] {
            if self.one_in(3) {
                *share = self.share(0.3);
            }
        }
        if self.one_in(4) {
            network.stream_chunk = Some(self.pick(&[1, 7, 100]));
        }
        if self.one_in(4) {
            network.mtu = Some(self.pick(&[300, 600, 1_200]));
        }
        if !self.flips {
            network.flip = Share::default();
        }
        network
    }

    /// Two or three places, up to as far from each other as there are on Earth.
    fn regions(&mut self) -> Distances {
        let count = 2 + self.below(2) as usize;
        let near = Span(Duration::from_millis(1));
        let far = [self.span(5, 150), self.span(5, 150), self.span(5, 150)];
        // Of three places each pair has its distance.
        let between = |one: usize, other: usize| match one == other {
            true => near,
            false => far[one + other - 1],
        };
        let row = |one| (0..count).map(|other| between(one, other)).collect();
        let distances = (0..count).map(row).collect();
        Distances {
            nodes: vec![Part::Count(self.nodes / count); count],
            distances,
            jitter: self.share(0.3).0,
        }
    }
}

/// Who has moved and came back with an old key may have found those only who did the same, and
/// nobody else knows where they are. Once all have the keys, they are told of the others again.
fn join_again(faults: &[Fault], at: Duration) -> Vec<Fault> {
    let moved = faults.iter().filter_map(|fault| fault.relocate.as_ref());
    let join = |moved: &Whom| Fault {
        at: Span(at),
        join: Some(Join {
            nodes: moved.nodes.clone(),
            replay: false,
        }),
        ..Fault::default()
    };
    moved.map(join).collect()
}
