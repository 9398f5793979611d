//! Stories of one cluster, told with its own clock: join, crash, partition, restart, leave, loss.

use std::time::Duration;

use serf_core::{Config, Event, MemberEventKind, Outcome, Params, Status};
use serf_sim::check::Incarnations;
use serf_sim::{Cut, Failure, Latency, Op, State, Traffic, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A cluster whose nodes all know each other.
fn converged(seed: u64, nodes: usize) -> Result<World, Failure> {
    let mut world = World::builder(seed).nodes(nodes).check(Incarnations::default()).build();
    world.join_all_through(0);
    world.run_until_converged(2 * MINUTE)?;
    Ok(world)
}

/// Until all but a few know of a crash: somebody has to probe the dead node (several do so each
/// `probe_interval`), three have to agree so that the suspicion runs at its shortest, and gossip
/// has to spread the verdict. Each of the terms is generous, none is much more than twice what it
/// takes.
fn detection_bound(config: &Config, nodes: usize) -> Duration {
    let probing = 6 * config.probe_interval;
    let scale = (nodes as f64).log10().max(1.0);
    let suspicion = (config.suspicion_mult * config.probe_interval).mul_f64(scale);
    let spreading = 5 * config.gossip_interval * nodes.ilog2();
    probing + suspicion + spreading
}

#[test]
fn a_thousand_nodes_join_through_one_and_hear_of_a_crash() -> Result<(), Failure> {
    let nodes = 1_000;
    let mut world = World::builder(1).nodes(nodes).build();
    world.join_all_through(0);
    let took = world.run_until_converged(MINUTE)?;
    println!("{nodes} nodes agreed after {took:?}");

    world.crash(7);
    let bound = detection_bound(&Config::lan(), nodes);
    let took = world.run_until(bound, "all survivors hold node 7 as failed", |world| {
        world.holders(7, Status::Failed) == nodes - 1
    })?;
    println!("all survivors knew of the crash after {took:?}, bound {bound:?}");
    assert!(world.views().agree());
    Ok(())
}
