//! Files that go back and forth between us and the reference system.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test, in its helpers, too")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serf_core::keyring::{Key, Keyring};
use serf_core::snapshot::{Record, Recovered};
use serf_core::{Name, Tags};
use serf_runtime::files::{SnapshotWriter, load_keyring, load_tags, save_keyring, save_tags};
use tempfile::TempDir;

const REFERENCE: &str = "/usr/bin/serf";

/// Longest wait for anything that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// True if the reference system is installed. Where tests must be complete (`CI=true`) it has to
/// be; elsewhere the caller skips, and this says so.
fn reference_is_installed() -> bool {
    let installed = Path::new(REFERENCE).exists();
    if !installed {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "the reference serf must be installed where CI=true");
        eprintln!("skipped: the reference serf is not installed as {REFERENCE}");
    }
    installed
}

fn eventually<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match check() {
            Ok(value) => return value,
            Err(complaint) if start.elapsed() > PATIENCE => panic!("{what}: {complaint}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A running agent of the reference system on an address of its own. Killed when dropped.
struct Agent {
    child: Child,
    ip: Ipv4Addr,
    log: PathBuf,
    _scratch: TempDir,
}

impl Agent {
    fn start(name: &str, args: &[&str]) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = NEXT.fetch_add(1, Ordering::Relaxed);
        let ip = Ipv4Addr::new(127, 192 + high % 63, low, host);
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let child = Command::new(REFERENCE)
            .args(["agent", "-node", name])
            .args(["-bind", &format!("{ip}:7946")])
            .args(["-rpc-addr", &format!("{ip}:7373")])
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let agent = Self {
            child,
            ip,
            log,
            _scratch: scratch,
        };
        agent.wait_for("Log data will now stream in");
        agent
    }

    fn addr(&self) -> SocketAddr {
        (self.ip, 7946).into()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        });
    }

    /// Runs a command against it and gives what it prints.
    fn run(&self, command: &str, args: &[&str]) -> String {
        let output = Command::new(REFERENCE)
            .args([command, "-rpc-addr", &format!("{}:7373", self.ip)])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends it with a signal and gives its log.
    fn stop(mut self, signal: &str) -> String {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.unwrap().success());
        eventually("the end of the agent", || {
            let ended = self.child.try_wait().unwrap();
            ended.ok_or_else(|| self.log())
        });
        self.log()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn open(path: &Path) -> Recovered {
    let (writer, recovered) = SnapshotWriter::open(path, false).unwrap();
    writer.close_blocking();
    recovered
}

#[test]
fn we_take_over_a_snapshot_of_the_reference_and_it_takes_ours() {
    if !reference_is_installed() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("snapshot");
    let option = format!("-snapshot={}", path.display());

    // It writes, we read.
    let first = Agent::start("first", &[&option]);
    let peer = Agent::start("peer two", &["-join", &first.ip.to_string()]);
    first.wait_for("EventMemberJoin: peer two");
    for event in ["one", "two"] {
        peer.run("event", &[event]);
        first.wait_for(&format!("Received event: user-event: {event}"));
    }
    let first_addr = first.addr();
    first.stop("TERM");
    let recovered = open(&path);
    assert_eq!(recovered.skipped, []);
    let expected = [(name("first"), first_addr), (name("peer two"), peer.addr())];
    assert_eq!(recovered.state.alive(), &expected.into());
    assert!(recovered.state.clock() >= 1);
    assert_eq!(recovered.state.event_clock(), 2);
    assert!(!recovered.state.left());

    // We write more of it, it reads.
    let (writer, _) = SnapshotWriter::open(&path, false).unwrap();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    for record in Record::failure(name("first"), nowhere) {
        writer.append(record);
    }
    writer.append(Record::Clock(50));
    writer.append(Record::EventClock(70));
    assert_eq!(writer.close_blocking().trouble, None);
    let second = Agent::start("second", &[&option]);
    second.wait_for("Re-joined to previously known node: peer two");
    peer.wait_for("EventMemberJoin: second");
    let log = second.log();
    assert!(!log.contains("[WARN]"), "{log}");
    second.stop("INT");

    // It has left. We see that, and that its clock went on from ours.
    let recovered = open(&path);
    assert_eq!(recovered.skipped, []);
    assert!(recovered.state.left());
    assert!(recovered.state.alive().is_empty());
    let (_, rejoining) = SnapshotWriter::open(&path, true).unwrap();
    let alive: Vec<&str> = rejoining.state.alive().keys().map(Name::as_str).collect();
    assert!(alive.contains(&"peer two"), "{alive:?}");
    assert!(rejoining.state.clock() > 50);
    assert_eq!(rejoining.state.event_clock(), 70);
}

#[test]
fn keyring_and_tags_files_serve_both() {
    if !reference_is_installed() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let keyring_file = scratch.path().join("keyring.json");
    let tags_file = scratch.path().join("tags.json");
    let (old, new) = (Key::new(&[1; 16]).unwrap(), Key::new(&[0xff; 32]).unwrap());
    let keyring = Keyring::from_keys([old.clone(), new.clone()]).unwrap();
    save_keyring(&keyring_file, &keyring).unwrap();
    let tags: Tags = [("role".to_owned(), "a <b> & \u{e9} \"c\"".to_owned())].into();
    save_tags(&tags_file, &tags).unwrap();

    let agent = Agent::start(
        "agent",
        &[
            &format!("-keyring-file={}", keyring_file.display()),
            &format!("-tags-file={}", tags_file.display()),
        ],
    );
    let members = agent.run("members", &["-detailed", "-format=json"]);
    let members: serde_json::Value = serde_json::from_str(&members).unwrap();
    assert_eq!(members["members"][0]["tags"]["role"], tags["role"]);
    agent.run("keys", &["-use", &new.to_base64()]);
    agent.run("tags", &["-set", "dc=east"]);
    assert_eq!(
        load_keyring(&keyring_file).unwrap().keys(),
        [new.clone(), old.clone()]
    );
    let mut expected = tags;
    expected.insert("dc".to_owned(), "east".to_owned());
    assert_eq!(load_tags(&tags_file).unwrap(), Some(expected));
    agent.run("keys", &["-remove", &old.to_base64()]);
    assert_eq!(load_keyring(&keyring_file).unwrap().keys(), [new]);

    // What it wrote and what we write of that are the same bytes.
    let theirs = fs::read(&keyring_file).unwrap();
    save_keyring(&keyring_file, &load_keyring(&keyring_file).unwrap()).unwrap();
    assert_eq!(fs::read(&keyring_file).unwrap(), theirs);
}
