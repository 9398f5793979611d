//! Once nothing disturbs them any more, live connected nodes agree within a bound.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serf_core::{Event, Instant, MemberEventKind, Status};

use super::{Check, Observation, Tally, Wants, What, settling_time};
use crate::host::State;
use crate::world::World;

/// While nothing is done to any node, nothing is cut, and the network is a fair one, no running
/// node holds a wrong view for longer than the [settling time](super::settling_time): each soon
/// holds as alive all running nodes of its cluster and nobody who is down. A network that loses
/// packets may make a node err at times, but not for long.
///
/// A cluster is what joins have connected since its nodes started. Of each node the number of
/// live members is looked at, of 64 of them the names, too. Nodes that forget a member which runs,
/// as their settings may demand, are not held to it.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    bound: Option<Duration>,
    quiet_since: Option<Instant>,
    /// Since when each node has been wrong, by node.
    wrong_since: Vec<Option<Instant>>,
    /// Whether names have been looked at since it is quiet.
    names_seen: bool,
    forgot: bool,
    looks: u64,
    quiet_times: u64,
}

/// Nodes of which the names are looked at.
const SAMPLE: usize = 64;

impl Agreement {
    /// With a bound other than the settling time.
    #[must_use]
    pub fn within(bound: Duration) -> Self {
        Self {
            bound: Some(bound),
            ..Self::default()
        }
    }

    fn judge(&mut self, world: &World, bound: Duration, names: bool) -> Result<(), String> {
        let now = world.now();
        let running: Vec<usize> = world.running().collect();
        // How many have found together, and how many are meant to.
        let mut sizes = BTreeMap::<u32, usize>::new();
        let mut meant = BTreeMap::<u32, usize>::new();
        for &node in &running {
            *sizes.entry(world.cluster_of(node)).or_default() += 1;
            *meant.entry(world.hosts[node].apart).or_default() += 1;
        }
        self.wrong_since.resize(world.len(), None);
        let every = running.len().div_ceil(SAMPLE).max(1);
        // Who holds the same members for alive is right about their names, or wrong, like the others who do.
        let mut judged = BTreeMap::new();
        for (nth, &node) in running.iter().enumerate() {
            let least = sizes[&world.cluster_of(node)];
            if least < 2 {
                continue;
            }
            let since = self.wrong_since[node];
            // The names cost a look at all members, so they are only seen once, and again at
            // nodes that were wrong.
            let names = since.is_some() || names && nth % every == 0;
            let most = meant[&world.hosts[node].apart];
            let wrong = wrong_number(world, node, least..=most).or_else(|| {
                let digest = world.node(node).filter(|_| names)?.view_digest();
                let view = (world.cluster_of(node), world.hosts[node].apart, digest);
                let verdict = judged.entry(view);
                verdict.or_insert_with(|| wrong_name(world, node)).clone()
            });
            let Some(wrong) = wrong else {
                self.wrong_since[node] = None;
                continue;
            };
            let since = since.unwrap_or(now);
            self.wrong_since[node] = Some(since);
            let lasts = now.since(since);
            if lasts >= bound {
                // All views are looked at here and only here: that takes long.
                let views = world.views();
                return Err(format!("for {lasts:?} now, node {node} {wrong}; {views}"));
            }
        }
        Ok(())
    }
}

fn wrong_number(world: &World, node: usize, right: RangeInclusive<usize>) -> Option<String> {
    let count = world.node(node)?.alive_count();
    let (least, most) = (right.start(), right.end());
    (!right.contains(&count)).then(|| {
        format!("holds {count} members as alive, its cluster has {least} nodes, and {most} run")
    })
}

fn wrong_name(world: &World, node: usize) -> Option<String> {
    let mut held = vec![false; world.len()];
    let members = world.node(node)?.members();
    for member in members.filter(|it| it.status() == Status::Alive) {
        let index = world.index_of(member.name());
        match index.filter(|index| world.state(*index) == State::Running) {
            Some(index) if !world.is_together(node, index) => {
                let name = member.name();
                return Some(format!(
                    "holds {name} as alive, which is of another cluster"
                ));
            }
            Some(index) => held[index] = true,
            None => return Some(format!("holds {} as alive, which is down", member.name())),
        }
    }
    let cluster = world.cluster_of(node);
    let missing = world
        .running()
        .find(|other| world.cluster_of(*other) == cluster && !held[*other])?;
    let name = world.name(missing);
    Some(format!("does not hold {name} as alive, which runs"))
}

impl Check for Agreement {
    fn name(&self) -> &'static str {
        "undisturbed nodes agree"
    }

    fn wants(&self) -> Wants {
        Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        if let What::Event(Event::Member(change)) = seen.what
            && change.kind == MemberEventKind::Reap
        {
            let index = seen.world.index_of(change.member.name());
            self.forgot |= index.is_some_and(|it| seen.world.state(it) == State::Running);
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let quiet_since = world.quiet_since().filter(|_| !self.forgot);
        if self.quiet_since != quiet_since {
            self.quiet_since = quiet_since;
            self.names_seen = false;
            self.wrong_since.clear();
        }
        let bound = self
            .bound
            .or_else(|| settling_time(&world.params, world.len()));
        let (Some(since), Some(bound)) = (quiet_since, bound) else {
            return Ok(());
        };
        let settled = world.now().since(since) >= bound;
        let names = settled && !self.names_seen;
        if settled {
            self.looks += 1;
            self.quiet_times += u64::from(names);
            self.names_seen = true;
        }
        self.judge(world, bound, names)
    }

    fn tally(&self) -> Tally {
        vec![("quiet times", self.quiet_times), ("looks", self.looks)]
    }
}
