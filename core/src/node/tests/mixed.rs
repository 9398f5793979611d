//! Nodes that speak both wires, among others that speak memberlist's alone, as agents of the
//! reference system do.

use alloc::vec;

use super::*;
use crate::keyring::{Key, Keyring};
use crate::message::{Message, Ping, UserEvent};
use crate::wire::memberlist;
use crate::{CommandError, LamportTime, QueryParams, Wire, Wires};

const SECOND: Duration = Duration::from_secs(1);

fn config(wires: Wires) -> Config {
    Config {
        wires,
        ..Config::lan()
    }
}

impl Cluster {
    /// Nodes of these kinds, which join through the first of them.
    fn of(kinds: &[Wires]) -> Self {
        let mut cluster = Self::new(kinds.len(), Config::lan());
        for (n, &wires) in kinds.iter().enumerate() {
            cluster.nodes[n] = node(n, config(wires), 7, cluster.now);
        }
        for n in 1..kinds.len() {
            let now = cluster.now;
            cluster.nodes[n].join(&[addr(0)], now).expect("a join");
        }
        cluster.run(10 * SECOND);
        cluster
    }

    fn wire(&self, at: usize, of: usize) -> Wire {
        self.nodes[at].member(&name(of)).expect("a member").wire()
    }

    fn events_at(&self, at: usize) -> Vec<(&str, &[u8])> {
        let events = self.events.iter().filter(|(n, _)| *n == at);
        events
            .filter_map(|(_, event)| match event {
                Event::User(event) => Some((&*event.name, &*event.payload)),
                _ => None,
            })
            .collect()
    }
}

const KINDS: [Wires; 6] = [
    Wires::Auto,
    Wires::Memberlist,
    Wires::Auto,
    Wires::Memberlist,
    Wires::Auto,
    Wires::Memberlist,
];

#[test]
fn a_cluster_of_both_kinds_agrees_and_each_pair_speaks_the_best_common_wire() {
    for kinds in [
        KINDS,
        [KINDS[1], KINDS[0], KINDS[1], KINDS[0], KINDS[1], KINDS[0]],
    ] {
        let mut cluster = Cluster::of(&kinds);
        for n in 0..kinds.len() {
            assert_eq!(cluster.nodes[n].alive_count(), kinds.len(), "at node-{n}");
            for m in 0..kinds.len() {
                let native = kinds[n] == Wires::Auto && kinds[m] == Wires::Auto;
                let best = if native {
                    Wire::Native
                } else {
                    Wire::Memberlist
                };
                assert_eq!(cluster.wire(n, m), best, "node-{n} to node-{m}");
            }
        }
        for n in 0..kinds.len() {
            let (now, payload) = (cluster.now, [n as u8; 40]);
            cluster.nodes[n]
                .user_event(&format!("from-{n}"), &payload, false, now)
                .expect("an event");
        }
        let tags = tags(&[("role", "web")]);
        let now = cluster.now;
        cluster.nodes[1].set_tags(&tags, now).expect("the tags fit");
        cluster.nodes[2].set_tags(&tags, now).expect("the tags fit");
        cluster.run(10 * SECOND);
        for n in 0..kinds.len() {
            let mut heard = cluster.events_at(n);
            heard.sort_unstable();
            let all: Vec<_> = (0..kinds.len())
                .map(|m| (format!("from-{m}"), [m as u8; 40]))
                .collect();
            let all: Vec<_> = all
                .iter()
                .map(|(name, payload)| (&**name, &payload[..]))
                .collect();
            assert_eq!(heard, all, "at node-{n}");
            for m in [1, 2] {
                let member = cluster.nodes[n].member(&name(m)).expect("a member");
                assert_eq!(member.tags(), tags, "of node-{m} at node-{n}");
            }
        }
    }
}

#[test]
fn queries_are_answered_across_the_wires_directly_and_through_relays() {
    let mut cluster = Cluster::of(&KINDS);
    for asker in [0, 1] {
        let params = QueryParams {
            request_ack: true,
            relay_factor: 3,
            timeout: Some(20 * SECOND),
            filter_tags: [("role".into(), "^$".into())].into(),
            ..QueryParams::default()
        };
        cluster.answers.clear();
        cluster.events.clear();
        let now = cluster.now;
        let query = cluster.nodes[asker]
            .query("load", b"1m", &params, now)
            .expect("a query");
        cluster.run(5 * SECOND);
        for n in 0..KINDS.len() {
            let now = cluster.now;
            let sent = cluster.nodes[n].respond(query, &[n as u8], now);
            assert_eq!(sent, Ok(()), "node-{n} was asked");
        }
        cluster.run(5 * SECOND);
        let mut responses = vec![];
        let mut acks = BTreeSet::new();
        for (at, key, answer) in &cluster.answers {
            assert_eq!((*at, *key), (asker, query));
            match answer {
                Answer::Ack { from } => assert!(acks.insert(from.clone())),
                Answer::Response { from, payload } => {
                    responses.push((from.clone(), payload.to_vec()))
                }
            }
        }
        responses.sort();
        let all: Vec<_> = (0..KINDS.len()).map(|n| (name(n), vec![n as u8])).collect();
        assert_eq!(responses, all);
        assert_eq!(acks.len(), KINDS.len());
    }
    let relayed: u64 = cluster.nodes.iter().map(|n| n.counters().relayed).sum();
    assert!(relayed > 10, "{relayed} answers went through others, too");
    for (n, node) in cluster.nodes.iter().enumerate() {
        let counters = node.counters();
        assert_eq!(counters.dropped_malformed, 0, "at node-{n}");
        assert_eq!(counters.skipped_unknown, 0, "at node-{n}");
        assert_eq!(counters.dropped_foreign, 0, "at node-{n}");
        assert_eq!(counters.dropped_coordinates, 0, "at node-{n}");
    }
}

#[test]
fn each_kind_sees_the_other_leave_fail_and_be_forced_out() {
    let mut cluster = Cluster::of(&KINDS);
    let now = cluster.now;
    cluster.nodes[4].leave(now).expect("a leave");
    cluster.nodes[5].leave(now).expect("a leave");
    cluster.run(15 * SECOND);
    for n in 0..4 {
        for gone in [4, 5] {
            assert_eq!(
                cluster.status(n, gone),
                Some(Status::Left),
                "node-{gone} at node-{n}"
            );
        }
    }
    cluster.down.extend([2, 3]);
    cluster.run(60 * SECOND);
    for n in 0..2 {
        for gone in [2, 3] {
            assert_eq!(
                cluster.status(n, gone),
                Some(Status::Failed),
                "node-{gone} at node-{n}"
            );
        }
    }
    let now = cluster.now;
    cluster.nodes[0]
        .force_leave(&name(3), false, now)
        .expect("accepted");
    cluster.nodes[1]
        .force_leave(&name(2), true, now)
        .expect("accepted");
    cluster.run(10 * SECOND);
    for n in 0..2 {
        assert_eq!(cluster.status(n, 3), Some(Status::Left), "at node-{n}");
        assert_eq!(cluster.status(n, 2), None, "pruned at node-{n}");
    }
}

#[test]
fn a_false_suspicion_is_refuted_on_either_wire() {
    let mut cluster = Cluster::of(&KINDS);
    // What node-0 and node-1 send to the others gets there, but nothing comes back for a while.
    for n in [0, 1] {
        cluster.deaf.extend((2..6).map(|other| (n, other)));
    }
    cluster.run(4 * SECOND);
    cluster.deaf.clear();
    cluster.run(30 * SECOND);
    for n in 0..KINDS.len() {
        for m in 0..KINDS.len() {
            assert_eq!(
                cluster.status(n, m),
                Some(Status::Alive),
                "node-{m} at node-{n}"
            );
        }
    }
}

#[test]
fn whoever_does_not_take_the_native_wire_is_dialled_again() {
    let mut cluster = Cluster::of(&[Wires::Memberlist, Wires::Auto]);
    let counters = cluster.nodes[1].counters();
    assert_eq!(counters.redials, 1);
    assert!(counters.memberlist_stream_bytes_sent > 0);
    assert!(counters.memberlist_stream_bytes_received > 0);
    // From then on it is known.
    cluster.run(120 * SECOND);
    assert_eq!(cluster.nodes[1].counters().redials, 1);
}

#[test]
fn a_cluster_of_ours_alone_never_speaks_memberlist() {
    let mut cluster = Cluster::of(&[Wires::Auto; 5]);
    let now = cluster.now;
    cluster.nodes[3].leave(now).expect("a leave");
    cluster.down.insert(4);
    cluster.run(120 * SECOND);
    for node in &cluster.nodes {
        let counters = node.counters();
        assert_eq!(counters.memberlist_datagrams_sent, 0);
        assert_eq!(counters.memberlist_stream_bytes_sent, 0);
        assert_eq!(counters.redials, 0);
    }
}

#[test]
fn a_forced_wire_is_spoken_alone() {
    for (kinds, count) in [
        ([Wires::Native, Wires::Auto], 2),
        ([Wires::Auto, Wires::Native], 2),
        ([Wires::Native, Wires::Memberlist], 1),
        ([Wires::Memberlist, Wires::Native], 1),
    ] {
        let cluster = Cluster::of(&kinds);
        for node in &cluster.nodes {
            assert_eq!(node.alive_count(), count, "{kinds:?}");
        }
    }
}

/// The wires are changed one node at a time, there and back, and nobody is ever missed.
#[test]
fn a_cluster_is_moved_from_one_wire_to_the_other_one_node_at_a_time() {
    let mut cluster = Cluster::of(&[Wires::Memberlist; 4]);
    for (run, wires) in [(2, Wires::Auto), (3, Wires::Memberlist)] {
        for n in 0..4 {
            let now = cluster.now;
            cluster.nodes[n].leave(now).expect("a leave");
            cluster.run(15 * SECOND);
            cluster.nodes[n] = node(n, config(wires), run, cluster.now);
            let now = cluster.now;
            cluster.nodes[n]
                .join(&[addr((n + 1) % 4)], now)
                .expect("a join");
            cluster.run(15 * SECOND);
            for at in 0..4 {
                assert_eq!(
                    cluster.nodes[at].alive_count(),
                    4,
                    "at node-{at} after node-{n}"
                );
            }
            cluster.events.clear();
            let now = cluster.now;
            cluster.nodes[n]
                .user_event("moved", b"", false, now)
                .expect("an event");
            cluster.run(5 * SECOND);
            assert!((0..4).all(|at| cluster.events_at(at) == [("moved", &b""[..])]));
        }
        let all = match wires {
            Wires::Memberlist => Wire::Memberlist,
            _ => Wire::Native,
        };
        assert!((0..4).all(|at| (0..4).all(|of| cluster.wire(at, of) == all)));
    }
}

/// However close to what a packet holds: what is accepted comes whole to all, on either wire and
/// sealed or not; the sender is told of the rest.
#[test]
fn s_35_what_is_said_reaches_all_whole_or_is_refused_with_its_size() {
    for sealed in [false, true] {
        let mut cluster = Cluster::of(&[]);
        for (n, wires) in KINDS.into_iter().enumerate().take(4) {
            let config = Config {
                user_event_size_limit: 9_216,
                query_size_limit: 9_216,
                ..config(wires)
            };
            let node = node(n, config, 7, cluster.now);
            cluster.nodes.push(match sealed {
                true => node.with_keyring(Keyring::new(Key::new(&[1; 16]).expect("a key"))),
                false => node,
            });
        }
        for n in 1..4 {
            let now = cluster.now;
            cluster.nodes[n].join(&[addr(0)], now).expect("a join");
        }
        cluster.run(10 * SECOND);
        let (mut largest, mut smallest) = (0, usize::MAX);
        let sizes = (0..1_200).step_by(100).chain(1_200..1_400);
        for (round, size) in sizes.chain([1_500, 9_000, 20_000, 70_000]).enumerate() {
            let (from, now) = (round % 4, cluster.now);
            let payload = vec![round as u8; size];
            cluster.events.clear();
            let said = cluster.nodes[from].user_event("size", &payload, false, now);
            cluster.run(3 * SECOND);
            match said {
                Ok(_) => {
                    largest = largest.max(size);
                    for at in 0..4 {
                        let heard = cluster.events_at(at);
                        assert_eq!(heard, [("size", &payload[..])], "{size} bytes at node-{at}");
                    }
                }
                Err(error) => {
                    smallest = smallest.min(size);
                    assert!(matches!(error, CommandError::TooLarge(_)), "{error}");
                    assert!(cluster.events_at(0).is_empty());
                }
            }
        }
        assert!(largest > 1_200 && smallest < 1_400, "{largest} {smallest}");
        assert!(cluster.largest <= 1_400);
    }
}

/// Whatever is put into a packet on either wire, it is not larger than it may be.
#[test]
fn s_36_no_packet_is_larger_than_its_budget_on_either_wire() {
    for budget in [508, 1400] {
        let mut cluster = Cluster::of(&KINDS);
        for (n, wires) in KINDS.into_iter().enumerate() {
            let config = Config {
                packet_budget: budget,
                ..config(wires)
            };
            cluster.nodes[n] = node(n, config, 2, cluster.now);
        }
        for n in 1..KINDS.len() {
            let now = cluster.now;
            cluster.nodes[n].join(&[addr(0)], now).expect("a join");
        }
        cluster.largest = 0;
        for round in 0..100 {
            let (n, now) = (round % KINDS.len(), cluster.now);
            let payload = vec![round as u8; round * 3];
            let _ = cluster.nodes[n].user_event("filler", &payload, false, now);
            cluster.run(SECOND / 10);
        }
        cluster.run(10 * SECOND);
        assert!(cluster.largest <= budget, "{} of {budget}", cluster.largest);
        assert!(
            cluster.largest > budget / 2,
            "packets were filled: {}",
            cluster.largest
        );
    }
}

#[test]
fn s_40_packets_of_long_ago_change_nothing() {
    let mut cluster = Cluster::of(&KINDS);
    cluster.record = true;
    let now = cluster.now;
    for n in 0..KINDS.len() {
        cluster.nodes[n]
            .user_event("old", &[n as u8], false, now)
            .expect("an event");
        cluster.nodes[n]
            .set_tags(&tags(&[("run", "old")]), now)
            .expect("the tags fit");
    }
    cluster.nodes[5].leave(now).expect("a leave");
    cluster.run(20 * SECOND);
    cluster.record = false;
    let captured = core::mem::take(&mut cluster.recorded);
    assert!(captured.len() > 100);
    let now = cluster.now;
    cluster.nodes[5] = node(5, config(KINDS[5]), 2, now);
    cluster.nodes[5].join(&[addr(0)], now).expect("a join");
    for n in 0..5 {
        cluster.nodes[n]
            .set_tags(&tags(&[("run", "new")]), now)
            .expect("the tags fit");
    }
    cluster.run(3_600 * SECOND);
    cluster.events.clear();
    for (from, to, bytes) in captured {
        let now = cluster.now;
        cluster.nodes[to].handle_datagram(addr(from), &bytes, now);
    }
    cluster.run(60 * SECOND);
    for at in 0..KINDS.len() {
        assert_eq!(cluster.events_at(at), [], "at node-{at}");
        for of in 0..KINDS.len() {
            assert_eq!(
                cluster.status(at, of),
                Some(Status::Alive),
                "node-{of} at node-{at}"
            );
            assert_eq!(cluster.kinds(at, of), [], "about node-{of} at node-{at}");
        }
    }
}

/// What only one kind of member knows does not make the other ask again and again.
#[test]
fn s_46_members_of_other_versions_do_not_loop_in_state_exchanges() {
    let mut cluster = Cluster::of(&KINDS);
    // A message of a kind that will only be invented.
    let mut unknown = vec![];
    let mut writer = memberlist::PacketWriter::new(&mut unknown, 1400, false);
    assert!(writer.push_relayed(b"\x63later"));
    assert!(writer.push_encoded(b"\x0flater"));
    let event = UserEvent {
        ltime: LamportTime::new(5),
        name: "known",
        payload: b"",
        coalesce: false,
    };
    let event = crate::message::SerfMessage::UserEvent(event);
    assert!(writer.push(&Message::Serf(event)));
    writer.finish(None);
    let syncs = |cluster: &Cluster| -> u64 {
        cluster
            .nodes
            .iter()
            .map(|n| n.counters().syncs_started)
            .sum()
    };
    let (before, now) = (syncs(&cluster), cluster.now);
    for n in 0..KINDS.len() {
        cluster.nodes[n].handle_datagram(addr(1), &unknown, now);
        assert_eq!(cluster.nodes[n].counters().skipped_unknown, 2);
    }
    cluster.run(300 * SECOND);
    let started = syncs(&cluster) - before;
    assert!(
        started <= 6 * 11,
        "{started} exchanges in 300 seconds of one in 30 each"
    );
    for n in 0..KINDS.len() {
        assert_eq!(
            cluster.nodes[n].counters().skipped_unknown,
            2,
            "it is not passed on"
        );
        assert_eq!(
            cluster.events_at(n),
            [("known", &b""[..])],
            "what came with it is read"
        );
    }
}

/// A stranger may not understand checksums, and without one a flipped bit would change the news for
/// everybody.
#[test]
fn a_stranger_on_the_memberlist_wire_gets_an_answer_without_news() {
    let mut cluster = Cluster::of(&[Wires::Auto, Wires::Memberlist]);
    let now = cluster.now;
    cluster.nodes[0]
        .user_event("news", b"", false, now)
        .expect("it is small");
    let stranger = name(9);
    let mut answer_to = |asker: &Name, from: SocketAddr| {
        let mut ping = vec![];
        let mut writer = memberlist::PacketWriter::new(&mut ping, 1400, false);
        assert!(writer.push(&Message::Ping(Ping {
            seq: 7,
            target: (&name(0)).into(),
            source: from,
            source_name: asker.into(),
        })));
        writer.finish(None);
        cluster.nodes[0].handle_datagram(from, &ping, now);
        loop {
            let mut bytes = vec![];
            match cluster.nodes[0].poll_action(&mut bytes) {
                Action::SendDatagram { to } if to == from => return bytes,
                Action::Wait(_) => panic!("there is an answer"),
                _ => {}
            }
        }
    };
    let tells = |bytes: &[u8]| bytes.windows(4).any(|part| part == b"news");
    assert!(!tells(&answer_to(&stranger, addr(9))));
    let member = answer_to(&name(1), addr(1));
    assert!(tells(&member));
    assert_eq!(
        member[0], 12,
        "a member that understands it gets a checksum"
    );
}
