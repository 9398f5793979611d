//! Stories of one cluster, told with its own clock: join, crash, partition, restart, leave, loss.

use std::time::Duration;

use serf_core::{Config, Event, MemberEventKind, Outcome, Params, Status};
use serf_sim::{Cut, Failure, Latency, Op, State, Traffic, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A cluster whose nodes all know each other.
fn converged(seed: u64, nodes: usize) -> Result<World, Failure> {
    let mut world = World::builder(seed).nodes(nodes).build();
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

#[test]
fn halves_of_a_thousand_that_were_cut_for_a_minute_agree_again() -> Result<(), Failure> {
    let nodes = 1_000;
    let config = Config::lan();
    let mut world = converged(2, nodes)?;
    world.log_events();
    world.cut_for(Cut::between(0..nodes / 2, nodes / 2..nodes), MINUTE);
    world.run_for(MINUTE - Duration::from_millis(1))?;
    let held: Vec<usize> = world
        .running()
        .filter_map(|node| Some(world.node(node)?.alive_count()))
        .collect();
    assert!(
        held.iter().all(|count| *count < nodes),
        "a half has not noticed the cut: {held:?}"
    );
    world.run_for(Duration::from_millis(1))?;

    // Some of the failed are dialled in each second, and who hears of many more than it can be told by
    // gossip exchanges state soon, though the interval has grown sixfold at this size.
    let suspicions = |world: &World| -> u64 {
        let counters = world.running().filter_map(|node| world.node(node));
        counters.map(|node| node.counters().suspicions).sum()
    };
    let before = suspicions(&world);
    let bound = config.reconnect_interval;
    let took = world.run_until_converged(bound)?;
    println!("{nodes} nodes agreed {took:?} after the heal, bound {bound:?}");
    // What either half says of the other shows the cut and nothing else.
    let raised = suspicions(&world) - before;
    assert!(raised < 10 * nodes as u64, "{raised} suspicions");
    Ok(())
}

#[test]
fn one_node_cut_off_alone_comes_back() -> Result<(), Failure> {
    let mut world = converged(3, 30)?;
    let cut = world.cut(Cut::between([9], (0..30).filter(|node| *node != 9)));
    world.run_until(MINUTE, "the others hold node 9 as failed", |world| {
        world.holders(9, Status::Failed) == 29
    })?;
    // With nobody to confirm its suspicions, and knowing itself for the likely cause, it takes
    // minutes to give up on all others. The cut lasts longer than the dead are gossiped to.
    world.run_for(MINUTE)?;
    world.heal(cut);
    world.run_until_converged(2 * MINUTE)?;
    assert_eq!(world.node(9).map(|node| node.alive_count()), Some(30));
    Ok(())
}

#[test]
fn a_restarted_node_is_alive_everywhere_again() -> Result<(), Failure> {
    let mut world = converged(4, 50)?;
    world.crash(7);
    world.run_until(MINUTE, "the crash is noticed", |world| {
        world.holders(7, Status::Failed) == 49
    })?;
    world.start(7);
    world.join(7, &[0]).expect("it runs");
    let took = world.run_until_converged(Duration::from_secs(30))?;
    println!("a node that had failed was back everywhere {took:?} after its restart");

    // Faster than anybody noticed: peers still hold the incarnation of its former life.
    world.restart(8);
    world.join(8, &[0]).expect("it runs");
    world.run_until_converged(Duration::from_secs(30))?;
    world.run_for(MINUTE)?;
    assert!(world.views().agree(), "{}", world.views());
    Ok(())
}

#[test]
fn a_leave_is_seen_as_left_by_all() -> Result<(), Failure> {
    let mut world = converged(5, 50)?;
    world.log_events();
    let command = world.leave(7).expect("it runs");
    let took = world.run_until(
        Duration::from_secs(10),
        "all hold node 7 as left",
        |world| world.holders(7, Status::Left) == 49 && world.state(7) == State::Left,
    )?;
    println!("the leave was seen and over after {took:?}");
    let outcome = world.outcome(7, command);
    assert!(
        matches!(outcome, Some(Outcome::Spread { complete: true, .. })),
        "{outcome:?}"
    );
    world.run_for(2 * MINUTE)?;
    assert_eq!(
        world.holders(7, Status::Left),
        49,
        "a node that left stays so"
    );
    let failed = count(&world, MemberEventKind::Failed);
    assert_eq!(failed, 0, "a leave is no failure");
    Ok(())
}

#[test]
fn five_per_cent_loss_fails_nobody() -> Result<(), Failure> {
    let mut world = World::builder(6)
        .nodes(100)
        .loss(0.05)
        .duplicate(0.01)
        .latency(Latency::LogNormal {
            median: Duration::from_millis(2),
            sigma: 0.5,
        })
        .build();
    world.join_all_through(0);
    world.run_until_converged(2 * MINUTE)?;
    world.log_events();
    world.run_for(2 * MINUTE)?;
    let usage = world.total_usage();
    assert!(
        usage.datagrams_lost > usage.datagrams_sent / 25,
        "{usage:?}"
    );
    assert_eq!(count(&world, MemberEventKind::Failed), 0);
    assert!(world.views().agree());
    Ok(())
}

#[test]
fn a_short_pause_fails_nobody_and_a_long_one_ends_in_a_return() -> Result<(), Failure> {
    let mut world = converged(7, 30)?;
    world.log_events();
    world.pause(3);
    world.run_for(Duration::from_secs(2))?;
    world.resume(3);
    world.run_for(Duration::from_secs(30))?;
    assert_eq!(
        count(&world, MemberEventKind::Failed),
        0,
        "a pause of two seconds is survived"
    );

    world.pause(4);
    world.run_for(MINUTE)?;
    assert_eq!(world.holders(4, Status::Failed), 29);
    world.resume(4);
    world.run_until_converged(2 * MINUTE)?;
    let accused_by_it = world
        .events()
        .iter()
        .filter(|logged| logged.node == 4)
        .filter(|logged| matches!(&logged.event, Event::Member(change) if change.kind == MemberEventKind::Failed))
        .count();
    assert_eq!(
        accused_by_it, 0,
        "the one that slept takes nobody else for dead"
    );
    Ok(())
}

#[test]
fn filtered_datagrams_fail_nobody_while_streams_pass() -> Result<(), Failure> {
    let mut world = converged(8, 20)?;
    world.log_events();
    let others = || (0..20).filter(|node| *node != 5);
    world.cut(Cut::between([5], others()).only(Traffic::Datagrams));
    world.run_for(2 * MINUTE)?;
    assert_eq!(count(&world, MemberEventKind::Failed), 0);
    let noticed = world.events().iter().any(
        |logged| matches!(&logged.event, Event::DatagramsLost { member } if **member.name() == *"node-5"),
    );
    assert!(noticed, "somebody says that datagrams to node 5 get lost");
    Ok(())
}

#[test]
fn refused_streams_do_not_disturb_gossip() -> Result<(), Failure> {
    let mut world = converged(9, 20)?;
    world.log_events();
    world.cut(Cut::between(0..20, 0..20).only(Traffic::Streams).refusing());
    world.run_for(2 * MINUTE)?;
    assert_eq!(count(&world, MemberEventKind::Failed), 0);
    let usage = world.total_usage();
    world.run_for(MINUTE)?;
    assert_eq!(
        world.total_usage().stream_bytes_received,
        usage.stream_bytes_received
    );
    Ok(())
}

#[test]
fn a_storm_of_faults_ends_in_agreement() -> Result<(), Failure> {
    let mut world = World::builder(10)
        .nodes(40)
        .loss(0.1)
        .duplicate(0.1)
        .latency(Latency::LogNormal {
            median: Duration::from_millis(5),
            sigma: 1.0,
        })
        .stream_chunk(7)
        .build();
    world.join_all_through(0);
    let second = Duration::from_secs(1);
    for (at, node) in (5..).step_by(3).zip(1..20) {
        world.schedule(at * second, Op::Crash(node));
        world.schedule((at + 20) * second, Op::Start(node));
        let join = Op::Join {
            node,
            seeds: vec![0, 39],
            retry: true,
            replay: false,
        };
        world.schedule((at + 20) * second, join);
        world.schedule((at + 7) * second, Op::Pause(node + 20 - 1));
        world.schedule((at + 17) * second, Op::Resume(node + 20 - 1));
    }
    world.schedule(15 * second, Op::Cut(Cut::one_way(10..20, 20..30)));
    world.schedule(30 * second, Op::Leave(0));
    world.schedule(40 * second, Op::Cut(Cut::between(0..20, 20..40)));
    world.run_for(90 * second)?;
    world.heal_all();
    let took = world.run_until_converged(5 * MINUTE)?;
    println!(
        "agreed {took:?} after the storm, {} connections open",
        world.pending().1
    );
    assert_eq!(world.state(0), State::Left);
    Ok(())
}

#[test]
fn a_failure_names_the_seed_and_who_is_wrong_about_whom() -> Result<(), Failure> {
    let mut world = converged(11, 10)?;
    world.crash(7);
    let failure = world
        .run_until_converged(Duration::from_millis(1))
        .expect_err("too early to know");
    let text = failure.to_string();
    assert!(text.starts_with("seed 11, at "), "{text}");
    assert!(
        text.contains("9 of 9 running nodes hold a wrong view"),
        "{text}"
    );
    assert!(text.contains("node 0 still holds node-7"), "{text}");
    Ok(())
}

#[test]
fn settings_out_of_the_ordinary_are_kept() -> Result<(), Failure> {
    let config = Config {
        packet_budget: 508,
        ..Config::local()
    };
    let params = Params::new(config).expect("within bounds");
    let mut world = World::builder(12).nodes(50).params(params).build();
    world.join_all_through(0);
    // The check of packets sees to the budget.
    world.run_until_converged(MINUTE)?;
    Ok(())
}

fn count(world: &World, kind: MemberEventKind) -> usize {
    let of_kind = |event: &Event| matches!(event, Event::Member(change) if change.kind == kind);
    world
        .events()
        .iter()
        .filter(|logged| of_kind(&logged.event))
        .count()
}
