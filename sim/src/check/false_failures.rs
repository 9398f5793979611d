//! No healthy member that can be reached is taken for failed for long.

use std::collections::BTreeMap;
use std::time::Duration;

use serf_core::{Event, Instant, MemberEventKind};

use super::{Check, Observation, Tally, Wants, What, settling_time};
use crate::world::World;

/// A healthy node that takes another healthy one for failed, although nothing is cut between
/// them, gets over that within the [settling time](super::settling_time) of the last fault that
/// concerned either of them or the network. Of two that claim one name, one may be unknown.
///
/// Counts all false failures on the way: that is what Lifeguard is measured by. With
/// [`FalseFailures::none`], none is accepted.
#[derive(Debug, Clone, Default)]
pub struct FalseFailures {
    strict: bool,
    /// Since when, by observer and member.
    held: BTreeMap<(u32, u32), Instant>,
    total: u64,
    at_healthy: u64,
}

/// Pairs that are followed at once; a storm makes more of them than are worth their memory.
const FOLLOWED: usize = 1 << 20;

/// A node to which something was done so recently may still be suspected for it.
const GRACE: Duration = Duration::from_secs(60);

impl FalseFailures {
    /// Accepts no false failure of a node that has been healthy and reachable for a minute.
    #[must_use]
    pub fn none() -> Self {
        Self {
            strict: true,
            ..Self::default()
        }
    }
}

fn reachable(world: &World, one: usize, other: usize) -> bool {
    let network = world.network();
    let all = crate::network::Traffic::All;
    !network.is_cut() || network.passes(one, other, all) && network.passes(other, one, all)
}

impl Check for FalseFailures {
    fn name(&self) -> &'static str {
        if self.strict {
            "no healthy, reachable member is taken for failed"
        } else {
            "no healthy, reachable member stays failed"
        }
    }

    fn wants(&self) -> Wants {
        Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let What::Event(Event::Member(change)) = seen.what else {
            return Ok(());
        };
        let failed = change.kind == MemberEventKind::Failed;
        if !failed && self.held.is_empty() {
            return Ok(());
        }
        let world = seen.world;
        let Some(member) = world.index_of(change.member.name()) else {
            return Ok(());
        };
        let pair = (seen.node as u32, member as u32);
        if !failed {
            self.held.remove(&pair);
            return Ok(());
        }
        let subject = &world.hosts[member];
        if !subject.is_healthy() || !reachable(world, seen.node, member) {
            return Ok(());
        }
        if self.held.len() < FOLLOWED {
            self.held.insert(pair, seen.at);
        }
        let observer = &world.hosts[seen.node];
        let rested = |since| seen.at.since(since) > GRACE;
        if !rested(subject.disturbed) || !rested(world.network_disturbed) {
            return Ok(());
        }
        self.total += 1;
        let healthy = observer.is_healthy() && rested(observer.disturbed);
        self.at_healthy += u64::from(healthy);
        if self.strict && healthy {
            let (name, cause) = (change.member.name(), &change.cause);
            return Err(format!(
                "node {} takes {name} for failed: {cause:?}",
                seen.node
            ));
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        if self.held.is_empty() || !world.network().is_fair(&world.params) {
            return Ok(());
        }
        let Some(bound) = settling_time(&world.params, world.len()) else {
            return Ok(());
        };
        for (&(observer, member), &since) in &self.held {
            let (observer, member) = (observer as usize, member as usize);
            let (one, other) = (&world.hosts[observer], &world.hosts[member]);
            let disturbed = one.disturbed.max(other.disturbed);
            let since = since.max(disturbed).max(world.network_disturbed);
            if one.is_healthy()
                && other.is_healthy()
                && !world.is_contested(observer)
                && !world.is_contested(member)
                && world.cluster_of(observer) == world.cluster_of(member)
                && reachable(world, observer, member)
                && world.now().since(since) > bound
            {
                let name = world.name(member);
                return Err(format!(
                    "node {observer} has taken {name} for failed for more than {bound:?}"
                ));
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![
            ("false failures", self.total),
            ("of those at healthy nodes", self.at_healthy),
        ]
    }
}
