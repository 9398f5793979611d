//! Lamport clocks never go back.

use serf_core::Node;

use super::{Check, Observation, Tally, Wants, What};

/// None of a node's three clocks, for members, user events and queries, goes back while it runs.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    /// By node.
    times: Vec<Times>,
    advances: u64,
}

/// By clock, in the order of [`NAMES`].
type Times = [u64; 3];

const NAMES: [&str; 3] = ["member", "event", "query"];

fn times(node: &Node) -> Times {
    [node.member_time(), node.event_time(), node.query_time()].map(|time| time.get())
}

impl Check for Clocks {
    fn name(&self) -> &'static str {
        "Lamport clocks never go back"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::WAITS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        if self.times.len() <= seen.node {
            self.times.resize(seen.node + 1, Times::default());
        }
        let known = &mut self.times[seen.node];
        if matches!(seen.what, What::Started { .. }) {
            *known = Times::default();
            return Ok(());
        }
        let Some(now) = seen.world.node(seen.node).map(times) else {
            return Ok(());
        };
        if now == *known {
            return Ok(());
        }
        let before = std::mem::replace(known, now);
        self.advances += 1;
        match (0..NAMES.len()).find(|clock| now[*clock] < before[*clock]) {
            Some(clock) => Err(format!(
                "the {} clock of node {} went from {} to {}",
                NAMES[clock], seen.node, before[clock], now[clock]
            )),
            None => Ok(()),
        }
    }

    fn tally(&self) -> Tally {
        vec![("times a clock went on", self.advances)]
    }
}

#[cfg(test)]
mod tests {
    use serf_core::QueryParams;

    use super::*;
    use crate::World;

    /// What the check says of node 1 as it is in one world and then in another.
    fn verdict(before: &World, after: &World, restarted: bool) -> Result<(), String> {
        let mut check = Clocks::default();
        let mut observe = |world: &World, what| {
            check.observe(&Observation {
                at: world.now(),
                node: 1,
                what,
                world,
            })
        };
        let waits = What::Waits {
            until: None,
            ticked: false,
        };
        observe(before, waits)?;
        if restarted {
            let params = &before.params;
            let snapshot = None;
            observe(after, What::Started { params, snapshot })?;
        }
        observe(after, waits)
    }

    #[test]
    fn each_clock_that_goes_back_is_wrong_but_in_a_new_life() {
        let world = || World::builder(0).nodes(3).joined().build();
        let early = world();
        let leaves: fn(&mut World) = |world| drop(world.leave(1));
        let sends: fn(&mut World) = |world| drop(world.user_event(1, "deploy", b""));
        let asks: fn(&mut World) =
            |world| drop(world.query(1, "load", b"", &QueryParams::default()));
        for (clock, deed) in NAMES.into_iter().zip([leaves, sends, asks]) {
            let mut late = world();
            deed(&mut late);
            assert_eq!(verdict(&early, &late, false), Ok(()), "{clock}");
            let wrong = verdict(&late, &early, false).expect_err("it went back");
            assert!(wrong.contains(&format!("the {clock} clock")), "{wrong}");
            assert_eq!(verdict(&late, &early, true), Ok(()), "{clock}");
        }
    }
}
