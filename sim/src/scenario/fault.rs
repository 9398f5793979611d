//! What goes wrong in a scenario, and when.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Invalid, Network, Nodes, Span};
use crate::event::Op;
use crate::link::Link;
use crate::medium::Uplink;
use crate::network::{self, Cut};
use crate::world::World;

/// One fault: a time, and exactly one of the things that can go wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    #[serde(default)]
    pub at: Span,
    /// How long it lasts; without this, to the end.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Nodes end without a word, and come back after the time that the fault lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// Nodes stop in mid-air and go on later; what arrives waits for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Whom>,
    /// The messages of nodes wait, in both directions, while the nodes go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<Whom>,
    /// Nodes stop and go on in turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stutter: Option<Stutter>,
    /// Nodes take their time for each input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<Slow>,
    /// The clocks of nodes run at another rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Nodes can send little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrow: Option<Narrow>,
    /// Nothing passes between two sets of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// The whole network is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Nodes crash, and come back under their names at other addresses.
    #[serde(rename = "move", skip_serializing_if = "Option::is_none")]
    pub relocate: Option<Whom>,
    /// Nodes crash, and come back at their addresses under other names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename: Option<Whom>,
    /// Nodes leave, and join again after the time that the fault lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave: Option<Whom>,
    /// Nodes that were late start and join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Whom>,
    /// A node is told to treat others as gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_leave: Option<ForceLeave>,
}

/// The nodes that a fault is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whom {
    /// Which.
    pub nodes: Nodes,
}

/// How a node comes back after a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Back {
    /// Through some of those that it knew.
    #[default]
    Remembering,
    /// Through node 0, or node 1 if that is the one, remembering nothing.
    Empty,
}

/// Nodes end without a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Which.
    pub nodes: Nodes,
    /// How they come back.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub back: Back,
}

/// Nodes stop and go on in turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stutter {
    /// Which.
    pub nodes: Nodes,
    /// How long they stop.
    pub stops: Span,
    /// How long they run in between.
    pub runs: Span,
}

/// Nodes take their time for each input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Which.
    pub nodes: Nodes,
    /// How much.
    pub per_input: Span,
}

/// The clocks of nodes run at another rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Which.
    pub nodes: Nodes,
    /// Parts per million that they are fast, or slow if negative.
    pub ppm: i32,
}

/// Nodes can send little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrow {
    /// Which.
    pub nodes: Nodes,
    /// How much.
    pub bytes_per_second: u64,
    /// Bytes that may wait.
    pub queue: u64,
}

/// A kind of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// Datagrams and streams.
    #[default]
    All,
    /// Datagrams.
    Datagrams,
    /// Streams.
    Streams,
}

/// Nothing passes between two sets of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The nodes of one side.
    pub side: Nodes,
    /// Those of the other; all others if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Nodes>,
    /// Only what goes from `side` to the other is stopped.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub one_way: bool,
    /// What is stopped.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub traffic: Traffic,
    /// New streams are refused rather than swallowed.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub refuse: bool,
}

/// A node is told to treat others as gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceLeave {
    /// The node that is told.
    pub by: usize,
    /// The others.
    pub nodes: Nodes,
    /// Whether it forgets them altogether.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub prune: bool,
}

impl Fault {
    /// When it is over, if it is.
    pub(super) fn end(&self) -> Option<Duration> {
        let over_at_once = [&self.relocate, &self.rename, &self.leave, &self.join];
        match self.lasts {
            Some(lasts) => Some(self.at.0 + lasts.0),
            None if over_at_once.iter().any(|it| it.is_some()) => Some(self.at.0),
            None if self.crash.is_some() || self.force_leave.is_some() => Some(self.at.0),
            None => None,
        }
    }

    /// The sets of nodes in it.
    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Nodes> {
        let whom = [
            &mut self.pause,
            &mut self.block,
            &mut self.relocate,
            &mut self.rename,
            &mut self.leave,
            &mut self.join,
        ];
        let whom = whom.into_iter().flatten().map(|it| &mut it.nodes);
        let partition = self.partition.iter_mut();
        whom.chain(self.crash.iter_mut().map(|it| &mut it.nodes))
            .chain(self.stutter.iter_mut().map(|it| &mut it.nodes))
            .chain(self.slow.iter_mut().map(|it| &mut it.nodes))
            .chain(self.drift.iter_mut().map(|it| &mut it.nodes))
            .chain(self.narrow.iter_mut().map(|it| &mut it.nodes))
            .chain(self.force_leave.iter_mut().map(|it| &mut it.nodes))
            .chain(partition.flat_map(|it| std::iter::once(&mut it.side).chain(&mut it.other)))
    }

    /// The names of all kinds of faults, and whether this is one.
    fn kinds(&self) -> [(&'static str, bool); 14] {
        [
            ("crash", self.crash.is_some()),
            ("pause", self.pause.is_some()),
            ("block", self.block.is_some()),
            ("stutter", self.stutter.is_some()),
            ("slow", self.slow.is_some()),
            ("drift", self.drift.is_some()),
            ("narrow", self.narrow.is_some()),
            ("partition", self.partition.is_some()),
            ("network", self.network.is_some()),
            ("move", self.relocate.is_some()),
            ("rename", self.rename.is_some()),
            ("leave", self.leave.is_some()),
            ("join", self.join.is_some()),
            ("force_leave", self.force_leave.is_some()),
        ]
    }

    /// What kind of fault it is, as a scenario says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let mut kinds = self.kinds().into_iter();
        kinds.find(|(_, given)| *given).map_or("", |(name, _)| name)
    }

    /// True if nothing lasts: something is done, and that is all.
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        self.lasts.is_none() && (self.join.is_some() || self.force_leave.is_some())
    }

    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        let kinds = self.kinds();
        let given = kinds.iter().filter(|(_, given)| *given);
        let given: Vec<&str> = given.map(|(name, _)| *name).collect();
        if given.len() != 1 {
            let names = kinds.map(|(name, _)| name).join(", ");
            let value = match given.len() {
                0 => "nothing".to_owned(),
                _ => given.join(" and "),
            };
            return Err(Invalid::new(key, value, &format!("one of {names}")));
        }
        if let Some(stutter) = &self.stutter
            && (stutter.stops.0.is_zero() || stutter.runs.0.is_zero() || self.lasts.is_none())
        {
            let value = format!("{} and {}", stutter.stops, stutter.runs);
            let accepted = "times longer than zero, with a `for`";
            return Err(Invalid::new(&format!("{key}.stutter"), value, accepted));
        }
        if let Some(network) = &self.network {
            network.validate(&format!("{key}.network"))?;
        }
        if let Some(force) = &self.force_leave
            && force.by >= count
        {
            let key = format!("{key}.force_leave.by");
            return Err(Invalid::new(&key, force.by, &format!("less than {count}")));
        }
        for nodes in self.clone().nodes_mut() {
            if let Some(beyond) = nodes.beyond(count) {
                let accepted = format!("nodes less than {count}");
                let value = format!("about node {beyond}");
                return Err(Invalid::new(
                    &format!("{key}.{}", given[0]),
                    value,
                    &accepted,
                ));
            }
        }
        Ok(())
    }

    /// Plans it in the world, counted from now.
    pub(super) fn plan(&self, world: &mut World, base: Link, rng: &mut ChaCha8Rng) {
        let count = world.len();
        let mut pick = |nodes: &Nodes| nodes.pick(count, rng);
        let (at, end) = (self.at.0, self.lasts.map(|lasts| self.at.0 + lasts.0));
        let mut during = |begin: Op, finish: Op| {
            world.schedule(at, begin);
            if let Some(end) = end {
                world.schedule(end, finish);
            }
        };
        if let Some(it) = &self.pause {
            for node in pick(&it.nodes) {
                during(Op::Pause(node), Op::Resume(node));
            }
        }
        if let Some(it) = &self.block {
            for node in pick(&it.nodes) {
                during(Op::Block(node), Op::Unblock(node));
            }
        }
        if let Some(it) = &self.slow {
            for node in pick(&it.nodes) {
                let cpu = |per_input| Op::SetCpu { node, per_input };
                during(cpu(Some(it.per_input.0)), cpu(None));
            }
        }
        if let Some(it) = &self.drift {
            for node in pick(&it.nodes) {
                let rate = |ppm| Op::SetClockRate { node, ppm };
                during(rate(it.ppm), rate(0));
            }
        }
        if let Some(it) = &self.narrow {
            for node in pick(&it.nodes) {
                let limit = |uplink| Op::SetUplink { node, uplink };
                let uplink = Uplink {
                    bytes_per_second: it.bytes_per_second,
                    queue: it.queue,
                };
                during(limit(Some(uplink)), limit(None));
            }
        }
        if let Some(it) = &self.network {
            during(Op::SetLinks(it.link()), Op::SetLinks(base));
        }
        if let Some(it) = &self.crash {
            for node in pick(&it.nodes) {
                world.schedule(at, Op::Crash(node));
                match (end, it.back) {
                    (None, _) => {}
                    (Some(end), Back::Remembering) => world.schedule(end, Op::Restore(node)),
                    (Some(end), Back::Empty) => come_back(world, end, node),
                }
            }
        }
        let come_again = |world: &mut World, nodes: Vec<usize>, change: fn(usize) -> Op| {
            let end = end.unwrap_or(at);
            for node in nodes {
                world.schedule(at, Op::Crash(node));
                world.schedule(end, change(node));
                world.schedule(end, Op::Restore(node));
            }
        };
        if let Some(it) = &self.relocate {
            come_again(world, pick(&it.nodes), Op::Relocate);
        }
        if let Some(it) = &self.rename {
            come_again(world, pick(&it.nodes), Op::Rename);
        }
        if let Some(it) = &self.leave {
            for node in pick(&it.nodes) {
                world.schedule(at, Op::Leave(node));
                if let Some(end) = end {
                    come_back(world, end, node);
                }
            }
        }
        if let Some(it) = &self.join {
            for node in pick(&it.nodes) {
                come_back(world, at, node);
            }
        }
        if let Some(it) = &self.force_leave {
            for member in pick(&it.nodes) {
                let force = Op::ForceLeave {
                    node: it.by,
                    member: format!("node-{member}"),
                    prune: it.prune,
                };
                world.schedule(at, force);
            }
        }
        if let Some(it) = &self.stutter {
            for node in pick(&it.nodes) {
                stutter(world, node, it, at, end.unwrap_or(at));
            }
        }
        if let Some(it) = &self.partition {
            let side = pick(&it.side);
            let other = match &it.other {
                Some(other) => pick(other),
                None => (0..count)
                    .filter(|node| side.binary_search(node).is_err())
                    .collect(),
            };
            let mut cut = match it.one_way {
                true => Cut::one_way(side, other),
                false => Cut::between(side, other),
            };
            cut = cut.only(match it.traffic {
                Traffic::All => network::Traffic::All,
                Traffic::Datagrams => network::Traffic::Datagrams,
                Traffic::Streams => network::Traffic::Streams,
            });
            if it.refuse {
                cut = cut.refusing();
            }
            match self.lasts {
                Some(lasts) => world.schedule(at, Op::CutFor(cut, lasts.0)),
                None => world.schedule(at, Op::Cut(cut)),
            }
        }
    }
}

/// Starts a node and lets it join, remembering nothing.
pub(super) fn come_back(world: &mut World, at: Duration, node: usize) {
    let seed = usize::from(node == 0).min(world.len() - 1);
    world.schedule(at, Op::Start(node));
    let join = Op::Join {
        node,
        seeds: vec![seed],
        retry: true,
    };
    world.schedule(at, join);
}

fn stutter(world: &mut World, node: usize, it: &Stutter, from: Duration, until: Duration) {
    let mut at = from;
    while at < until {
        world.schedule(at, Op::Pause(node));
        world.schedule((at + it.stops.0).min(until), Op::Resume(node));
        at += it.stops.0 + it.runs.0;
    }
}
