//! What it takes to tell everybody one user event: time, datagrams and bytes per node, beside the
//! closed form that Serf's documentation used.
//!
//! ```text
//! cargo run --release -p serf-sim --example dissemination -- 100 1000
//! ```
//! Each line is a cluster of its own, at rest before the event. Extra datagrams and bytes are those
//! that the same world does not send without the event.

use std::time::Duration;

use serf_core::Config;
use serf_sim::{Failure, Usage, World};

const SECOND: Duration = Duration::from_secs(1);

fn main() -> Result<(), Failure> {
    let mut sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = vec![30, 100, 1_000];
    }
    println!("nodes   loss     50 %     99 %      all   closed form   datagrams/node   bytes/node");
    for nodes in sizes {
        for loss in [0.0, 0.1, 0.25] {
            measure(nodes, loss)?;
        }
    }
    Ok(())
}

fn measure(nodes: usize, loss: f64) -> Result<(), Failure> {
    let quiet = spent(&mut at_rest(nodes, loss)?)?;
    let mut world = at_rest(nodes, loss)?;
    let payload = [b'x'; 100];
    world
        .user_event(nodes / 2, "deploy", &payload)
        .expect("it is small enough");
    let heard = |world: &World| -> usize {
        let running = world.running().filter_map(|node| world.node(node));
        running.filter(|it| it.counters().user_events > 0).count()
    };
    let (start, before) = (world.now(), world.total_usage());
    let mut at = [None; 3];
    let limit = start + 60 * SECOND;
    while at[2].is_none() && world.now() < limit {
        world.run_for(Duration::from_millis(10))?;
        let now = heard(&world);
        for (when, share) in at.iter_mut().zip([0.5, 0.99, 1.0]) {
            if when.is_none() && now as f64 >= share * nodes as f64 {
                *when = Some(world.now().since(start));
            }
        }
    }
    // The rest of a minute, so that all copies are sent and both worlds had the same time.
    world.run_for((start + 60 * SECOND).since(world.now()))?;
    let loud = difference(world.total_usage(), before);
    let per_node = |loud: u64, quiet: u64| loud.saturating_sub(quiet) as f64 / nodes as f64;
    let shown = |time: Option<Duration>| {
        time.map_or_else(
            || "-".to_owned(),
            |time| format!("{:.2} s", time.as_secs_f64()),
        )
    };
    println!(
        "{nodes:>5}   {:>3.0} %   {:>6}   {:>6}   {:>6}   {:>9.1} s   {:>14.1}   {:>10.0}",
        loss * 100.0,
        shown(at[0]),
        shown(at[1]),
        shown(at[2]),
        closed_form(nodes, loss),
        per_node(loud.0, quiet.0),
        per_node(loud.1, quiet.1),
    );
    Ok(())
}

/// A cluster in which nobody has anything to tell.
fn at_rest(nodes: usize, loss: f64) -> Result<World, Failure> {
    let mut world = World::builder(7).nodes(nodes).unchecked().build();
    world.join_all_through(0);
    world.run_until_converged(600 * SECOND)?;
    world.run_until(600 * SECOND, "nobody has anything to tell", |world| {
        let mut running = world.running().filter_map(|node| world.node(node));
        running.all(|it| it.queued_broadcasts() == 0 && it.queued_messages() == [0; 3])
    })?;
    world.set_links(serf_sim::Link {
        loss: loss.into(),
        ..serf_sim::Link::lan()
    });
    Ok(world)
}

/// Datagrams and bytes of a minute in which nothing happens.
fn spent(world: &mut World) -> Result<(u64, u64), Failure> {
    let before = world.total_usage();
    world.run_for(60 * SECOND)?;
    Ok(difference(world.total_usage(), before))
}

fn difference(after: Usage, before: Usage) -> (u64, u64) {
    (
        after.datagrams_sent - before.datagrams_sent,
        after.datagram_bytes_sent - before.datagram_bytes_sent,
    )
}

/// Seconds until 99.99 % are infected: `infected / n = 1 / (1 + (n + 1) * e^(-contact * n * round))`
/// with `contact = fanout / n * (1 - loss) * 0.5`. It knows neither transmit limits nor latency.
fn closed_form(nodes: usize, loss: f64) -> f64 {
    let config = Config::lan();
    let n = nodes as f64;
    let contact = f64::from(config.gossip_nodes) / n * (1.0 - loss) * 0.5;
    let infected = |round: f64| 1.0 / (1.0 + (n + 1.0) * (-contact * n * round).exp());
    let rounds = (1..)
        .map(f64::from)
        .find(|round| infected(*round) >= 0.9999);
    rounds.unwrap_or(f64::NAN) * config.gossip_interval.as_secs_f64()
}
