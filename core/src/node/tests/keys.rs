//! Encryption and key operations; names that two claim.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::keyring::{Key, Keyring};
use crate::{KeyOperation, KeyReport};

const SECOND: Duration = Duration::from_secs(1);

fn key(fill: u8) -> Key {
    Key::new(&[fill; 32]).expect("a valid key")
}

/// A cluster in which `node-n` has the key `keys[n]`; zero is none.
fn cluster(keys: &[u8]) -> Cluster {
    let mut cluster = Cluster::new(keys.len(), Config::lan());
    for (n, &fill) in keys.iter().enumerate() {
        if fill > 0 {
            let it = node(n, Config::lan(), 1, cluster.now);
            cluster.nodes[n] = it.with_keyring(Keyring::new(key(fill)));
        }
    }
    for n in 1..keys.len() {
        let now = cluster.now;
        cluster.nodes[n].join(&[addr(0)], now).expect("accepted");
    }
    cluster.run(10 * SECOND);
    cluster
}

impl Cluster {
    fn operate(&mut self, at: usize, operation: &KeyOperation) -> KeyReport {
        let now = self.now;
        self.outcomes.clear();
        self.nodes[at]
            .key_operation(operation, now)
            .expect("the operation is accepted");
        self.run(10 * SECOND);
        let ended = self
            .outcomes
            .drain(..)
            .find_map(|(_, outcome)| match outcome {
                Outcome::Keys(report) => Some(report),
                _ => None,
            });
        ended.expect("the operation ends")
    }

    fn alive(&self) -> Vec<usize> {
        self.nodes.iter().map(Node::alive_count).collect()
    }

    fn told_of_decryption(&self, at: usize) -> Vec<bool> {
        let events = self.events.iter().filter(|(n, _)| *n == at);
        events
            .filter_map(|(_, event)| match event {
                Event::Undecryptable { all, .. } => Some(*all),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_key_operation_is_told_twice_as_often_as_another_query() {
    let mut cluster = cluster(&[0, 0, 0]);
    cluster.record = true;
    let told = |cluster: &mut Cluster, name: &str| {
        let all = core::mem::take(&mut cluster.recorded);
        let has = |bytes: &[u8]| bytes.windows(name.len()).any(|it| it == name.as_bytes());
        all.iter().filter(|(_, _, bytes)| has(bytes)).count()
    };
    let (name, now) = ("some-other-query", cluster.now);
    let params = crate::QueryParams::default();
    let asked = cluster.nodes[0].query(name, b"", &params, now);
    assert!(asked.is_ok(), "{asked:?}");
    cluster.run(10 * SECOND);
    let other = told(&mut cluster, name);
    assert_eq!(other, 3 * 4, "by each node of three four times");
    cluster.operate(0, &KeyOperation::List);
    assert_eq!(told(&mut cluster, "_serf_list-keys"), 2 * other);
}

#[test]
fn an_encrypted_cluster_works_and_a_rotation_is_reported() {
    let mut cluster = cluster(&[1, 1, 1]);
    assert_eq!(cluster.alive(), [3, 3, 3]);
    for operation in [KeyOperation::Install(key(2)), KeyOperation::Use(key(2))] {
        let report = cluster.operate(1, &operation);
        assert_eq!((report.expected, report.responses), (3, 3), "{report:?}");
        assert!(report.is_complete(), "{report:?}");
    }
    let report = cluster.operate(0, &KeyOperation::List);
    let (old, new) = (key(1).to_base64(), key(2).to_base64());
    assert_eq!(
        report.keys,
        [(old.to_string(), 3), (new.to_string(), 3)].into()
    );
    assert_eq!(report.primary_keys, [(new.to_string(), 3)].into());

    let report = cluster.operate(2, &KeyOperation::Remove(key(2)));
    assert_eq!(report.failed.len(), 3);
    let refusal = "Removing the primary key is not allowed";
    assert!(report.failed.values().all(|reason| reason == refusal));
    let report = cluster.operate(2, &KeyOperation::Remove(key(1)));
    assert!(report.is_complete(), "{report:?}");
    cluster.run(60 * SECOND);
    assert_eq!(cluster.alive(), [3, 3, 3]);
    for it in &cluster.nodes {
        assert_eq!(it.keyring(), Some(&Keyring::new(key(2))));
        assert_eq!(it.counters().dropped_undecryptable, 0);
    }
    let changed = |(n, event): &&(usize, Event)| *n == 0 && *event == Event::KeyringChanged;
    assert_eq!(cluster.events.iter().filter(changed).count(), 3);
}

#[test]
fn no_nonce_is_used_twice_by_anybody_or_after_a_restart() {
    let mut cluster = cluster(&[1, 1, 1]);
    cluster.record = true;
    cluster.run(60 * SECOND);
    for operation in [KeyOperation::Install(key(2)), KeyOperation::Use(key(2))] {
        assert!(cluster.operate(1, &operation).is_complete());
    }
    let now = cluster.now;
    cluster.nodes[2] = node(2, Config::lan(), 2, now).with_keyring(Keyring::new(key(2)));
    cluster.nodes[2].join(&[addr(0)], now).expect("accepted");
    cluster.run(60 * SECOND);
    let packets = cluster.recorded.iter();
    let nonces: Vec<_> = packets.map(|(_, _, bytes)| &bytes[1..13]).collect();
    assert!(nonces.len() > 500, "{}", nonces.len());
    let distinct: BTreeSet<_> = nonces.iter().collect();
    assert_eq!(distinct.len(), nonces.len());
}

#[test]
fn nothing_but_the_size_of_a_message_shows() {
    let mut cluster = cluster(&[1, 1]);
    let now = cluster.now;
    cluster.nodes[0]
        .user_event("secret-name", b"secret-payload", false, now)
        .expect("accepted");
    cluster.run(SECOND);
    let mut seen = 0;
    loop {
        let mut buf = Vec::new();
        let now = cluster.now + 5 * SECOND;
        cluster.nodes[0].handle_tick(now);
        match cluster.nodes[0].poll_action(&mut buf) {
            Action::SendDatagram { .. } => {
                seen += 1;
                assert!(!buf.windows(6).any(|part| part == b"node-0"));
                assert!(buf.len() <= 1400);
            }
            Action::Wait(_) => break,
            _ => {}
        }
    }
    assert!(seen > 0);
}

#[test]
fn s_32_a_wrong_key_keeps_out_and_both_sides_are_told() {
    let mut cluster = cluster(&[1, 1, 9]);
    assert_eq!(cluster.alive(), [2, 2, 1]);
    let joined = cluster
        .outcomes
        .iter()
        .find_map(|(n, outcome)| match outcome {
            Outcome::Join { failed, .. } if *n == 2 => Some(failed.clone()),
            _ => None,
        });
    assert_eq!(joined, Some(vec![(addr(0), StreamFailure::Declined)]));
    let declined = |(n, event): &(usize, Event)| {
        *n == 2 && matches!(event, Event::Declined { reason, .. } if reason.contains("decrypt"))
    };
    assert!(cluster.events.iter().any(declined));
    assert_eq!(cluster.told_of_decryption(0), [false]);
    assert!(!cluster.nodes[0].cannot_decrypt());
    // The right key, and everything is well.
    let now = cluster.now;
    cluster.nodes[2].set_keyring(Keyring::new(key(1)), now);
    cluster.nodes[2].join(&[addr(0)], now).expect("accepted");
    cluster.run(10 * SECOND);
    assert_eq!(cluster.alive(), [3, 3, 3]);
}

#[test]
fn a_node_without_keys_and_one_with_keys_refuse_each_other() {
    for keys in [[1, 0], [0, 1]] {
        let cluster = cluster(&keys);
        assert_eq!(cluster.alive(), [1, 1], "{keys:?}");
    }
}

#[test]
fn s_31_a_member_that_missed_a_rotation_is_named_and_says_that_it_is_deaf() {
    let mut cluster = cluster(&[1, 1, 1]);
    // Its answers do not arrive, and then it is cut off, but not for long enough to be failed.
    cluster.deaf.extend([(0, 2), (1, 2)]);
    let report = cluster.operate(0, &KeyOperation::Install(key(2)));
    assert_eq!((report.expected, report.responses), (3, 2));
    assert_eq!(report.silent, [name(2)]);
    assert!(!report.is_complete());
    let now = cluster.now;
    for n in [0, 1] {
        let mut ring = Keyring::new(key(2));
        ring.install(&[2; 32]).expect("valid");
        cluster.nodes[n].set_keyring(ring, now);
    }
    cluster.deaf.clear();
    cluster.run(60 * SECOND);
    assert_eq!(cluster.told_of_decryption(2).last(), Some(&true));
    assert!(cluster.nodes[2].cannot_decrypt());
    // It is given the key by hand, and the cluster is whole.
    let now = cluster.now;
    cluster.nodes[2].set_keyring(Keyring::new(key(2)), now);
    cluster.run(2 * 60 * SECOND);
    assert!(!cluster.nodes[2].cannot_decrypt());
    assert_eq!(cluster.alive(), [3, 3, 3]);
}

#[test]
fn keys_of_a_cluster_without_encryption_are_refused_by_each_member() {
    let mut cluster = Cluster::joined(2, Config::lan());
    let report = cluster.operate(0, &KeyOperation::Install(key(1)));
    let reason = "No keyring to modify (encryption not enabled)";
    assert!(report.failed.values().all(|said| said == reason));
    assert_eq!(report.failed.len(), 2);
    let report = cluster.operate(0, &KeyOperation::List);
    let reason = "Keyring is empty (encryption not enabled)";
    assert!(report.failed.values().all(|said| said == reason));
}

#[test]
fn a_key_request_that_cannot_be_read_changes_nothing() {
    let mut cluster = cluster(&[1, 1]);
    let now = cluster.now;
    for (n, payload) in [&b""[..], b"\x07", b"\x07\xff\xff"].into_iter().enumerate() {
        let asked = cluster.nodes[n % 2].query(
            "_serf_install-key",
            payload,
            &crate::QueryParams::default(),
            now,
        );
        assert!(asked.is_ok());
    }
    cluster.run(5 * SECOND);
    for it in &cluster.nodes {
        assert_eq!(it.keyring(), Some(&Keyring::new(key(1))));
    }
}

#[test]
fn clusters_with_different_labels_do_not_hear_each_other() {
    use crate::wire::label::Label;
    let mut cluster = Cluster::new(3, Config::lan());
    for (n, label) in ["prod", "prod", "test"].iter().enumerate() {
        let identity = Identity {
            label: Label::new(label).expect("short enough"),
            ..Identity::new(name(n), addr(n))
        };
        let params = Params::new(Config::lan()).expect("valid");
        cluster.nodes[n] = Node::new(identity, params, [n as u8; 32], cluster.now).expect("valid");
    }
    for n in 1..3 {
        let now = cluster.now;
        cluster.nodes[n].join(&[addr(0)], now).expect("accepted");
    }
    cluster.run(60 * SECOND);
    assert_eq!(cluster.alive(), [2, 2, 1]);
}

/// `count` nodes, of which the last two have the same name.
fn contenders(count: usize) -> Cluster {
    let mut cluster = Cluster::new(count, Config::lan());
    let twin = Identity::new(name(count - 2), addr(count - 1));
    let params = Params::new(Config::lan()).expect("valid");
    cluster.nodes[count - 1] = Node::new(twin, params, [77; 32], cluster.now).expect("valid");
    for n in 1..count - 1 {
        let now = cluster.now;
        cluster.nodes[n].join(&[addr(0)], now).expect("accepted");
    }
    cluster.run(10 * SECOND);
    cluster
}

#[test]
fn s_14_the_one_whom_most_do_not_know_by_the_name_stops() {
    let mut cluster = contenders(5);
    let now = cluster.now;
    cluster.nodes[4].join(&[addr(0)], now).expect("accepted");
    cluster.run(30 * SECOND);
    assert!(cluster.nodes[4].is_stopped());
    for n in 0..4 {
        assert!(!cluster.nodes[n].is_stopped(), "node-{n} goes on");
        assert_eq!(cluster.nodes[n].alive_count(), 4);
    }
    let verdict = cluster.events.iter().find_map(|(n, event)| match event {
        Event::NameVote {
            for_me,
            for_rival,
            lost,
            ..
        } if *n == 4 => Some((*for_me, *for_rival, *lost)),
        _ => None,
    });
    assert_eq!(verdict, Some((0, 3, true)));
}

#[test]
fn s_14_where_nobody_else_votes_both_stay() {
    let mut cluster = Cluster::new(2, Config::lan());
    let twin = Identity::new(name(0), addr(1));
    let params = Params::new(Config::lan()).expect("valid");
    cluster.nodes[1] = Node::new(twin, params, [77; 32], cluster.now).expect("valid");
    let now = cluster.now;
    cluster.nodes[1].join(&[addr(0)], now).expect("accepted");
    cluster.run(60 * SECOND);
    assert!(!cluster.nodes.iter().any(Node::is_stopped));
    let conflict = |event: &Event| matches!(event, Event::NameConflict { .. });
    assert!(cluster.events.iter().any(|(_, event)| conflict(event)));
}

#[test]
fn s_14_with_equal_halves_both_stay() {
    // Two islands, each with a holder of the name, meet.
    let mut cluster = Cluster::new(6, Config::lan());
    let twin = Identity::new(name(2), addr(5));
    let params = Params::new(Config::lan()).expect("valid");
    cluster.nodes[5] = Node::new(twin, params, [77; 32], cluster.now).expect("valid");
    let now = cluster.now;
    for (n, seed) in [(1, 0), (2, 0), (4, 3), (5, 3)] {
        cluster.nodes[n].join(&[addr(seed)], now).expect("accepted");
    }
    cluster.run(10 * SECOND);
    let now = cluster.now;
    cluster.nodes[0].join(&[addr(3)], now).expect("accepted");
    cluster.run(60 * SECOND);
    assert!(!cluster.nodes.iter().any(Node::is_stopped));
}

#[test]
fn a_vote_can_be_switched_off() {
    let mut cluster = contenders(4);
    let config = Config {
        resolve_conflicts: false,
        ..Config::lan()
    };
    let twin = Identity::new(name(2), addr(3));
    let params = Params::new(config).expect("valid");
    cluster.nodes[3] = Node::new(twin, params, [78; 32], cluster.now).expect("valid");
    let now = cluster.now;
    cluster.nodes[3].join(&[addr(0)], now).expect("accepted");
    cluster.run(30 * SECOND);
    assert!(!cluster.nodes[3].is_stopped());
}

#[test]
fn s_15_whoever_comes_back_at_a_new_address_is_not_stopped_by_a_vote() {
    let mut cluster = contenders(5);
    // The first holder of the name is gone, and nobody has noticed yet.
    cluster.down.insert(3);
    let now = cluster.now;
    cluster.nodes[4].join(&[addr(0)], now).expect("accepted");
    cluster.run(60 * SECOND);
    assert!(!cluster.nodes[4].is_stopped());
    let voted = |(n, event): &(usize, Event)| {
        *n == 4 && matches!(event, Event::NameVote { lost: false, .. })
    };
    assert!(cluster.events.iter().any(voted));
}
