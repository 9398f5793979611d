//! `serf-sim replay` as a shell sees it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serf_core::keyring::{Key, Keyring};
use serf_sim::World;

fn replay(place: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_serf-sim"))
        .arg("replay")
        .args(args)
        .current_dir(place)
        .output()
        .expect("the program was built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What node 1 of three has journalled in a minute in which node 2 crashed.
fn journal(key: Option<Key>) -> Vec<u8> {
    let mut world = World::builder(1).build();
    for node in 0..3 {
        world.add();
        if let Some(key) = &key {
            world.set_keyring(node, Keyring::new(key.clone()));
        }
        if node == 1 {
            world.record(node);
        }
        world.start(node);
    }
    world.join_all_through(0);
    let wait = |world: &mut World| {
        let run = world.run_for(Duration::from_secs(30));
        run.expect("nothing is wrong with it");
    };
    wait(&mut world);
    world.crash(2);
    wait(&mut world);
    world.journal(1).expect("it is recorded").to_vec()
}

#[test]
fn a_whole_a_torn_a_damaged_and_a_foreign_journal_have_the_right_exit_codes() {
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(place.path().join(name), bytes).expect("the directory is writable");
    };
    let run = |args: &[&str]| replay(place.path(), args);
    let good = journal(None);
    write("good", &good);
    let (code, out, err) = run(&["good"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for part in [
        "node-1 at ",
        " inputs, ",
        "in: datagram",
        "event: member-failed",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }

    write("torn", &good[..good.len() - 5]);
    let (code, out, _) = run(&["torn"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("breaks off"), "{out}");

    for place in [20, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[place] ^= 4;
        write("damaged", &damaged);
        let (code, _, err) = run(&["damaged"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("wrong checksum"), "{err}");
    }

    write("foreign", b"{}");
    let (code, _, err) = run(&["foreign"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no journal"), "{err}");
    let (code, _, err) = run(&["missing"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("'missing'"), "{err}");
}

#[test]
fn the_summary_is_also_json_and_the_steps_can_be_printed() {
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let file = place.path().join("journal");
    fs::write(file, journal(None)).expect("the directory is writable");
    let (code, out, _) = replay(place.path(), &["journal", "--json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(json["same"], true);
    assert_eq!(json["breaks_off"], false);
    assert_eq!(json["members"], 3);
    assert_eq!(json["events"]["member-join"], 3);

    let args = ["journal", "--verbose", "--until", "10s"];
    let (code, out, _) = replay(place.path(), &args);
    assert_eq!(code, Some(0));
    assert!(out.contains("<- datagram of "), "{out}");
    assert!(out.contains("-> SendDatagram "), "{out}");
    assert!(!out.contains("member-failed"), "that came later: {out}");
}

#[test]
fn an_encrypted_journal_takes_the_keys_and_says_so() {
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let key = Key::new(&[9; 16]).expect("it has 16 bytes");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(place.path().join(name), bytes).expect("the directory is writable");
    };
    write("journal", &journal(Some(key.clone())));
    write("keys", format!("[\"{}\"]", &*key.to_base64()).as_bytes());
    write("wrong", b"[\"no key\"]");
    let (code, _, err) = replay(place.path(), &["journal"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("--keyring"), "{err}");
    let (code, out, err) = replay(place.path(), &["journal", "--keyring", "keys"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("in: keyring"), "{out}");
    let (code, _, err) = replay(place.path(), &["journal", "--keyring", "wrong"]);
    assert_eq!(code, Some(2));
    assert!(
        !err.contains("no key"),
        "what stands there is not shown: {err}"
    );
}
