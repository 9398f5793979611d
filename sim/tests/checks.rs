//! Checks find what they look for, and tell how often they looked.

use std::time::Duration;

use serf_core::{Config, Event, MemberEvent, MemberEventKind, Params};
use serf_sim::check::{
    Agreement, Check, Delivery, FalseFailures, Incarnations, Observation, Queries, Returns,
    Traffic, What,
};
use serf_sim::{Builder, Failure, Latency, World};

const SECOND: Duration = Duration::from_secs(1);

fn joined(builder: Builder) -> Result<World, Failure> {
    let mut world = builder.nodes(10).build();
    world.join_all_through(0);
    world.run_until_converged(60 * SECOND)?;
    Ok(world)
}

fn expected(outcome: Result<(), Failure>) -> String {
    outcome.expect_err("something is wrong").expected
}

/// Whether a check accepts what it is shown of a node in a world.
fn accepts<'a>(check: &mut impl Check, world: &'a World) -> impl FnMut(usize, What<'a>) -> bool {
    move |node, what| {
        let at = world.now();
        let seen = Observation {
            at,
            node,
            what,
            world,
        };
        check.observe(&seen).is_ok()
    }
}

/// What a check says of events at node 1, one after the other, that a cluster really had.
fn verdicts(mut check: impl Check, world: &World, events: &[Event]) -> Vec<bool> {
    let mut accepts = accepts(&mut check, world);
    let events = events.iter();
    events.map(|event| accepts(1, What::Event(event))).collect()
}

/// News about node 3 at its first incarnation and, after it has refuted, at its second.
fn news(world: &World, kind: MemberEventKind) -> Event {
    let node = world.node(3).expect("it runs");
    Event::Member(MemberEvent {
        kind,
        member: node.local(),
        cause: serf_core::Cause::Announced,
    })
}

#[test]
fn a_return_without_a_newer_word_is_wrong() -> Result<(), Failure> {
    let mut world = joined(World::builder(1))?;
    let (failed, join) = (
        news(&world, MemberEventKind::Failed),
        news(&world, MemberEventKind::Join),
    );
    world.set_tags(3, &serf_core::Tags::new()).expect("it runs");
    let newer = news(&world, MemberEventKind::Join);
    let told = [join.clone(), failed.clone(), newer.clone()];
    assert_eq!(verdicts(Returns::default(), &world, &told), [true; 3]);
    let told = [failed, join.clone()];
    assert_eq!(verdicts(Returns::default(), &world, &told), [true, false]);
    let told = [newer, join];
    assert_eq!(
        verdicts(Incarnations::default(), &world, &told),
        [true, false]
    );
    Ok(())
}

#[test]
fn a_member_that_was_never_started_is_wrong() -> Result<(), Failure> {
    let mut world = joined(World::builder(11))?;
    let ghost = world.add();
    let real = news(&world, MemberEventKind::Join);
    assert_eq!(verdicts(Returns::default(), &world, &[real]), [true]);
    world.start(ghost);
    let Some(member) = world.node(ghost).map(serf_core::Node::local) else {
        unreachable!("it was just started");
    };
    let mut other = joined(World::builder(11))?;
    other.add();
    let join = Event::Member(MemberEvent {
        kind: MemberEventKind::Join,
        member,
        cause: serf_core::Cause::Announced,
    });
    assert_eq!(verdicts(Returns::default(), &other, &[join]), [false]);
    Ok(())
}

#[test]
fn a_second_delivery_and_an_event_of_nobody_are_wrong() -> Result<(), Failure> {
    let mut world = joined(World::builder(2))?;
    world.log_events();
    world.user_event(4, "deploy", b"7").expect("it runs");
    world.run_for(5 * SECOND)?;
    let mut events = world.events().iter().map(|logged| &logged.event);
    let event = events.find(|event| matches!(event, Event::User(_)));
    let event = event.expect("it was delivered").clone();
    let Event::User(user) = &event else {
        unreachable!("just matched");
    };

    let mut check = Delivery::default();
    let mut accepts = accepts(&mut check, &world);
    assert!(!accepts(1, What::Event(&event)), "nobody sent it");
    let sent = What::Sent {
        ltime: user.ltime,
        name: &user.name,
        payload: &user.payload,
    };
    assert!(accepts(4, sent));
    assert!(accepts(1, What::Event(&event)));
    assert!(accepts(2, What::Event(&event)));
    assert!(!accepts(1, What::Event(&event)), "the second time");
    let params: &Params = world.node(1).expect("it runs").params();
    let snapshot = None;
    assert!(accepts(1, What::Started { params, snapshot }));
    assert!(accepts(1, What::Event(&event)), "in another life");
    Ok(())
}

#[test]
fn a_second_answer_and_one_that_nobody_asked_for_are_wrong() -> Result<(), Failure> {
    let mut world = joined(World::builder(9))?;
    world.answer_queries();
    let params = serf_core::QueryParams::default();
    let query = world.query(4, "load", b"", &params).expect("it runs");
    world.run_for(10 * SECOND)?;
    let answer = world.answers(4, query).last().expect("it was answered");

    let mut check = Queries::default();
    let mut accepts = accepts(&mut check, &world);
    let name = "load";
    let answered = What::Answered { query, answer };
    assert!(!accepts(4, answered), "nobody asked");
    assert!(accepts(4, What::Asked { query, name }));
    assert!(accepts(4, answered));
    assert!(!accepts(4, answered), "the second time");
    Ok(())
}

#[test]
fn queries_have_to_be_answered_by_all_in_time() -> Result<(), Failure> {
    let mut world = joined(World::builder(10).check(Queries::within(5 * SECOND)))?;
    world.answer_queries();
    world.run_for(30 * SECOND)?;
    let params = serf_core::QueryParams::default();
    let ask = |world: &mut World| world.query(4, "load", b"", &params).expect("it runs");
    ask(&mut world);
    world.run_for(20 * SECOND)?;
    let queries = world.find_check::<Queries>().expect("it watches");
    assert_eq!(queries.latencies().len(), 1);
    world.set_links(serf_sim::Link {
        loss: serf_sim::Ratio::ALWAYS,
        ..serf_sim::Link::lan()
    });
    world.run_for(SECOND)?;
    ask(&mut world);
    let wrong = expected(world.run_for(20 * SECOND));
    assert_eq!(wrong, "queries are answered once by each");
    Ok(())
}

#[test]
fn events_have_to_reach_all_in_time_to_the_nanosecond() -> Result<(), Failure> {
    let run = |bound: Duration| {
        let mut world = joined(World::builder(3).check(Delivery::within(bound)))?;
        world.run_for(30 * SECOND)?;
        world.user_event(4, "deploy", b"7").expect("it runs");
        world.run_for(10 * SECOND)?;
        let delivery = world.find_check::<Delivery>().expect("it watches");
        Ok(delivery.latencies().to_vec())
    };
    let took = run(5 * SECOND)?;
    assert_eq!(took.len(), 1);
    assert_eq!(run(took[0])?, took);
    let wrong = run(took[0] - Duration::from_nanos(1)).expect_err("it came too late");
    assert_eq!(wrong.expected, "user events are delivered to all, once");
    let said = wrong.found.contains("; 9 nodes were");
    assert!(said, "all but one had it then: {}", wrong.found);
    Ok(())
}

#[test]
fn disagreement_past_the_bound_is_wrong() -> Result<(), Failure> {
    // Suspicions that take ten minutes: until then the dead is held as alive.
    let config = Config {
        suspicion_mult: 600,
        suspicion_max_mult: 1,
        ..Config::lan()
    };
    let params = Params::new(config).expect("within bounds");
    let builder = World::builder(4).params(params);
    let mut world = joined(builder.check(Agreement::within(30 * SECOND)))?;
    world.run_for(60 * SECOND)?;
    world.crash(7);
    assert_eq!(
        expected(world.run_for(60 * SECOND)),
        "undisturbed nodes agree"
    );
    Ok(())
}

#[test]
fn a_false_failure_is_counted_or_wrong() -> Result<(), Failure> {
    let suffer = |builder: Builder| {
        let mut world = joined(builder)?;
        world.run_for(90 * SECOND)?;
        // Node 7 is well, but most of what it says arrives a minute late.
        for node in (0..10).filter(|node| *node != 7) {
            let slow = serf_sim::Link {
                latency: Latency::Constant(30 * SECOND),
                ..serf_sim::Link::lan()
            };
            world.set_link(7, node, slow);
        }
        world.run_for(300 * SECOND).map(|()| world)
    };
    let world = suffer(World::builder(5))?;
    let counted = world.tallies().into_iter().flat_map(|(_, tally)| tally);
    let total = counted.filter(|(what, _)| *what == "false failures");
    assert!(total.map(|(_, n)| n).sum::<u64>() > 0);
    let wrong = suffer(World::builder(5).check(FalseFailures::none())).map(drop);
    assert_eq!(
        expected(wrong),
        "no healthy, reachable member is taken for failed"
    );
    Ok(())
}

#[test]
fn traffic_past_the_budget_is_wrong() -> Result<(), Failure> {
    let mut world = joined(World::builder(6).check(Traffic::limit(20)))?;
    assert_eq!(
        expected(world.run_for(30 * SECOND)),
        "traffic stays within the budget"
    );
    Ok(())
}

#[test]
fn a_budget_is_for_seconds_of_the_clock_of_a_node() -> Result<(), Failure> {
    let run = |limit: u64, fast: bool| {
        // So many probes that it does not matter who happens to be probed more often.
        let config = Config {
            probe_interval: SECOND / 20,
            probe_timeout: SECOND / 40,
            ..Config::lan()
        };
        let params = Params::new(config).expect("valid");
        let builder = World::builder(6)
            .params(params)
            .check(Traffic::limit(limit));
        let mut world = builder.nodes(10).joined().build();
        if fast {
            world.set_clock_rate(3, 1_000_000);
        }
        world.run_for(60 * SECOND).map(|()| world)
    };
    let most = |world: &World| {
        let tallies = world.tallies().into_iter().flat_map(|(_, tally)| tally);
        tallies
            .filter(|(what, _)| *what == "most bytes per second")
            .map(|it| it.1)
            .max()
    };
    let rest = most(&run(u64::MAX, false)?).expect("it is counted");
    let fast = run(rest * 5 / 4, true)?;
    let sent = |node: usize| fast.usage(node).datagram_bytes_sent;
    assert!(
        sent(3) > 60 * rest * 5 / 4,
        "{} bytes, {rest} a second",
        sent(3)
    );
    Ok(())
}

#[test]
fn every_check_had_something_to_judge() -> Result<(), Failure> {
    let mut world = joined(World::builder(7))?;
    world.run_for(60 * SECOND)?;
    world.user_event(4, "deploy", b"7").expect("it runs");
    world.pause(3);
    world.run_for(60 * SECOND)?;
    world.resume(3);
    world.run_for(60 * SECOND)?;
    world.answer_queries();
    let query = serf_core::QueryParams::default();
    world.query(2, "load", b"", &query).expect("it runs");
    world.user_event(4, "deploy", b"8").expect("it runs");
    world.run_for(600 * SECOND)?;
    for (check, tally) in world.tallies() {
        let (what, count) = tally.first().expect("it counts something");
        let nothing_false = check == "no healthy, reachable member stays failed";
        assert!(*count > 0 || nothing_false, "{check}: no {what}");
    }
    Ok(())
}

#[test]
fn an_unchecked_world_does_the_same() -> Result<(), Failure> {
    let run = |builder: Builder| {
        let mut world = joined(builder)?;
        world.crash(3);
        world.run_for(60 * SECOND)?;
        Ok((world.tallies().len(), world.trace_hash()))
    };
    let (checks, trace) = run(World::builder(8))?;
    assert_eq!(checks, 11);
    assert_eq!(run(World::builder(8).unchecked())?, (0, trace));
    Ok(())
}
