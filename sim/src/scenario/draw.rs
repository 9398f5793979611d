//! Swarm mode: scenarios that nobody described.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::fault::{Back, Crash, Drift, Fault, ForceLeave, Narrow, Partition, Slow, Stutter};
use super::fault::{Traffic, Whom};
use super::network::{BurstLoss, Network, Times};
use super::settings::{Profile, Settings};
use super::work::{Churn, Event, Work};
use super::{Cluster, Expect, Nodes, Scenario, Share, Span};
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

struct Draw {
    rng: ChaCha8Rng,
    nodes: usize,
}

impl Draw {
    fn new(seed: u64) -> Self {
        Self {
            rng: generator(seed, Domain::Swarm, 0),
            nodes: 0,
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
        Nodes::These(nodes)
    }

    fn scenario(mut self, seed: u64, nodes: Option<usize>) -> Scenario {
        // Small clusters have paths of their own, large ones take long.
        let most = self.pick(&[3, 8, 20, 20, 40, 80]);
        let drawn = 2 + self.below(most) as usize;
        self.nodes = nodes.unwrap_or(drawn);
        let config = self.config();
        let kinds: Vec<u64> = (0..KINDS).filter(|_| self.one_in(3)).collect();
        let count = if kinds.is_empty() { 0 } else { self.below(16) };
        let faults: Vec<Fault> = (0..count)
            .map(|_| {
                let kind = self.pick(&kinds);
                self.fault(kind)
            })
            .collect();
        let work = self.work();
        let calm = faults.iter().filter_map(Fault::end).max();
        let calm = calm.unwrap_or_default().max(Duration::from_secs(150));
        let params = config.params().expect("drawn within bounds");
        let settling = settling_time(&params, self.nodes).expect("drawn with both intervals");
        Scenario {
            about: format!("Drawn from seed {seed}"),
            seed,
            lasts: Span(calm + settling + Duration::from_secs(60)),
            cluster: Cluster {
                nodes: self.nodes,
                late: 0,
                cold: self.one_in(4),
                ..Cluster::default()
            },
            groups: Vec::new(),
            network: self.fair_network(),
            config,
            faults,
            work,
            expect: Expect {
                converged_within: Some(Span(settling)),
                ..Expect::default()
            },
        }
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
        network
    }

    fn fault(&mut self, kind: u64) -> Fault {
        let fault = Fault {
            at: self.span(0, 90_000),
            lasts: Some(self.span(500, 60_000)),
            ..Fault::default()
        };
        let nodes = self.some();
        match kind {
            0 => Fault {
                crash: Some(Crash {
                    nodes,
                    back: self.pick(&[Back::Remembering, Back::Empty]),
                }),
                ..fault
            },
            1 => Fault {
                pause: Some(Whom { nodes }),
                ..fault
            },
            2 => Fault {
                stutter: Some(Stutter {
                    nodes,
                    stops: self.span(50, 10_000),
                    runs: self.span(10, 2_000),
                }),
                ..fault
            },
            3 => Fault {
                slow: Some(Slow {
                    nodes,
                    per_input: self.span(1, 500),
                }),
                ..fault
            },
            4 => Fault {
                drift: Some(Drift {
                    nodes,
                    ppm: self.pick(&[-500_000, -10_000, 10_000, 200_000, 1_000_000]),
                }),
                ..fault
            },
            5 => Fault {
                narrow: Some(Narrow {
                    nodes,
                    bytes_per_second: 100 + self.below(10_000),
                    queue: 1_000 + self.below(100_000),
                }),
                ..fault
            },
            6 | 7 => Fault {
                partition: Some(Partition {
                    side: nodes,
                    other: match self.one_in(3) {
                        true => Some(self.some()),
                        false => None,
                    },
                    one_way: self.one_in(3),
                    traffic: self.pick(&[
                        Traffic::All,
                        Traffic::All,
                        Traffic::Datagrams,
                        Traffic::Streams,
                    ]),
                    refuse: self.one_in(3),
                }),
                ..fault
            },
            8 => Fault {
                network: Some(self.network()),
                ..fault
            },
            9 => Fault {
                relocate: Some(Whom { nodes }),
                ..fault
            },
            10 => Fault {
                rename: Some(Whom { nodes }),
                ..fault
            },
            11 => Fault {
                leave: Some(Whom { nodes }),
                lasts: Some(self.span(10_000, 60_000)),
                ..fault
            },
            _ => Fault {
                force_leave: Some(ForceLeave {
                    by: 0,
                    nodes,
                    prune: self.one_in(2),
                }),
                lasts: None,
                ..fault
            },
        }
    }

    fn work(&mut self) -> Vec<Work> {
        let mut work = Vec::new();
        let until = Some(Span(Duration::from_secs(150)));
        if !self.one_in(3) {
            work.push(Work {
                until,
                every: self.span(50, 10_000),
                event: Some(Event {
                    nodes: Nodes::All,
                    payload: self.pick(&[0, 10, 100, 400]),
                }),
                ..Work::default()
            });
        }
        if self.one_in(3) {
            work.push(Work {
                until,
                every: self.span(100, 10_000),
                tags: Some(Whom { nodes: Nodes::All }),
                ..Work::default()
            });
        }
        if self.one_in(4) {
            work.push(Work {
                until: Some(Span(Duration::from_secs(90))),
                every: self.span(1_000, 20_000),
                churn: Some(Churn {
                    nodes: self.some(),
                    away: self.span(12_000, 40_000),
                    crash: self.one_in(2),
                }),
                ..Work::default()
            });
        }
        work
    }
}

/// Kinds of faults that can be drawn.
const KINDS: u64 = 13;
