//! Nodes that are saved, and go on from that.

use super::*;
use crate::QueryParams;
use crate::journal::{CheckpointError, Entry, HASH_LEN, Reader, hash_action};

const SECOND: Duration = Duration::from_secs(1);

impl Cluster {
    /// Puts in the place of each node that is up one that goes on from what was saved of it.
    fn save_and_resume(&mut self) {
        for n in 0..self.nodes.len() {
            if self.down.contains(&n) {
                continue;
            }
            self.drain(n);
            let mut saved = Vec::new();
            self.nodes[n].save(&mut saved);
            let keys = self.nodes[n].keyring().cloned();
            self.nodes[n] = Node::resume(&saved, keys).expect("it can be read");
        }
    }

    /// A crash, events, queries and tags, one thing a second; `then` after each.
    fn busy_minute(mut then: impl FnMut(&mut Self)) -> Self {
        let mut cluster = Self::joined(6, Config::lan());
        cluster.record = true;
        for second in 0..60_usize {
            let now = cluster.now;
            let node = &mut cluster.nodes[second % 5];
            match second {
                7 => {
                    cluster.down.insert(5);
                }
                _ if second % 10 == 1 => {
                    let name = format!("event-{second}");
                    node.user_event(&name, b"v", false, now).expect("it fits");
                }
                _ if second % 10 == 4 => {
                    let params = QueryParams {
                        request_ack: true,
                        ..QueryParams::default()
                    };
                    node.query("load", b"", &params, now).expect("it fits");
                }
                22 => {
                    let tags = tags(&[("role", "web")]);
                    node.set_tags(&tags, now).expect("they fit");
                }
                33 => {
                    cluster.down.remove(&5);
                }
                _ => {}
            }
            // In the middle of whatever goes on, too.
            for _ in 0..4 {
                cluster.run(SECOND / 4);
                then(&mut cluster);
            }
        }
        cluster
    }
}

#[test]
fn a_resumed_node_does_what_the_saved_one_would_have_done() {
    let plain = Cluster::busy_minute(|cluster| {
        // What is polled here is polled in the other one, too.
        for n in 0..cluster.nodes.len() {
            cluster.drain(n);
        }
    });
    let resumed = Cluster::busy_minute(Cluster::save_and_resume);
    assert_eq!(plain.recorded.len(), resumed.recorded.len());
    assert!(plain.recorded == resumed.recorded, "datagrams differ");
    assert_eq!(plain.events, resumed.events);
    assert_eq!(plain.answers, resumed.answers);
    assert!(plain.events.len() > 30 && !plain.answers.is_empty());
    for (a, b) in plain.nodes.iter().zip(&resumed.nodes) {
        assert_eq!(a.counters(), b.counters());
    }
}

#[test]
fn keys_are_not_saved() {
    let key = crate::keyring::Key::new(&[0x5a; 32]).expect("a key");
    let keys = crate::keyring::Keyring::new(key);
    let node = node(0, Config::lan(), 1, Instant::ZERO).with_keyring(keys.clone());
    let mut cluster = Cluster::new(1, Config::lan());
    cluster.nodes[0] = node;
    cluster.drain(0);
    let mut saved = Vec::new();
    cluster.nodes[0].save(&mut saved);
    assert!(!saved.windows(8).any(|bytes| bytes == [0x5a; 8]));
    assert!(
        Node::resume(&saved, None)
            .expect("it can be read")
            .keyring()
            .is_none()
    );
}

#[test]
fn what_is_no_saved_node_is_refused() {
    let mut cluster = Cluster::new(1, Config::lan());
    cluster.drain(0);
    let mut saved = Vec::new();
    cluster.nodes[0].save(&mut saved);
    for len in [0, 1, saved.len() / 2, saved.len() - 1] {
        assert!(
            Node::resume(&saved[..len], None).is_none(),
            "{len} bytes of it"
        );
    }
}

#[test]
fn a_journal_that_goes_on_begins_with_the_node_as_it_was_and_without_its_keys() {
    let key = crate::keyring::Key::new(&[0x5a; 32]).expect("a key");
    let identity = Identity::new(name(0), addr(0));
    let params = Params::new(Config::lan()).expect("valid");
    let node = Node::recorded(identity, params, [3; 32], Instant::from_millis(1_000));
    let ring = crate::keyring::Keyring::new(key.clone());
    let mut cluster = Cluster::new(1, Config::lan());
    cluster.nodes[0] = node.expect("it can be made").with_keyring(ring);
    assert!(!cluster.nodes[0].restart_journal(), "actions wait");
    cluster.run(5 * SECOND);
    let mut first = Vec::new();
    assert!(cluster.nodes[0].take_journal(&mut first));
    assert!(cluster.nodes[0].restart_journal());
    cluster.run(5 * SECOND);
    let mut second = Vec::new();
    assert!(cluster.nodes[0].take_journal(&mut second));
    for journal in [&first, &second] {
        assert!(!journal.windows(8).any(|bytes| bytes == [0x5a; 8]));
    }

    let mut reader = Reader::new(&second);
    let Ok(Some(Entry::Checkpoint(checkpoint))) = reader.next() else {
        panic!("it begins with a checkpoint");
    };
    assert!(matches!(
        checkpoint.build(&[]),
        Err(CheckpointError::MissingKey(_))
    ));
    let keys = [key];
    let mut node = checkpoint.build(&keys).expect("it can be read");
    let mut now = checkpoint.at();
    let (mut buf, mut checked) = (Vec::new(), 0);
    while let Some(entry) = reader.next().expect("it is whole") {
        match entry {
            Entry::Input(after, input) => {
                now = Instant::from_nanos(now.as_nanos().wrapping_add(after.cast_unsigned()));
                input
                    .apply(&mut node, now, &keys)
                    .expect("the key is there");
            }
            Entry::Actions(hashes) => {
                for hash in hashes.chunks(HASH_LEN) {
                    buf.clear();
                    let action = node.poll_action(&mut buf);
                    assert_eq!(hash, hash_action(&action, &buf));
                    checked += 1;
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(checked >= 4, "{checked} actions");
}
