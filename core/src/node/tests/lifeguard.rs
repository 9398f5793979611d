//! Each part of Lifeguard does what it is for, and nothing when it is off.

use super::*;
use crate::Lifeguard;
use crate::message::{Accusation, Message};
use crate::wire::native::{PacketWriter, read_packet};

const SECOND: Duration = Duration::from_secs(1);

const NO_PROBE: Lifeguard = Lifeguard {
    probe: false,
    ..Lifeguard::ON
};

fn config(lifeguard: Lifeguard) -> Config {
    Config {
        lifeguard,
        ..Config::lan()
    }
}

/// Accuses `accused` at incarnation 1 towards node 0, in the name of `accuser`.
fn accuse(cluster: &mut Cluster, accused: usize, accuser: usize) {
    say(cluster, false, accused, accuser);
}

fn say(cluster: &mut Cluster, dead: bool, accused: usize, accuser: usize) {
    let (accused, from) = (name(accused), name(accuser));
    let accusation = Accusation {
        incarnation: 1,
        name: (&accused).into(),
        from: (&from).into(),
    };
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    let message = match dead {
        true => Message::Dead(accusation),
        false => Message::Suspect(accusation),
    };
    assert!(writer.push(&message));
    writer.finish();
    let now = cluster.now;
    cluster.nodes[0].handle_datagram(addr(accuser), &buf, now);
}

/// A cluster of eight in which nobody hears node 0 of what it suspects, neither the accused, who would
/// refute, nor others, who would confirm.
fn unheard(lifeguard: Lifeguard) -> Cluster {
    let lonely = Config {
        push_pull_interval: Duration::ZERO,
        stream_ping: false,
        ..config(lifeguard)
    };
    let mut cluster = Cluster::joined(8, lonely);
    cluster.deaf.extend((1..8).flat_map(|n| [(0, n), (n, 0)]));
    cluster
}

/// How long a suspicion that nobody confirms lasts, in a cluster of eight, if the one who has it hears so
/// often that it was given up itself.
fn suspicion_lasts(lifeguard: Lifeguard, given_up: usize) -> Duration {
    let mut cluster = unheard(lifeguard);
    // Its own probes confirm nothing, as the accusation is in its own name.
    accuse(&mut cluster, 3, 0);
    for _ in 0..given_up {
        say(&mut cluster, true, 0, 1);
    }
    let start = cluster.now;
    while cluster.status(0, 3) == Some(Status::Alive) {
        cluster.run(Duration::from_millis(100));
    }
    cluster.now.since(start)
}

#[test]
fn an_unconfirmed_suspicion_lasts_longest_with_lifeguard_and_shortest_without() {
    let on = suspicion_lasts(NO_PROBE, 0);
    let off = suspicion_lasts(Lifeguard::OFF, 0);
    assert!(on > 20 * SECOND && on <= 25 * SECOND, "{on:?}");
    assert!(off >= 4 * SECOND && off <= 5 * SECOND, "{off:?}");
}

#[test]
fn whoever_was_given_up_suspects_for_the_shortest_time_more_and_only_once() {
    let before = suspicion_lasts(NO_PROBE, 0);
    for given_up in [1, 5] {
        assert_eq!(suspicion_lasts(NO_PROBE, given_up), before + 4 * SECOND);
    }
    let off = suspicion_lasts(Lifeguard::OFF, 1);
    assert!(off >= 4 * SECOND && off <= 5 * SECOND, "{off:?}");
}

#[test]
fn a_suspicion_that_ends_by_late_confirmations_does_not_look_like_standing_still() {
    let mut cluster = unheard(NO_PROBE);
    accuse(&mut cluster, 3, 0);
    cluster.run(10 * SECOND);
    // With these it would have ended after four seconds.
    for accuser in [1, 2] {
        accuse(&mut cluster, 3, accuser);
    }
    cluster.run(Duration::from_millis(100));
    assert_eq!(cluster.status(0, 3), Some(Status::Failed));
    assert_eq!(cluster.nodes[0].counters().stalls, 0);
}

/// The messages of the first packet that node 0 sends to a member that it suspects.
fn told_with_the_probe(lifeguard: Lifeguard) -> Vec<bool> {
    let mut lone = Cluster::joined(2, config(lifeguard));
    accuse(&mut lone, 1, 1);
    let mut buf = Vec::new();
    loop {
        buf.clear();
        let deadline = match lone.nodes[0].poll_action(&mut buf) {
            Action::Wait(deadline) => deadline.expect("a running node waits for something"),
            Action::SendDatagram { .. } => {
                let messages: Vec<_> = read_packet(&buf).expect("a packet").flatten().collect();
                if let Some(Message::Ping(_)) = messages.first() {
                    let suspects = |m: &Message<'_>| matches!(m, Message::Suspect(_));
                    return messages.iter().map(suspects).collect();
                }
                continue;
            }
            _ => continue,
        };
        lone.nodes[0].handle_tick(deadline);
    }
}

#[test]
fn a_suspected_member_is_told_first_of_all_in_the_buddy_system() {
    assert_eq!(told_with_the_probe(Lifeguard::ON).get(1), Some(&true));
}

/// Of two members that node 0 suspects, or holds as dead, those that are told so first of all by a
/// packet of gossip.
fn told_first_with_gossip(lifeguard: Lifeguard, dead: bool) -> BTreeSet<SocketAddr> {
    let mut lone = Cluster::joined(3, config(lifeguard));
    for accused in [1, 2] {
        accuse(&mut lone, accused, 3 - accused);
    }
    let node = &mut lone.nodes[0];
    let (mut buf, mut told) = (Vec::new(), BTreeSet::new());
    let mut end = lone.now + SECOND;
    loop {
        buf.clear();
        let dead_now = node
            .members()
            .any(|member| member.status() == Status::Failed);
        match node.poll_action(&mut buf) {
            Action::Wait(deadline) => {
                let deadline = deadline.expect("a running node waits for something");
                if dead && !dead_now {
                    end = deadline + SECOND;
                } else if deadline > end {
                    return told;
                }
                node.handle_tick(deadline);
            }
            Action::SendDatagram { to } if dead_now == dead => {
                let mut messages = read_packet(&buf).expect("a packet").flatten();
                let about = match messages.next() {
                    Some(Message::Dead(it)) if dead => it.name,
                    Some(Message::Suspect(it)) if !dead => it.name,
                    _ => continue,
                };
                if (1..3).any(|n| about == name(n) && to == addr(n)) {
                    told.insert(to);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn gossip_tells_whom_it_goes_to_first_of_all_what_it_is_accused_of() {
    for dead in [false, true] {
        let told = told_first_with_gossip(Lifeguard::ON, dead);
        assert_eq!(told, [addr(1), addr(2)].into(), "dead: {dead}");
    }
}

#[test]
fn a_crash_costs_the_others_no_health_as_nacks_come_in_time() {
    for config in [Config::lan(), Config::wan(), Config::local()] {
        let interval = config.probe_interval;
        let mut cluster = Cluster::joined(8, config);
        cluster.down.insert(7);
        cluster.events.clear();
        cluster.run(12 * interval);
        let failed = |node: &Node| node.counters().failed_probes;
        let failed: u64 = cluster.nodes[..7].iter().map(failed).sum();
        assert!(failed > 0, "nobody has probed it");
        let blamed = |(_, event): &&(usize, Event)| matches!(event, Event::HealthChanged { .. });
        let blamed = cluster.events.iter().filter(blamed).count();
        assert_eq!(
            blamed, 0,
            "of {failed} failed probes, interval {interval:?}"
        );
    }
}

/// How often node 0 probes in a minute in which nobody answers it.
fn probes_unanswered(lifeguard: Lifeguard) -> u64 {
    let mut cluster = Cluster::joined(
        5,
        Config {
            stream_ping: false,
            ..config(lifeguard)
        },
    );
    cluster.deaf.extend((1..5).flat_map(|n| [(0, n), (n, 0)]));
    let before = cluster.nodes[0].counters().probes;
    cluster.run(20 * SECOND);
    cluster.nodes[0].counters().probes - before
}

#[test]
fn a_node_that_nobody_answers_probes_less_often_unless_that_is_off() {
    let steady = probes_unanswered(Lifeguard {
        probe: false,
        ..Lifeguard::ON
    });
    assert!((19..=21).contains(&steady), "{steady}");
    let slowed = probes_unanswered(Lifeguard::ON);
    assert!(slowed < 10, "{slowed}");
}
