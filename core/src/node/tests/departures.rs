//! Who leaves, who is said to have left, and who is forgotten.

use alloc::vec;

use super::*;
use crate::CommandError;
#[test]
fn a_leave_is_seen_as_left_and_stops_the_node() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    cluster.nodes[2].leave(now).expect("leave is accepted");
    assert_eq!(cluster.nodes[2].local().status(), Status::Leaving);
    assert_eq!(
        cluster.nodes[2].leave(now),
        Err(CommandError::AlreadyLeaving)
    );
    cluster.run(10 * SECOND);
    assert!(cluster.nodes[2].is_stopped());
    assert_eq!(cluster.completions(), [(2, true)]);
    for n in 0..2 {
        assert_eq!(cluster.status(n, 2), Some(Status::Left), "at node-{n}");
        assert_eq!(cluster.kinds(n, 2), [MemberEventKind::Leave], "at node-{n}");
    }
    assert_eq!(cluster.kinds(2, 2), [MemberEventKind::Leave]);
    assert_eq!(
        cluster.nodes[2].join(&[addr(0)], cluster.now),
        Err(CommandError::NotRunning)
    );
}

#[test]
fn a_leave_of_a_lone_node_ends_without_waiting_for_an_answer() {
    let mut cluster = Cluster::new(1, Config::lan());
    let now = cluster.now;
    cluster.nodes[0].leave(now).expect("leave is accepted");
    cluster.run(2 * SECOND);
    assert_eq!(cluster.completions(), [(0, true)]);
}

#[test]
fn a_leave_that_reaches_nobody_ends_at_the_broadcast_timeout_and_says_so() {
    let mut cluster = Cluster::joined(
        2,
        Config {
            gossip_interval: 3600 * SECOND,
            ..Config::lan()
        },
    );
    cluster.down.insert(1);
    let now = cluster.now;
    cluster.nodes[0].leave(now).expect("leave is accepted");
    cluster.run(7 * SECOND);
    assert!(cluster.nodes[0].is_stopped());
    assert_eq!(cluster.completions(), [(0, false)]);
}

#[test]
fn a_stopped_node_ignores_everything_and_waits_for_nothing() {
    let mut cluster = Cluster::new(1, Config::lan());
    let now = cluster.now;
    cluster.nodes[0].leave(now).expect("leave is accepted");
    cluster.run(2 * SECOND);
    let names = [name(0), name(1)];
    let lone = &mut cluster.nodes[0];
    lone.handle_datagram(addr(1), &alive_message(1, addr(1), 1, &names), cluster.now);
    lone.handle_tick(cluster.now + 3600 * SECOND);
    assert_eq!(lone.accept_stream(addr(1), cluster.now), None);
    assert_eq!(lone.poll_action(&mut vec![]), Action::Wait(None));
    assert_eq!(lone.member_count(), 1);
}

#[test]
fn a_departed_member_does_not_come_back_by_old_news() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    cluster.nodes[2].leave(now).expect("leave is accepted");
    cluster.run(10 * SECOND);
    let names = [name(0), name(1), name(2)];
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(1), &alive_message(2, addr(2), 1, &names), now);
    cluster.run(60 * SECOND);
    assert_eq!(cluster.status(0, 2), Some(Status::Left));
}

#[test]
fn force_leave_turns_a_failed_member_into_a_left_one_everywhere() {
    let mut cluster = Cluster::joined(3, Config::lan());
    cluster.down.insert(2);
    cluster.run(DETECTION);
    cluster.outcomes.clear();
    let now = cluster.now;
    cluster.nodes[0]
        .force_leave(&name(2), false, now)
        .expect("force-leave is accepted");
    cluster.run(5 * SECOND);
    for n in 0..2 {
        assert_eq!(cluster.status(n, 2), Some(Status::Left), "at node-{n}");
    }
    assert_eq!(cluster.completions(), [(0, true)]);
}

#[test]
fn force_leave_of_a_living_or_unknown_member_changes_nothing() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let now = cluster.now;
    cluster.nodes[0]
        .force_leave(&name(1), true, now)
        .expect("force-leave is accepted");
    cluster.nodes[0]
        .force_leave("nobody", false, now)
        .expect("force-leave is accepted");
    cluster.run(5 * SECOND);
    assert_eq!(cluster.nodes[0].alive_count(), 2);
    assert_eq!(cluster.outcomes.len(), 2);
}

#[test]
fn a_failed_member_is_forgotten_after_the_reconnect_timeout() {
    let config = Config {
        reconnect_timeout: 60 * SECOND,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(2, config);
    cluster.down.insert(1);
    cluster.run(DETECTION + 80 * SECOND);
    assert_eq!(cluster.status(0, 1), None);
    assert_eq!(
        cluster.kinds(0, 1),
        [MemberEventKind::Failed, MemberEventKind::Reap]
    );
}

#[test]
fn s_25_every_command_ends_also_if_a_later_one_takes_the_place_of_its_message() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    for n in 0..5 {
        let value = ["a", "b", "c", "d", "e"][n];
        let set = cluster.nodes[0].set_tags(&tags(&[("role", value)]), now);
        assert!(set.is_ok());
        let forced = cluster.nodes[0].force_leave("nobody", false, now);
        assert!(forced.is_ok());
    }
    cluster.run(10 * SECOND);
    assert_eq!(cluster.completions().len(), 10);
    let member = cluster.nodes[2].member(&name(0)).expect("known");
    assert_eq!(member.tags(), tags(&[("role", "e")]));
}
