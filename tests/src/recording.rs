//! The flight recorder on every adapter: what real nodes have journalled, run again.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::any::type_name;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use serf_core::journal::DamageKind;
use serf_runtime::{Cause, Handle, JournalLimits, Key, KeyOperation, Keyring, MemberEventKind};
use serf_runtime::{QueryParams, Status, Tags};
use serf_sim::replay::{Replay, Stop, Summary};

use crate::harness::{Runtime, eventually, hears, join, options, sees, within};

/// Runs a journal again, and says where and why it ended if not with its last byte.
fn replay(journal: &[u8], keys: &[Key]) -> (Summary, Result<(), Stop>) {
    let mut replay = Replay::new(journal, keys.to_vec()).unwrap();
    let ended = loop {
        match replay.step() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(stop) => break Err(stop),
        }
    };
    (replay.summary().clone(), ended)
}

/// Runs a journal again to its end, which has to be a whole one.
fn replayed(path: &Path, keys: &[Key]) -> Summary {
    let journal = fs::read(path).unwrap();
    let (summary, ended) = replay(&journal, keys);
    ended.unwrap_or_else(|stop| panic!("{}: {stop}", path.display()));
    assert_eq!(summary.bytes, journal.len());
    summary
}

/// As [`replayed`], of a node that was killed, perhaps in the middle of a record.
fn replayed_until_it_was_killed(path: &Path) -> Summary {
    let (summary, ended) = replay(&fs::read(path).unwrap(), &[]);
    match ended {
        Ok(()) => {}
        Err(Stop::Damage(damage)) if damage.kind == DamageKind::Truncated => {}
        Err(stop) => panic!("{}: {stop}", path.display()),
    }
    summary
}

/// What the process of a node that is to be killed is told: its runtime, its journal, its seed.
const KILLED: [&str; 3] = ["SERF_TEST_RUNTIME", "SERF_TEST_JOURNAL", "SERF_TEST_SEED"];

/// The process of a node. Killed when dropped.
struct Killed(Child);

impl Killed {
    /// Starts it as one that has joined `seed`, in a cluster of which this process has two nodes.
    fn start<R: Runtime>(journal: &Path, seed: &Handle) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let seed = seed.advertise_addr().to_string();
        let values = [
            type_name::<R>().as_ref(),
            journal.as_os_str(),
            seed.as_ref(),
        ];
        command
            .args(["--ignored", "a_node_that_is_recorded_until_it_is_killed"])
            .envs(KILLED.into_iter().zip(values))
            .stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert_eq!(ended, None, "it runs until it is killed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The node "c" of [`a_recorded_cluster_with_a_killed_node_does_the_same_again`].
pub async fn a_node_that_is_recorded_until_it_is_killed<R: Runtime>() {
    let [runtime, journal, seed] = KILLED.map(|name| env::var(name).unwrap_or_default());
    if runtime != type_name::<R>() {
        return;
    }
    R::skip(2);
    let options = options("c").record(journal, JournalLimits::default());
    let node = R::bind(options).await.unwrap();
    let joined = node.join(&[seed]).await.unwrap();
    assert_eq!(joined.failed, []);
    node.stopped().await;
}

pub async fn a_recorded_cluster_with_a_killed_node_does_the_same_again<R: Runtime>() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let start = async |name: &str| {
        let options = options(name).record(path(name), JournalLimits::default());
        R::bind(options).await.unwrap()
    };
    let (a, b) = (start("a").await, start("b").await);
    join::<R>(&b, &a).await;
    let mut c = Killed::start::<R>(&path("c"), &a);
    for node in [&a, &b] {
        for name in ["a", "b", "c"] {
            sees::<R>(node, name, Status::Alive).await;
        }
    }
    let tags = Tags::from([("role".to_owned(), "web".to_owned())]);
    b.set_tags(tags).await.unwrap();
    a.user_event("deploy", b"v1", false).await.unwrap();
    eventually::<R>("c should journal the event", async || {
        let journal = fs::read(path("c")).unwrap();
        journal.windows(6).any(|part| part == b"deploy")
    })
    .await;
    let (mut at_a, mut at_b) = (a.events(), b.events());
    c.kill();
    for events in [&mut at_a, &mut at_b] {
        let failed = hears::<R>(events, MemberEventKind::Failed, "c").await;
        let by = match failed.cause {
            Cause::SuspicionExpired { accusers } => accusers,
            Cause::Declared { by } => vec![by],
            other => panic!("{other:?}"),
        };
        assert!(!by.is_empty());
        assert!(by.iter().all(|by| ["a", "b"].contains(&by.as_str())));
    }
    within::<R, _>("leaving", b.leave()).await.unwrap();
    b.stopped().await;
    sees::<R>(&a, "b", Status::Left).await;
    a.shutdown().await;
    a.stopped().await;

    let [a, b] = ["a", "b"].map(|name| replayed(&path(name), &[]));
    let c = replayed_until_it_was_killed(&path("c"));
    for summary in [&a, &b, &c] {
        for kind in ["datagram", "tick", "stream data"] {
            assert!(summary.inputs[kind] > 0, "{summary:?}");
        }
        assert!(summary.actions["datagram sent"] > 0, "{summary:?}");
        assert!(summary.events["member-join"] >= 3, "{summary:?}");
        assert_eq!(summary.events["User"], 1, "{summary:?}");
    }
    assert!(a.events["member-failed"] >= 1);
    assert!(b.events["member-failed"] >= 1);
    assert_eq!(b.inputs["tags"], 1);
    assert_eq!(b.inputs["leave"], 1);
    assert_eq!(a.inputs["user event"], 1);
    assert!(a.events["member-leave"] >= 1);

    // However much of a journal is there is enough for as much of the run.
    let journal = fs::read(path("c")).unwrap();
    let (cut, ended) = replay(&journal[..c.bytes - 1], &[]);
    assert!(cut.bytes < c.bytes && cut.inputs["datagram"] > 0, "{cut:?}");
    assert!(matches!(ended, Err(Stop::Damage(damage)) if damage.kind == DamageKind::Truncated));
}

pub async fn a_journal_of_an_encrypted_node_has_no_keys_and_replays_with_them<R: Runtime>() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    let keys = [1, 2].map(|n| Key::new(&[n; 32]).unwrap());
    let encrypted = |name| options(name).keyring(Keyring::new(keys[0].clone()));
    let a = encrypted("a").record(&path, JournalLimits::default());
    let a = R::bind(a).await.unwrap();
    let b = R::bind(encrypted("b")).await.unwrap();
    join::<R>(&a, &b).await;
    sees::<R>(&b, "a", Status::Alive).await;
    let [_, new] = &keys;
    for operation in [
        KeyOperation::Install(new.clone()),
        KeyOperation::Use(new.clone()),
    ] {
        let report = within::<R, _>("keys", b.key_operation(operation)).await;
        assert_eq!(report.unwrap().responses, 2);
    }
    let mut answers = a.query("load", b"", QueryParams::default()).await.unwrap();
    while within::<R, _>("answers", answers.next()).await.is_some() {}
    a.shutdown().await;
    a.stopped().await;
    b.shutdown().await;
    b.stopped().await;

    let journal = fs::read(&path).unwrap();
    for key in &keys {
        for secret in [key.as_bytes(), key.to_base64().as_bytes()] {
            let part = &secret[..12];
            assert!(!journal.windows(part.len()).any(|bytes| bytes == part));
        }
    }
    let summary = replayed(&path, &keys);
    assert_eq!(summary.events["KeyringChanged"], 2);
}

pub async fn a_journal_goes_on_in_files_each_of_which_replays_and_of_which_some_are_kept<
    R: Runtime,
>() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    let limits = JournalLimits {
        file_bytes: 100_000,
        files: 3,
    };
    let keys = [Key::new(&[9; 16]).unwrap()];
    let encrypted = |name| options(name).keyring(Keyring::new(keys[0].clone()));
    let b = R::bind(encrypted("b")).await.unwrap();
    let a = R::bind(encrypted("a").record(&path, limits)).await.unwrap();
    join::<R>(&a, &b).await;
    // About 400 bytes each in the journal, as often as it is told and heard.
    for _ in 0..1000 {
        a.user_event("news", &[7; 300], false).await.unwrap();
    }
    let probes = a.stats().await.unwrap().counters.probes;
    let goes_on = async || a.stats().await.unwrap().counters.probes > probes + 3;
    eventually::<R>("the node should go on", goes_on).await;
    // What b still has to tell would come after the leave, and move it out of the last files.
    eventually::<R>("all should be told", async || {
        let depth = async |node: &Handle| {
            let queues = node.stats().await.unwrap().queues;
            queues.events.depth
        };
        depth(&a).await + depth(&b).await == 0
    })
    .await;
    a.leave().await.unwrap();
    a.stopped().await;
    b.shutdown().await;
    b.stopped().await;
    let files = fs::read_dir(place.path()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let named = ["a", "a.1", "a.2"].map(|name| place.path().join(name));
    assert_eq!(files, named, "the first are gone");
    let summaries = named.map(|path| replayed(&path, &keys));
    let leaves = summaries.iter().filter_map(|of| of.inputs.get("leave"));
    assert_eq!(leaves.sum::<u64>(), 1, "what came last is kept");
    for old in &summaries[1..] {
        assert!(old.bytes >= 100_000, "{old:?}");
    }
    let before = fs::read(&files[1]).unwrap();
    assert!(!before.windows(8).any(|bytes| bytes == [9; 8]), "a key");
}

pub async fn a_journal_that_cannot_be_written_ends_and_the_node_goes_on<R: Runtime>() {
    let a = R::bind(options("a")).await.unwrap();
    let full = options("b").record("/dev/full", JournalLimits::default());
    let b = R::bind(full).await.unwrap();
    join::<R>(&b, &a).await;
    let probes = b.stats().await.unwrap().counters.probes;
    let goes_on = async || b.stats().await.unwrap().counters.probes > probes + 3;
    eventually::<R>("the node should go on", goes_on).await;
    sees::<R>(&a, "b", Status::Alive).await;
    for node in [a, b] {
        node.shutdown().await;
        node.stopped().await;
    }
}
