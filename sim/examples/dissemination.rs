//! What it takes to tell everybody one user event: time, datagrams and bytes per node, beside the
//! closed form that Serf's documentation used.
//!
//! ```text
//! cargo run --release -p serf-sim --example dissemination -- 100 1000
//! cargo run --release -p serf-sim --example dissemination -- --seeds 1 10000
//! ```
//! Each line is a few clusters with a seed each, in which all nodes know each other and nobody has
//! anything to tell before the event. Times are medians over the seeds, the last of them the
//! longest. Datagrams and bytes per node are those that the same world does not send without the
//! event. Where packets get lost these are not told: members suspect each other, which takes more.
#![expect(
    clippy::disallowed_methods,
    reason = "a program takes the sizes as arguments and reads the real clock"
)]

mod cost;

use std::time::Duration;

use cost::{resident_bytes, spent};
use serf_core::Config;
use serf_sim::{Failure, Usage, World};

const SECOND: Duration = Duration::from_secs(1);

/// Who has not heard by then is not waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// The shares of the nodes whose times are told.
const SHARES: [f64; 4] = [0.5, 0.99, 0.9999, 1.0];

fn main() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut seeds = 5;
    if let Some(place) = args.iter().position(|arg| arg == "--seeds") {
        let given = args.drain(place..args.len().min(place + 2)).next_back();
        seeds = given.and_then(|it| it.parse().ok()).unwrap_or(seeds).max(1);
    }
    let mut sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![30, 100, 1_000];
    }
    println!(
        "{:>6} {:>5} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9} {:>9} {:>9} {:>8}",
        "nodes",
        "loss",
        "seeds",
        "50 %",
        "99 %",
        "99.99 %",
        "all",
        "longest",
        "closed form",
        "datagrams",
        "bytes",
        "took",
        "memory"
    );
    for nodes in sizes {
        for loss in [0.0, 0.1, 0.25] {
            line(nodes, loss, seeds)?;
        }
    }
    Ok(())
}

/// What one event took.
struct Spread {
    /// When each share of the nodes had heard it, if they did.
    at: [Option<Duration>; SHARES.len()],
    datagrams: Option<f64>,
    bytes: Option<f64>,
}

fn line(nodes: usize, loss: f64, seeds: u64) -> Result<(), Failure> {
    let start = spent();
    let mut all = Vec::new();
    for seed in 0..seeds {
        all.push(measure(nodes, loss, seed)?);
    }
    let shown = |time: Option<Duration>| match time {
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
        None => "-".to_owned(),
    };
    // Who never heard is later than everybody else.
    let sorted = |share: usize| {
        let mut times: Vec<_> = all.iter().map(|it| it.at[share]).collect();
        times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
        times
    };
    let median = |share| shown(sorted(share)[all.len() / 2]);
    let mean = |of: fn(&Spread) -> Option<f64>| {
        let known: Vec<f64> = all.iter().filter_map(of).collect();
        match known.len() {
            0 => "-".to_owned(),
            count => format!("{:.1}", known.iter().sum::<f64>() / count as f64),
        }
    };
    println!(
        "{nodes:>6} {:>3.0} % {seeds:>5} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9.1} s {:>9} {:>9} {:>7.1} s {:>6.0} M",
        loss * 100.0,
        median(0),
        median(1),
        median(2),
        median(3),
        shown(sorted(3)[all.len() - 1]),
        closed_form(nodes, loss),
        mean(|it| it.datagrams),
        mean(|it| it.bytes),
        (spent() - start).as_secs_f64(),
        resident_bytes() as f64 / 1e6,
    );
    Ok(())
}

fn measure(nodes: usize, loss: f64, seed: u64) -> Result<Spread, Failure> {
    let mut world = at_rest(nodes, loss, seed)?;
    let (start, before) = (world.now(), world.total_usage());
    let payload = [b'x'; 100];
    world
        .user_event(nodes / 2, "deploy", &payload)
        .expect("it is small enough");
    let heard = |world: &World| -> usize {
        let running = world.running().filter_map(|node| world.node(node));
        running.filter(|it| it.counters().user_events > 0).count()
    };
    let mut at = [None; SHARES.len()];
    let limit = start + LIMIT;
    while at.contains(&None) && world.now() < limit {
        world.run_for(Duration::from_millis(10))?;
        let now = heard(&world);
        for (when, share) in at.iter_mut().zip(SHARES) {
            if when.is_none() && now as f64 >= share * nodes as f64 {
                *when = Some(world.now().since(start));
            }
        }
    }
    let (mut datagrams, mut bytes) = (None, None);
    if loss == 0.0 {
        // Until all copies are sent and both worlds have had the same time.
        world.run_for(limit.since(world.now()))?;
        let loud = difference(world.total_usage(), before);
        let mut world = at_rest(nodes, loss, seed)?;
        let before = world.total_usage();
        world.run_for(LIMIT)?;
        let quiet = difference(world.total_usage(), before);
        let per_node = |loud: u64, quiet: u64| (loud as f64 - quiet as f64) / nodes as f64;
        datagrams = Some(per_node(loud.0, quiet.0));
        bytes = Some(per_node(loud.1, quiet.1));
    }
    Ok(Spread {
        at,
        datagrams,
        bytes,
    })
}

/// A cluster in which nobody has anything to tell.
fn at_rest(nodes: usize, loss: f64, seed: u64) -> Result<World, Failure> {
    let builder = World::builder(seed).nodes(nodes).joined().unchecked();
    let mut world = builder.build();
    // Each has probed somebody.
    world.run_for(5 * SECOND)?;
    world.set_links(serf_sim::Link {
        loss: loss.into(),
        ..serf_sim::Link::lan()
    });
    Ok(world)
}

/// Datagrams and their bytes.
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
