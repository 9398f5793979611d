//! Restarts with a snapshot.

use alloc::vec;

use super::*;
use crate::snapshot::{Record, Recorder, State};

const SECOND: Duration = Duration::from_secs(1);

impl Cluster {
    /// The snapshot that `at` would have written by now.
    fn snapshot(&self, at: usize) -> State {
        let mut state = State::new(false);
        let mut recorder = Recorder::new(&state);
        let mut records = vec![];
        for (n, event) in &self.events {
            if *n == at {
                recorder.event(event, &mut records);
            }
        }
        recorder.clocks(&self.nodes[at], &mut records);
        for record in &records {
            state.apply(record);
        }
        state
    }

    /// The node's process ends, and begins anew with its snapshot.
    fn restart(&mut self, n: usize, snapshot: &State, run: u8) {
        let now = self.now;
        let mut fresh = node(n, Config::lan(), run, now);
        fresh.restore(snapshot);
        fresh.rejoin(now).expect("there is somebody to dial");
        self.nodes[n] = fresh;
        self.peers
            .retain(|&(from, _), &mut (to, _)| from != n && to != n);
        self.down.remove(&n);
    }

    fn say(&mut self, from: usize, name: &str) {
        let now = self.now;
        self.nodes[from]
            .user_event(name, b"", false, now)
            .expect("the event is accepted");
    }

    fn user_events(&self, at: usize) -> Vec<&str> {
        let heard = self.events.iter().filter(|(n, _)| *n == at);
        heard
            .filter_map(|(_, event)| match event {
                Event::User(event) => Some(&*event.name),
                _ => None,
            })
            .collect()
    }
}

/// As [`Cluster::joined`], with all events from the start.
fn cluster(count: usize) -> Cluster {
    let mut cluster = Cluster::new(count, Config::lan());
    for n in 1..count {
        let now = cluster.now;
        cluster.nodes[n].join(&[addr(0)], now).expect("accepted");
    }
    cluster.run(10 * SECOND);
    cluster
}

#[test]
fn a_snapshot_knows_the_members_and_the_clocks() {
    let mut cluster = cluster(3);
    cluster.say(1, "deploy");
    cluster.run(2 * SECOND);
    cluster.down.insert(2);
    cluster.run(30 * SECOND);
    let snapshot = cluster.snapshot(0);
    let alive: Vec<_> = snapshot.alive().keys().cloned().collect();
    assert_eq!(alive, [name(0), name(1)]);
    assert_eq!(snapshot.failed().get(&name(2)), Some(&addr(2)));
    assert_eq!(snapshot.event_clock(), 1);
    assert_eq!(snapshot.clock(), cluster.nodes[0].member_time().get() - 1);
}

#[test]
fn s_27_exactly_the_missed_events_come_after_a_restart() {
    let mut cluster = cluster(3);
    cluster.say(0, "before");
    cluster.run(5 * SECOND);
    let snapshot = cluster.snapshot(2);
    cluster.down.insert(2);
    cluster.say(0, "meanwhile");
    cluster.run(20 * SECOND);
    cluster.events.clear();
    cluster.restart(2, &snapshot, 2);
    cluster.run(10 * SECOND);
    assert_eq!(cluster.user_events(2), ["meanwhile"]);
    assert_eq!(cluster.status(2, 0), Some(Status::Alive));
    assert_eq!(cluster.status(0, 2), Some(Status::Alive));
}

#[test]
fn s_04_after_a_power_cut_those_that_stay_down_are_failed_and_nobody_is_alone() {
    let mut cluster = cluster(5);
    cluster.run(10 * SECOND);
    let snapshots: Vec<State> = (0..5).map(|n| cluster.snapshot(n)).collect();
    cluster.down.extend(0..5);
    cluster.run(SECOND);
    for n in [1, 2, 3] {
        cluster.restart(n, &snapshots[n], 2);
        cluster.run(20 * SECOND);
    }
    cluster.run(60 * SECOND);
    for n in [1, 2, 3] {
        for other in 0..5 {
            let expected = match other {
                0 | 4 => Status::Failed,
                _ => Status::Alive,
            };
            assert_eq!(cluster.status(n, other), Some(expected), "{other} at {n}");
        }
    }
}

#[test]
fn a_node_that_was_renamed_does_not_find_back_to_itself() {
    let mut snapshot = State::new(false);
    snapshot.apply(&Record::Alive {
        name: name(7),
        addr: addr(0),
    });
    let mut renamed = node(0, Config::lan(), 2, Instant::ZERO);
    renamed.restore(&snapshot);
    assert!(renamed.rejoin(Instant::ZERO).is_err());
}

#[test]
fn s_34_stale_addresses_are_given_up_one_by_one() {
    let mut stale = State::new(false);
    for n in 10..60 {
        stale.apply(&Record::Alive {
            name: name(n),
            addr: addr(n),
        });
    }
    let mut cluster = Cluster::new(2, Config::lan());
    cluster.restart(1, &stale, 2);
    let now = cluster.now;
    cluster.nodes[1].join(&[addr(0)], now).expect("accepted");
    cluster.run(20 * SECOND);
    assert_eq!(cluster.status(1, 0), Some(Status::Alive));
    let rejoin = cluster
        .outcomes
        .iter()
        .find_map(|(n, outcome)| match outcome {
            Outcome::Join { contacted, failed } if *n == 1 && contacted.is_empty() => {
                Some(failed.len())
            }
            _ => None,
        });
    assert_eq!(rejoin, Some(50), "all were tried, and the rejoin ended");
}

#[test]
fn a_snapshot_with_impossible_clocks_is_taken_up_without_them() {
    let mut snapshot = State::new(false);
    snapshot.apply(&Record::Clock(u64::MAX));
    snapshot.apply(&Record::EventClock(1 << 63));
    snapshot.apply(&Record::QueryClock(41));
    let mut it = node(0, Config::lan(), 1, Instant::from_millis(1));
    it.restore(&snapshot);
    assert_eq!(it.member_time().get(), 1);
    assert_eq!(it.event_time().get(), 1);
    assert_eq!(it.query_time().get(), 42);
    assert_eq!(it.counters().dropped_implausible, 2);
    assert_eq!(it.member_count(), 1);
}
