//! Every live, connected node holds the same live set: the true one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serf_core::{Member, Node, Status};

use crate::host::State;
use crate::network::Traffic;
use crate::world::World;

/// How many nodes, and how many members of each, a message names.
const NAMED: usize = 5;

/// The nodes whose view of the cluster is not the true one.
///
/// The true view of a running node holds, as alive, exactly the running nodes that it is connected
/// with, itself included; connected means over a chain of nodes between which datagrams or streams
/// pass both ways, in one [cluster](World::set_apart). A node that moved has to be known at its new address. About nodes that are paused or about to leave, any view is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Views {
    /// Running nodes that were looked at.
    pub looked_at: usize,
    /// Those that are wrong, in order.
    pub wrong: Vec<Wrong>,
}

/// How one node's view differs from the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The node.
    pub node: usize,
    /// Running nodes that it does not hold as alive.
    pub missing: BTreeSet<usize>,
    /// What it holds as alive and is not running, or not connected with it.
    pub surplus: Vec<Member>,
}

impl Views {
    /// Compares all views with the truth. Takes a look at every member of each view that no other node has.
    #[must_use]
    pub fn of(world: &World) -> Self {
        Truth::of(world).judge(world)
    }

    /// True if every view is the true one.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.agree() {
            return write!(f, "all {} running nodes hold the true view", self.looked_at);
        }
        write!(
            f,
            "{} of {} running nodes hold a wrong view",
            self.wrong.len(),
            self.looked_at
        )?;
        for Wrong {
            node,
            missing,
            surplus,
        } in self.wrong.iter().take(NAMED)
        {
            write!(f, "; node {node}")?;
            if !missing.is_empty() {
                write!(f, " misses {}", some(missing.iter()))?;
            }
            if !surplus.is_empty() {
                write!(f, " still holds {}", some(surplus.iter().map(Member::name)))?;
            }
        }
        if self.wrong.len() > NAMED {
            f.write_str("; ...")?;
        }
        Ok(())
    }
}

fn some<T: fmt::Display>(items: impl ExactSizeIterator<Item = T>) -> String {
    let more = items.len().saturating_sub(NAMED);
    let mut text: Vec<String> = items.take(NAMED).map(|item| item.to_string()).collect();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

/// Who runs, and who is connected with whom.
#[derive(Debug)]
pub(crate) struct Truth {
    /// The connected part that a node belongs to.
    parts: Vec<usize>,
    /// How many nodes of each part are running for certain.
    running: Vec<usize>,
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Has to be alive in the view of its part.
    Running,
    /// May be seen either way.
    Unsettled,
    /// Must not be alive in any view.
    Gone,
}

impl Truth {
    pub(crate) fn of(world: &World) -> Self {
        let roles: Vec<Role> = (0..world.len())
            .map(|node| match world.state(node) {
                State::Running if world.is_leaving(node) || world.is_blocked(node) => {
                    Role::Unsettled
                }
                State::Running => Role::Running,
                State::Paused => Role::Unsettled,
                State::Down | State::Left => Role::Gone,
            })
            .collect();
        let parts = parts(world);
        let mut running = vec![0; world.len()];
        for (part, role) in parts.iter().zip(&roles) {
            running[*part] += usize::from(*role == Role::Running);
        }
        Self {
            parts,
            running,
            roles,
        }
    }

    /// A cheap look: each node knows the right number of live members. No more than a hint.
    pub(crate) fn numbers_match(&self, world: &World) -> bool {
        self.roles.contains(&Role::Unsettled)
            || (0..world.len())
                .filter(|node| self.roles[*node] == Role::Running)
                .all(|node| {
                    world
                        .node(node)
                        .is_some_and(|it| it.alive_count() == self.running[self.parts[node]])
                })
    }

    /// How many nodes run, and how many of them know the right number of live members, or cannot
    /// be expected to as somebody is about to leave or stands still.
    pub(crate) fn matching(&self, world: &World) -> (usize, usize) {
        let unsettled = self.roles.iter().filter(|it| **it == Role::Unsettled);
        let tolerated = unsettled.count();
        let running = (0..world.len()).filter(|node| self.roles[*node] == Role::Running);
        running.fold((0, 0), |(running, right), node| {
            let wanted = self.running[self.parts[node]];
            let held = world.node(node).map_or(0, Node::alive_count);
            let agrees = (wanted..=wanted + tolerated).contains(&held);
            (running + 1, right + usize::from(agrees))
        })
    }

    pub(crate) fn judge(&self, world: &World) -> Views {
        let mut views = Views::default();
        // Who holds the same members for alive is as right, or as wrong, as any other who does.
        let mut judged = BTreeMap::<_, Option<Wrong>>::new();
        for node in (0..world.len()).filter(|node| self.roles[*node] == Role::Running) {
            views.looked_at += 1;
            let view = (self.parts[node], world.node(node).map(Node::view_digest));
            let verdict = judged
                .entry(view)
                .or_insert_with(|| self.judge_node(world, node));
            let wrong = verdict.clone().map(|wrong| Wrong { node, ..wrong });
            views.wrong.extend(wrong);
        }
        views
    }

    fn judge_node(&self, world: &World, node: usize) -> Option<Wrong> {
        let part = self.parts[node];
        let mut held = vec![false; self.roles.len()];
        let mut surplus = Vec::new();
        for member in world.node(node)?.members() {
            if member.status() != Status::Alive {
                continue;
            }
            let here = |index: &usize| world.address_of(*index) == member.addr();
            match world.index_of(member.name()).filter(here) {
                Some(index) if self.roles[index] == Role::Unsettled => {}
                Some(index) if self.roles[index] == Role::Running && self.parts[index] == part => {
                    held[index] = true;
                }
                _ => surplus.push(member),
            }
        }
        let missing: BTreeSet<usize> = (0..held.len())
            .filter(|&index| {
                self.roles[index] == Role::Running && self.parts[index] == part && !held[index]
            })
            .collect();
        surplus.sort_by(|one, other| one.name().cmp(other.name()));
        (!missing.is_empty() || !surplus.is_empty()).then_some(Wrong {
            node,
            missing,
            surplus,
        })
    }
}

/// The connected part of each node, named by its first node.
fn parts(world: &World) -> Vec<usize> {
    let network = world.network();
    // Nodes of one group are alike to every cut, so that one of them speaks for all.
    let groups = network.groups(world.len());
    let mut first = Vec::new();
    let mut alone = Vec::new();
    for (node, &group) in groups.iter().enumerate() {
        if group == first.len() {
            first.push(node);
            alone.push(!connected(network, node, node));
        }
    }
    let mut joined: Vec<usize> = (0..first.len()).collect();
    for one in 0..first.len() {
        for other in 0..one {
            if connected(network, first[one], first[other]) {
                let (from, to) = (joined[one], joined[other]);
                joined
                    .iter_mut()
                    .filter(|part| **part == from)
                    .for_each(|part| *part = to);
            }
        }
    }
    // A group that is cut off even from itself holds together only through others.
    let parts = groups
        .iter()
        .enumerate()
        .map(|(node, &group)| {
            let lonely =
                alone[group] && joined.iter().filter(|p| **p == joined[group]).count() == 1;
            if lonely { node } else { first[joined[group]] }
        })
        .collect();
    split_clusters(world, parts)
}

/// The parts of a world with several clusters: what is apart is not connected.
fn split_clusters(world: &World, parts: Vec<usize>) -> Vec<usize> {
    if world.hosts.iter().all(|host| host.apart == 0) {
        return parts;
    }
    let mut first = BTreeMap::new();
    let of = |(node, part): (usize, usize)| {
        *first.entry((world.hosts[node].apart, part)).or_insert(node)
    };
    parts.into_iter().enumerate().map(of).collect()
}

fn connected(network: &crate::network::Network, one: usize, other: usize) -> bool {
    [Traffic::Datagrams, Traffic::Streams]
        .into_iter()
        .any(|traffic| network.passes(one, other, traffic) && network.passes(other, one, traffic))
}
