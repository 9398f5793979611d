#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::action::{Action, StreamFailure};
use crate::config::{Config, Identity, Params};
use crate::member::Name;
use crate::node::Node;
use crate::serf::query::{QueryKey, QueryParams};
use crate::time::Instant;

fn start() -> Start {
    let identity = Identity::new(Name::new("a").unwrap(), "10.0.0.1:7946".parse().unwrap());
    let params = Params::new(Config::lan()).unwrap();
    Start::new(&identity, &params, [7; 32], Instant::from_millis(3))
}

/// What a tape has written after these inputs, each with its time.
fn written(inputs: &[(u64, Input<'_>)]) -> Vec<u8> {
    let mut tape = Tape::begin(start());
    for (at, input) in inputs {
        tape.input(Some(Instant::from_nanos(*at)), || input.clone());
        tape.action(&Action::Wait(None), &[]);
    }
    let mut journal = Vec::new();
    assert!(tape.take(&mut journal));
    journal
}

/// The times and inputs of a journal, and why it ends.
fn read(journal: &[u8]) -> (Vec<(u64, Input<'_>)>, Option<Damage>) {
    let mut reader = Reader::new(journal);
    let (mut inputs, mut at) = (Vec::new(), 0u64);
    loop {
        match reader.next() {
            Ok(None) => return (inputs, None),
            Err(damage) => return (inputs, Some(damage)),
            Ok(Some(Entry::Start(found))) => {
                assert_eq!(*found, start());
                at = found.at;
            }
            Ok(Some(Entry::Checkpoint(found))) => panic!("unexpected {found:?}"),
            Ok(Some(Entry::Input(after, input))) => {
                at = at.wrapping_add(after.cast_unsigned());
                inputs.push((at, input));
            }
            Ok(Some(Entry::Actions(hashes))) => {
                assert_eq!(hashes, hash_action(&Action::Wait(None), &[]));
            }
        }
    }
}

fn input() -> impl Strategy<Value = Input<'static>> {
    let bytes = || {
        let bytes = prop::collection::vec(any::<u8>(), 0..2000);
        bytes.prop_map(|bytes| &*bytes.leak())
    };
    let text = || ".{0,40}".prop_map(|text| &*alloc::string::String::leak(text));
    let addr = || {
        let ip = prop_oneof![
            any::<[u8; 4]>().prop_map(core::net::IpAddr::from),
            any::<[u8; 16]>().prop_map(core::net::IpAddr::from),
        ];
        (ip, any::<u16>()).prop_map(SocketAddr::from)
    };
    let key = || {
        (any::<u64>(), any::<u32>()).prop_map(|(time, id)| QueryKey {
            ltime: crate::LamportTime::new(time),
            id,
        })
    };
    prop_oneof![
        (addr(), bytes()).prop_map(|(from, bytes)| Input::Datagram { from, bytes }),
        Just(Input::Tick),
        addr().prop_map(|from| Input::Accept { from }),
        any::<u64>().prop_map(Input::Opened),
        (any::<u64>(), bytes()).prop_map(|(id, bytes)| Input::Data(id, bytes)),
        any::<u64>().prop_map(|id| Input::Failed(id, StreamFailure::Declined)),
        (prop::collection::vec(addr(), 0..5), any::<bool>()).prop_map(|(seeds, replay)| {
            let seeds = Cow::Owned(seeds);
            Input::Join { seeds, replay }
        }),
        (text(), any::<bool>()).prop_map(|(name, prune)| Input::ForceLeave { name, prune }),
        prop::collection::btree_map(".{0,9}", ".{0,9}", 0..4)
            .prop_map(|tags| Input::SetTags(Cow::Owned(tags))),
        (text(), bytes(), any::<bool>()).prop_map(|(name, payload, coalesce)| {
            Input::UserEvent {
                name,
                payload,
                coalesce,
            }
        }),
        (text(), bytes(), any::<u8>(), "[a-z]{1,9}").prop_map(|(name, payload, relays, node)| {
            let params = Cow::Owned(QueryParams {
                filter_nodes: vec![Name::new(&node).unwrap()],
                relay_factor: relays,
                timeout: Some(core::time::Duration::from_nanos(relays.into())),
                ..QueryParams::default()
            });
            Input::Query {
                name,
                payload,
                params,
            }
        }),
        key().prop_map(Input::EndQuery),
        (key(), bytes()).prop_map(|(query, payload)| Input::Respond { query, payload }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_again(
        inputs in prop::collection::vec((any::<u64>(), input()), 0..20),
    ) {
        let journal = written(&inputs);
        let (found, damage) = read(&journal);
        prop_assert_eq!(damage, None);
        prop_assert_eq!(found, inputs);
    }

    #[test]
    fn a_journal_that_breaks_off_is_read_up_to_there(
        inputs in prop::collection::vec((any::<u64>(), input()), 1..6),
        cut: prop::sample::Index,
    ) {
        let journal = written(&inputs);
        let len = cut.index(journal.len());
        let (found, damage) = read(&journal[..len]);
        prop_assert_eq!(&found[..], &inputs[..found.len()]);
        match damage {
            Some(damage) => {
                prop_assert_eq!(damage.kind, DamageKind::Truncated);
                prop_assert!(damage.offset <= len);
            }
            // Exactly between two records.
            None => prop_assert!(read(&journal[..len]).0.len() <= inputs.len()),
        }
    }

    #[test]
    fn a_changed_bit_is_found_and_what_comes_before_it_is_read(
        inputs in prop::collection::vec((any::<u64>(), input()), 1..6),
        place: prop::sample::Index,
        bit in 0..8u32,
    ) {
        let mut journal = written(&inputs);
        let at = place.index(journal.len());
        journal[at] ^= 1u8 << bit;
        if at < HEADER.len() {
            prop_assert!(Reader::new(&journal).next().is_err());
        } else {
            let (found, damage) = read_after_start(&journal);
            let damage = damage.expect("it is found");
            prop_assert!(damage.offset <= at);
            prop_assert_eq!(damage.kind, DamageKind::Checksum);
            prop_assert_eq!(&found[..], &inputs[..found.len()]);
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_end(mut bytes in prop::collection::vec(any::<u8>(), 0..300), ours: bool) {
        if ours && bytes.len() >= HEADER.len() {
            bytes[..HEADER.len()].copy_from_slice(&HEADER);
        }
        let mut reader = Reader::new(&bytes);
        while let Ok(Some(_)) = reader.next() {}
        prop_assert!(reader.offset() <= bytes.len());
    }
}

/// As [`read`], where the start itself may be what was changed.
fn read_after_start(journal: &[u8]) -> (Vec<(u64, Input<'_>)>, Option<Damage>) {
    match Reader::new(journal).next() {
        Err(damage) => (Vec::new(), Some(damage)),
        Ok(_) => read(journal),
    }
}

#[test]
fn the_first_bytes_say_what_it_is_and_in_which_version() {
    let mut journal = written(&[]);
    assert_eq!(&journal[..8], b"serfjnl\x01");
    journal[7] = 2;
    let damage = Reader::new(&journal).next().unwrap_err();
    assert_eq!(damage.kind, DamageKind::Version(2));
    assert!(alloc::format!("{damage}").contains("version 2, accepted is version 1"));
    let damage = Reader::new(b"{\"not\": \"a journal\"}").next().unwrap_err();
    assert_eq!(damage.kind, DamageKind::Foreign);
}

#[test]
fn a_node_writes_down_what_it_takes_in_before_it_does_and_a_clone_writes_nothing() {
    let identity = Identity::new(Name::new("a").unwrap(), "10.0.0.1:7946".parse().unwrap());
    let params = Params::new(Config::lan()).unwrap();
    let now = Instant::from_millis(3);
    let mut node = Node::recorded(identity, params, [7; 32], now).unwrap();
    let from: SocketAddr = "10.0.0.2:7946".parse().unwrap();
    node.handle_datagram(from, b"nonsense", now);
    let mut copy = node.clone();
    while !matches!(node.poll_action(&mut Vec::new()), Action::Wait(_)) {}
    node.handle_tick(Instant::ZERO);
    let mut journal = Vec::new();
    assert!(node.take_journal(&mut journal));
    assert_eq!(node.journal_len(), 0);
    assert!(!copy.take_journal(&mut journal));

    let mut reader = Reader::new(&journal);
    assert_eq!(reader.next(), Ok(Some(Entry::Start(Box::new(start())))));
    let bytes = &b"nonsense"[..];
    let datagram = Input::Datagram { from, bytes };
    assert_eq!(reader.next(), Ok(Some(Entry::Input(0, datagram))));
    let Ok(Some(Entry::Actions(hashes))) = reader.next() else {
        panic!("the node has joined, and waits");
    };
    assert_eq!(hashes.len(), 2 * HASH_LEN);
    // The clock of the caller went back.
    assert_eq!(
        reader.next(),
        Ok(Some(Entry::Input(-3_000_000, Input::Tick)))
    );
    assert_eq!(reader.next(), Ok(None));
    node.end_journal();
    assert!(!node.take_journal(&mut journal));
}

#[test]
fn a_journal_that_nobody_takes_ends_before_it_is_too_large() {
    let mut tape = Tape::begin(start());
    let bytes = vec![0; 1 << 20];
    for _ in 0..100 {
        tape.input(None, || Input::Data(1, &bytes));
    }
    assert!(tape.waiting() <= 64 << 20);
    let mut journal = Vec::new();
    assert!(!tape.take(&mut journal));
    let (inputs, damage) = read(&journal);
    assert!((50..64).contains(&inputs.len()), "{}", inputs.len());
    assert_eq!(damage, None);
}
