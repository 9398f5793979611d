//! How fast clusters at rest run: node-seconds per second of processor time, and memory per pair
//! of a node and a member that it knows.
//!
//! A node-second is one simulated second of one node: about one probe with its answer, hence two
//! datagrams and a wake-up.
//!
//! ```text
//! cargo run --release -p serf-sim --example throughput -- 100 1000 10000
//! cargo run --release -p serf-sim --example throughput -- --join 1000
//! cargo run --release -p serf-sim --example throughput -- --join 10000 all
//! ```
//! Nodes know each other from the start; with `--join` they join through one of them, so that they
//! share no memory, and the time of that is told, too; only with loads in which state is exchanged, as
//! nothing else repairs what gossip has missed. The name of a load picks it. The peak is that
//! of the program so far.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock"
)]

mod cost;
mod load;

use std::time::Duration;

use cost::{peak_bytes, resident_bytes, spent};
use load::Load;
use serf_sim::{Failure, World};

/// How much processor time each measurement takes at least.
const LONG: Duration = Duration::from_secs(4);

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let join = args.iter().any(|arg| arg == "--join");
    let mut sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100, 1_000];
    }
    println!(
        "{:<18} {:>7} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "load", "nodes", "ready", "node-s/s", "events/s", "bytes", "per pair", "peak"
    );
    let mut loads = Load::ALL.to_vec();
    if join {
        loads.retain(|load| !matches!(load, Load::ProbesAndGossip));
    }
    let picked = |load: &Load| args.iter().any(|arg| arg == load.name());
    if loads.iter().any(picked) {
        loads.retain(picked);
    }
    for nodes in sizes {
        for &load in &loads {
            measure(nodes, load, join)?;
        }
    }
    Ok(())
}

fn measure(nodes: usize, load: Load, join: bool) -> Result<(), Failure> {
    let (memory, start) = (resident_bytes(), spent());
    let mut world = if join {
        joined_one_by_one(nodes, load)?
    } else {
        load.world(1).nodes(nodes).joined().build()
    };
    let ready = spent() - start;
    // Each has probed somebody and met whom it has to.
    world.run_for(Duration::from_secs(5))?;

    let (mut simulated, events, start) = (0, world.occurrences(), spent());
    while spent() - start < LONG {
        world.run_for(Duration::from_secs(1))?;
        simulated += nodes;
    }
    let took = (spent() - start).as_secs_f64();
    let memory = resident_bytes().saturating_sub(memory);
    println!(
        "{:<18} {nodes:>7} {:>7.2} s {:>10.0} {:>10.0} {:>8.1} M {:>10.1} {:>8.1} M",
        load.name(),
        ready.as_secs_f64(),
        simulated as f64 / took,
        (world.occurrences() - events) as f64 / took,
        memory as f64 / 1e6,
        memory as f64 / (nodes * nodes) as f64,
        peak_bytes() as f64 / 1e6,
    );
    Ok(())
}

/// A cluster in which all have joined, and nobody has anything to tell any more.
fn joined_one_by_one(nodes: usize, load: Load) -> Result<World, Failure> {
    let mut world = load.world(1).nodes(nodes).build();
    world.join_all_through(0);
    world.run_until_converged(Duration::from_secs(600))?;
    world.run_until(
        Duration::from_secs(600),
        "nobody has anything to tell",
        |world| {
            let mut running = world.running().filter_map(|node| world.node(node));
            running.all(|it| it.queued_broadcasts() == 0 && it.queued_messages() == [0; 3])
        },
    )?;
    Ok(world)
}
