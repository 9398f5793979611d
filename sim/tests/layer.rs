//! Stories of what Serf adds to the membership: events, queries, keys, leaves, restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use serf_core::keyring::{Key, Keyring};
use serf_core::{
    Answer, Config, Event, KeyOperation, KeyReport, Name, Outcome, Params, QueryParams, Status,
    Tags,
};
use serf_sim::{Cut, Failure, Ratio, State, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A cluster whose nodes all know each other.
fn converged(seed: u64, nodes: usize, loss: f64) -> Result<World, Failure> {
    let mut world = World::builder(seed).nodes(nodes).loss(loss).build();
    world.join_all_through(0);
    world.run_until_converged(2 * MINUTE)?;
    Ok(world)
}

/// How often each node was told of the user events, by name.
fn heard(world: &World) -> BTreeMap<String, Vec<usize>> {
    let mut heard = BTreeMap::new();
    for logged in world.events() {
        if let Event::User(event) = &logged.event {
            let counts = heard.entry(event.name.to_string());
            counts.or_insert_with(|| vec![0; world.len()])[logged.node] += 1;
        }
    }
    heard
}

#[test]
fn a_thousand_nodes_at_five_per_cent_loss_hear_an_event_once_and_answer_a_query()
-> Result<(), Failure> {
    let mut world = converged(11, 1_000, 0.05)?;
    world.log_events();
    let told = |world: &World| -> usize {
        let counters = world.running().filter_map(|node| world.node(node));
        counters.filter(|it| it.counters().user_events > 0).count()
    };
    world
        .user_event(17, "deploy", b"v1")
        .expect("it is accepted");
    let took = world.run_until(10 * SECOND, "all have heard", |world| told(world) == 1_000)?;
    println!("a thousand nodes heard after {took:?}");
    world.run_for(30 * SECOND)?;
    assert!(heard(&world)["deploy"].iter().all(|times| *times == 1));
    a_query_with_a_tag_filter_collects_every_response(&mut world)
}

fn a_query_with_a_tag_filter_collects_every_response(world: &mut World) -> Result<(), Failure> {
    world.answer_queries();
    for node in (0..1_000).step_by(10) {
        let tags = Tags::from([("role".to_owned(), format!("web-{node}"))]);
        world.set_tags(node, &tags).expect("it is accepted");
    }
    world.run_for(10 * SECOND)?;
    let params = QueryParams {
        filter_tags: [("role".to_owned(), "^web-".to_owned())].into(),
        request_ack: true,
        relay_factor: 4,
        ..QueryParams::default()
    };
    let query = world.query(3, "load", b"", &params).expect("accepted");
    world.run_until(20 * SECOND, "the query is over", |world| {
        world.query_summary(3, query).is_some()
    })?;
    let summary = world.query_summary(3, query).expect("it is over");
    println!("{summary:?}");
    assert_eq!(
        (summary.acks, summary.responses, summary.dropped),
        (100, 100, 0)
    );
    let asked = |from: &Name| world.index_of(from).expect("known").is_multiple_of(10);
    for answer in world.answers(3, query) {
        let (Answer::Ack { from } | Answer::Response { from, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert!(asked(from), "{from} was not asked");
    }
    Ok(())
}

#[test]
fn s_05_a_rolling_restart_of_a_tenth_at_a_time_fails_nobody_else() -> Result<(), Failure> {
    let nodes = 1_000;
    let mut world = converged(13, nodes, 0.05)?;
    for step in 0..10 {
        let part: Vec<usize> = (step * nodes / 10..(step + 1) * nodes / 10).collect();
        for node in &part {
            world.crash(*node);
        }
        world.run_for(3 * SECOND)?;
        for node in &part {
            world.restore(*node);
        }
        world.run_until_converged(MINUTE)?;
    }
    world.run_for(MINUTE)?;
    assert!(world.views().agree(), "{}", world.views());
    Ok(())
}

#[test]
fn s_13_a_leave_that_reaches_nobody_ends_and_says_so() -> Result<(), Failure> {
    let mut world = converged(14, 20, 0.0)?;
    world.cut(Cut::between([5], (0..20).filter(|node| *node != 5)));
    let leave = world.leave(5).expect("it runs");
    world.run_until(10 * SECOND, "the leave is over", |world| {
        world.state(5) == State::Left
    })?;
    // It sent its word as often as it should; whether anybody heard is not for it to know.
    assert!(matches!(
        world.outcome(5, leave),
        Some(Outcome::Spread { packets: 1.., .. })
    ));
    world.heal_all();
    world.run_for(MINUTE)?;
    assert_eq!(
        world.holders(5, Status::Failed),
        19,
        "to the others it failed"
    );
    Ok(())
}

#[test]
fn s_26_a_stampede_of_joins_through_one_is_bounded_and_ends() -> Result<(), Failure> {
    let nodes = 1_000;
    let mut world = World::builder(15).nodes(nodes).build();
    for node in 1..nodes {
        let join = serf_sim::Op::Join {
            node,
            seeds: vec![0],
            retry: true,
            replay: false,
        };
        world.apply(join);
    }
    world.run_for(10 * Duration::from_millis(1))?;
    let refused = world.node(0).map_or(0, |it| it.counters().refused_streams);
    println!("{refused} of {nodes} were refused at first");
    assert!(refused > 0, "all at once are too many for one");
    world.run_until_converged(2 * MINUTE)?;
    Ok(())
}

#[test]
fn s_27_a_node_that_was_away_hears_what_it_missed_or_that_it_missed_something()
-> Result<(), Failure> {
    let config = Config {
        event_buffer: 16,
        // Whoever is cut off stays a member, and is not dialled anew.
        suspicion_mult: 100,
        ..Config::lan()
    };
    let params = Params::new(config).expect("valid");
    for (sent, lost) in [(10, false), (40, true)] {
        let mut world = World::builder(16)
            .nodes(10)
            .params(params.clone())
            .unchecked()
            .build();
        world.join_all_through(0);
        world.run_until_converged(MINUTE)?;
        world.log_events();
        world.cut(Cut::between([9], 0..9));
        for n in 0..sent {
            let name = format!("event-{n}");
            world.user_event(n % 9, &name, b"").expect("accepted");
            world.run_for(SECOND)?;
        }
        world.heal_all();
        world.run_for(3 * MINUTE)?;
        let heard = heard(&world);
        let at_9 = heard.values().filter(|counts| counts[9] == 1).count();
        assert!(heard.values().all(|counts| counts[9] <= 1));
        let marked = world
            .events()
            .iter()
            .any(|logged| logged.node == 9 && matches!(logged.event, Event::EventsMissed { .. }));
        assert_eq!((at_9 == sent, marked), (!lost, lost), "{at_9} of {sent}");
    }
    Ok(())
}

#[test]
fn s_27_a_snapshot_tells_what_was_heard_and_what_comes_after_is_told_or_named()
-> Result<(), Failure> {
    let config = Config {
        event_buffer: 16,
        ..Config::lan()
    };
    let params = Params::new(config).expect("valid");
    for (meanwhile, gap) in [(8, false), (40, true)] {
        let mut world = World::builder(21).params(params.clone()).build();
        for node in 0..10 {
            world.add();
            world.keep_snapshot(node);
            world.start(node);
        }
        world.join_all_through(0);
        world.run_until_converged(MINUTE)?;
        let say = |world: &mut World, name: &str| -> Result<(), Failure> {
            world.user_event(0, name, b"").expect("accepted");
            world.run_for(SECOND)
        };
        say(&mut world, "before")?;
        world.crash(9);
        world.log_events();
        for nth in 0..meanwhile {
            say(&mut world, &format!("event-{nth}"))?;
        }
        world.restore(9);
        world.run_for(MINUTE)?;
        let heard = heard(&world);
        assert!(!heard.contains_key("before"), "it was told of that");
        let told = heard.values().filter(|counts| counts[9] == 1).count();
        let named: u64 = world
            .events()
            .iter()
            .filter_map(|logged| match &logged.event {
                Event::EventsMissed { from, until } if logged.node == 9 => {
                    Some(until.get() - from.get())
                }
                _ => None,
            })
            .sum();
        assert_eq!(named > 0, gap, "{named} are named");
        assert_eq!(told + named as usize, meanwhile, "each is told or named");
        assert_eq!(world.faults().snapshots, 1);
    }
    Ok(())
}

#[test]
fn s_27_who_left_or_was_started_anew_goes_on_from_nothing() -> Result<(), Failure> {
    let mut world = World::builder(22).build();
    for node in 0..4 {
        world.add();
        world.keep_snapshot(node);
        world.start(node);
    }
    world.join_all_through(0);
    world.run_until_converged(MINUTE)?;
    world.user_event(0, "deploy", b"").expect("accepted");
    world.run_for(5 * SECOND)?;
    world.leave(2).expect("accepted");
    world.run_for(30 * SECOND)?;
    assert_eq!(world.state(2), State::Left);
    world.restart(3);
    world.restore(2);
    // Its snapshot names nobody any more, so that it joins as a new node does.
    let knows = |node: usize| world.node(node).map(|it| it.event_time().get());
    assert_eq!((knows(2), knows(3)), (Some(1), Some(1)));
    world.run_for(5 * SECOND)?;
    let knows = world.node(2).and_then(|it| it.member("node-0"));
    assert_eq!(knows.map(|it| it.status()), Some(Status::Alive));
    Ok(())
}

#[test]
fn s_27_a_join_ignores_the_past_and_a_replaying_join_delivers_it() -> Result<(), Failure> {
    let mut world = converged(23, 10, 0.0)?;
    world.log_events();
    for nth in 0..5 {
        let name = format!("old-{nth}");
        world.user_event(nth, &name, b"").expect("accepted");
        world.run_for(SECOND)?;
    }
    let (ignores, replays) = (world.add(), world.add());
    world.start(ignores);
    world.start(replays);
    world.join(ignores, &[0]).expect("accepted");
    world.join_replaying(replays, &[0]).expect("accepted");
    world.user_event(1, "meanwhile", b"").expect("accepted");
    world.run_for(MINUTE)?;
    let old = |node: usize| {
        let heard = heard(&world);
        let names = heard.iter().filter(|(name, _)| name.starts_with("old"));
        names.filter(|(_, counts)| counts[node] == 1).count()
    };
    assert_eq!((old(ignores), old(replays)), (0, 5));
    assert_eq!(heard(&world)["meanwhile"][replays], 1);
    Ok(())
}

#[test]
fn s_28_duplicates_and_equal_times_are_told_once_each() -> Result<(), Failure> {
    let mut world = World::builder(17)
        .nodes(50)
        .duplicate(Ratio::new(1, 2))
        .latency(serf_sim::Latency::LogNormal {
            median: Duration::from_millis(20),
            sigma: 1.5,
        })
        .build();
    world.join_all_through(0);
    world.run_until_converged(MINUTE)?;
    world.log_events();
    let times: Vec<_> = (0..10)
        .map(|node| {
            let name = format!("from-{node}");
            world.user_event(node, &name, b"").expect("accepted")
        })
        .collect();
    assert!(times.iter().all(|time| *time == times[0]), "all at once");
    world.run_for(MINUTE)?;
    let heard = heard(&world);
    assert_eq!(heard.len(), 10);
    for (name, counts) in heard {
        assert!(counts.iter().all(|times| *times == 1), "{name}: {counts:?}");
    }
    Ok(())
}

#[test]
fn s_30_coordinates_stay_finite_and_estimate_round_trips() -> Result<(), Failure> {
    let mut world = World::builder(18)
        .nodes(50)
        .latency(serf_sim::Latency::Constant(Duration::from_millis(20)))
        .build();
    world.join_all_through(0);
    world.run_until_converged(MINUTE)?;
    world.run_for(10 * MINUTE)?;
    let real = Duration::from_millis(40);
    let mut errors = Vec::new();
    for node in 1..50 {
        let it = world.node(0).expect("it runs");
        let Some(rtt) = it.rtt("node-0", world.name(node)) else {
            continue;
        };
        errors.push(rtt.abs_diff(real));
        let coordinate = it.coordinate(world.name(node)).expect("known");
        assert!(coordinate.is_valid());
    }
    errors.sort();
    assert!(errors.len() > 45, "{} are known", errors.len());
    println!(
        "the median error is {:?} of {real:?}",
        errors[errors.len() / 2]
    );
    assert!(errors[errors.len() / 2] < real / 4);
    Ok(())
}

fn key(fill: u8) -> Key {
    Key::new(&[fill; 16]).expect("a valid key")
}

fn encrypted(seed: u64, nodes: usize) -> Result<World, Failure> {
    let mut world = World::builder(seed).loss(0.05).build();
    for _ in 0..nodes {
        let node = world.add();
        world.set_keyring(node, Keyring::new(key(1)));
        world.start(node);
    }
    world.join_all_through(0);
    world.run_until_converged(MINUTE)?;
    Ok(world)
}

/// Runs a key operation to its end.
fn operate(world: &mut World, at: usize, operation: KeyOperation) -> Result<KeyReport, Failure> {
    let id = world.key_operation(at, &operation).expect("accepted");
    world.run_until(MINUTE, "the operation ends", |world| {
        world.outcome(at, id).is_some()
    })?;
    match world.outcome(at, id) {
        Some(Outcome::Keys(report)) => Ok(report.clone()),
        other => panic!("a key operation ended with {other:?}"),
    }
}

/// As an operator does it: again, until the report says that nobody was silent. A query is spread by
/// gossip alone, which now and then misses somebody.
fn complete(world: &mut World, at: usize, operation: &KeyOperation) -> Result<KeyReport, Failure> {
    let mut report = KeyReport::default();
    for _ in 0..3 {
        report = operate(world, at, operation.clone())?;
        assert!(report.failed.is_empty(), "{operation:?}: {report:?}");
        if report.is_complete() {
            return Ok(report);
        }
    }
    panic!("{operation:?}: {report:?}");
}

#[test]
fn s_31_a_rotation_with_a_node_down_goes_on_and_the_node_is_helped_by_hand() -> Result<(), Failure>
{
    let nodes = 30;
    let mut world = encrypted(19, nodes)?;
    world.crash(7);
    world.run_for(2 * SECOND)?;
    // Not noticed yet: it is named as the one that did not answer.
    let report = operate(&mut world, 0, KeyOperation::Install(key(2)))?;
    assert!(report.silent.contains(world.name(7)), "{report:?}");
    world.run_for(MINUTE)?;
    // Failed by now: nobody waits for it.
    for operation in [
        KeyOperation::Install(key(2)),
        KeyOperation::Use(key(2)),
        KeyOperation::Remove(key(1)),
    ] {
        complete(&mut world, 3, &operation)?;
    }
    // It comes back with the old key, is not heard, and says so.
    world.log_events();
    world.restore(7);
    world.run_for(MINUTE)?;
    assert_eq!(world.node(7).expect("it runs").alive_count(), 1);
    let says_so =
        |event: &Event| matches!(event, Event::Declined { .. } | Event::Undecryptable { .. });
    let told = world
        .events()
        .iter()
        .any(|logged| logged.node == 7 && says_so(&logged.event));
    assert!(told, "it is no silent solo cluster");
    world.set_keyring(7, Keyring::new(key(2)));
    world.run_until_converged(2 * MINUTE)?;
    Ok(())
}

#[test]
fn s_31_a_partition_in_the_middle_of_a_rotation_leaves_one_cluster() -> Result<(), Failure> {
    let nodes = 30;
    let mut world = encrypted(20, nodes)?;
    let cut = world.cut(Cut::between(0..20, 20..nodes));
    world.run_for(MINUTE)?;
    // The larger part installs and uses the new key, and keeps the old one, as the operator sees
    // that a third of the cluster is missing.
    for operation in [KeyOperation::Install(key(2)), KeyOperation::Use(key(2))] {
        let report = complete(&mut world, 0, &operation)?;
        assert_eq!(report.expected, 20);
    }
    world.heal(cut);
    // The others do not understand the new key, but everybody understands the old one.
    world.run_for(2 * MINUTE)?;
    let deaf = (20..nodes).filter(|node| world.node(*node).is_some_and(|it| it.cannot_decrypt()));
    println!("{} of 10 say that they understand nobody", deaf.count());
    // The rotation is resumed from the part that was away: from there all can be reached.
    let report = operate(&mut world, 25, KeyOperation::Install(key(2)))?;
    println!("{report:?}");
    for node in 20..nodes {
        let mut ring = Keyring::new(key(1));
        ring.install(key(2).as_bytes()).expect("there is room");
        world.set_keyring(node, ring);
    }
    world.run_until_converged(3 * MINUTE)?;
    for operation in [KeyOperation::Use(key(2)), KeyOperation::Remove(key(1))] {
        complete(&mut world, 0, &operation)?;
    }
    world.run_until_converged(MINUTE)?;
    Ok(())
}
