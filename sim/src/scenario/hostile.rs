//! Nodes of a scenario that take what is another's, or say what is not true.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::come_back;
use super::{Invalid, Node, Nodes, Span};
use crate::event::Op;
use crate::forge::Forgery;
use crate::world::World;

/// Nodes that are down start under the name of another one, which may run, and join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namesake {
    /// Which: late ones, that nothing else has started.
    pub nodes: Nodes,
    /// The node whose name they take.
    pub of: Node,
    /// The node that they join through; the first one of their cluster if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<Node>,
}

/// Two nodes crash, for good the one, and the other comes back at its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReuseAddress {
    /// The node that comes back.
    pub by: Node,
    /// The node that had the address.
    pub of: Node,
}

/// A node tells others Lamport times that are far ahead: a user event, a query, and intents to
/// join and to leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// The node that tells them.
    pub by: Node,
    /// Those that are told.
    pub nodes: Nodes,
    /// The time; the last that there is if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
}

/// A node tells others again and again that members are dead, at their present incarnations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slander {
    /// The node that tells it.
    pub by: Node,
    /// Those that are told.
    pub nodes: Nodes,
    /// The members.
    pub about: Nodes,
    /// Whether they are only said to be suspected.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub suspect: bool,
    /// How long from one time to the next: each time another one of those told hears of another
    /// member.
    pub every: Span,
}

impl Namesake {
    pub(super) fn plan(&self, world: &mut World, at: Duration, nodes: Vec<usize>) {
        let Some(with) = self.of.index(world.len()) else {
            return;
        };
        let through = self.through.and_then(|node| node.index(world.len()));
        for node in nodes {
            world.schedule(at, Op::ShareName { node, with });
            match through {
                None => come_back(world, at, node),
                Some(seed) => {
                    world.schedule(at, Op::Start(node));
                    let (seeds, retry, replay) = (vec![seed], true, false);
                    world.schedule(
                        at,
                        Op::Join {
                            node,
                            seeds,
                            retry,
                            replay,
                        },
                    );
                }
            }
        }
    }
}

impl ReuseAddress {
    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        match self.by.index(count) == self.of.index(count) {
            true => Err(Invalid::new(key, "about one node", "about two nodes")),
            false => Ok(()),
        }
    }

    pub(super) fn plan(&self, world: &mut World, at: Duration, end: Duration) {
        let count = world.len();
        let (Some(by), Some(of)) = (self.by.index(count), self.of.index(count)) else {
            return;
        };
        world.schedule(at, Op::Crash(by));
        world.schedule(at, Op::Crash(of));
        world.schedule(end, Op::TakeAddress { node: by, from: of });
        come_back(world, end, by);
    }
}

impl Poison {
    pub(super) fn plan(&self, world: &mut World, at: Duration, nodes: Vec<usize>) {
        let forgery = Forgery::Time(self.time.unwrap_or(u64::MAX));
        let Some(by) = self.by.index(world.len()) else {
            return;
        };
        for to in nodes {
            world.schedule(at, Op::Forge { by, to, forgery });
        }
    }
}

impl Slander {
    pub(super) fn validate(&self, key: &str, lasts: Option<Span>) -> Result<(), Invalid> {
        let accepted = "a time of 1ms or more, with a `for`";
        match self.every.0 < Duration::from_millis(1) || lasts.is_none() {
            true => Err(Invalid::new(&format!("{key}.every"), self.every, accepted)),
            false => Ok(()),
        }
    }

    pub(super) fn plan(
        &self,
        world: &mut World,
        (from, until): (Duration, Duration),
        told: Vec<usize>,
        about: Vec<usize>,
    ) {
        let forgery = match self.suspect {
            true => Forgery::Suspect,
            false => Forgery::Dead,
        };
        let Some(by) = self.by.index(world.len()) else {
            return;
        };
        let (mut at, mut nth) = (from, 0);
        while at < until && !told.is_empty() && !about.is_empty() {
            // Each pair has its turn.
            let (to, subject) = (
                told[nth % told.len()],
                about[(nth / told.len()) % about.len()],
            );
            let forgery = forgery(subject);
            world.schedule(at, Op::Forge { by, to, forgery });
            at += self.every.0;
            nth += 1;
        }
    }
}
