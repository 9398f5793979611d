//! Queries and their answers.

use alloc::string::{String, ToString};
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::message::{self, Filters, Message, QueryResponse, Relay, SerfMessage};
use crate::wire::native::{PacketWriter, append_message, read_packet};
use crate::{CommandError, LamportTime, Query, QueryFlags, QueryParams, RespondError, Wire};

const SECOND: Duration = Duration::from_secs(1);

fn packet(message: SerfMessage<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    assert!(writer.push(&Message::Serf(message)));
    writer.finish();
    buf
}

impl Cluster {
    fn query(&mut self, from: usize, params: &QueryParams) -> QueryKey {
        let now = self.now;
        self.nodes[from]
            .query("load", b"1m", params, now)
            .expect("the query is accepted")
    }

    /// The queries that `at` was asked.
    fn asked(&self, at: usize) -> Vec<Query> {
        let events = self.events.iter().filter(|(n, _)| *n == at);
        events
            .filter_map(|(_, event)| match event {
                Event::Query(query) => Some(query.clone()),
                _ => None,
            })
            .collect()
    }

    /// Everybody who was asked answers with its number.
    fn answer(&mut self, query: QueryKey) {
        let now = self.now;
        for n in 0..self.nodes.len() {
            if self.asked(n).iter().any(|asked| asked.key == query) {
                let sent = self.nodes[n].respond(query, n.to_string().as_bytes(), now);
                assert_eq!(sent, Ok(()), "at node-{n}");
            }
        }
    }

    /// Who has answered what, and who has acked, in order.
    fn answers(&self) -> (Vec<(Name, Vec<u8>)>, Vec<Name>) {
        let (mut responses, mut acks) = (vec![], vec![]);
        for (_, _, answer) in &self.answers {
            match answer.clone() {
                Answer::Ack { from } => acks.push(from),
                Answer::Response { from, payload } => responses.push((from, payload.to_vec())),
            }
        }
        responses.sort();
        acks.sort();
        (responses, acks)
    }
}

fn expected(nodes: impl IntoIterator<Item = usize>) -> Vec<(Name, Vec<u8>)> {
    let answer = |n: usize| (name(n), n.to_string().into_bytes());
    nodes.into_iter().map(answer).collect()
}

#[test]
fn a_query_reaches_everybody_once_and_every_answer_comes_back() {
    let mut cluster = Cluster::joined(5, Config::lan());
    let key = cluster.query(2, &QueryParams::default());
    cluster.run(SECOND);
    for n in 0..5 {
        let asked = cluster.asked(n);
        let [query] = &asked[..] else {
            panic!("node-{n} was asked {asked:?}");
        };
        assert_eq!((&*query.name, &*query.payload), ("load", &b"1m"[..]));
        assert_eq!(query.source_name, Some(name(2)));
    }
    cluster.answer(key);
    cluster.run(SECOND);
    assert_eq!(cluster.answers(), (expected(0..5), vec![]));
    assert_eq!(cluster.ended, []);
    cluster.run(2 * SECOND);
    let [(2, ended, summary)] = cluster.ended[..] else {
        panic!("the query should end once: {:?}", cluster.ended);
    };
    assert_eq!((ended, summary.responses, summary.acks), (key, 5, 0));
    assert_eq!(cluster.nodes[2].queues().queries.depth, 0);
}

#[test]
fn only_those_that_pass_the_filters_are_asked_and_acks_come_from_them_at_once() {
    let mut cluster = Cluster::joined(4, Config::lan());
    for n in [1, 3] {
        let now = cluster.now;
        let set = cluster.nodes[n].set_tags(&tags(&[("role", "web-eu")]), now);
        assert!(set.is_ok());
    }
    let params = QueryParams {
        filter_nodes: vec![name(0), name(1), name(2)],
        filter_tags: [("role".into(), "^web".into())].into(),
        request_ack: true,
        ..QueryParams::default()
    };
    let key = cluster.query(0, &params);
    cluster.run(SECOND);
    assert_eq!(cluster.answers(), (vec![], vec![name(1)]));
    cluster.answer(key);
    cluster.run(SECOND);
    assert_eq!(cluster.answers(), (expected([1]), vec![name(1)]));
}

#[test]
fn relayed_answers_count_once() {
    let mut cluster = Cluster::joined(5, Config::lan());
    let params = QueryParams {
        request_ack: true,
        relay_factor: 3,
        ..QueryParams::default()
    };
    let key = cluster.query(0, &params);
    cluster.run(SECOND);
    cluster.answer(key);
    cluster.run(4 * SECOND);
    assert_eq!(
        cluster.answers(),
        (expected(0..5), (0..5).map(name).collect())
    );
    let summary = cluster.ended[0].2;
    assert_eq!((summary.acks, summary.responses), (5, 5));
    // Of each ack and each response of the four others, three copies more.
    assert_eq!(summary.duplicates, 4 * 2 * 3);
    let relayed: u64 = cluster.nodes.iter().map(|it| it.counters().relayed).sum();
    assert_eq!(relayed, 4 * 2 * 3);
}

/// What fills up an answer has been told to the asker, which knows the query best of all. With few
/// transmissions allowed, none was left for those who had not heard of it.
#[test]
fn an_answer_is_alone_in_its_packet() {
    let mut cluster = Cluster::joined(5, Config::local());
    cluster.record = true;
    let params = QueryParams {
        request_ack: true,
        relay_factor: 1,
        ..QueryParams::default()
    };
    let key = cluster.query(0, &params);
    cluster.run(SECOND);
    cluster.answer(key);
    cluster.run(SECOND);
    let mut answers = 0;
    for (from, to, bytes) in &cluster.recorded {
        let messages: Vec<_> = read_packet(bytes).expect("a packet").flatten().collect();
        let answer = |message: &Message<'_>| {
            use SerfMessage::{QueryResponse, Relay};
            matches!(message, Message::Serf(QueryResponse(_) | Relay(_)))
        };
        if messages.iter().any(answer) {
            answers += 1;
            assert_eq!(messages.len(), 1, "{from} to {to}: {messages:?}");
        }
    }
    assert!(answers > 0);
}

#[test]
fn an_answer_gets_through_relays_where_the_direct_way_is_lossy() {
    let mut cluster = Cluster::joined(5, Config::lan());
    let params = QueryParams {
        relay_factor: 2,
        ..QueryParams::default()
    };
    let key = cluster.query(0, &params);
    cluster.run(SECOND);
    cluster.deaf.insert((3, 0));
    cluster.answer(key);
    cluster.run(SECOND);
    assert_eq!(cluster.answers().0, expected(0..5));
}

#[test]
fn an_answer_is_sent_once_and_in_time_or_not_at_all() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let params = QueryParams {
        timeout: Some(2 * SECOND),
        ..QueryParams::default()
    };
    let (first, second) = (cluster.query(0, &params), cluster.query(0, &params));
    cluster.run(SECOND);
    let now = cluster.now;
    let it = &mut cluster.nodes[1];
    let too_large = it.respond(first, &[0; 1200], now);
    assert!(matches!(too_large, Err(RespondError::TooLarge(_))));
    assert_eq!(it.respond(first, b"a", now), Ok(()));
    assert_eq!(it.respond(first, b"a", now), Err(RespondError::AlreadySent));
    cluster.run(3 * SECOND);
    let now = cluster.now;
    let late = cluster.nodes[1].respond(second, b"a", now);
    assert_eq!(late, Err(RespondError::PastDeadline));
    assert_eq!(cluster.answers().0, [(name(1), b"a".to_vec())]);
    assert_eq!(cluster.ended.len(), 2);
}

#[test]
fn an_answer_after_the_deadline_is_dropped_and_counted() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let key = cluster.query(0, &QueryParams::default());
    cluster.run(4 * SECOND);
    let late = QueryResponse {
        ltime: key.ltime,
        id: key.id,
        from: "node-1".into(),
        flags: 0,
        payload: b"late",
    };
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(1), &packet(SerfMessage::QueryResponse(late)), now);
    cluster.run(SECOND);
    assert_eq!(cluster.answers().0, []);
    assert_eq!(cluster.nodes[0].counters().dropped_late_responses, 1);
}

#[test]
fn s_29_a_query_from_the_far_future_is_dropped_and_moves_no_clock() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    let before = lone.query_time();
    for (id, ltime) in [u64::MAX, u64::MAX - 1, 1 << 62].into_iter().enumerate() {
        let asked = packet(SerfMessage::Query(message::Query {
            ltime: LamportTime::new(ltime),
            id: id as u32,
            source: addr(1),
            source_name: "node-1".into(),
            filters: Filters::default(),
            flags: QueryFlags::ACK,
            relay_factor: 0,
            timeout: SECOND,
            name: "load",
            payload: b"",
        }));
        lone.handle_datagram(addr(1), &asked, Instant::ZERO);
    }
    assert_eq!(lone.query_time(), before);
    assert_eq!(lone.counters().dropped_implausible, 3);
    assert_eq!(lone.counters().queries, 0);
}

#[test]
fn an_asker_that_has_heard_enough_ends_its_query() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let key = cluster.query(0, &QueryParams::default());
    cluster.run(SECOND);
    let now = cluster.now;
    cluster.nodes[0].end_query(key, now);
    cluster.nodes[0].end_query(key, now);
    cluster.answer(key);
    cluster.run(SECOND);
    assert_eq!(cluster.ended.len(), 1);
    assert_eq!(cluster.answers().0, []);
}

#[test]
fn internal_queries_are_not_shown_to_the_application() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let params = QueryParams {
        request_ack: true,
        ..QueryParams::default()
    };
    let now = cluster.now;
    for name in ["_serf_ping", "_serf_whatever"] {
        let asked = cluster.nodes[0].query(name, b"", &params, now);
        assert!(asked.is_ok());
    }
    cluster.run(SECOND);
    for n in 0..3 {
        assert_eq!(cluster.asked(n), []);
    }
    assert_eq!(cluster.answers().1.len(), 2 * 3);
}

#[test]
fn nothing_but_answers_is_relayed() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let mut inner = Vec::new();
    append_message(&mut inner, &Message::Nack(message::Nack { seq: 1 }));
    for message in [&inner[..], b"", b"garbage"] {
        let relay = Relay {
            dest: addr(0),
            dest_name: "node-0".into(),
            message,
        };
        let now = cluster.now;
        cluster.nodes[1].handle_datagram(addr(0), &packet(SerfMessage::Relay(relay)), now);
    }
    let counters = cluster.nodes[1].counters();
    assert_eq!((counters.relayed, counters.dropped_malformed), (0, 3));
}

/// The datagrams that a node sends now.
fn sent(it: &mut Node) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    let mut buf = Vec::new();
    loop {
        buf.clear();
        match it.poll_action(&mut buf) {
            Action::SendDatagram { to } => sent.push((to, buf.clone())),
            Action::Wait(_) => return sent,
            _ => {}
        }
    }
}

/// It has moved, say. There is no checksum on the memberlist wire that a stranger is sure to
/// understand.
#[test]
fn an_asker_that_nobody_knows_is_answered_on_the_native_wire_if_it_understands_that() {
    for (flags, native) in [
        (QueryFlags::ACK, false),
        (QueryFlags::ACK | QueryFlags::NATIVE, true),
    ] {
        let asked = packet(SerfMessage::Query(message::Query {
            ltime: LamportTime::new(1),
            id: 1,
            source: addr(9),
            source_name: "node-1".into(),
            filters: Filters::default(),
            flags,
            relay_factor: 1,
            timeout: SECOND,
            name: "load",
            payload: b"",
        }));
        let mut cluster = Cluster::joined(2, Config::lan());
        let now = cluster.now;
        cluster.nodes[0].handle_datagram(addr(1), &asked, now);
        let answers = sent(&mut cluster.nodes[0]);
        let direct = answers.iter().find(|(to, _)| *to == addr(9));
        let (_, bytes) = direct.expect("it is answered");
        assert_eq!(Wire::of(bytes[0]), Some(wire(native)));
        // So does the one through whom it also travels.
        let (_, relay) = answers
            .iter()
            .find(|(to, _)| *to == addr(1))
            .expect("it is relayed");
        cluster.nodes[1].handle_datagram(addr(0), relay, now);
        let passed_on = sent(&mut cluster.nodes[1]);
        let (_, bytes) = passed_on
            .iter()
            .find(|(to, _)| *to == addr(9))
            .expect("it is passed on");
        assert_eq!(Wire::of(bytes[0]), Some(wire(native)));
    }
}

fn wire(native: bool) -> Wire {
    match native {
        true => Wire::Native,
        false => Wire::Memberlist,
    }
}

#[test]
fn a_query_that_cannot_be_asked_is_refused_with_the_reason() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let now = cluster.now;
    let it = &mut cluster.nodes[0];
    let time = it.query_time();
    let too_large = it.query("load", &[0; 1100], &QueryParams::default(), now);
    assert!(matches!(too_large, Err(CommandError::TooLarge(_))));
    let filter = |pattern: &str| QueryParams {
        filter_tags: [("role".into(), pattern.into())].into(),
        ..QueryParams::default()
    };
    let bad = it.query("load", b"", &filter("("), now);
    assert_eq!(
        bad.expect_err("it is refused").to_string(),
        "the filter '(' on the tag 'role' is not a regular expression (RE2 syntax), or too large"
    );
    let many = QueryParams {
        filter_tags: (0..17).map(|n| (n.to_string(), "x".into())).collect(),
        ..QueryParams::default()
    };
    let many = it.query("load", b"", &many, now);
    let (count, limit) = (17, 16);
    assert_eq!(many, Err(CommandError::TooManyFilters { count, limit }));
    assert_eq!(it.query_time(), time, "nothing has changed");
}

#[test]
fn the_estimated_round_trip_approaches_the_real_one() {
    let mut cluster = Cluster::joined(4, Config::lan());
    cluster.run(300 * SECOND);
    for n in 1..4 {
        let rtt = cluster.nodes[0]
            .rtt(&name(0), &name(n))
            .expect("both are known");
        // A millisecond each way.
        let error = rtt.abs_diff(Duration::from_millis(2));
        assert!(error < Duration::from_micros(500), "{rtt:?}");
    }
    assert!(cluster.nodes[0].rtt("node-0", "nobody").is_none());
}

#[test]
fn coordinates_can_be_switched_off() {
    let config = Config {
        coordinates: false,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(2, config);
    cluster.run(10 * SECOND);
    assert_eq!(cluster.nodes[0].coordinate("node-0"), None);
    assert_eq!(cluster.nodes[0].coordinate("node-1"), None);
    assert_eq!(cluster.nodes[0].counters().dropped_coordinates, 0);
}

proptest! {
    #[test]
    fn what_is_accepted_stays_within_the_limits_and_fits_in_a_packet(
        name in "[a-z]{0,40}",
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        filters in prop::collection::btree_map("[a-z]{1,8}", "[a-z]{0,60}", 0..18),
        answer in prop::collection::vec(any::<u8>(), 0..1400),
        relay_factor in 0..3_u8,
        budget in 508..1500_usize,
    ) {
        let config = Config { packet_budget: budget, ..Config::lan() };
        let mut cluster = Cluster::joined(3, config);
        let params = QueryParams {
            filter_tags: filters.keys().map(|key| (key.clone(), String::new())).collect(),
            relay_factor,
            ..QueryParams::default()
        };
        let now = cluster.now;
        let asked = cluster.nodes[0].query(&name, &payload, &params, now);
        let Ok(key) = asked else {
            return Ok(());
        };
        prop_assert!(payload.len() + name.len() < 1024.min(budget));
        cluster.run(SECOND);
        prop_assert_eq!(cluster.asked(1).len(), 1, "what is accepted arrives");
        let now = cluster.now;
        if cluster.nodes[1].respond(key, &answer, now).is_ok() {
            prop_assert!(answer.len() < 1024.min(budget));
            cluster.run(SECOND);
            prop_assert_eq!(cluster.answers().0, [(super::name(1), answer)]);
        }
    }
}
