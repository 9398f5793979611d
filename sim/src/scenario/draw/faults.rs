//! What goes wrong in a drawn scenario.

use super::Draw;
use crate::scenario::fault::{
    Back, Crash, Drift, Fault, ForceLeave, Narrow, Partition, Slow, Stutter, Traffic, Whom,
};
use crate::scenario::{Node, Nodes, Poison, ReuseAddress, Slander};

/// Kinds of faults that can be drawn.
pub(super) const KINDS: u64 = 17;

impl Draw {
    pub(super) fn fault(&mut self, kind: u64) -> Fault {
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
                    back: self.pick(&[Back::Remembering, Back::Snapshot, Back::Empty]),
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
                partition: Some(self.partition(nodes)),
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
                leave: Some(Whom {
                    nodes: self.but_door(nodes),
                }),
                lasts: Some(self.span(10_000, 60_000)),
                ..fault
            },
            12 => Fault {
                block: Some(Whom { nodes }),
                ..fault
            },
            13 => self.hostile(fault, nodes),
            14 if self.nodes > 2 => self.reuse_address(fault),
            14 => Fault {
                partition: Some(self.partition(nodes)),
                ..fault
            },
            15 => self.away(fault, nodes),
            _ => Fault {
                force_leave: Some(ForceLeave {
                    by: Node(0),
                    nodes,
                    prune: self.one_in(2),
                }),
                lasts: None,
                ..fault
            },
        }
    }

    fn partition(&mut self, side: Nodes) -> Partition {
        Partition {
            side,
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
        }
    }

    /// Somebody who says what is not true. The times are such as no clock may follow: one that it
    /// may would be believed, and rightly so.
    fn hostile(&mut self, fault: Fault, nodes: Nodes) -> Fault {
        let by = (self.below(self.nodes as u64) as usize).into();
        match self.one_in(2) {
            true => Fault {
                poison: Some(Poison {
                    by,
                    nodes,
                    time: self.pick(&[None, Some(1 << 33), Some(1 << 63)]),
                }),
                lasts: None,
                ..fault
            },
            false => Fault {
                slander: Some(Slander {
                    by,
                    nodes,
                    about: self.some(),
                    suspect: self.one_in(2),
                    every: self.span(100, 5_000),
                }),
                ..fault
            },
        }
    }

    fn reuse_address(&mut self, fault: Fault) -> Fault {
        // Two others than node 0 and the door of a cluster apart, as one of them does not come back.
        let mut by = 1 + self.below(self.nodes as u64 - 1) as usize;
        let mut of = 1 + (by + self.below(self.nodes as u64 - 2) as usize) % (self.nodes - 1);
        if Some(by) == self.door {
            by = self.next(by);
        }
        while of == by || Some(of) == self.door {
            of = self.next(of);
        }
        Fault {
            reuse_address: Some(ReuseAddress {
                by: by.into(),
                of: of.into(),
            }),
            ..fault
        }
    }

    /// Nodes that keep snapshots are away for a short time.
    fn away(&mut self, fault: Fault, nodes: Nodes) -> Fault {
        Fault {
            lasts: Some(self.span(100, 20_000)),
            crash: Some(Crash {
                nodes,
                back: Back::Snapshot,
            }),
            ..fault
        }
    }
}
