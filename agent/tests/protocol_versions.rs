//! Agents that speak an older version of Serf's protocol, beside the reference ones.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::process::Output;

use support::{Agent, Which, eventually, reference_is_installed, stdout};

/// What a command printed, without what comes after the common words of its errors and without
/// the address of the agent, and its exit code.
fn told(agent: &Agent, output: &Output) -> (String, Option<i32>) {
    let text = stdout(output).replace(&agent.ip.to_string(), "IP");
    let text = match text.split_once("Feature not supported") {
        Some((before, _)) => format!("{before}Feature not supported"),
        None => text,
    };
    (text, output.status.code())
}

#[test]
fn each_version_does_and_refuses_the_same_as_in_the_reference() {
    if !reference_is_installed() {
        return;
    }
    for version in ["2", "3", "4", "5", "0", "-1"] {
        let flag = format!("-protocol={version}");
        let agents = Which::BOTH.map(|which| Agent::start(which, "alpha", &[&flag, "-tag=role=w"]));
        for args in [
            &["members", "-detailed"][..],
            &["members", "-format=json"],
            &["query", "-timeout=50ms", "load"],
            &["keys", "-list"],
            &["reachability"],
            &["tags", "-set=dc=x", "-set=role=v"],
            &["members", "-tag=role=v", "-tag=dc="],
            &["event", "deploy"],
            &["force-leave", "nobody"],
        ] {
            let [ours, reference] = agents.each_ref().map(|agent| {
                let output = agent.run(Which::Reference, args[0], &args[1..]);
                told(agent, &output)
            });
            // The reference lists tags in random order.
            let sorted = |text: &str| {
                let mut letters: Vec<char> = text.chars().collect();
                letters.sort_unstable();
                letters
            };
            let context = format!("{version} {args:?}: {ours:?} {reference:?}");
            assert_eq!(ours.1, reference.1, "{context}");
            assert_eq!(sorted(&ours.0), sorted(&reference.0), "{context}");
        }
    }
}

#[test]
fn versions_that_nobody_speaks_are_refused_with_those_that_are() {
    for version in ["1", "6", "300"] {
        let output = support::run(Which::Ours, &["agent", "-protocol", version]);
        let words = format!("Error creating Serf: Protocol version '{version}' too ");
        let text = stdout(&output);
        assert!(text.contains(&words), "{text}");
        assert!(text.contains("Must be in range: [2, 5]"), "{text}");
        assert_eq!(output.status.code(), Some(1));
    }
    let args = ["agent", "-check-config", "-protocol=2", "-wire=native"];
    let output = support::run(Which::Ours, &args);
    assert!(stdout(&output).contains("protocol 2 cannot be spoken"));
}

#[test]
fn agents_of_all_versions_are_members_of_one_cluster_and_ours_speak_their_own_wire_from_3_on() {
    let newest = Agent::start(Which::Ours, "v5", &["-profile=local"]);
    let join = newest.ip.to_string();
    let file = support::Scratch::new("versions");
    let seen = file.path("environment");
    let handler = format!("user:x=env | grep ^SERF_TAG_ | sort > {seen}");
    let start = |which, name, version, more: &[&str]| {
        let flag = format!("-protocol={version}");
        let args = ["-profile=local", &flag, "-tag=role=r", "-tag=dc=x"];
        let args = [&args[..], &["-join", &join], more].concat();
        Agent::start(which, name, &args)
    };
    let v2 = start(Which::Ours, "v2", "2", &["-event-handler", &handler]);
    let _v3 = start(Which::Ours, "v3", "3", &[]);
    let mut expected = vec![("v2", "alive"), ("v3", "alive"), ("v5", "alive")];
    let reference = reference_is_installed().then(|| start(Which::Reference, "ref2", "2", &[]));
    if let Some(reference) = &reference {
        expected.insert(0, ("ref2", "alive"));
        reference.wait_for_members(&expected);
    }
    newest.wait_for_members(&expected);
    v2.wait_for_members(&expected);
    let listed = || stdout(&newest.run(Which::Ours, "members", &["-detailed", "-name=v."]));
    let wires = |text: &str| -> Vec<String> {
        let wire = |line: &str| line.split("Wire: ").nth(1).unwrap_or("").to_owned();
        text.lines().map(wire).collect()
    };
    eventually("the wires", || {
        let text = listed();
        (wires(&text) == ["memberlist", "native", ""])
            .then_some(())
            .ok_or(text)
    });
    assert!(listed().contains("Protocol Version: 2  Available Protocol Range: [2, 5]"));
    // The oldest announces its role alone, and its handlers are told of no more.
    v2.run(Which::Ours, "event", &["-coalesce=false", "x"]);
    let text = stdout(&newest.run(Which::Ours, "members", &["-name=v2", "-format=json"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["members"][0]["tags"], serde_json::json!({"role": "r"}));
    eventually("the handler", || {
        let text = std::fs::read_to_string(&seen).unwrap_or_default();
        text.ends_with("SERF_TAG_ROLE=r\n")
            .then_some(())
            .ok_or(text)
    });
}
