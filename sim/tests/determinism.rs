//! The same seed gives the same run, to the last bit.

use std::time::Duration;

use serf_sim::{Cut, Failure, Latency, Op, TraceHash, World};

/// A run in which everything happens that draws random numbers.
fn run(seed: u64) -> Result<TraceHash, Failure> {
    let mut world = World::builder(seed)
        .nodes(60)
        .loss(0.02)
        .duplicate(0.02)
        .latency(Latency::LogNormal {
            median: Duration::from_millis(3),
            sigma: 0.7,
        })
        .build();
    world.join_all_through(0);
    world.schedule(Duration::from_secs(5), Op::Crash(3));
    world.schedule(Duration::from_secs(6), Op::Pause(4));
    world.schedule(Duration::from_secs(9), Op::Resume(4));
    world.schedule(Duration::from_secs(12), Op::Start(3));
    world.schedule(
        Duration::from_secs(14),
        Op::Cut(Cut::between(0..20, 20..60)),
    );
    world.schedule(Duration::from_secs(40), Op::HealAll);
    world.run_for(Duration::from_secs(60))?;
    Ok(world.trace_hash())
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() -> Result<(), Failure> {
    let first = run(1)?;
    println!("{first}");
    assert!(first.entries > 10_000);
    assert_eq!(first, run(1)?);
    assert_ne!(first, run(2)?);
    Ok(())
}

#[test]
fn how_time_is_cut_up_does_not_matter() -> Result<(), Failure> {
    let run = |step: Duration, steps: u32| {
        let mut world = World::builder(5).nodes(20).loss(0.1).build();
        world.join_all_through(0);
        for _ in 0..steps {
            world.run_for(step)?;
        }
        Ok::<_, Failure>(world.trace_hash())
    };
    assert_eq!(
        run(Duration::from_secs(10), 1)?,
        run(Duration::from_millis(1), 10_000)?
    );
    Ok(())
}

#[test]
fn a_bystander_does_not_change_what_others_draw() -> Result<(), Failure> {
    let run = |nodes: usize| {
        let mut world = World::builder(6).nodes(nodes).loss(0.1).build();
        // Nodes 0 to 9 form a cluster; any others keep to themselves.
        for node in 1..10 {
            world.join(node, &[0]).expect("it runs");
        }
        world.run_for(Duration::from_secs(20))?;
        Ok::<_, Failure>((0..10).map(|node| world.usage(node)).collect::<Vec<_>>())
    };
    assert_eq!(run(10)?, run(15)?);
    Ok(())
}
