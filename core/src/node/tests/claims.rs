//! What members say of themselves and others, and what of it is not believed.

use alloc::vec;

use super::*;
use crate::CommandError;
use crate::message::{Accusation, Ping};
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

#[test]
fn a_claimant_of_this_nodes_own_name_is_noticed_at_any_incarnation_and_asked_on_both_wires() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    // New tags raise its incarnation beyond that of the claimant, which is 1.
    cluster.nodes[0]
        .set_tags(&tags(&[("role", "web")]), now)
        .expect("tags are accepted");
    cluster.run(SECOND);
    let now = cluster.now;
    let names = [name(0), name(1), name(2)];
    cluster.nodes[0].handle_datagram(addr(7), &alive_message(0, addr(7), 1, &names), now);
    let (mut buf, mut asked) = (vec![], vec![]);
    loop {
        buf.clear();
        match cluster.nodes[0].poll_action(&mut buf) {
            Action::SendDatagram { to } if to == addr(7) => asked.push(buf[0]),
            Action::Wait(_) => break,
            _ => {}
        }
    }
    // The byte of a ping on the one wire, and that of a packet on the other.
    assert_eq!(asked, [0, 0xb1]);
    assert_eq!(cluster.nodes[0].counters().name_conflicts, 1);
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

/// Of two live holders of one name neither may give way, and all others hear of both all the time.
#[test]
fn a_member_whose_name_is_claimed_is_not_probed_by_all_of_a_large_cluster_at_once() {
    const MEMBERS: usize = 1_000;
    const SECONDS: u32 = 1_000;
    let at = |n: usize| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 7946));
    let mut config = Config {
        suspicion_mult: 1_000,
        ..Config::lan()
    };
    config.lifeguard.probe = false;
    let (start, mut observer) = (Instant::ZERO, node(0, config.clone(), 1, Instant::ZERO));
    let names: Vec<Name> = (0..MEMBERS).map(name).collect();
    for n in 1..MEMBERS {
        observer.handle_datagram(at(n), &alive_message(n, at(n), 1, &names), start);
    }
    let rival = alive_message(7, at(MEMBERS), 99, &names);
    let (mut told, mut buf) = (0, vec![]);
    for second in 0..SECONDS {
        let now = start + SECOND * second;
        // It is there: it has refuted whatever this node suspects for want of an answer.
        let holder = alive_message(7, at(7), second + 2, &names);
        observer.handle_datagram(at(7), &holder, now);
        observer.handle_datagram(at(MEMBERS), &rival, now);
        for step in 0..2 {
            observer.handle_tick(now + config.probe_timeout * step);
            loop {
                buf.clear();
                match observer.poll_action(&mut buf) {
                    Action::SendDatagram { to } => told += u32::from(to == at(7)),
                    Action::Wait(_) => break,
                    _ => {}
                }
            }
        }
    }
    // 64 pings, and now and then a packet of gossip; every other probe would be 500.
    assert!((32..128).contains(&told), "{told} packets");
}

/// Else the old self of one that moved would be suspected for ever by a node that others tell of false
/// suspicions of the new one.
#[test]
fn while_a_suspected_name_is_claimed_elsewhere_accusations_of_the_claimant_do_not_prolong_the_suspicion()
 {
    let ends = |claimed: bool| {
        let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
        let names: Vec<Name> = (0..9).map(name).collect();
        for n in 1..9 {
            lone.handle_datagram(
                addr(n),
                &alive_message(n, addr(n), 1, &names),
                Instant::ZERO,
            );
        }
        let suspect = |incarnation, from: usize| {
            packet(&Message::Suspect(Accusation {
                incarnation,
                name: (&names[1]).into(),
                from: (&names[from]).into(),
            }))
        };
        lone.handle_datagram(addr(2), &suspect(1, 2), Instant::ZERO);
        let now = Instant::ZERO + SECOND;
        if claimed {
            lone.handle_datagram(addr(40), &alive_message(1, addr(40), 2, &names), now);
        }
        lone.handle_datagram(addr(3), &suspect(2, 3), now);
        let slot = lone.table.find((&names[1]).into()).expect("known");
        let suspicion = lone.suspicions.get(slot).expect("suspected");
        let incarnation = lone.table.get(slot).expect("known").incarnation;
        (incarnation, suspicion.deadline().since(Instant::ZERO))
    };
    assert_eq!(ends(true), (1, 24 * SECOND));
    assert_eq!(ends(false), (2, 25 * SECOND));
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
fn s_29_forged_incarnations_near_the_maximum_are_refused_and_the_member_can_still_refute() {
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
