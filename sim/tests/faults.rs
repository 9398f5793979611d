//! Each fault really happens, is counted, and a cluster comes through it.

use std::time::Duration;

use serf_core::{Config, Params, Status};
use serf_sim::{
    Burst, Failure, Faults, Forgery, Latency, Link, Op, Ratio, Regions, State, Uplink, World,
};

const SECOND: Duration = Duration::from_secs(1);

fn converged(seed: u64, nodes: usize, link: Link) -> Result<World, Failure> {
    let mut world = World::builder(seed).nodes(nodes).link(link).build();
    world.join_all_through(0);
    world.run_until_converged(120 * SECOND)?;
    Ok(world)
}

/// A minute in a network of 20 nodes with this link; everybody has to be alive at its end.
fn a_minute_with(seed: u64, link: Link) -> Result<(World, Faults), Failure> {
    let mut world = converged(seed, 20, Link::lan())?;
    world.set_links(link);
    world.run_for(60 * SECOND)?;
    world.set_links(Link::lan());
    world.run_until_converged(60 * SECOND)?;
    let faults = *world.faults();
    Ok((world, faults))
}

#[test]
fn damaged_datagrams_are_noticed_and_dropped() -> Result<(), Failure> {
    let (world, faults) = a_minute_with(
        1,
        Link {
            flip: Ratio::new(1, 20),
            truncate: Ratio::new(1, 20),
            ..Link::lan()
        },
    )?;
    assert!(faults.flipped_datagrams > 50, "{faults:?}");
    assert!(faults.truncated_datagrams > 50, "{faults:?}");
    let dropped: u64 = (0..20)
        .filter_map(|node| world.node(node))
        .map(|node| node.counters().dropped_corrupt + node.counters().dropped_foreign)
        .sum();
    assert!(dropped > 100, "{dropped} dropped");
    Ok(())
}

#[test]
fn bursts_reordering_and_old_datagrams_do_no_harm() -> Result<(), Failure> {
    let (_, faults) = a_minute_with(
        2,
        Link {
            burst: Some(Burst {
                every: 10 * SECOND,
                lasts: SECOND,
                loss: Ratio::from(0.9),
            }),
            reorder: Ratio::new(1, 10),
            replay: Ratio::new(1, 10),
            ..Link::lan()
        },
    )?;
    assert!(faults.burst_losses > 50, "{faults:?}");
    assert!(faults.reordered_datagrams > 50, "{faults:?}");
    assert!(faults.replayed_datagrams > 50, "{faults:?}");
    Ok(())
}

#[test]
fn streams_that_break_midway_are_tried_again() -> Result<(), Failure> {
    let mut world = World::builder(3)
        .nodes(20)
        .link(Link {
            sever: Ratio::new(1, 3),
            ..Link::lan()
        })
        .build();
    world.join_all_through(0);
    world.run_until_converged(60 * SECOND)?;
    assert!(world.faults().severed_streams > 5, "{:?}", world.faults());
    world.run_for(60 * SECOND)?;
    assert!(world.pending().1 < 5, "{} left open", world.pending().1);
    Ok(())
}

#[test]
fn a_slow_processor_answers_late_and_is_not_taken_for_dead() -> Result<(), Failure> {
    let mut world = converged(4, 20, Link::lan())?;
    world.log_events();
    world.set_cpu(5, Some(SECOND / 10));
    world.run_for(60 * SECOND)?;
    assert!(world.faults().slow_inputs > 60, "{:?}", world.faults());
    world.set_cpu(5, None);
    world.run_until_converged(60 * SECOND)?;
    assert_eq!(world.holders(5, Status::Alive), 20);
    Ok(())
}

#[test]
fn a_paused_node_accuses_nobody_and_a_blocked_one_does() -> Result<(), Failure> {
    let failed_probes_of = |stop: Op, go_on: Op| {
        let mut world = converged(7, 20, Link::lan())?;
        world.apply(stop);
        let sent = world.usage(5).datagrams_sent;
        world.run_for(8 * SECOND)?;
        let sent = world.usage(5).datagrams_sent - sent;
        world.apply(go_on);
        world.run_until_converged(60 * SECOND)?;
        assert!(world.faults().late_inputs > 8, "{:?}", world.faults());
        let node = world.node(5).expect("it runs");
        Ok((node.counters().failed_probes, sent, *world.faults()))
    };
    let (failed, sent, faults) = failed_probes_of(Op::Pause(5), Op::Resume(5))?;
    assert_eq!((failed, sent, faults.blocks), (0, 0, 0));
    let (failed, sent, faults) = failed_probes_of(Op::Block(5), Op::Unblock(5))?;
    assert!(failed > 1 && sent > 8, "{failed} failed, {sent} sent");
    assert_eq!(faults.blocks, 1);
    assert!(faults.held_sends >= sent, "{faults:?}");
    Ok(())
}

#[test]
fn a_blocked_node_may_be_paused_slow_or_crash() -> Result<(), Failure> {
    let mut world = converged(8, 20, Link::lan())?;
    let each = Some(SECOND / 100);
    for (node, ops) in [
        (3, [Op::Pause(3), Op::Unblock(3), Op::Resume(3)]),
        (4, [Op::Pause(4), Op::Resume(4), Op::Unblock(4)]),
        (5, [Op::Crash(5), Op::Unblock(5), Op::Restore(5)]),
    ] {
        world.block(node);
        world.set_cpu(node, each);
        for (nth, op) in (1..).zip(ops) {
            world.schedule(nth * 2 * SECOND, op);
        }
    }
    world.run_for(10 * SECOND)?;
    for node in [3, 4, 5] {
        world.set_cpu(node, None);
    }
    world.run_until_converged(60 * SECOND)?;
    assert_eq!(world.running().count(), 20);
    Ok(())
}

#[test]
fn clocks_that_run_at_different_rates_keep_a_cluster_together() -> Result<(), Failure> {
    let mut world = converged(5, 20, Link::lan())?;
    for (node, ppm) in [(1, 500_000), (2, -500_000), (3, 100_000), (4, 100)] {
        world.set_clock_rate(node, ppm);
    }
    world.run_for(120 * SECOND)?;
    assert!(world.views().agree(), "{}", world.views());
    let probes = |node: usize| world.node(node).map_or(0, |it| it.counters().probes);
    assert!(probes(1) > 2 * probes(2), "{} {}", probes(1), probes(2));
    assert_eq!(world.faults().clock_drifts, 4);
    Ok(())
}

#[test]
fn a_name_at_another_address_is_found_there() -> Result<(), Failure> {
    let config = Config {
        dead_reclaim: 10 * SECOND,
        ..Config::lan()
    };
    let params = Params::new(config).expect("within bounds");
    let mut world = World::builder(6).nodes(10).params(params).build();
    world.join_all_through(0);
    world.run_until_converged(60 * SECOND)?;
    world.crash(3);
    world.run_for(40 * SECOND)?;
    world.relocate(3);
    world.restore(3);
    world.run_until_converged(90 * SECOND)?;
    assert_eq!((world.faults().moves, world.faults().restores), (1, 1));
    let seen = world.node(7).and_then(|it| it.member("node-3"));
    let seen = seen.expect("it is known").addr().ip().to_string();
    assert_eq!(seen, "11.0.0.1");
    Ok(())
}

#[test]
fn another_name_at_the_same_address_replaces_the_old_one() -> Result<(), Failure> {
    let mut world = converged(7, 10, Link::lan())?;
    world.crash(3);
    world.rename(3);
    world.restore(3);
    world.run_until_converged(90 * SECOND)?;
    assert_eq!(&**world.name(3), "node-3-b1");
    let old = world.node(7).and_then(|it| it.member("node-3"));
    assert_eq!(old.map(|old| old.status()), Some(Status::Failed));
    Ok(())
}

#[test]
fn a_restored_node_joins_through_those_it_knew() -> Result<(), Failure> {
    let mut world = converged(8, 10, Link::lan())?;
    world.crash(0);
    world.run_for(30 * SECOND)?;
    world.apply(Op::Restore(0));
    assert!(world.run_until_converged(30 * SECOND)? < 5 * SECOND);
    assert_eq!(world.state(0), State::Running);
    Ok(())
}

#[test]
fn a_narrow_uplink_queues_and_overflows() -> Result<(), Failure> {
    let mut world = converged(9, 30, Link::lan())?;
    let uplink = Uplink {
        bytes_per_second: 300,
        queue: 400,
    };
    world.set_uplink(4, Some(uplink));
    for nth in 0..20 {
        let event = Op::UserEvent {
            node: 4,
            name: format!("event-{nth}"),
            payload: vec![7; 100],
        };
        world.schedule(nth * SECOND, event);
    }
    world.run_for(40 * SECOND)?;
    assert!(world.faults().uplink_waits > 20, "{:?}", world.faults());
    assert!(world.faults().uplink_overflows > 5, "{:?}", world.faults());
    world.set_uplink(4, None);
    world.run_until_converged(60 * SECOND)?;
    Ok(())
}

#[test]
fn distant_regions_form_one_cluster() -> Result<(), Failure> {
    let mut world = World::builder(10)
        .nodes(20)
        .latency(Latency::Constant(SECOND / 1_000))
        .build();
    let ms = Duration::from_millis;
    let distances = [vec![ms(0), ms(80)], vec![ms(80), ms(0)]];
    let of = (0..20).map(|node| u16::from(node >= 10)).collect();
    world.set_regions(Some(Regions::new(of, &distances, 0.2)));
    world.join_all_through(0);
    assert!(world.run_until_converged(60 * SECOND)? > SECOND / 6);
    world.run_for(60 * SECOND)?;
    assert!(world.views().agree());
    Ok(())
}

#[test]
fn another_node_does_not_change_what_happens_to_the_others() {
    // Two nodes talk while a third, unknown to both, is there or is not.
    let run = |nodes| {
        let mut world = World::builder(11).nodes(nodes).loss(0.2).build();
        world.join(1, &[0]).expect("it runs");
        world.run_for(60 * SECOND).expect("nothing is wrong");
        (world.usage(0), world.usage(1), *world.faults())
    };
    assert_eq!(run(2), run(3));
}

#[test]
fn what_is_forged_in_the_name_of_a_node_is_no_traffic_of_it() -> Result<(), Failure> {
    let mut world = World::builder(4).nodes(3).joined().build();
    let (before, reached) = (world.usage(0), world.usage(1));
    world.forge(0, 1, Forgery::Time(u64::MAX));
    assert_eq!(world.usage(0), before);
    world.run_for(SECOND)?;
    assert!(world.usage(1).datagrams_received > reached.datagrams_received);
    assert_eq!(world.faults().forged_datagrams, 1);
    Ok(())
}
