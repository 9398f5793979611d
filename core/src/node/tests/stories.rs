//! Members that come, fail and are found again.

use alloc::vec;

use super::*;
use crate::message::{Accusation, Alive, Message};
use crate::wire::native::{PacketWriter, read_packet};
use crate::{Cause, Versions};

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

/// A node that joins through somebody, who does not make it easy.
struct Joining {
    node: Node,
    stream: StreamId,
    /// What it said on the stream.
    written: Vec<u8>,
    outcome: Option<Outcome>,
}

impl Joining {
    fn new() -> Self {
        let mut node = node(0, Config::lan(), 1, Instant::ZERO);
        node.join(&[addr(1)], Instant::ZERO)
            .expect("join is accepted");
        let mut buf = vec![];
        let stream = loop {
            match node.poll_action(&mut buf) {
                Action::OpenStream { id, .. } => break id,
                Action::Wait(_) => panic!("it dials"),
                _ => {}
            }
        };
        Self {
            node,
            stream,
            written: vec![],
            outcome: None,
        }
    }

    /// Lets time pass, and then something happen on the stream.
    fn at(&mut self, millis: u64, input: Option<StreamInput<'_>>) {
        let now = Instant::from_millis(millis);
        self.node.handle_tick(now);
        if let Some(input) = input {
            self.node.handle_stream(self.stream, input, now);
        }
        loop {
            let mut buf = vec![];
            match self.node.poll_action(&mut buf) {
                Action::WriteStream { .. } => self.written = buf,
                Action::Done { outcome, .. } => self.outcome = Some(outcome),
                Action::Wait(_) => return,
                _ => {}
            }
        }
    }
}

/// What another node answers.
fn answer_to(frame: &[u8]) -> Vec<u8> {
    let mut peer = node(1, Config::lan(), 1, Instant::ZERO);
    let id = peer.accept_stream(addr(0), Instant::ZERO).expect("room");
    peer.handle_stream(id, StreamInput::Data(frame), Instant::ZERO);
    loop {
        let mut buf = vec![];
        match peer.poll_action(&mut buf) {
            Action::WriteStream { .. } => return buf,
            Action::Wait(_) => panic!("it answers"),
            _ => {}
        }
    }
}

#[test]
fn s_49_dialling_asking_and_the_answer_have_the_stream_timeout_each() {
    let mut joining = Joining::new();
    joining.at(9_000, Some(StreamInput::Opened));
    let answer = answer_to(&joining.written);
    let (first, rest) = answer.split_at(20);
    joining.at(18_000, Some(StreamInput::Data(first)));
    joining.at(27_000, Some(StreamInput::Data(rest)));
    let (contacted, failed) = (vec![addr(1)], vec![]);
    assert_eq!(joining.outcome, Some(Outcome::Join { contacted, failed }));
}

#[test]
fn s_49_an_answer_that_drips_is_given_up_however_steadily_it_does() {
    let mut joining = Joining::new();
    joining.at(9_000, Some(StreamInput::Opened));
    let answer = answer_to(&joining.written);
    let mut drops = answer.chunks(1);
    for second in 18..28 {
        let drop = drops.next().expect("it is longer than this");
        joining.at(second * 1_000, Some(StreamInput::Data(drop)));
        assert_eq!(joining.outcome, None);
    }
    joining.at(28_000, None);
    let (contacted, failed) = (vec![], vec![(addr(1), StreamFailure::TimedOut)]);
    assert_eq!(joining.outcome, Some(Outcome::Join { contacted, failed }));
}

#[test]
fn s_49_a_question_that_drips_is_given_up_however_steadily_it_does() {
    let frame = {
        let mut joining = Joining::new();
        joining.at(0, Some(StreamInput::Opened));
        joining.written
    };
    let mut node = node(1, Config::lan(), 1, Instant::ZERO);
    let id = node.accept_stream(addr(0), Instant::ZERO).expect("room");
    for (second, drop) in (1..10).zip(frame.chunks(1)) {
        let now = Instant::from_millis(second * 1_000);
        node.handle_tick(now);
        node.handle_stream(id, StreamInput::Data(drop), now);
    }
    assert_eq!(node.counters().timed_out_streams, 0);
    node.handle_tick(Instant::from_millis(10_000));
    assert_eq!(node.counters().timed_out_streams, 1);
}

#[test]
fn a_member_that_comes_back_soon_after_it_failed_counts_as_flapping() {
    for (flap_timeout, flaps) in [(60 * SECOND, 1), (SECOND, 0)] {
        let mut cluster = Cluster::joined(
            3,
            Config {
                flap_timeout,
                ..Config::lan()
            },
        );
        cluster.down.insert(2);
        cluster.run(DETECTION);
        assert_eq!(cluster.status(0, 2), Some(Status::Failed));
        assert_eq!(cluster.nodes[0].counters().flaps, 0);
        cluster.down.remove(&2);
        cluster.run(20 * SECOND);
        for n in 0..2 {
            assert_eq!(cluster.status(n, 2), Some(Status::Alive), "at node-{n}");
            assert_eq!(cluster.nodes[n].counters().flaps, flaps, "at node-{n}");
        }
    }
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

/// A packet that says of nodes 2 to 19 that they are alive at incarnation 2, or dead at 1.
fn about_many(dead: bool) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    for n in 2..20 {
        let name = name(n);
        let accusation = Accusation {
            incarnation: 1,
            name: (&name).into(),
            from: "node-1".into(),
        };
        let alive = Alive {
            incarnation: 2,
            name: (&name).into(),
            addr: addr(n),
            versions: Versions::CURRENT,
            meta: &[],
        };
        assert!(match dead {
            true => writer.push(&Message::Dead(accusation)),
            false => writer.push(&Message::Alive(alive)),
        });
    }
    writer.finish();
    buf
}

/// A node to which twenty are known, and the refutations of [`about_many`].
fn who_knows_better() -> Cluster {
    let mut cluster = Cluster::joined(20, Config::lan());
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(1), &about_many(false), now);
    cluster.run(SECOND);
    cluster
}

/// The packets that node 0 answers to one of [`about_many`].
fn answers(cluster: &mut Cluster) -> Vec<Vec<u8>> {
    let (now, node) = (cluster.now, &mut cluster.nodes[0]);
    node.handle_datagram(addr(1), &about_many(true), now);
    let (mut buf, mut answers) = (Vec::new(), Vec::new());
    loop {
        buf.clear();
        match node.poll_action(&mut buf) {
            Action::Wait(_) => return answers,
            Action::SendDatagram { .. } => answers.push(buf.clone()),
            _ => {}
        }
    }
}

#[test]
fn who_is_wrong_about_many_in_a_packet_is_told_of_all_in_one() {
    let mut cluster = who_knows_better();
    let answers = answers(&mut cluster);
    assert_eq!(cluster.nodes[0].counters().corrections, 18);
    assert_eq!(answers.len(), 1, "packets for one packet");
    let said: Vec<_> = read_packet(&answers[0])
        .expect("a packet")
        .flatten()
        .collect();
    for n in 2..20 {
        let corrected = said
            .iter()
            .any(|message| matches!(message, Message::Alive(it) if it.name == name(n)));
        assert!(corrected, "node {n}");
    }
}

#[test]
fn who_is_wrong_again_and_again_is_told_no_more_than_gossip_tells() {
    let mut cluster = who_knows_better();
    let mut told = || (0..20).map(|_| answers(&mut cluster).len()).sum::<usize>();
    assert_eq!(told(), 3, "packets for twenty");
    cluster.now = cluster.now + Config::lan().gossip_interval;
    let mut told = || (0..20).map(|_| answers(&mut cluster).len()).sum::<usize>();
    assert_eq!(told(), 3, "packets for twenty more");
}
