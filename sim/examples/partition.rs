//! How a cluster gets over being cut in half for a minute: second by second after the cut, how
//! many of the others the nodes count as alive, how much they still have to tell, and what it
//! costs.
//!
//! ```text
//! cargo run --release -p serf-sim --example partition -- 1000
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock"
)]

mod cost;

use std::time::Duration;

use cost::{resident_bytes, spent};
use serf_sim::{Cut, Failure, World};

/// How long the cut lasts.
const CUT: Duration = Duration::from_secs(60);
/// How long to watch afterwards at the most.
const LIMIT: u64 = 300;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let nodes = args.find_map(|arg| arg.parse().ok()).unwrap_or(1_000);
    let mut world = World::builder(1).nodes(nodes).joined().build();
    world.run_for(Duration::from_secs(1))?;
    let (start, half) = (spent(), nodes / 2);
    world.cut_for(Cut::between(0..half, half..nodes), CUT);
    println!(
        "{:>6} {:>10} {:>6} {:>9} {:>9} {:>11} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "second",
        "alive",
        "wrong",
        "to tell",
        "refuted",
        "suspicions",
        "datagrams",
        "streamed",
        "burials",
        "CPU",
        "memory"
    );
    for second in 1..=CUT.as_secs() + LIMIT {
        world.run_for(Duration::from_secs(1))?;
        let healing = second > CUT.as_secs();
        if healing || second % 10 == 0 {
            line(
                &world,
                second as i64 - CUT.as_secs() as i64,
                spent() - start,
            );
        }
        if healing && wrong(&world) == 0 && world.views().agree() {
            println!("all views are equal");
            break;
        }
    }
    Ok(())
}

/// How many nodes hold another number of members for alive than there are.
fn wrong(world: &World) -> usize {
    let running = world.running().filter_map(|node| world.node(node));
    running.filter(|it| it.alive_count() != world.len()).count()
}

/// Averages per node, and how many are wrong.
fn line(world: &World, second: i64, took: Duration) {
    let nodes = || world.running().filter_map(|node| world.node(node));
    let mean = |sum: u64| sum as f64 / world.len() as f64;
    let alive = nodes().map(|it| it.alive_count() as u64).sum();
    let queued = nodes().map(|it| it.queued_broadcasts() as u64).sum();
    let refuted = nodes().map(|it| it.counters().refutations).sum();
    let suspicions = nodes().map(|it| it.counters().suspicions).sum();
    let datagrams = nodes().map(|it| it.counters().datagrams_sent).sum();
    let streamed = nodes().map(|it| it.counters().stream_bytes_sent).sum();
    let burials = nodes().map(|it| it.counters().burials).sum();
    println!(
        "{second:>6} {:>10.1} {:>6} {:>9.1} {:>9.2} {:>11.1} {:>10.1} {:>8.1} k {:>8.1} {:>6.1} s {:>6.2} G",
        mean(alive),
        wrong(world),
        mean(queued),
        mean(refuted),
        mean(suspicions),
        mean(datagrams),
        mean(streamed) / 1e3,
        mean(burials),
        took.as_secs_f64(),
        resident_bytes() as f64 / 1e9,
    );
}
