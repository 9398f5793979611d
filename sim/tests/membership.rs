//! Stories of one cluster: join, crash, partition, restart, leave, loss.

use std::time::Duration;

use serf_core::Status;
use serf_sim::{Failure, World};

#[test]
fn ten_nodes_join() -> Result<(), Failure> {
    let mut world = World::builder(1).nodes(10).build();
    world.join_all_through(0);
    let took = world.run_until_converged(Duration::from_secs(60))?;
    println!("10 nodes joined in {took:?}");
    world.crash(7);
    let took = world.run_until(Duration::from_secs(60), "crash seen", |w| {
        w.holders(7, Status::Failed) == 9
    })?;
    println!("crash seen by all in {took:?}");
    Ok(())
}
