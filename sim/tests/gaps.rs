//! Who misses user events says so, and nobody else does.

use std::collections::BTreeSet;
use std::time::Duration;

use serf_core::{Config, Event, Params};
use serf_sim::{Failure, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A cluster in which events go round, sent by some nodes in turn, one after each pause.
fn busy(
    seed: u64,
    event_buffer: u64,
    loss: f64,
    events: usize,
    senders: usize,
    pause: Duration,
) -> Result<World, Failure> {
    let config = Config {
        event_buffer,
        ..Config::lan()
    };
    let params = Params::new(config).expect("valid");
    let mut world = World::builder(seed)
        .nodes(20)
        .params(params)
        .loss(loss)
        .build();
    world.join_all_through(0);
    world.run_until_converged(2 * MINUTE)?;
    world.log_events();
    for nth in 0..events {
        let name = format!("event-{nth}");
        world
            .user_event(nth % senders, &name, b"")
            .expect("accepted");
        world.run_for(pause)?;
        if nth == events / 2 {
            let (ignores, replays) = (world.add(), world.add());
            world.start(ignores);
            world.start(replays);
            world.join(ignores, &[0]).expect("accepted");
            world.join_replaying(replays, &[7]).expect("accepted");
        }
    }
    world.run_for(MINUTE)?;
    Ok(world)
}

/// Each event takes about a second to reach everybody. Buffers are shorter than there are events,
/// but longer than those that are on their way at once.
#[test]
fn where_nothing_is_lost_nobody_says_that_it_missed_anything() -> Result<(), Failure> {
    let worlds = [
        (31, 8, 20, 2_000),
        (32, 32, 20, 100),
        (33, 256, 1, 10),
        (34, 512, 3, 3),
    ];
    for (seed, event_buffer, senders, pause) in worlds {
        let events = 3 * event_buffer as usize;
        let pause = Duration::from_millis(pause);
        let world = busy(seed, event_buffer, 0.0, events, senders, pause)?;
        let missed = world
            .events()
            .iter()
            .find(|it| matches!(it.event, Event::EventsMissed { .. }));
        assert!(missed.is_none(), "one each {pause:?}: {missed:?}");
        let heard = world.events().iter();
        let heard = heard.filter(|it| matches!(it.event, Event::User(_)));
        assert!(heard.count() >= 20 * events, "one each {pause:?}");
    }
    Ok(())
}

/// More are under way at once than are remembered.
#[test]
fn where_events_are_lost_each_time_is_told_or_named_and_none_is_both() -> Result<(), Failure> {
    let (event_buffer, senders) = (16, 2);
    let pause = Duration::from_millis(5);
    let world = busy(35, event_buffer, 0.2, 2_000, senders, pause)?;
    let mut named = 0;
    for node in 0..20 {
        let events = world.events().iter().filter(|it| it.node == node);
        let mut times = BTreeSet::new();
        for logged in events {
            match &logged.event {
                Event::User(event) => drop(times.insert(event.ltime.get())),
                Event::EventsMissed { from, until } => {
                    for time in from.get()..until.get() {
                        assert!(times.insert(time), "time {time} is told or named already");
                        named += 1;
                    }
                }
                _ => {}
            }
        }
        let clock = world.node(node).expect("it runs").event_time().get();
        let unknown = (1..clock - event_buffer).find(|time| !times.contains(time));
        assert_eq!(unknown, None, "node {node}, whose clock is at {clock}");
    }
    assert!(named > 0, "some were lost");
    Ok(())
}
