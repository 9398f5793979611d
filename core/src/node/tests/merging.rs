//! News about a member may come in any order and any number of times.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::member::VersionRange;
use crate::message::{Accusation, Alive, Message, SyncEntry, SyncState};
use crate::serf::intent::Intent;
use crate::swim::record::State;
use crate::wire::native::{PacketWriter, SyncWriter};
use crate::{Counters, LamportTime, Versions, Wires};

#[derive(Debug, Clone, Copy)]
enum News {
    Alive(u32),
    Suspect(u32),
    Dead(u32),
    Left(u32),
}

fn tell(node: &mut Node, news: News) {
    let subject = name(1);
    let reporter = name(2);
    let accusation = |incarnation, from| Accusation {
        incarnation,
        name: (&subject).into(),
        from,
    };
    let message = match news {
        News::Alive(incarnation) => Message::Alive(Alive {
            incarnation,
            name: (&subject).into(),
            addr: addr(1),
            versions: Versions::CURRENT,
            meta: &[0xff, 0x80],
        }),
        News::Suspect(incarnation) => Message::Suspect(accusation(incarnation, (&reporter).into())),
        News::Dead(incarnation) => Message::Dead(accusation(incarnation, (&reporter).into())),
        News::Left(incarnation) => Message::Dead(accusation(incarnation, (&subject).into())),
    };
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1400);
    assert!(writer.push(&message));
    writer.finish();
    node.handle_datagram(addr(2), &buf, Instant::ZERO);
}

/// A peer's side of a state exchange comes.
fn hand_in(node: &mut Node, frame: &[u8]) {
    let id = node.accept_stream(addr(2), Instant::ZERO);
    let id = id.expect("there is room");
    node.handle_stream(id, StreamInput::Data(frame), Instant::ZERO);
}

/// What a peer says of a member at incarnation 1.
fn entry(state: SyncState, name: &Name, addr: SocketAddr) -> SyncEntry<'_> {
    SyncEntry {
        state,
        intent: Intent::NONE,
        alive: Alive {
            incarnation: 1,
            name: name.into(),
            addr,
            versions: Versions::CURRENT,
            meta: &[0xff, 0x80],
        },
    }
}

/// A state exchange in which a peer says what it thinks of member 1, at incarnation 1.
fn exchange(node: &mut Node, state: SyncState) {
    let mut frame = Vec::new();
    let mut writer = SyncWriter::new(&mut frame, false, VersionRange::EMPTY, 1_000);
    assert!(writer.push(&entry(state, &name(1), addr(1))));
    writer.finish(&[]);
    hand_in(node, &frame);
}

#[test]
fn a_state_exchange_makes_a_member_suspected_but_confirms_no_suspicion() {
    let accusers = |node: &Node| {
        let member = node.table.find((&name(1)).into()).expect("it is known");
        let suspicion = node.suspicions.get(member).expect("it is suspected");
        let names = suspicion
            .accusers()
            .map(|by| node.strangers.name(by, &node.table));
        names
            .map(|name| name.expect("all have names").clone())
            .collect::<Vec<_>>()
    };
    let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
    tell(&mut lone, News::Alive(1));
    // Enough others for a suspicion to wait for confirmations.
    for n in 3..9 {
        let other = Identity::new(name(n), addr(n));
        lone.acquaint(&other, Wires::Auto)
            .expect("it can be reached");
    }
    tell(&mut lone, News::Suspect(1));
    exchange(&mut lone, SyncState::Suspect);
    assert_eq!(accusers(&lone), [name(2)]);
    // Whoever declared it dead has waited in vain for it to refute.
    exchange(&mut lone, SyncState::Dead);
    assert_eq!(accusers(&lone), [name(2), name(0)]);

    let mut other = node(0, Config::lan(), 1, Instant::ZERO);
    tell(&mut other, News::Alive(1));
    exchange(&mut other, SyncState::Suspect);
    assert_eq!(accusers(&other), [name(0)]);
}

/// Else it could not confirm that one of them is dead, nor would it learn of one that is not until that refutes.
#[test]
fn a_newcomer_learns_of_members_that_are_suspected_and_of_none_that_is_dead() {
    let mut newcomer = node(0, Config::lan(), 1, Instant::ZERO);
    exchange(&mut newcomer, SyncState::Dead);
    assert_eq!(newcomer.member(&name(1)), None);
    exchange(&mut newcomer, SyncState::Suspect);
    let member = newcomer.member(&name(1)).expect("it is known");
    assert_eq!((member.status(), member.incarnation()), (Status::Alive, 1));
    assert_eq!(newcomer.counters().suspicions, 1);
}

/// What its peer knows has stood the test of a whole suspicion already. Where a whole cluster restarts, so many
/// members learn of a death this way that each of them would wait for the longest time.
#[test]
fn whom_a_peer_holds_for_dead_has_the_shortest_time_to_refute_and_no_more() {
    let ends = |said: &[SyncState]| {
        let mut lone = node(0, Config::lan(), 1, Instant::ZERO);
        tell(&mut lone, News::Alive(1));
        for n in 3..9 {
            let other = Identity::new(name(n), addr(n));
            lone.acquaint(&other, Wires::Auto)
                .expect("it can be reached");
        }
        for &state in said {
            exchange(&mut lone, state);
        }
        let member = lone.table.find((&name(1)).into()).expect("it is known");
        let suspicion = lone.suspicions.get(member).expect("it is suspected");
        let end = suspicion.deadline();
        assert_eq!(lone.suspicions.first_deadline(), Some(end));
        tell(&mut lone, News::Suspect(1));
        let suspicion = lone.suspicions.get(member).expect("it is suspected");
        (end, suspicion.deadline())
    };
    let [short, long] = [4, 24].map(|seconds| Instant::ZERO + Duration::from_secs(seconds));
    assert_eq!(ends(&[SyncState::Dead]), (short, short));
    assert_eq!(ends(&[SyncState::Suspect, SyncState::Dead]), (short, short));
    let (end, confirmed) = ends(&[SyncState::Suspect]);
    assert_eq!(end, long);
    assert!(confirmed < long);
}

fn belief(news: &[News]) -> (Status, u32, bool) {
    let mut node = node(0, Config::lan(), 1, Instant::ZERO);
    tell(&mut node, News::Alive(1));
    for &news in news {
        tell(&mut node, news);
    }
    let member = node.member(&name(1)).expect("told of");
    (member.status(), member.incarnation(), member.suspected())
}

fn settled() -> impl Strategy<Value = News> {
    (0..3, 1u32..6).prop_map(|(kind, incarnation)| match kind {
        0 => News::Alive(incarnation),
        1 => News::Dead(incarnation),
        _ => News::Left(incarnation),
    })
}

fn any_news() -> impl Strategy<Value = News> {
    prop_oneof![settled(), (1u32..6).prop_map(News::Suspect)]
}

/// What an exchange says of one member.
#[derive(Debug, Clone)]
struct Said {
    member: usize,
    state: SyncState,
    incarnation: u32,
    intent: Intent,
}

const OTHERS: usize = 6;

/// One about each of the others.
fn entries() -> impl Strategy<Value = Vec<Said>> {
    let one = (any::<bool>(), 1u32..4, any::<bool>(), 0u64..100);
    prop::collection::vec(one, OTHERS).prop_map(|said| {
        let said = (1..).zip(said);
        let said = said.map(|(member, (alive, incarnation, leaves, ltime))| {
            let leave = Intent::leave(LamportTime::new(ltime));
            Said {
                member,
                state: if alive {
                    SyncState::Alive
                } else {
                    SyncState::Dead
                },
                incarnation,
                intent: if leaves { leave } else { leave.withdrawn() },
            }
        });
        said.collect()
    })
}

/// What a node that knows all others makes of an exchange.
fn merged(entries: &[Said]) -> (Vec<(State, u32, Intent)>, Counters) {
    let mut node = node(0, Config::lan(), 1, Instant::ZERO);
    for n in 1..=OTHERS {
        let member = Identity::new(name(n), addr(n));
        node.acquaint(&member, Wires::Auto)
            .expect("it can be reached");
    }
    let mut frame = Vec::new();
    let mut writer = SyncWriter::new(&mut frame, false, VersionRange::EMPTY, 10_000);
    for said in entries {
        let slot = node.table.find((&name(said.member)).into());
        let record = slot.and_then(|slot| node.table.get(slot));
        let profile = &record.expect("it is known").profile;
        assert!(writer.push(&SyncEntry {
            state: said.state,
            intent: said.intent,
            alive: Alive {
                incarnation: said.incarnation,
                name: (&profile.name).into(),
                addr: profile.addr,
                versions: profile.versions,
                meta: profile.meta(),
            },
        }));
    }
    writer.finish(&[]);
    hand_in(&mut node, &frame);
    let records = node.table.iter();
    let records = records.map(|(_, it)| (it.state(), it.incarnation, it.intent));
    (records.collect(), *node.counters())
}

proptest! {
    /// SWIM promises this for announcements and deaths; a suspicion is a question, not news.
    #[test]
    fn announcements_and_deaths_lead_to_the_same_belief_in_any_order(
        (news, shuffled) in prop::collection::vec(settled(), 1..12)
            .prop_flat_map(|news| (Just(news.clone()), Just(news).prop_shuffle())),
    ) {
        prop_assert_eq!(belief(&news), belief(&shuffled));
    }

    /// In the order of one's own table most entries are recognised at a glance, in another one
    /// they are all read.
    #[test]
    fn a_state_exchange_says_the_same_in_any_order(
        (entries, shuffled) in entries()
            .prop_flat_map(|said| (Just(said.clone()), Just(said).prop_shuffle())),
    ) {
        prop_assert_eq!(merged(&entries), merged(&shuffled));
    }

    #[test]
    fn hearing_the_same_again_changes_nothing(
        news in prop::collection::vec(any_news(), 1..12), repeats: prop::sample::Index,
    ) {
        let at = repeats.index(news.len());
        let mut node = node(0, Config::lan(), 1, Instant::ZERO);
        tell(&mut node, News::Alive(1));
        for &news in &news[..=at] {
            tell(&mut node, news);
        }
        let before = node.member(&name(1));
        tell(&mut node, news[at]);
        prop_assert_eq!(node.member(&name(1)), before);
    }

    #[test]
    fn incarnations_never_go_back(news in prop::collection::vec(any_news(), 1..20)) {
        let mut node = node(0, Config::lan(), 1, Instant::ZERO);
        tell(&mut node, News::Alive(1));
        let mut last = 1;
        for news in news {
            tell(&mut node, news);
            let incarnation = node.member(&name(1)).expect("told of").incarnation();
            prop_assert!(incarnation >= last);
            last = incarnation;
        }
    }

    /// Whatever arrives, on datagrams or streams, the node goes on.
    #[test]
    fn arbitrary_bytes_never_panic(
        datagrams: Vec<Vec<u8>>, streams: Vec<Vec<u8>>, flips: Vec<(usize, u8)>,
    ) {
        let mut node = node(0, Config::lan(), 1, Instant::ZERO);
        let mut buf = vec![];
        for bytes in datagrams {
            node.handle_datagram(addr(1), &bytes, Instant::ZERO);
        }
        for bytes in streams {
            if let Some(id) = node.accept_stream(addr(1), Instant::ZERO) {
                node.handle_stream(id, StreamInput::Data(&bytes), Instant::ZERO);
                node.handle_stream(id, StreamInput::Finished, Instant::ZERO);
            }
        }
        // A real state exchange, damaged.
        let mut other = self::node(1, Config::lan(), 1, Instant::ZERO);
        let dialled = other.accept_stream(addr(0), Instant::ZERO).expect("there is room");
        node.join(&[addr(1)], Instant::ZERO).expect("join is accepted");
        loop {
            buf.clear();
            match node.poll_action(&mut buf) {
                Action::OpenStream { id, .. } => {
                    node.handle_stream(id, StreamInput::Opened, Instant::ZERO);
                }
                Action::WriteStream { .. } => {
                    for &(at, bits) in &flips {
                        let at = at % buf.len();
                        buf[at] ^= bits;
                    }
                    other.handle_stream(dialled, StreamInput::Data(&buf), Instant::ZERO);
                }
                Action::Wait(_) => break,
                _ => {}
            }
        }
    }
}

/// A node that knows 4,000 others, and these.
fn one_of_many() -> (Node, Vec<Identity>) {
    one_of_many_with(Config::lan())
}

fn one_of_many_with(config: Config) -> (Node, Vec<Identity>) {
    let config = Config {
        // What it is told comes from the test alone.
        probe_interval: Duration::from_secs(3600),
        stream_ping: false,
        ..config
    };
    let mut node = node(0, config, 1, Instant::ZERO);
    let others: Vec<Identity> = (1..4_000)
        .map(|n| {
            let at = SocketAddr::from(([10, 1, (n / 256) as u8, (n % 256) as u8], 7946));
            Identity::new(name(n), at)
        })
        .collect();
    for other in &others {
        node.acquaint(other, Wires::Auto)
            .expect("it can be reached");
    }
    (node, others)
}

/// When the node exchanges state with others, of whom none answers.
fn exchanges(mut node: Node) -> impl Iterator<Item = Duration> {
    let mut now = Instant::ZERO;
    core::iter::from_fn(move || {
        loop {
            match node.poll_action(&mut Vec::new()) {
                Action::OpenStream { .. } => return Some(now.since(Instant::ZERO)),
                Action::Wait(deadline) => {
                    now = deadline.expect("a running node waits for something");
                    node.handle_tick(now);
                }
                _ => {}
            }
        }
    })
}

fn next_exchange(node: Node) -> Duration {
    exchanges(node).next().expect("there is always another")
}

/// After so many of the others have announced themselves anew.
fn exchanges_after(announcements: usize) -> Duration {
    let (mut node, others) = one_of_many();
    announce(&mut node, &others[..announcements]);
    next_exchange(node)
}

/// Members announce themselves anew.
fn announce(node: &mut Node, others: &[Identity]) {
    for Identity { name, addr, .. } in others {
        let alive = Message::Alive(Alive {
            incarnation: 2,
            name: name.into(),
            addr: *addr,
            versions: Versions::CURRENT,
            meta: &[0xff, 0x80],
        });
        node.handle_datagram(*addr, &packet(&alive), Instant::ZERO);
    }
}

/// After a peer has said that so many of the others are dead.
fn exchanges_after_hearing_of(deaths: usize) -> Duration {
    let (mut node, others) = one_of_many();
    let mut frame = Vec::new();
    let mut writer = SyncWriter::new(&mut frame, false, VersionRange::EMPTY, 10_000);
    for Identity { name, addr, .. } in &others[..deaths] {
        assert!(writer.push(&entry(SyncState::Dead, name, *addr)));
    }
    writer.finish(&[]);
    hand_in(&mut node, &frame);
    assert_eq!(node.counters().suspicions, deaths as u64);
    next_exchange(node)
}

#[test]
fn a_node_that_is_told_of_deaths_with_which_gossip_does_not_keep_up_exchanges_state_again_soon() {
    let soon = Config::lan().push_pull_interval / 4;
    assert!(exchanges_after_hearing_of(17) <= soon);
    assert!(exchanges_after_hearing_of(16) > soon);
}

#[test]
fn a_node_that_hears_of_more_than_gossip_is_good_for_exchanges_state_soon() {
    let soon = Config::lan().push_pull_interval / 4;
    assert!(exchanges_after(700) <= soon);
    assert!(exchanges_after(100) > soon);
}

/// Of how much gossip does not tell there is no other sign than how much is left to tell.
#[test]
fn while_gossip_is_far_behind_exchanges_are_no_rarer_than_in_a_small_cluster() {
    let in_ten_minutes = |announcements: usize| {
        let config = Config {
            gossip_interval: Duration::from_secs(3600),
            ..Config::lan()
        };
        let (mut node, others) = one_of_many_with(config);
        announce(&mut node, &others[..announcements]);
        let end = 600 * SECOND;
        exchanges(node).take_while(|at| *at < end).count()
    };
    assert!(in_ten_minutes(300) >= 12);
    assert!(in_ten_minutes(200) <= 3);
}
