//! Once nothing disturbs them any more, live connected nodes agree within a bound.

use std::time::Duration;

use serf_core::{Event, Instant, MemberEventKind, Status};

use super::{Check, Observation, Tally, Wants, What, settling_time};
use crate::host::State;
use crate::world::World;

/// When nothing has been done to any node for the [settling time](super::settling_time), nothing
/// is cut, and the network is a fair one, every running node holds as alive all running nodes of
/// its cluster and nobody who is down.
///
/// A cluster is what joins have connected since its nodes started. Of each node the number of
/// live members is compared, of 64 of them the names, too. Nodes that forget a member which runs,
/// as their settings may demand, are not held to it.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    bound: Option<Duration>,
    /// The quiet time that names have been compared in.
    compared: Option<Instant>,
    forgot: bool,
    looks: u64,
    quiet_times: u64,
}

impl Agreement {
    /// With a bound other than the settling time.
    #[must_use]
    pub fn within(bound: Duration) -> Self {
        Self {
            bound: Some(bound),
            ..Self::default()
        }
    }

    fn judge(world: &World, names: bool) -> Result<(), String> {
        let running: Vec<usize> = world.running().collect();
        let mut sizes = std::collections::BTreeMap::<u32, usize>::new();
        for &node in &running {
            *sizes.entry(world.cluster_of(node)).or_default() += 1;
        }
        for &node in &running {
            let Some(it) = world.node(node) else { continue };
            let (least, most) = (sizes[&world.cluster_of(node)], running.len());
            let count = it.alive_count();
            if least > 1 && !(least..=most).contains(&count) {
                return Err(format!(
                    "node {node} holds {count} members as alive, its cluster has {least} nodes, \
                     and {most} run; {}",
                    world.views()
                ));
            }
        }
        let every = running.len().div_ceil(SAMPLE).max(1);
        for &node in running.iter().step_by(every).filter(|_| names) {
            if sizes[&world.cluster_of(node)] > 1 {
                judge_names(world, node)?;
            }
        }
        Ok(())
    }
}

/// Nodes whose members are compared by name.
const SAMPLE: usize = 64;

fn judge_names(world: &World, node: usize) -> Result<(), String> {
    let Some(it) = world.node(node) else {
        return Ok(());
    };
    let mut held = vec![false; world.len()];
    for member in it.members().filter(|it| it.status() == Status::Alive) {
        let index = world.index_of(member.name());
        match index.filter(|index| world.state(*index) == State::Running) {
            Some(index) => held[index] = true,
            None => {
                let name = member.name();
                return Err(format!("node {node} holds {name} as alive, which is down"));
            }
        }
    }
    let cluster = world.cluster_of(node);
    let missing = world
        .running()
        .find(|other| world.cluster_of(*other) == cluster && !held[*other]);
    missing.map_or(Ok(()), |other| {
        let name = world.name(other);
        Err(format!(
            "node {node} does not hold {name} as alive, which runs"
        ))
    })
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
        let Some(since) = world.quiet_since().filter(|_| !self.forgot) else {
            return Ok(());
        };
        let bound = self
            .bound
            .or_else(|| settling_time(&world.params, world.len()));
        if bound.is_none_or(|bound| world.now().since(since) < bound) {
            return Ok(());
        }
        let first = self.compared != Some(since);
        self.compared = Some(since);
        self.looks += 1;
        self.quiet_times += u64::from(first);
        Self::judge(world, first)
    }

    fn tally(&self) -> Tally {
        vec![("quiet times", self.quiet_times), ("looks", self.looks)]
    }
}
