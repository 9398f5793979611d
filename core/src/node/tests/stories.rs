use alloc::vec;

use super::*;
use crate::message::{Accusation, Alive, Message, Ping};
use crate::wire::native::PacketWriter;
use crate::{Cause, CommandError, Versions};

const SECOND: Duration = Duration::from_secs(1);

/// Longest time from silence to being declared failed in a handful of members: their turn in the
/// probe round, the probe itself, the longest suspicion.
const DETECTION: Duration = Duration::from_secs(2 * 3 + 1 + 24);

fn packet(message: &Message<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    assert!(writer.push(message));
    writer.finish();
    buf
}

fn alive_message(n: usize, at: SocketAddr, incarnation: u32, names: &[Name]) -> Vec<u8> {
    packet(&Message::Alive(Alive {
        incarnation,
        name: (&names[n]).into(),
        addr: at,
        versions: Versions::CURRENT,
        meta: &[0xff, 0x80],
    }))
}

#[test]
fn a_join_makes_both_sides_know_each_other() {
    let mut cluster = Cluster::new(2, Config::lan());
    let now = cluster.now;
    cluster.nodes[1]
        .join(&[addr(0)], now)
        .expect("join is accepted");
    cluster.run(SECOND);
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert_eq!(cluster.status(1, 0), Some(Status::Alive));
    assert_eq!(cluster.kinds(0, 1), [MemberEventKind::Join]);
    assert_eq!(cluster.kinds(1, 0), [MemberEventKind::Join]);
    let joined = Outcome::Join {
        contacted: vec![addr(0)],
        failed: vec![],
    };
    assert_eq!(cluster.outcomes, [(1, joined)]);
}

#[test]
fn a_join_reports_each_seed_that_could_not_be_contacted_and_why() {
    let mut cluster = Cluster::new(3, Config::lan());
    cluster.down.insert(2);
    let now = cluster.now;
    cluster.nodes[0]
        .join(&[addr(2), addr(1), addr(99)], now)
        .expect("join is accepted");
    cluster.run(SECOND);
    let failed = vec![
        (addr(2), StreamFailure::Refused),
        (addr(99), StreamFailure::Refused),
    ];
    let expected = Outcome::Join {
        contacted: vec![addr(1)],
        failed,
    };
    assert_eq!(cluster.outcomes, [(0, expected)]);
}

#[test]
fn a_join_that_gets_no_answer_ends_at_the_stream_timeout() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    lone.join(&[addr(1)], Instant::ZERO)
        .expect("join is accepted");
    let mut buf = vec![];
    while !matches!(lone.poll_action(&mut buf), Action::Wait(_)) {}
    lone.handle_tick(Instant::from_millis(9_999));
    while !matches!(lone.poll_action(&mut buf), Action::Wait(_)) {}
    lone.handle_tick(Instant::from_millis(10_000));
    let mut ended = None;
    loop {
        match lone.poll_action(&mut buf) {
            Action::Done { outcome, .. } => ended = Some(outcome),
            Action::Wait(_) => break,
            _ => {}
        }
    }
    let failed = vec![(addr(1), StreamFailure::TimedOut)];
    assert_eq!(
        ended,
        Some(Outcome::Join {
            contacted: vec![],
            failed
        })
    );
}

#[test]
fn a_silent_member_is_suspected_then_declared_failed_by_all_with_the_accusers_named() {
    let mut cluster = Cluster::joined(4, Config::lan());
    cluster.down.insert(3);
    cluster.run(DETECTION);
    for n in 0..3 {
        assert_eq!(cluster.status(n, 3), Some(Status::Failed), "at node-{n}");
        assert_eq!(
            cluster.kinds(n, 3),
            [MemberEventKind::Failed],
            "at node-{n}"
        );
    }
    let accusers = cluster.events.iter().find_map(|(_, event)| match event {
        Event::Member(event) => match &event.cause {
            Cause::SuspicionExpired { accusers } => Some(accusers.clone()),
            _ => None,
        },
        _ => None,
    });
    let accusers = accusers.expect("somebody's suspicion expired");
    assert!((0..3).any(|n| accusers.contains(&name(n))), "{accusers:?}");
    for other in 0..3 {
        for n in 0..3 {
            assert_eq!(cluster.status(n, other), Some(Status::Alive));
        }
    }
}

#[test]
fn a_member_whose_datagrams_are_lost_on_one_link_is_vouched_for_by_helpers() {
    let mut cluster = Cluster::joined(4, Config::lan());
    cluster.deaf.insert((0, 3));
    cluster.deaf.insert((3, 0));
    cluster.run(60 * SECOND);
    for n in 0..4 {
        assert_eq!(cluster.nodes[n].alive_count(), 4, "at node-{n}");
    }
    assert!(cluster.nodes[0].counters().probes_saved_by_helpers > 0);
    assert!(cluster.kinds(0, 3).is_empty());
}

#[test]
fn a_member_that_answers_only_over_streams_stays_alive_and_is_reported() {
    let mut cluster = Cluster::joined(2, Config::lan());
    cluster.deaf.insert((0, 1));
    cluster.deaf.insert((1, 0));
    cluster.run(30 * SECOND);
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert!(cluster.kinds(0, 1).is_empty());
    let reported = cluster.events.iter().any(|(n, event)| {
        *n == 0 && matches!(event, Event::DatagramsLost { member } if *member.name() == name(1))
    });
    assert!(reported);
}

#[test]
fn an_accused_member_refutes_and_is_not_declared_failed() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let (accused, accuser) = (name(1), name(2));
    let suspect = packet(&Message::Suspect(Accusation {
        incarnation: 1,
        name: (&accused).into(),
        from: (&accuser).into(),
    }));
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(2), &suspect, now);
    assert!(
        cluster.nodes[0]
            .member(&accused)
            .expect("known")
            .suspected()
    );
    cluster.run(DETECTION);
    let member = cluster.nodes[0].member(&accused).expect("known");
    assert_eq!(
        (member.status(), member.suspected()),
        (Status::Alive, false)
    );
    assert_eq!(member.incarnation(), 2);
    let refuted = Event::Refuted {
        accuser: Some(accuser),
        incarnation: 2,
    };
    assert!(cluster.events.contains(&(1, refuted)));
    assert!(cluster.kinds(0, 1).is_empty());
}

#[test]
fn a_member_thought_dead_that_pings_is_told_so_and_comes_back() {
    let config = Config {
        push_pull_interval: Duration::ZERO,
        ..Config::lan()
    };
    let config = Config {
        reconnect_interval: Duration::ZERO,
        ..config
    };
    let mut cluster = Cluster::joined(2, config);
    let (accused, accuser) = (name(1), name(9));
    // Only node 0 hears this, and by the rules it tells nobody that it thinks dead for long.
    let dead = packet(&Message::Dead(Accusation {
        incarnation: 1,
        name: (&accused).into(),
        from: (&accuser).into(),
    }));
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(1), &dead, now);
    assert_eq!(cluster.status(0, 1), Some(Status::Failed));
    cluster.run(5 * SECOND);
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert_eq!(
        cluster.kinds(0, 1),
        [MemberEventKind::Failed, MemberEventKind::Join]
    );
}

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
fn a_restarted_member_learns_its_incarnation_at_the_join_and_is_alive_again() {
    let mut cluster = Cluster::joined(3, Config::lan());
    cluster.down.insert(2);
    cluster.run(DETECTION);
    assert_eq!(cluster.status(0, 2), Some(Status::Failed));

    cluster.down.remove(&2);
    cluster.nodes[2] = node(2, Config::lan(), 2, cluster.now);
    let now = cluster.now;
    cluster.nodes[2]
        .join(&[addr(0)], now)
        .expect("join is accepted");
    cluster.run(3 * SECOND);
    for n in 0..3 {
        assert_eq!(cluster.status(n, 2), Some(Status::Alive), "at node-{n}");
        assert_eq!(cluster.nodes[n].alive_count(), 3);
    }
}

#[test]
fn both_sides_of_a_split_that_declared_each_other_failed_find_together_by_themselves() {
    // The cut is one of datagrams, so neither pings nor exchanges over streams may bridge it.
    let config = Config {
        stream_ping: false,
        push_pull_interval: Duration::ZERO,
        reconnect_interval: 600 * SECOND,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(4, config);
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        cluster.deaf.extend([(a, b), (b, a)]);
    }
    cluster.run(120 * SECOND);
    for n in 0..4 {
        assert_eq!(
            cluster.nodes[n].alive_count(),
            2,
            "node-{n} sees its own side"
        );
    }
    cluster.deaf.clear();
    cluster.run(1300 * SECOND);
    for n in 0..4 {
        assert_eq!(
            cluster.nodes[n].alive_count(),
            4,
            "node-{n} sees both sides"
        );
    }
}

#[test]
fn new_tags_reach_the_others_as_an_update() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let now = cluster.now;
    cluster.nodes[1]
        .set_tags(&tags(&[("role", "web")]), now)
        .expect("tags are accepted");
    cluster.run(2 * SECOND);
    let member = cluster.nodes[0].member(&name(1)).expect("known");
    assert_eq!(member.tags(), tags(&[("role", "web")]));
    assert_eq!(cluster.kinds(0, 1), [MemberEventKind::Update]);
    assert_eq!(cluster.completions(), [(1, true)]);
}

#[test]
fn tags_that_do_not_fit_are_refused_with_their_size_and_change_nothing() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let long = "x".repeat(600);
    let error = cluster.nodes[1].set_tags(&tags(&[("role", &long)]), cluster.now);
    assert!(matches!(
        error,
        Err(CommandError::TagsTooLarge {
            size: 605..=615,
            limit: 512
        })
    ));
    assert!(cluster.nodes[1].local().tags().is_empty());
}

#[test]
fn a_second_claimant_of_a_name_is_reported_and_not_believed() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let names = [name(0), name(1)];
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(7), &alive_message(1, addr(7), 99, &names), now);
    cluster.run(SECOND);
    assert_eq!(
        cluster.nodes[0].member(&names[1]).expect("known").addr(),
        addr(1)
    );
    let reported = cluster.events.iter().any(|(n, event)| {
        *n == 0 && matches!(event, Event::NameConflict { claimant, .. } if *claimant == addr(7))
    });
    assert!(reported);
}

/// Its address may be that of a machine that is gone: a whole round, or two, is long to wait.
#[test]
fn a_member_whose_name_is_claimed_is_probed_next() {
    const COUNT: usize = 30;
    let mut cluster = Cluster::joined(COUNT, Config::lan());
    let names: Vec<Name> = (0..COUNT).map(name).collect();
    for observer in 0..5 {
        let claimed = COUNT - 1 - observer;
        cluster.record = true;
        cluster.recorded.clear();
        let claim = alive_message(claimed, addr(40), 99, &names);
        let now = cluster.now;
        cluster.nodes[observer].handle_datagram(addr(40), &claim, now);
        cluster.run(SECOND + Duration::from_millis(100));
        let probed = cluster.recorded.iter();
        let probed = probed.filter(|(from, to, _)| (*from, *to) == (observer, claimed));
        assert_ne!(probed.count(), 0, "node-{observer} probes node-{claimed}");
    }
}

#[test]
fn the_name_of_a_member_that_left_may_be_taken_from_another_address() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    cluster.nodes[2].leave(now).expect("leave is accepted");
    cluster.run(10 * SECOND);
    let names = [name(0), name(1), name(2)];
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(7), &alive_message(2, addr(7), 1, &names), now);
    let member = cluster.nodes[0].member(&names[2]).expect("known");
    assert_eq!((member.status(), member.addr()), (Status::Alive, addr(7)));
}

#[test]
fn accusations_against_strangers_add_nobody() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let (stranger, accuser) = (name(50), name(1));
    let now = cluster.now;
    let accusation = Accusation {
        incarnation: 3,
        name: (&stranger).into(),
        from: (&accuser).into(),
    };
    for message in [Message::Suspect(accusation), Message::Dead(accusation)] {
        let bytes = packet(&message);
        cluster.nodes[0].handle_datagram(addr(1), &bytes, now);
    }
    assert_eq!(cluster.nodes[0].member_count(), 2);
    assert_eq!(cluster.nodes[0].counters().dropped_unknown_member, 2);
}

#[test]
fn a_ping_meant_for_somebody_else_is_not_answered() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    let (target, source_name) = ("somebody-else".into(), "node-1".into());
    let ping = Ping {
        seq: 1,
        target,
        source: addr(1),
        source_name,
    };
    lone.handle_datagram(addr(1), &packet(&Message::Ping(ping)), Instant::ZERO);
    assert_eq!(lone.counters().dropped_misdirected, 1);
    let mut buf = vec![];
    loop {
        match lone.poll_action(&mut buf) {
            Action::SendDatagram { to } => panic!("sent something to {to}"),
            Action::Wait(_) => break,
            _ => {}
        }
    }
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
fn a_full_table_refuses_newcomers_and_counts_them() {
    let config = Config {
        max_members: 3,
        ..Config::lan()
    };
    let mut lone = node(0, config, 1, Instant::ZERO);
    let names: Vec<Name> = (0..6).map(name).collect();
    for n in 1..6 {
        lone.handle_datagram(
            addr(n),
            &alive_message(n, addr(n), 1, &names),
            Instant::ZERO,
        );
    }
    assert_eq!(lone.member_count(), 3);
    assert_eq!(lone.counters().dropped_table_full, 3);
}

#[test]
fn forged_incarnations_near_the_maximum_are_refused_and_the_member_can_still_refute() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let (accused, accuser) = (name(1), name(0));
    let now = cluster.now;
    let accusation = Accusation {
        incarnation: u32::MAX,
        name: (&accused).into(),
        from: (&accuser).into(),
    };
    for message in [Message::Suspect(accusation), Message::Dead(accusation)] {
        let bytes = packet(&message);
        cluster.nodes[0].handle_datagram(addr(1), &bytes, now);
        cluster.nodes[1].handle_datagram(addr(0), &bytes, now);
    }
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert_eq!(cluster.nodes[1].local().incarnation(), 1);
    assert_eq!(cluster.nodes[0].counters().dropped_implausible, 2);
}

#[test]
fn members_of_incompatible_versions_do_not_join() {
    let mut cluster = Cluster::new(1, Config::lan());
    let params = Params::new(Config::lan()).expect("valid");
    let mut identity = Identity::new(name(1), addr(1));
    identity.versions = Versions {
        protocol_min: 9,
        protocol_max: 9,
        protocol_cur: 9,
        ..identity.versions
    };
    cluster
        .nodes
        .push(Node::new(identity, params, [9; 32], cluster.now).expect("valid"));
    let now = cluster.now;
    cluster.nodes[1]
        .join(&[addr(0)], now)
        .expect("join is accepted");
    cluster.run(SECOND);
    assert_eq!(cluster.nodes[0].member_count(), 1);
    assert_eq!(cluster.nodes[0].counters().refused_incompatible, 1);
    let failed = vec![(addr(0), StreamFailure::Declined)];
    assert_eq!(
        cluster.outcomes,
        [(
            1,
            Outcome::Join {
                contacted: vec![],
                failed
            }
        )]
    );
}

#[test]
fn standing_still_for_long_does_not_make_everybody_else_fail() {
    let mut cluster = Cluster::joined(3, Config::lan());
    // Node 0 has just begun to suspect node 1, which refutes; but node 0 is suspended before it
    // can hear that, for longer than any suspicion lasts.
    let (accused, accuser) = (name(1), name(2));
    let suspect = packet(&Message::Suspect(Accusation {
        incarnation: 1,
        name: (&accused).into(),
        from: (&accuser).into(),
    }));
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(2), &suspect, now);
    cluster.drain(0);
    cluster.now = now + 3600 * SECOND;
    let resumed = cluster.now;
    cluster.nodes[0].handle_tick(resumed);
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert_eq!(cluster.nodes[0].counters().stalls, 1);
    assert_eq!(cluster.nodes[0].health_score(), 1);
}

#[test]
fn every_probe_has_its_full_time_although_the_one_before_was_late() {
    let config = Config {
        push_pull_interval: Duration::ZERO,
        reconnect_interval: Duration::ZERO,
        stream_ping: false,
        ..Config::lan()
    };
    let interval = config.probe_interval;
    let mut cluster = Cluster::joined(2, config);
    cluster.down.insert(1);
    let before = *cluster.nodes[0].counters();
    // The wake-up after a ping, at which helpers would be asked, comes late; all others in time.
    let late = Duration::from_millis(3);
    let (mut begun, mut failed) = (cluster.now, 0);
    for _ in 0..200 {
        let pinged = cluster.nodes[0].counters().probes;
        let deadline = cluster.drain(0);
        let just_pinged = pinged > before.probes && begun == cluster.now;
        cluster.now = deadline + if just_pinged { late } else { Duration::ZERO };
        let now = cluster.now;
        cluster.nodes[0].handle_tick(now);
        let counters = *cluster.nodes[0].counters();
        if counters.failed_probes > before.failed_probes + failed {
            failed += 1;
            assert!(now.since(begun) >= interval, "probe {pinged} ended early");
            let begun_since = pinged - before.probes;
            assert_eq!(failed, begun_since, "every probe has an end");
        }
        if counters.probes > pinged {
            begun = now;
        }
    }
    assert!(failed > 1, "only {failed} probes");
}

#[test]
fn unfinished_messages_on_many_streams_are_given_up_beyond_four_of_the_largest() {
    let config = Config {
        max_stream_message: 65_536,
        ..Config::lan()
    };
    let mut lone = node(0, config, 1, Instant::ZERO);
    // A frame that says it is as long as is accepted, and stops one byte short of its end.
    let mut frame = vec![0xb1];
    frame.extend((65_536 - 9_u32).to_le_bytes());
    frame.resize(65_535, 0);
    for n in 0..6 {
        let id = lone
            .accept_stream(addr(1), Instant::ZERO)
            .expect("there is room");
        lone.handle_stream(id, StreamInput::Data(&frame[..100]), Instant::ZERO);
        lone.handle_stream(id, StreamInput::Data(&frame[100..]), Instant::ZERO);
        assert_eq!(
            lone.counters().refused_streams,
            if n < 4 { 0 } else { n - 3 }
        );
    }
    assert_eq!(lone.counters().failed_streams, 0);
}

#[test]
fn who_missed_a_refutation_is_told_of_it_when_it_declares_the_member_dead() {
    let mut cluster = Cluster::joined(4, Config::lan());
    // node-3 alone hears that node-2 is suspected, and never its answer.
    let others = [0, 1, 2];
    let now = cluster.now;
    let accusation = Accusation {
        incarnation: 1,
        name: "node-2".into(),
        from: "node-1".into(),
    };
    for n in [2, 3] {
        let packet = packet(&Message::Suspect(accusation));
        cluster.nodes[n].handle_datagram(addr(1), &packet, now);
        if n == 2 {
            cluster.deaf.extend(others.map(|from| (from, 3)));
            cluster.run(3 * SECOND);
        }
    }
    cluster.deaf.clear();
    for n in others {
        assert!(
            cluster.nodes[n]
                .member("node-2")
                .expect("known")
                .incarnation()
                > 1
        );
    }
    let corrected = |cluster: &Cluster| -> u64 {
        cluster
            .nodes
            .iter()
            .map(|it| it.counters().corrections)
            .sum()
    };
    let dead = packet(&Message::Dead(Accusation {
        from: "node-3".into(),
        ..accusation
    }));
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(3), &dead, now);
    cluster.run(SECOND / 10);
    assert_eq!(corrected(&cluster), 1);
    let it = &cluster.nodes[3];
    assert!(it.member("node-2").expect("known").incarnation() > 1);
    assert_eq!(cluster.status(3, 2), Some(Status::Alive));
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
