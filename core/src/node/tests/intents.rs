//! Join and leave intents, force-leave and prune.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::message::{Accusation, Alive, JoinIntent, LeaveIntent, Message, SerfMessage};
use crate::wire::native::PacketWriter;
use crate::{Cause, Intent, LamportTime, Versions};

const SECOND: Duration = Duration::from_secs(1);
/// Long enough for a failure to be noticed by all of a few nodes.
const DETECTION: Duration = Duration::from_secs(30);

fn packet(messages: &[Message<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    for message in messages {
        assert!(writer.push(message));
    }
    writer.finish();
    buf
}

fn leave(node: &str, ltime: u64, prune: bool) -> Message<'_> {
    Message::Serf(SerfMessage::LeaveIntent(LeaveIntent {
        ltime: LamportTime::new(ltime),
        node: node.into(),
        prune,
    }))
}

fn join(node: &str, ltime: u64) -> Message<'_> {
    Message::Serf(SerfMessage::JoinIntent(JoinIntent {
        ltime: LamportTime::new(ltime),
        node: node.into(),
    }))
}

fn alive(name: &str, incarnation: u32) -> Message<'_> {
    Message::Alive(Alive {
        incarnation,
        name: name.into(),
        addr: addr(77),
        versions: Versions::CURRENT,
        meta: &[],
    })
}

fn dead<'a>(name: &'a str, from: &'a str) -> Message<'a> {
    Message::Dead(Accusation {
        incarnation: 1,
        name: name.into(),
        from: from.into(),
    })
}

impl Cluster {
    fn hear(&mut self, at: usize, message: Message<'_>) {
        let now = self.now;
        self.nodes[at].handle_datagram(addr(77), &packet(&[message]), now);
    }

    fn force_leave(&mut self, at: usize, member: usize, prune: bool) {
        let now = self.now;
        self.nodes[at]
            .force_leave(&name(member), prune, now)
            .expect("force-leave is accepted");
    }

    /// Nobody has anything left to spread.
    fn is_quiet(&self) -> bool {
        self.nodes.iter().all(|node| {
            let queues = node.queues();
            queues.intents.depth + queues.members.depth == 0
        })
    }
}

#[test]
fn everybody_hears_of_a_join_and_when_it_was() {
    let cluster = Cluster::joined(3, Config::lan());
    for n in 0..3 {
        for member in 1..3 {
            let member = cluster.nodes[n].member(&name(member)).expect("known");
            assert!(member.intent() > Intent::NONE && !member.intent().is_leave());
        }
        assert!(cluster.nodes[n].member_time() > LamportTime::new(1));
    }
}

#[test]
fn a_member_that_leaves_is_leaving_before_it_has_left() {
    let mut cluster = Cluster::joined(3, Config::lan());
    let now = cluster.now;
    cluster.nodes[2].leave(now).expect("leave is accepted");
    let mut seen = vec![];
    for _ in 0..40 {
        cluster.run(SECOND / 10);
        let status = cluster.status(0, 2).expect("known");
        if seen.last() != Some(&status) {
            seen.push(status);
        }
    }
    assert_eq!(seen, [Status::Leaving, Status::Left]);
    assert_eq!(cluster.kinds(0, 2), [MemberEventKind::Leave]);
}

#[test]
fn a_member_that_dies_while_it_leaves_has_left() {
    let mut cluster = Cluster::joined(2, Config::lan());
    cluster.hear(0, leave("node-1", 100, false));
    cluster.down.insert(1);
    cluster.run(DETECTION);
    assert_eq!(cluster.status(0, 1), Some(Status::Left));
    assert_eq!(cluster.kinds(0, 1), [MemberEventKind::Leave]);
}

#[test]
fn s_12_a_forced_leave_of_a_live_member_is_refuted_by_it() {
    for prune in [false, true] {
        let mut cluster = Cluster::joined(4, Config::lan());
        cluster.force_leave(0, 2, prune);
        assert_eq!(cluster.status(0, 2), Some(Status::Leaving));
        cluster.run(30 * SECOND);
        for n in 0..4 {
            assert_eq!(cluster.status(n, 2), Some(Status::Alive), "at node-{n}");
            assert_eq!(cluster.kinds(n, 2), [], "at node-{n}");
        }
        assert!(cluster.is_quiet());
        assert_eq!(cluster.nodes[2].counters().refutations, 1);
    }
}

#[test]
fn a_forced_leave_says_who_asked_for_it_where_that_was() {
    let mut cluster = Cluster::joined(3, Config::lan());
    cluster.down.insert(2);
    cluster.run(DETECTION);
    cluster.events.clear();
    cluster.force_leave(0, 2, false);
    cluster.run(5 * SECOND);
    let cause = |at| {
        let mut events = cluster.events.iter().filter(|(n, _)| *n == at);
        events.find_map(|(_, event)| match event {
            Event::Member(event) => Some(event.cause.clone()),
            _ => None,
        })
    };
    assert_eq!(cause(0), Some(Cause::ForceLeft { by: name(0) }));
    assert_eq!(cause(1), Some(Cause::Departed));
}

#[test]
fn s_12_a_pruned_member_is_forgotten_by_all_and_stays_so() {
    let mut cluster = Cluster::joined(4, Config::lan());
    cluster.down.insert(3);
    cluster.run(DETECTION);
    cluster.force_leave(0, 3, true);
    // News of it from before are still about.
    cluster.hear(1, dead("node-3", "node-2"));
    cluster.run(3 * 60 * SECOND);
    for n in 0..3 {
        assert_eq!(cluster.status(n, 3), None, "at node-{n}");
    }
    assert!(cluster.is_quiet());
}

#[test]
fn s_11_leaves_of_every_kind_end_in_silence() {
    let mut cluster = Cluster::joined(4, Config::lan());
    for run in 0..3 {
        let now = cluster.now;
        cluster.nodes[3].leave(now).expect("leave is accepted");
        cluster.force_leave(0, 3, false);
        cluster.force_leave(1, 3, false);
        cluster.hear(2, leave("node-3", 50 + run, false));
        cluster.run(30 * SECOND);
        assert!(cluster.is_quiet(), "in run {run}");
        let now = cluster.now;
        cluster.nodes[3] = node(3, Config::lan(), 2 + run as u8, now);
        cluster.nodes[3].join(&[addr(0)], now).expect("it can join");
        cluster.run(30 * SECOND);
        assert!(cluster.is_quiet(), "in run {run}");
        for n in 0..4 {
            assert_eq!(cluster.status(n, 3), Some(Status::Alive), "at node-{n}");
        }
    }
    let sent = cluster.sent;
    cluster.run(10 * SECOND);
    // Nothing but probes (a ping and an ack each second) and state exchanges.
    assert!(cluster.sent - sent < 4 * 2 * 12 + 4 * 8);
}

#[test]
fn s_29_a_poisoned_member_clock_is_refused_and_counted() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let before = cluster.nodes[0].member_time();
    for ltime in [u64::MAX, 1 << 63, 1 << 40] {
        cluster.hear(0, leave("node-1", ltime, true));
        cluster.hear(0, join("nobody", ltime));
    }
    assert_eq!(cluster.nodes[0].member_time(), before);
    assert_eq!(cluster.status(0, 1), Some(Status::Alive));
    assert_eq!(cluster.nodes[0].counters().dropped_implausible, 6);
}

#[test]
fn intents_that_were_missed_come_with_the_next_state_exchange() {
    let mut cluster = Cluster::joined(3, Config::lan());
    cluster.down.insert(2);
    cluster.run(DETECTION);
    for (a, b) in [(0, 1), (1, 0)] {
        cluster.deaf.insert((a, b));
    }
    cluster.force_leave(0, 2, false);
    cluster.run(2 * 60 * SECOND);
    assert_eq!(cluster.status(1, 2), Some(Status::Left));
}

#[test]
fn forced_leaves_of_names_that_nobody_has_or_can_have() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let now = cluster.now;
    assert!(cluster.nodes[0].force_leave("nobody", false, now).is_ok());
    let refused = cluster.nodes[0].force_leave("", false, now);
    assert!(refused.is_err());
    cluster.run(10 * SECOND);
    assert_eq!(cluster.completions(), [(0, true)]);
    assert!(cluster.is_quiet());
}

/// What may be heard of one member.
#[derive(Debug, Clone, Copy)]
enum Word {
    Join(u64),
    Leave(u64),
}

impl Word {
    fn intent(self) -> Intent {
        match self {
            Self::Join(ltime) => Intent::join(LamportTime::new(ltime)),
            Self::Leave(ltime) => Intent::leave(LamportTime::new(ltime)),
        }
    }

    fn message(self) -> Message<'static> {
        match self {
            Self::Join(ltime) => join("m", ltime),
            Self::Leave(ltime) => leave("m", ltime, false),
        }
    }
}

proptest! {
    #[test]
    fn intents_in_any_order_and_multiplicity_lead_every_node_to_the_same_status(
        words in prop::collection::vec(
            prop_oneof![(1..6_u64).prop_map(Word::Join), (1..6_u64).prop_map(Word::Leave)],
            1..8,
        ),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..16),
        // Where in all that the member itself shows up, and whether it is dead.
        shows_up in any::<prop::sample::Index>(),
        failed in any::<bool>(),
    ) {
        let start = Instant::from_millis(1_000);
        let mut it = node(0, Config::lan(), 1, start);
        let mut heard: Vec<Word> = order.iter().map(|index| *index.get(&words)).collect();
        heard.extend(&words);
        let at = shows_up.index(heard.len() + 1);
        for (i, word) in heard.iter().map(Some).chain([None]).enumerate() {
            if i == at {
                it.handle_datagram(addr(77), &packet(&[alive("m", 1)]), start);
                if failed {
                    it.handle_datagram(addr(77), &packet(&[dead("m", "x")]), start);
                }
            }
            if let Some(word) = word {
                it.handle_datagram(addr(77), &packet(&[word.message()]), start);
            }
        }
        let latest = words.iter().map(|word| word.intent()).max().expect("there is one");
        let expected = match (failed, latest.is_leave()) {
            (false, false) => Status::Alive,
            (false, true) => Status::Leaving,
            (true, false) => Status::Failed,
            (true, true) => Status::Left,
        };
        let member = it.member("m").expect("known");
        prop_assert_eq!((member.status(), member.intent()), (expected, latest));
    }
}

#[test]
fn who_missed_its_forced_leave_hears_of_it_from_those_it_speaks_to() {
    let mut cluster = Cluster::joined(4, Config::lan());
    let others = [0, 1, 3];
    cluster.deaf.extend(others.map(|n| (n, 2)));
    cluster.force_leave(0, 2, false);
    cluster.run(2 * SECOND);
    assert!(cluster.is_quiet(), "the gossip is over");
    assert_eq!(cluster.status(3, 2), Some(Status::Leaving));
    cluster.deaf.clear();
    // Long before the next state exchange.
    cluster.run(5 * SECOND);
    for n in others {
        assert_eq!(cluster.status(n, 2), Some(Status::Alive), "at node-{n}");
    }
}

#[test]
fn a_member_repeats_its_word_to_whoever_holds_an_older_one() {
    let mut cluster = Cluster::joined(2, Config::lan());
    cluster.hear(1, leave("node-1", 60, false));
    cluster.run(30 * SECOND);
    assert!(cluster.is_quiet());
    let intent = cluster.nodes[0].member("node-1").expect("known").intent();
    assert_eq!(intent, Intent::join(LamportTime::new(61)));
    cluster.hear(1, leave("node-1", 60, false));
    assert_eq!(cluster.nodes[1].queues().intents.depth, 1);
    assert_eq!(cluster.nodes[1].local().intent(), intent);
}
