//! How an attempt to join ends, seen through what the network does to its stream.

use std::time::Duration;

use serf_core::{Config, Outcome, Params, StreamFailure, Wires};
use serf_sim::{Cut, Failure, Latency, Link, Ratio, Traffic, World};

const SECOND: Duration = Duration::from_secs(1);

/// Has node 0 join through another and answers whom it reached, and why not the others.
fn join(world: &mut World, seed: usize) -> Result<(usize, Vec<StreamFailure>), Failure> {
    let command = world.join(0, &[seed]).expect("node 0 runs");
    world.run_until(20 * SECOND, "the join ends", |world| {
        world.outcome(0, command).is_some()
    })?;
    match world.outcome(0, command) {
        Some(Outcome::Join { contacted, failed }) => Ok((
            contacted.len(),
            failed.iter().map(|(_, why)| *why).collect(),
        )),
        other => panic!("a join ended as {other:?}"),
    }
}

#[test]
fn a_running_node_is_reached() -> Result<(), Failure> {
    let mut world = World::builder(1).nodes(2).stream_chunk(1).build();
    assert_eq!(join(&mut world, 1)?, (1, vec![]));
    assert!(world.views().agree());
    world.run_for(10 * SECOND)?;
    assert_eq!(world.pending().1, 0, "no connection is left over");
    Ok(())
}

#[test]
fn a_node_that_is_down_refuses() -> Result<(), Failure> {
    let mut world = World::builder(2).nodes(2).build();
    world.crash(1);
    assert_eq!(join(&mut world, 1)?, (0, vec![StreamFailure::Refused]));
    Ok(())
}

#[test]
fn an_address_without_a_node_is_unreachable() -> Result<(), Failure> {
    let mut world = World::builder(3).nodes(2).build();
    assert_eq!(join(&mut world, 77)?, (0, vec![StreamFailure::Unreachable]));
    Ok(())
}

#[test]
fn a_silent_cut_makes_the_node_run_out_of_time() -> Result<(), Failure> {
    for cut in [
        Cut::between([0], [1]),
        Cut::one_way([0], [1]),
        Cut::one_way([1], [0]),
    ] {
        let mut world = World::builder(4).nodes(2).build();
        world.cut(cut);
        assert_eq!(join(&mut world, 1)?, (0, vec![StreamFailure::TimedOut]));
        world.heal_all();
        world.run_for(30 * SECOND)?;
        assert_eq!(world.pending().1, 0, "what stalled is cleared away");
    }
    Ok(())
}

#[test]
fn a_cut_that_ends_in_time_only_delays() -> Result<(), Failure> {
    let mut world = World::builder(5).nodes(2).build();
    world.cut_for(Cut::between([0], [1]), 4 * SECOND);
    let start = world.now();
    assert_eq!(join(&mut world, 1)?, (1, vec![]));
    assert!(world.now().since(start) > 4 * SECOND);
    Ok(())
}

#[test]
fn a_firewall_that_rejects_refuses() -> Result<(), Failure> {
    let mut world = World::builder(6).nodes(2).build();
    world.cut(Cut::between([0], [1]).only(Traffic::Streams).refusing());
    assert_eq!(join(&mut world, 1)?, (0, vec![StreamFailure::Refused]));
    Ok(())
}

#[test]
fn a_crash_in_the_middle_breaks_the_stream() -> Result<(), Failure> {
    let latency = Latency::Constant(SECOND / 10);
    for (wires, failure) in [
        (Wires::Native, StreamFailure::Reset),
        // One who breaks off may not have understood, and is asked in the other wire.
        (Wires::Auto, StreamFailure::Refused),
    ] {
        let config = Config {
            wires,
            ..Config::lan()
        };
        let params = Params::new(config).expect("the configuration is valid");
        let builder = World::builder(7).nodes(2).params(params);
        let mut world = builder.latency(latency).build();
        world.schedule(SECOND / 4, serf_sim::Op::Crash(1));
        assert_eq!(join(&mut world, 1)?, (0, vec![failure]));
    }
    Ok(())
}

#[test]
fn loss_delays_streams_but_does_not_break_them() -> Result<(), Failure> {
    let mut world = World::builder(8).nodes(2).loss(Ratio::new(1, 2)).build();
    assert_eq!(join(&mut world, 1)?, (1, vec![]));
    Ok(())
}

#[test]
fn one_link_may_be_slower_than_the_others() -> Result<(), Failure> {
    let mut world = World::builder(9).nodes(3).build();
    let slow = Link {
        latency: Latency::Constant(SECOND),
        ..Link::lan()
    };
    world.set_link(0, 1, slow);
    let start = world.now();
    join(&mut world, 2)?;
    assert!(world.now().since(start) < SECOND);
    join(&mut world, 1)?;
    assert!(
        world.now().since(start) > 2 * SECOND,
        "the dial and the request take a second each"
    );
    Ok(())
}
