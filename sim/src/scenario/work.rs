//! What the cluster of a scenario is used for.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serf_core::Tags;

use super::plan::come_back;
use super::value::only_one;
use super::{Invalid, Nodes, Query, Span, Whom};
use crate::event::Op;
use crate::rng::below;
use crate::world::World;

/// Something that is done again and again: a time, and exactly one kind of work. Each time a node
/// is drawn that does it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// When it begins.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub from: Span,
    /// When it ends; without this, half a minute before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Span>,
    /// How long from one time to the next.
    pub every: Span,
    /// A node sends a user event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// A node changes its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Whom>,
    /// A node asks all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// The next of these nodes starts and joins, until all have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Whom>,
    /// The next of these nodes leaves, until all have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave: Option<Whom>,
    /// A node goes away for some time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub churn: Option<Churn>,
}

/// A node sends a user event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Those that may send; all if not given.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub nodes: Nodes,
    /// Bytes of payload.
    #[serde(default)]
    pub payload: usize,
}

/// A node goes away for some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Those that may go.
    pub nodes: Nodes,
    /// How long it is away.
    pub away: Span,
    /// Whether it just crashes rather than leaves.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub crash: bool,
}

pub(super) fn all() -> Nodes {
    Nodes::All
}

pub(super) fn is_all(nodes: &Nodes) -> bool {
    *nodes == Nodes::All
}

impl Work {
    /// What kind of work it is, as a scenario says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let mut kinds = self.kinds().into_iter();
        kinds.find(|(_, given)| *given).map_or("", |(name, _)| name)
    }

    /// The names of all kinds of work, and whether this is one.
    fn kinds(&self) -> [(&'static str, bool); 6] {
        [
            ("event", self.event.is_some()),
            ("tags", self.tags.is_some()),
            ("query", self.query.is_some()),
            ("join", self.join.is_some()),
            ("leave", self.leave.is_some()),
            ("churn", self.churn.is_some()),
        ]
    }

    /// When it ends, in a scenario that lasts so long.
    #[must_use]
    pub fn end(&self, lasts: Duration) -> Duration {
        let until = self.until.map(|until| until.0);
        until.unwrap_or(lasts.saturating_sub(Duration::from_secs(30)))
    }

    /// The last moment at which it disturbs anybody, if it does.
    pub(super) fn disturbs_until(&self, lasts: Duration) -> Option<Duration> {
        let end = self.end(lasts);
        let turns = self.join.is_some() || self.leave.is_some();
        let churn = self.churn.as_ref().map(|churn| end + churn.away.0);
        churn.or(turns.then_some(end))
    }

    /// The sets of nodes in it.
    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Nodes> {
        let events = self.event.iter_mut().map(|it| &mut it.nodes);
        let tags = self.tags.iter_mut().map(|it| &mut it.nodes);
        let turns = self.join.iter_mut().chain(&mut self.leave);
        events
            .chain(tags)
            .chain(self.query.iter_mut().map(|it| &mut it.nodes))
            .chain(turns.map(|it| &mut it.nodes))
            .chain(self.churn.iter_mut().map(|it| &mut it.nodes))
    }

    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        let kind = only_one(key, &self.kinds())?;
        if let Some(query) = &self.query {
            query.validate(&format!("{key}.query"))?;
        }
        if self.every.0 < Duration::from_millis(1) {
            let key = format!("{key}.every");
            return Err(Invalid::new(&key, self.every, "1ms or more"));
        }
        if let Some(Event { payload, .. }) = self.event
            && payload > 9_000
        {
            let key = format!("{key}.event.payload");
            return Err(Invalid::new(&key, payload, "0 to 9000"));
        }
        let key = format!("{key}.{kind}");
        self.clone()
            .nodes_mut()
            .try_for_each(|nodes| nodes.validate(&key, count))
    }

    /// Plans it in the world, counted from now.
    pub(super) fn plan(&self, world: &mut World, lasts: Duration, rng: &mut ChaCha8Rng) {
        let count = world.len();
        let nodes = self
            .clone()
            .nodes_mut()
            .next()
            .map(|it| it.pick(count, rng));
        let nodes = nodes.unwrap_or_default();
        if nodes.is_empty() {
            return;
        }
        let end = self.end(lasts);
        let in_turns = self.join.is_some() || self.leave.is_some();
        let (mut at, mut nth) = (self.from.0, 0);
        while at < end {
            let node = match in_turns {
                true if nth == nodes.len() => break,
                true => nodes[nth],
                false => nodes[below(rng, nodes.len() as u64) as usize],
            };
            self.plan_one(world, at, node, nth);
            at += self.every.0;
            nth += 1;
        }
    }

    fn plan_one(&self, world: &mut World, at: Duration, node: usize, nth: usize) {
        if let Some(event) = &self.event {
            let op = Op::UserEvent {
                node,
                name: format!("event-{nth}"),
                payload: vec![b'x'; event.payload],
            };
            world.schedule(at, op);
        }
        if self.tags.is_some() {
            let tags = Tags::from([("turn".to_owned(), nth.to_string())]);
            world.schedule(at, Op::SetTags { node, tags });
        }
        if let Some(query) = &self.query {
            query.plan(world, at, node, format!("query-{nth}"));
        }
        if self.join.is_some() {
            come_back(world, at, node);
        }
        if self.leave.is_some() {
            world.schedule(at, Op::Leave(node));
        }
        if let Some(churn) = &self.churn {
            let go = match churn.crash {
                true => Op::Crash(node),
                false => Op::Leave(node),
            };
            world.schedule(at, go);
            come_back(world, at + churn.away.0, node);
        }
    }
}
