//! Random faults, then a healthy network: whatever happened before, the nodes have to agree.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serf_sim::{Cut, Failure, Latency, Link, Op, Ratio, World};

const SECOND: Duration = Duration::from_secs(1);
const NODES: usize = 40;

/// After the storm: a failed member is dialled within 30 seconds, and state exchanges are a minute
/// apart at this size. A thousand storms took 69 seconds at most.
const BOUND: Duration = Duration::from_secs(90);

#[test]
fn random_storms_end_in_agreement() -> Result<(), Failure> {
    for seed in 0..24 {
        storm(seed)?;
    }
    Ok(())
}

fn storm(seed: u64) -> Result<(), Failure> {
    let mut world = World::builder(seed)
        .nodes(NODES)
        .loss([0.0, 0.05, 0.2, 0.3][seed as usize % 4])
        .duplicate(Ratio::new(1, 10))
        .latency(Latency::LogNormal {
            median: Duration::from_millis(5),
            sigma: 1.0,
        })
        .stream_chunk(7)
        .build();
    world.join_all_through(0);
    plan(&mut world, seed);
    world.run_for(160 * SECOND)?;

    world.heal_all();
    world.set_links(Link::lan());
    world.run_until_converged(BOUND)?;
    world.run_for(60 * SECOND)?;
    let views = world.views();
    if !views.agree() {
        return Err(world.failure("an agreement lasts", views.to_string()));
    }
    let telling = |node: &usize| {
        let node = world.node(*node);
        node.is_some_and(|node| node.queued_broadcasts() > 0)
    };
    assert_eq!(
        world.running().find(telling),
        None,
        "seed {seed}: still gossiping"
    );
    Ok(())
}

/// Sixty random faults in the first minute and a half; every node that goes comes back in time,
/// except those that leave. Node 0 is spared, so that there is somebody to come back to.
fn plan(world: &mut World, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |bound: u32| rng.next_u32() % bound;
    for _ in 0..60 {
        let at = (5 + below(85)) * SECOND;
        let node = 1 + below(NODES as u32 - 1) as usize;
        match below(8) {
            0 | 1 => {
                world.schedule(at, Op::Crash(node));
                world.schedule(at + below(40) * SECOND, Op::Start(node));
                let seeds = vec![0, NODES - 1];
                let join = Op::Join {
                    node,
                    seeds,
                    retry: true,
                    replay: false,
                };
                world.schedule(at + 40 * SECOND, join);
            }
            2 | 3 => {
                world.schedule(at, Op::Pause(node));
                world.schedule(at + below(60) * SECOND, Op::Resume(node));
            }
            4 => world.schedule(at, Op::Cut(Cut::one_way([node], 20..30))),
            5 => world.schedule(at, Op::Cut(Cut::between(0..node, node..NODES))),
            6 => world.schedule(at, Op::HealAll),
            _ if below(3) == 0 => world.schedule(at, Op::Leave(node)),
            _ => {
                let force = Op::ForceLeave {
                    node,
                    member: format!("node-{}", below(NODES as u32)),
                    prune: below(2) == 0,
                };
                world.schedule(at, force);
            }
        }
    }
}
