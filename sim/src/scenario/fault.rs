//! What goes wrong in a scenario, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::only_one;
use super::{
    GiveKeys, Invalid, Namesake, Network, Node, Nodes, Poison, Query, ReuseAddress, RotateKey,
    Slander, Span, keys,
};

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
    pub join: Option<Join>,
    /// A node is told to treat others as gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_leave: Option<ForceLeave>,
    /// Nodes ask all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// Nodes are given keys by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<GiveKeys>,
    /// A node sees to it that all do something with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<RotateKey>,
    /// Nodes start under the name of another one, which may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namesake: Option<Namesake>,
    /// A node comes back at the address of another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_address: Option<ReuseAddress>,
    /// A node tells others Lamport times that are far ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poison: Option<Poison>,
    /// A node tells others that members are dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slander: Option<Slander>,
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
    /// With the snapshot that it kept.
    Snapshot,
    /// Through node 0, or node 1 if that is the one, remembering nothing.
    Empty,
}

/// Nodes that were late start and join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Which.
    pub nodes: Nodes,
    /// Whether they want to hear of the user events that there were before.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub replay: bool,
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
    pub by: Node,
    /// The others.
    pub nodes: Nodes,
    /// Whether it forgets them altogether.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub prune: bool,
}

impl Fault {
    /// When it is over, if it is.
    pub(super) fn end(&self) -> Option<Duration> {
        let lasts = [
            self.pause.is_some(),
            self.stutter.is_some(),
            self.slow.is_some(),
            self.drift.is_some(),
            self.narrow.is_some(),
            self.partition.is_some(),
            self.network.is_some(),
        ];
        match self.lasts {
            Some(lasts) => Some(self.at.0 + lasts.0),
            None if lasts.contains(&true) => None,
            None => Some(self.at.0),
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
        ];
        let whom = whom.into_iter().flatten().map(|it| &mut it.nodes);
        let partition = self.partition.iter_mut();
        let slander = self.slander.iter_mut();
        whom.chain(self.join.iter_mut().map(|it| &mut it.nodes))
            .chain(self.crash.iter_mut().map(|it| &mut it.nodes))
            .chain(self.stutter.iter_mut().map(|it| &mut it.nodes))
            .chain(self.slow.iter_mut().map(|it| &mut it.nodes))
            .chain(self.drift.iter_mut().map(|it| &mut it.nodes))
            .chain(self.narrow.iter_mut().map(|it| &mut it.nodes))
            .chain(self.force_leave.iter_mut().map(|it| &mut it.nodes))
            .chain(self.query.iter_mut().map(|it| &mut it.nodes))
            .chain(self.keys.iter_mut().map(|it| &mut it.nodes))
            .chain(self.namesake.iter_mut().map(|it| &mut it.nodes))
            .chain(self.poison.iter_mut().map(|it| &mut it.nodes))
            .chain(slander.flat_map(|it| [&mut it.nodes, &mut it.about]))
            .chain(partition.flat_map(|it| std::iter::once(&mut it.side).chain(&mut it.other)))
    }

    /// The names of all kinds of faults, and whether this is one.
    fn kinds(&self) -> [(&'static str, bool); 21] {
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
            ("query", self.query.is_some()),
            ("keys", self.keys.is_some()),
            ("rotate", self.rotate.is_some()),
            ("namesake", self.namesake.is_some()),
            ("reuse_address", self.reuse_address.is_some()),
            ("poison", self.poison.is_some()),
            ("slander", self.slander.is_some()),
        ]
    }

    /// What kind of fault it is, as a scenario says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let mut kinds = self.kinds().into_iter();
        kinds.find(|(_, given)| *given).map_or("", |(name, _)| name)
    }

    /// The same in words, and with the words for keys if it is about keys.
    #[must_use]
    pub fn label(&self) -> String {
        let kind = self.kind().replace('_', " ");
        let rotated = self.rotate.as_ref().map(RotateKey::label);
        let given = self.keys.as_ref().map(|it| it.ring.join(", "));
        match rotated.or(given) {
            Some(more) => format!("{kind}: {more}"),
            None => kind,
        }
    }

    /// The nodes that have to keep a snapshot for it.
    pub(super) fn keepers(&self) -> Option<&Nodes> {
        let crash = self.crash.as_ref();
        let crash = crash.filter(|crash| crash.back == Back::Snapshot);
        crash.map(|crash| &crash.nodes)
    }

    /// The single nodes in it, by the names of their keys.
    pub(super) fn one_by_one(&mut self) -> impl Iterator<Item = (&'static str, &mut Node)> {
        let namesake = self.namesake.iter_mut();
        let reuse = self.reuse_address.iter_mut();
        let force = self.force_leave.iter_mut();
        let force = force.map(|it| ("force_leave.by", &mut it.by));
        force
            .chain(self.rotate.iter_mut().map(|it| ("rotate.by", &mut it.by)))
            .chain(self.poison.iter_mut().map(|it| ("poison.by", &mut it.by)))
            .chain(self.slander.iter_mut().map(|it| ("slander.by", &mut it.by)))
            .chain(namesake.flat_map(|it| {
                let through = it.through.iter_mut();
                let through = through.map(|node| ("namesake.through", node));
                std::iter::once(("namesake.of", &mut it.of)).chain(through)
            }))
            .chain(reuse.flat_map(|it| {
                [
                    ("reuse_address.by", &mut it.by),
                    ("reuse_address.of", &mut it.of),
                ]
            }))
    }

    /// True if nothing lasts: something is done, and that is all.
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        let done = [
            self.join.is_some(),
            self.force_leave.is_some(),
            self.query.is_some(),
            self.keys.is_some(),
            self.rotate.is_some(),
            self.namesake.is_some(),
            self.poison.is_some(),
        ];
        self.lasts.is_none() && done.contains(&true)
    }

    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        let kind = only_one(key, &self.kinds())?;
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
        self.validate_more(key, count)?;
        for (field, node) in self.clone().one_by_one() {
            node.validate(&format!("{key}.{field}"), count)?;
        }
        let key = format!("{key}.{kind}");
        self.clone()
            .nodes_mut()
            .try_for_each(|nodes| nodes.validate(&key, count))
    }

    fn validate_more(&self, key: &str, count: usize) -> Result<(), Invalid> {
        if let Some(it) = &self.query {
            it.validate(&format!("{key}.query"))?;
        }
        if let Some(it) = &self.keys {
            keys::validate_ring(&format!("{key}.keys.ring"), &it.ring)?;
        }
        if let Some(it) = &self.rotate {
            it.validate(&format!("{key}.rotate"))?;
        }
        if let Some(it) = &self.reuse_address {
            it.validate(&format!("{key}.reuse_address"), count)?;
        }
        if let Some(it) = &self.slander {
            it.validate(&format!("{key}.slander"), self.lasts)?;
        }
        Ok(())
    }
}
