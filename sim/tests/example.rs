//! The test that README.md shows.

use std::time::Duration;

use serf_core::Status;
use serf_sim::{Failure, World};

#[test]
fn a_crash_is_noticed_by_all_although_packets_get_lost() -> Result<(), Failure> {
    let mut world = World::builder(42).nodes(100).loss(0.05).build();
    world.join_all_through(0);
    world.run_until_converged(Duration::from_secs(60))?;

    world.crash(7);
    let bound = Duration::from_secs(30);
    world.run_until(bound, "all others hold node 7 as failed", |world| {
        world.holders(7, Status::Failed) == 99
    })?;
    Ok(())
}
