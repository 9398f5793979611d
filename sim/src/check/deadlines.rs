//! A node that was told the time and drained waits for a later time, at which it is woken.

use super::{Check, Observation, Tally, Wants, What};
use crate::faults::Faults;
use crate::world::World;

/// A node that has handled its deadline asks for one in the future: otherwise its adapter would
/// spin without end. And where each is woken in time, as no node is paused or slow, none takes itself to
/// have stood still.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadlines {
    looks: u64,
    stalls: u64,
}

/// Whether some nodes were woken late.
const fn stood_still(faults: &Faults) -> bool {
    faults.pauses > 0 || faults.slow_inputs > 0
}

impl Check for Deadlines {
    fn name(&self) -> &'static str {
        "a drained node asks for a future deadline"
    }

    fn wants(&self) -> Wants {
        Wants::WAITS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let What::Waits {
            until: Some(until),
            ticked: true,
        } = seen.what
        else {
            return Ok(());
        };
        self.looks += 1;
        if until <= seen.at {
            return Err(format!(
                "node {} was told that it is {:?} and waits for {until:?}",
                seen.node, seen.at
            ));
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let stalls = |node| world.node(node).map_or(0, |it| it.counters().stalls);
        self.stalls = (0..world.len()).map(stalls).sum();
        if self.stalls == 0 || stood_still(world.faults()) {
            return Ok(());
        }
        let (node, times) = (0..world.len())
            .map(|node| (node, stalls(node)))
            .max_by_key(|(_, times)| *times)
            .unwrap_or_default();
        Err(format!(
            "node {node} takes itself to have stood still {times} times, and was always woken in time"
        ))
    }

    fn tally(&self) -> Tally {
        vec![("looks", self.looks), ("stalls", self.stalls)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serf_core::Instant;

    use super::*;
    use crate::{Failure, World};

    fn verdict(until: Option<u64>, ticked: bool) -> bool {
        let what = What::Waits {
            until: until.map(Instant::from_nanos),
            ticked,
        };
        let world = &World::builder(0).build();
        let (at, node) = (Instant::from_nanos(10), 0);
        let seen = Observation {
            at,
            node,
            what,
            world,
        };
        Deadlines::default().observe(&seen).is_ok()
    }

    #[test]
    fn only_a_ticked_node_with_a_due_deadline_is_wrong() {
        assert!(!verdict(Some(10), true));
        assert!(!verdict(Some(9), true));
        assert!(verdict(Some(11), true));
        assert!(verdict(None, true));
        assert!(verdict(Some(10), false));
    }

    #[test]
    fn only_where_a_node_was_paused_may_one_take_itself_to_have_stood_still() -> Result<(), Failure>
    {
        let mut world = World::builder(1).nodes(3).joined().build();
        let mut check = Deadlines::default();
        world.run_for(Duration::from_secs(10))?;
        assert_eq!((check.look(&world), check.stalls), (Ok(()), 0));
        world.pause(1);
        world.run_for(Duration::from_secs(10))?;
        world.resume(1);
        world.run_for(Duration::from_secs(1))?;
        assert_eq!((check.look(&world), check.stalls), (Ok(()), 1));
        world.network.faults = Faults::default();
        let wrong = check.look(&world).expect_err("nobody was paused");
        assert!(wrong.starts_with("node 1 "), "{wrong}");
        Ok(())
    }
}
