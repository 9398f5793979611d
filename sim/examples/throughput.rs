//! How fast clusters run: node-seconds per second of real time, and memory per known member.
//!
//! A node-second is one simulated second of one node: about one probe with its answer, hence two
//! datagrams and two to three wake-ups.
//!
//! ```text
//! cargo run --release -p serf-sim --example throughput -- 100 1000
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock"
)]

use std::time::{Duration, Instant};

use serf_sim::{Failure, World};

fn main() -> Result<(), Failure> {
    let mut sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = vec![100, 1_000];
    }
    println!("  nodes   joining: simulated      real   at rest: node-s/s   events/s   bytes/pair");
    for nodes in sizes {
        measure(nodes)?;
    }
    Ok(())
}

fn measure(nodes: usize) -> Result<(), Failure> {
    let memory_before = resident_bytes();
    let start = Instant::now();
    let mut world = World::builder(1).nodes(nodes).build();
    world.join_all_through(0);
    let joining = world.run_until_converged(Duration::from_secs(600))?;
    let joining_took = start.elapsed();
    // What is still being told about the joins is not rest.
    world.run_until(
        Duration::from_secs(600),
        "nobody has anything to tell",
        |world| {
            world.running().all(|node| {
                world
                    .node(node)
                    .is_some_and(|it| it.queued_broadcasts() == 0 && it.queued_messages() == [0; 3])
            })
        },
    )?;
    let memory = resident_bytes().saturating_sub(memory_before);

    let (mut simulated, events_before, start) = (0, world.occurrences(), Instant::now());
    while start.elapsed() < Duration::from_secs(5) {
        world.run_for(Duration::from_secs(1))?;
        simulated += nodes;
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "{nodes:>7} {:>17.1} s {:>7.1} s {:>19.0} {:>10.0} {:>12.0}",
        joining.as_secs_f64(),
        joining_took.as_secs_f64(),
        simulated as f64 / took,
        (world.occurrences() - events_before) as f64 / took,
        memory as f64 / (nodes * nodes) as f64,
    );
    Ok(())
}

/// The memory that this process occupies; zero where the system does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
