//! `-record` and `-runtime`: an agent on each runtime of this build, and what it has journalled.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt as _;

use serf_agent::config::Runtime;
use serf_sim::replay::Replay;
use support::{Agent, Scratch, Which, eventually, fresh_ip, run, stderr, stdout};

/// True if this machine lets the runtime run; says why if it does not.
fn runs(runtime: &str) -> bool {
    #[cfg(all(feature = "glommio", target_os = "linux"))]
    if runtime == "glommio"
        && let Err(why) = serf_glommio::check()
    {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED: glommio: {why}\n").as_bytes(),
        );
        return false;
    }
    let _ = runtime;
    true
}

#[test]
fn what_an_agent_on_any_runtime_has_recorded_can_be_replayed() {
    for (runtime, _) in Runtime::ALL {
        if !runs(runtime) {
            continue;
        }
        let scratch = Scratch::new(&format!("record-{runtime}"));
        let journal = scratch.path("journal");
        let key = "T9jncgl9mbLus+baTTa7q7nPSUrXwbDi2dhbtqir37s=";
        let seed = Agent::start(Which::Ours, "seed", &["-profile=local", "-encrypt", key]);
        let join = seed.ip.to_string();
        let mut args = vec!["-profile=local", "-encrypt", key, "-join", &join];
        args.extend(["-runtime", runtime, "-record", &journal]);
        let mut member = Agent::start(Which::Ours, "member", &args);
        seed.wait_for_members(&[("member", "alive"), ("seed", "alive")]);
        member.wait_for_members(&[("member", "alive"), ("seed", "alive")]);
        let sent = member.run(Which::Ours, "event", &["deploy", "v1"]);
        assert!(sent.status.success(), "{}", stderr(&sent));
        member.process.signal("INT");
        assert_eq!(member.process.exit_code(), Some(0), "{runtime}");

        let journal = std::fs::read(journal).unwrap();
        assert!(!journal.windows(8).any(|part| part == &key.as_bytes()[..8]));
        let key = serf_core::keyring::Key::from_base64(key).unwrap();
        let mut replay = Replay::new(&journal, vec![key]).unwrap();
        while replay.step().unwrap().is_some() {}
        let summary = replay.summary();
        assert_eq!(summary.inputs["user event"], 1, "{runtime}: {summary:?}");
        assert_eq!(summary.inputs["leave"], 1, "{runtime}: {summary:?}");
        assert!(summary.events["member-join"] >= 2, "{runtime}: {summary:?}");
        assert!(replay.node().is_stopped());
    }
}

#[test]
fn what_an_agent_that_was_killed_has_recorded_can_be_replayed() {
    let scratch = Scratch::new("record-killed");
    let journal = scratch.path("journal");
    let args = ["-profile=local", "-record", &journal];
    let mut agent = Agent::start(Which::Ours, "one", &args);
    agent.run(Which::Ours, "event", &["deploy", "v1"]);
    eventually("the event in the journal", || {
        let journal = std::fs::read(&journal).unwrap();
        let there = journal.windows(6).any(|part| part == b"deploy");
        there
            .then_some(())
            .ok_or(format!("{} bytes", journal.len()))
    });
    agent.process.kill();
    let journal = std::fs::read(&journal).unwrap();
    let mut replay = Replay::new(&journal, vec![]).unwrap();
    // Whole records are written at once, so that there is nothing torn.
    while replay.step().unwrap().is_some() {}
    assert_eq!(replay.summary().events["User"], 1);
}

#[test]
fn files_of_a_journal_are_as_large_and_as_many_as_the_operator_wants() {
    let scratch = Scratch::new("record-limits");
    let journals = ["journal", "journal.1", "journal.2"].map(|name| scratch.path(name));
    let limits = ["-record-size=1048576", "-record-files=2"];
    let args = ["-profile=local", "-record", &journals[0]];
    let mut agent = Agent::start(Which::Ours, "one", &[&args[..], &limits].concat());
    // What makes no sense is in the journal, too.
    let noise = UdpSocket::bind((fresh_ip(), 0)).unwrap();
    let flood_until_another_is = |than: Option<u64>| {
        eventually("a full file", || {
            noise.send_to(&[0; 60_000], (agent.ip, 7946)).unwrap();
            let file = std::fs::metadata(&journals[1]).ok();
            let file = file.map(|file| file.ino()).filter(|ino| Some(*ino) != than);
            file.ok_or_else(|| "the first is not full".to_owned())
        })
    };
    let first = flood_until_another_is(None);
    flood_until_another_is(Some(first));
    agent.process.signal("INT");
    assert_eq!(agent.process.exit_code(), Some(0));
    assert!(!std::fs::exists(&journals[2]).unwrap(), "two are kept");
    for path in &journals[..2] {
        let journal = std::fs::read(path).unwrap();
        let mut replay = Replay::new(&journal, vec![]).unwrap();
        while replay.step().unwrap().is_some() {}
    }
    let full = std::fs::metadata(&journals[1]).unwrap().len();
    assert!((1 << 20..2 << 20).contains(&full), "{full} bytes");
}

#[test]
fn a_runtime_that_is_not_there_is_refused_with_those_that_are() {
    let output = run(Which::Ours, &["agent", "-runtime", "async-std"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output) + &stdout(&output);
    for word in ["Invalid runtime", "'async-std'", "tokio"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn all_of_it_is_in_the_effective_configuration() {
    let args = [
        "agent",
        "-node=x",
        "-record=/tmp/j",
        "-record-files=2",
        "-check-config",
    ];
    let shown = stdout(&run(Which::Ours, &args));
    assert!(shown.contains(r#""record": "/tmp/j""#), "{shown}");
    assert!(shown.contains(r#""record_size": 67108864"#), "{shown}");
    assert!(shown.contains(r#""record_files": 2"#), "{shown}");
    assert!(shown.contains(r#""runtime": "tokio""#), "{shown}");
    let wrong = [&args[..], &["-record-size=5"]].concat();
    let output = run(Which::Ours, &wrong);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    assert!(
        told.contains("Invalid record_size: 5 (accepted are "),
        "{told}"
    );
}
