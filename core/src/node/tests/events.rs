//! User events.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::message::{self, Alive, Message, SerfMessage};
use crate::wire::native::{PacketWriter, read_packet};
use crate::{CommandError, LamportTime, SizeError, Versions};

const SECOND: Duration = Duration::from_secs(1);

fn event<'a>(ltime: u64, name: &'a str, payload: &'a [u8]) -> message::UserEvent<'a> {
    let ltime = LamportTime::new(ltime);
    message::UserEvent {
        ltime,
        name,
        payload,
        coalesce: false,
    }
}

fn packet(event: message::UserEvent<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    assert!(writer.push(&Message::Serf(SerfMessage::UserEvent(event))));
    writer.finish();
    buf
}

impl Cluster {
    /// The names of the user events that `at` had, in the order of delivery.
    fn heard(&self, at: usize) -> Vec<&str> {
        let heard = self.events.iter().filter(|(n, _)| *n == at);
        heard
            .filter_map(|(_, event)| match event {
                Event::User(event) => Some(&*event.name),
                _ => None,
            })
            .collect()
    }

    fn send(&mut self, from: usize, name: &str) {
        let now = self.now;
        self.nodes[from]
            .user_event(name, b"", false, now)
            .expect("the event is accepted");
    }
}

/// The freshly dead are told, too. Were that counted, those few who are left would often miss it.
#[test]
fn after_a_mass_crash_an_event_still_reaches_the_one_who_is_left() {
    let mut cluster = Cluster::joined(8, Config::lan());
    cluster.down.extend(2..8);
    while cluster.nodes[0].alive_count() > 2 || cluster.nodes[1].alive_count() > 2 {
        cluster.run(SECOND);
    }
    for said in 1..=10 {
        cluster.send(0, "still here?");
        cluster.run(2 * SECOND);
        assert_eq!(cluster.heard(1).len(), said);
    }
    cluster.run(5 * SECOND);
    assert_eq!(cluster.nodes[0].queues().events.depth, 0);
}

/// So are those who are suspected, and most of them will be dead.
#[test]
fn right_after_a_mass_crash_an_event_reaches_the_one_who_is_left_as_well() {
    let config = Config {
        suspicion_mult: 200,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(8, config);
    cluster.down.extend(2..8);
    // All are probed, and none is held for dead yet.
    cluster.run(100 * SECOND);
    let suspicions = cluster.nodes[0].counters().suspicions;
    assert_eq!((suspicions, cluster.nodes[0].alive_count()), (6, 8));
    for said in 1..=3 {
        cluster.send(0, "still here?");
        cluster.run(SECOND);
        assert_eq!(cluster.heard(1).len(), said);
    }
}

/// In a large cluster the next exchange of state, which brings it, may be minutes away.
#[test]
fn an_event_that_gossip_missed_comes_soon_after_the_next_one() {
    const COUNT: usize = 40;
    const DEAF: [usize; 6] = [5, 9, 12, 20, 30, 38];
    let mut cluster = Cluster::joined(COUNT, Config::lan());
    // The early exchanges after a join are over.
    cluster.run(120 * SECOND);
    for deaf in DEAF {
        cluster.events.clear();
        cluster.deaf.extend((0..COUNT).map(|from| (from, deaf)));
        cluster.send(0, "lost");
        cluster.run(2 * SECOND);
        cluster.deaf.clear();
        cluster.send(0, "seen");
        cluster.run(10 * SECOND);
        let mut heard = cluster.heard(deaf);
        heard.sort_unstable();
        assert_eq!(heard, ["lost", "seen"], "at node-{deaf}");
    }
    // A regular exchange may happen to come before the node looks.
    let gaps = |n: usize| cluster.nodes[n].counters().event_gaps;
    assert!(DEAF.iter().all(|&deaf| gaps(deaf) <= 1));
    assert!(DEAF.iter().filter(|&&deaf| gaps(deaf) == 1).count() >= 3);
    let others = (0..COUNT).filter(|n| !DEAF.contains(n));
    let gaps: u64 = others.map(gaps).sum();
    assert_eq!(gaps, 0, "events that come out of order are none");
}

/// They are as many as the pings that come, and those may be from anybody.
#[test]
fn one_ack_in_a_gossip_interval_carries_news() {
    let mut cluster = Cluster::joined(2, Config::lan());
    cluster.send(0, "news");
    let (target, asker) = (name(0), name(1));
    let ping = Message::Ping(message::Ping {
        seq: 7,
        target: (&target).into(),
        source: addr(1),
        source_name: (&asker).into(),
    });
    let ping = super::packet(&ping);
    let mut now = cluster.now;
    let mut with_news = || {
        let node = &mut cluster.nodes[0];
        for _ in 0..5 {
            node.handle_datagram(addr(1), &ping, now);
        }
        now = now + Config::lan().gossip_interval;
        let (mut acks, mut filled) = (0, 0);
        loop {
            let mut bytes = vec![];
            match node.poll_action(&mut bytes) {
                Action::SendDatagram { .. } => {
                    acks += 1;
                    filled += usize::from(bytes.windows(4).any(|part| part == b"news"));
                }
                Action::Wait(_) => return (acks, filled),
                _ => {}
            }
        }
    };
    assert_eq!(with_news(), (5, 1));
    assert_eq!(with_news(), (5, 1));
}

#[test]
fn an_event_that_nobody_has_is_looked_for_once() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    for ltime in [4, 5, 9] {
        let event = packet(event(ltime, "later", b""));
        cluster.nodes[0].handle_datagram(addr(1), &event, now);
    }
    cluster.run(300 * SECOND);
    for node in &cluster.nodes {
        assert!((1..=2).contains(&node.counters().event_gaps));
    }
}

#[test]
fn an_event_reaches_everybody_once_the_sender_included() {
    let mut cluster = Cluster::joined(5, Config::lan());
    cluster.send(2, "deploy");
    cluster.run(60 * SECOND);
    for n in 0..5 {
        assert_eq!(cluster.heard(n), ["deploy"], "at node-{n}");
    }
    assert_eq!(cluster.nodes[2].queues().events.depth, 0);
}

#[test]
fn events_of_the_same_time_from_two_members_are_both_delivered() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let (zero, one) = (cluster.nodes[0].event_time(), cluster.nodes[1].event_time());
    assert_eq!(zero, one);
    cluster.send(0, "a");
    cluster.send(1, "b");
    cluster.run(5 * SECOND);
    for n in 0..2 {
        let mut heard = cluster.heard(n);
        heard.sort_unstable();
        assert_eq!(heard, ["a", "b"], "at node-{n}");
    }
}

#[test]
fn a_join_ignores_the_past_and_a_replaying_join_delivers_it() {
    for (replay, expected) in [(false, vec!["new"]), (true, vec!["old", "new"])] {
        let mut cluster = Cluster::new(3, Config::lan());
        let now = cluster.now;
        cluster.nodes[1]
            .join(&[addr(0)], now)
            .expect("join is accepted");
        cluster.run(5 * SECOND);
        cluster.send(0, "old");
        cluster.run(5 * SECOND);
        let now = cluster.now;
        let joined = match replay {
            true => cluster.nodes[2].join_replaying(&[addr(0)], now),
            false => cluster.nodes[2].join(&[addr(0)], now),
        };
        joined.expect("join is accepted");
        cluster.run(5 * SECOND);
        cluster.send(1, "new");
        cluster.run(5 * SECOND);
        assert_eq!(cluster.heard(2), expected, "replay: {replay}");
        assert_eq!(cluster.heard(0), ["old", "new"]);
    }
}

#[test]
fn what_gossip_did_not_bring_the_next_state_exchange_does() {
    let mut cluster = Cluster::joined(2, Config::lan());
    cluster.deaf.insert((0, 1));
    cluster.send(0, "whispered");
    cluster.run(SECOND);
    assert!(cluster.heard(1).is_empty());
    cluster.run(60 * SECOND);
    assert_eq!(cluster.heard(1), ["whispered"]);
}

/// Of what times node 1 said that it missed them.
fn gaps(cluster: &Cluster) -> Vec<(LamportTime, LamportTime)> {
    let events = cluster.events.iter();
    let gaps = events.filter_map(|(n, event)| match event {
        Event::EventsMissed { from, until } if *n == 1 => Some((*from, *until)),
        _ => None,
    });
    gaps.collect()
}

#[test]
fn whoever_was_away_for_too_long_is_told_what_cannot_be_told_any_more() {
    let config = Config {
        event_buffer: 8,
        stream_ping: false,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(2, config);
    cluster.deaf.insert((0, 1));
    cluster.deaf.insert((1, 0));
    let first = cluster.nodes[0].event_time();
    for n in 0..20 {
        cluster.send(0, &format!("event-{n}"));
    }
    cluster.run(60 * SECOND);
    assert_eq!(gaps(&cluster), [(first, first.after(12))]);
    let expected: Vec<_> = (12..20).map(|n| format!("event-{n}")).collect();
    assert_eq!(cluster.heard(1), expected);
}

#[test]
fn an_event_by_gossip_that_leaps_over_more_than_is_kept_says_so_too() {
    let config = Config {
        event_buffer: 8,
        stream_ping: false,
        ..Config::lan()
    };
    let mut cluster = Cluster::joined(2, config);
    cluster.deaf.insert((0, 1));
    let first = cluster.nodes[0].event_time();
    for n in 0..20 {
        cluster.send(0, &format!("event-{n}"));
    }
    cluster.run(3 * SECOND);
    assert!(cluster.heard(1).is_empty());
    cluster.deaf.clear();
    cluster.send(0, "last");
    cluster.run(60 * SECOND);
    assert_eq!(gaps(&cluster), [(first, first.after(13))]);
    // The next state exchange brings what is kept.
    let kept = (13..20).map(|n| format!("event-{n}"));
    let expected: Vec<_> = core::iter::once("last".into()).chain(kept).collect();
    assert_eq!(cluster.heard(1), expected);
}

/// It was a member under the same name, perhaps, and others gossip to it before it has joined.
#[test]
fn a_node_that_starts_anew_has_not_missed_what_was_before_even_if_gossip_reaches_it_first() {
    let config = Config {
        event_buffer: 8,
        ..Config::lan()
    };
    let mut cluster = Cluster::new(3, config);
    let now = cluster.now;
    cluster.nodes[2]
        .join(&[addr(0)], now)
        .expect("join is accepted");
    cluster.run(5 * SECOND);
    for n in 0..20 {
        cluster.send(0, &format!("event-{n}"));
        cluster.run(SECOND);
    }
    let others = [2, 0].map(|n| Alive {
        incarnation: 1,
        name: (&cluster.nodes[n].name).into(),
        addr: addr(n),
        versions: Versions::CURRENT,
        meta: &[0xff, 0x80, 0xc1, 0xb1],
    });
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    for alive in others {
        assert!(writer.push(&Message::Alive(alive)));
    }
    let late = cluster.nodes[0].event_time().before(1).get();
    let late = event(late, "event-19", b"");
    assert!(writer.push(&Message::Serf(SerfMessage::UserEvent(late))));
    writer.finish();
    let now = cluster.now;
    cluster.nodes[1].handle_datagram(addr(2), &buf, now);
    cluster.run(60 * SECOND);
    assert!(cluster.nodes[1].member_count() == 3 && cluster.heard(1).contains(&"event-19"));
    assert_eq!(gaps(&cluster), []);
}

#[test]
fn an_event_that_is_too_large_is_refused_with_its_size_and_the_limit() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    let error = lone.user_event("deploy", &[0; 507], false, Instant::ZERO);
    let expected = SizeError::UserEvent {
        size: 513,
        limit: 512,
    };
    assert_eq!(error, Err(CommandError::TooLarge(expected)));
    // Nor one that is within the limit, but never fits in a packet.
    let config = Config {
        user_event_size_limit: 9216,
        ..Config::lan()
    };
    let mut lone = node(0, config, 1, Instant::ZERO);
    let error = lone.user_event("deploy", &[0; 2000], false, Instant::ZERO);
    assert!(matches!(error, Err(CommandError::TooLarge(_))), "{error:?}");
    assert_eq!(lone.counters().user_events, 0);
}

#[test]
fn s_29_an_event_from_the_far_future_is_dropped_and_moves_no_clock() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    let before = lone.event_time();
    for ltime in [u64::MAX, u64::MAX - 1, 1 << 62] {
        lone.handle_datagram(addr(1), &packet(event(ltime, "x", b"")), Instant::ZERO);
    }
    assert_eq!(lone.event_time(), before);
    assert_eq!(lone.counters().dropped_implausible, 3);
    assert_eq!(lone.counters().user_events, 0);
}

/// A storm of announcements fills every packet; an event gets its share of the first one.
#[test]
fn s_23_a_storm_of_membership_changes_does_not_silence_events_nor_events_the_storm() {
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    let names: Vec<Name> = (0..500).map(name).collect();
    for chunk in names[1..].chunks(20) {
        let mut buf = Vec::new();
        let mut writer = PacketWriter::new(&mut buf, 1400);
        for name in chunk {
            // No tags, and the native wire is understood.
            let (versions, meta) = (Versions::CURRENT, &[0xff, 0x80, 0xc1, 0xb1][..]);
            let (name, addr) = (name.into(), addr(1));
            let alive = Alive {
                incarnation: 1,
                name,
                addr,
                versions,
                meta,
            };
            assert!(writer.push(&Message::Alive(alive)));
        }
        writer.finish();
        lone.handle_datagram(addr(1), &buf, Instant::ZERO);
    }
    for n in 0..100 {
        let name = format!("event-{n}");
        lone.user_event(&name, &[0; 40], false, Instant::ZERO)
            .expect("the event is accepted");
    }
    lone.handle_tick(Instant::from_millis(500));
    let mut packets = 0;
    let mut buf = Vec::new();
    loop {
        buf.clear();
        match lone.poll_action(&mut buf) {
            Action::SendDatagram { .. } => {
                let messages: Vec<_> = read_packet(&buf).expect("a packet").flatten().collect();
                let is_event = |m: &&Message<'_>| matches!(m, Message::Serf(_));
                let events = messages.iter().filter(is_event).count();
                assert!(
                    events >= 4,
                    "{events} events of {} messages",
                    messages.len()
                );
                assert!(messages.len() - events >= 15, "{} messages", messages.len());
                packets += 1;
            }
            Action::Wait(_) => break,
            _ => {}
        }
    }
    assert!(packets >= 3, "a round of gossip");
}

proptest! {
    #[test]
    fn each_event_is_delivered_at_most_once_in_any_order_and_number(
        order in prop::collection::vec((1u64..20, 0u8..3), 1..100),
    ) {
        let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
        let mut delivered = BTreeSet::new();
        let mut buf = Vec::new();
        for &(ltime, origin) in &order {
            let name = format!("from-{origin}");
            lone.handle_datagram(addr(1), &packet(event(ltime, &name, b"")), Instant::ZERO);
            loop {
                buf.clear();
                match lone.poll_action(&mut buf) {
                    Action::Event(Event::User(event)) => {
                        prop_assert!(delivered.insert((event.ltime, event.name.clone())));
                    }
                    Action::Wait(_) => break,
                    _ => {}
                }
            }
        }
        let sent: BTreeSet<_> = order.iter().collect();
        prop_assert_eq!(delivered.len(), sent.len(), "and every one that is not too old");
    }
}
