//! The journal of a simulated node, run again.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use serf_core::journal::{DamageKind, Entry, KeyMark, Reader};
use serf_core::keyring::{Key, Keyring};
use serf_core::{Config, KeyOperation, Params, QueryParams, Wires};
use serf_sim::World;
use serf_sim::replay::{Replay, Step, Stop, Summary};

fn key(n: u8) -> Key {
    Key::new(&[n; 32]).unwrap()
}

/// A cluster in which about everything happens to node 1, which is recorded.
fn eventful(seed: u64, wires: Wires, keys: Option<Keyring>) -> World {
    let params = Params::new(Config {
        wires,
        ..Config::lan()
    });
    let mut world = World::builder(seed)
        .params(params.unwrap())
        .loss(0.05)
        .unchecked()
        .build();
    for node in 0..5 {
        world.add();
        if let Some(keys) = &keys {
            world.set_keyring(node, keys.clone());
        }
        if node == 1 {
            world.record(node);
        }
        world.start(node);
    }
    world.answer_queries();
    world.join_all_through(0);
    world.run_for(Duration::from_secs(10)).unwrap();
    world
        .set_tags(1, &[("role".into(), "web".into())].into())
        .unwrap();
    world.user_event(1, "deploy", b"v1").unwrap();
    world.user_event(2, "deploy", b"v2").unwrap();
    let params = QueryParams {
        request_ack: true,
        ..QueryParams::default()
    };
    world.query(1, "load", b"", &params).unwrap();
    world.query(3, "load", b"", &params).unwrap();
    if keys.is_some() {
        let install = KeyOperation::Install(key(2));
        world.key_operation(1, &install).unwrap();
    }
    world.run_for(Duration::from_secs(10)).unwrap();
    if keys.is_some() {
        world.key_operation(3, &KeyOperation::Use(key(2))).unwrap();
    }
    world.set_clock_rate(1, 50_000);
    world.crash(4);
    world.run_for(Duration::from_secs(20)).unwrap();
    world.pause(1);
    world.run_for(Duration::from_secs(2)).unwrap();
    world.resume(1);
    world.force_leave(1, "node-4", true).unwrap();
    world.run_for(Duration::from_secs(10)).unwrap();
    world.leave(1).unwrap();
    world.run_for(Duration::from_secs(10)).unwrap();
    world
}

fn replayed(journal: &[u8], keys: &[Key]) -> Result<Summary, Stop> {
    let mut replay = Replay::new(journal, keys.to_vec())?;
    while replay.step()?.is_some() {}
    Ok(replay.summary().clone())
}

#[test]
fn a_simulated_node_does_the_same_again_on_either_wire() {
    for (seed, wires) in [(1, Wires::Auto), (2, Wires::Memberlist)] {
        let world = eventful(seed, wires, None);
        let summary = replayed(world.journal(1).unwrap(), &[]).unwrap();
        for kind in [
            "datagram",
            "tick",
            "join",
            "tags",
            "user event",
            "query",
            "response",
            "force-leave",
            "leave",
            "stream opened",
            "stream data",
        ] {
            assert!(summary.inputs.contains_key(kind), "{kind}: {summary:?}");
        }
        for kind in ["member-join", "member-failed", "User", "Query"] {
            assert!(summary.events.contains_key(kind), "{kind}: {summary:?}");
        }
        assert_eq!(summary.bytes, world.journal(1).unwrap().len());
        assert_eq!(world.journal(0), None);
    }
}

#[test]
fn recording_changes_nothing_about_a_run() {
    let mut hashes = [false, true].map(|records| {
        let mut world = World::builder(5).nodes(3).build();
        if records {
            world.record(1);
        }
        world.restart(1);
        world.join_all_through(0);
        world.run_for(Duration::from_secs(30)).unwrap();
        assert_eq!(world.journal(1).is_some(), records);
        world.trace_hash()
    });
    let [without, with] = &mut hashes;
    assert_eq!(without, with);
}

#[test]
fn an_encrypted_node_replays_with_its_keys_and_they_are_not_in_the_journal() {
    let ring = Keyring::new(key(1));
    let world = eventful(3, Wires::Auto, Some(ring));
    let journal = world.journal(1).unwrap();
    let summary = replayed(journal, &[key(2), key(1)]).unwrap();
    assert_eq!(summary.inputs["key operation"], 1);
    assert!(summary.events["KeyringChanged"] >= 2, "{summary:?}");
    for key in [key(1), key(2)] {
        let secrets = [key.as_bytes().to_vec(), key.to_base64().as_bytes().to_vec()];
        for secret in secrets {
            // Not even a part of it.
            for part in secret.chunks_exact(8) {
                assert!(!journal.windows(part.len()).any(|bytes| bytes == part));
            }
        }
    }
}

#[test]
fn a_key_that_is_missing_is_named_by_its_mark() {
    let world = eventful(3, Wires::Auto, Some(Keyring::new(key(1))));
    let journal = world.journal(1).unwrap();
    let Err(Stop::MissingKey(missing)) = replayed(journal, &[key(7)]) else {
        panic!("nothing can be decrypted");
    };
    assert_eq!(missing.0, KeyMark::of(&key(1)));
    // The second one is needed later.
    let missing = replayed(journal, &[key(1)]).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains(&format!("{:?}", KeyMark::of(&key(2))))
    );
}

#[test]
fn a_torn_tail_is_replayed_up_to_there() {
    let world = eventful(4, Wires::Auto, None);
    let journal = world.journal(1).unwrap();
    let whole = replayed(journal, &[]).unwrap();
    let torn = &journal[..journal.len() - 3];
    let mut replay = Replay::new(torn, vec![]).unwrap();
    let stop = loop {
        match replay.step() {
            Ok(step) => assert!(step.is_some(), "the end is missing"),
            Err(stop) => break stop,
        }
    };
    let Stop::Damage(damage) = stop else {
        panic!("{stop}");
    };
    assert_eq!(damage.kind, DamageKind::Truncated);
    assert_eq!(damage.offset, replay.summary().bytes);
    assert_eq!(
        replay.summary().inputs,
        whole.inputs,
        "only actions are missing"
    );
}

#[test]
fn an_input_that_was_changed_shows_as_the_first_action_that_differs() {
    let world = eventful(6, Wires::Auto, None);
    let journal = world.journal(1).unwrap();
    // Another seed, in a record that is otherwise in order.
    let Ok(Some(Entry::Start(start))) = Reader::new(journal).next() else {
        panic!("it begins with the start");
    };
    let seed = start.seed;
    let at = journal.windows(32).position(|bytes| bytes == seed).unwrap();
    let mut changed = journal.to_vec();
    changed[at] ^= 1;
    let len = usize::from(changed[8]) + 256 * usize::from(changed[9]);
    let sum = xxhash_rust::xxh3::xxh3_64(&changed[16..16 + len]) as u32;
    changed[12..16].copy_from_slice(&sum.to_le_bytes());
    let Err(Stop::Differs(difference)) = replayed(&changed, &[]) else {
        panic!("a node with another seed does something else");
    };
    assert_ne!(difference.expected, difference.hash);
    let said = difference.to_string();
    assert!(
        said.contains("expected") && said.contains("found"),
        "{said}"
    );
}

#[test]
fn every_step_can_be_watched() {
    let world = eventful(7, Wires::Auto, None);
    let mut replay = Replay::new(world.journal(1).unwrap(), vec![]).unwrap();
    let mut kinds = BTreeMap::<&str, u64>::new();
    let mut before = replay.now();
    while let Some(step) = replay.step().unwrap() {
        match step {
            Step::Input(input) => *kinds.entry(input.kind()).or_default() += 1,
            Step::Actions(actions) => assert!(!actions.is_empty()),
        }
        assert!(replay.now() >= before);
        before = replay.now();
    }
    assert_eq!(kinds, replay.summary().inputs);
    assert!(replay.node().is_stopped());
}
