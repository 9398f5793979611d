//! What is refused, by every command and by the agent's configuration: by ours and the reference
//! with the same exit codes, on the same outputs, with the same first words.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use support::{Scratch, Which, fresh_ip, reference_is_installed, run, stderr, stdout};

const COMMANDS: [&str; 15] = [
    "agent",
    "event",
    "force-leave",
    "info",
    "join",
    "keygen",
    "keys",
    "leave",
    "members",
    "monitor",
    "query",
    "reachability",
    "rtt",
    "tags",
    "version",
];

#[test]
fn every_command_has_help_and_refuses_flags_alike() {
    if !reference_is_installed() {
        return;
    }
    for command in COMMANDS {
        for flags in [
            &["-help"][..],
            &["--help"],
            &["-h"],
            &["-nope"],
            &["-nope=1"],
            &["--nope", "x"],
            &["---x"],
            &["-=x"],
            &["-rpc-addr"],
        ] {
            let args = [&[command], flags].concat();
            let [ours, reference] = Which::BOTH.map(|which| run(which, &args));
            let context = format!("{args:?}: {ours:?} {reference:?}");
            assert_eq!(ours.status.code(), reference.status.code(), "{context}");
            let silent = |text: String| text.is_empty();
            assert_eq!(
                silent(stdout(&ours)),
                silent(stdout(&reference)),
                "{context}"
            );
            assert_eq!(
                silent(stderr(&ours)),
                silent(stderr(&reference)),
                "{context}"
            );
            if ours.status.code() != Some(0) {
                assert_eq!(stderr(&ours), stderr(&reference), "{context}");
            }
        }
    }
}

#[test]
fn values_that_a_flag_does_not_take_are_refused_alike() {
    if !reference_is_installed() {
        return;
    }
    for (args, words) in [
        (
            &["event", "-coalesce=x", "y"][..],
            "invalid boolean value \"x\" for -coalesce: ",
        ),
        (
            &["members", "-detailed=x"],
            "invalid boolean value \"x\" for -detailed: ",
        ),
        (
            &["query", "-timeout=x", "y"],
            "invalid value \"x\" for flag -timeout: ",
        ),
        (
            &["query", "-relay-factor=x", "y"],
            "invalid value \"x\" for flag -relay-factor: ",
        ),
        (
            &["query", "-no-ack=x", "y"],
            "invalid boolean value \"x\" for -no-ack: ",
        ),
        (
            &["reachability", "-verbose=x"],
            "invalid boolean value \"x\" for -verbose: ",
        ),
        (
            &["force-leave", "-prune=x", "y"],
            "invalid boolean value \"x\" for -prune: ",
        ),
        (
            &["join", "-replay=x", "y"],
            "invalid boolean value \"x\" for -replay: ",
        ),
        (
            &["keys", "-list=x"],
            "invalid boolean value \"x\" for -list: ",
        ),
        (
            &["agent", "-protocol=x"],
            "invalid value \"x\" for flag -protocol: ",
        ),
        (
            &["agent", "-retry-max=1.5"],
            "invalid value \"1.5\" for flag -retry-max: ",
        ),
        (
            &["agent", "-syslog=x"],
            "invalid boolean value \"x\" for -syslog: ",
        ),
        (
            &["agent", "-rejoin=x"],
            "invalid boolean value \"x\" for -rejoin: ",
        ),
    ] {
        for which in Which::BOTH {
            let output = run(which, args);
            assert_eq!(output.status.code(), Some(1), "{which:?} {args:?}");
            let text = stderr(&output);
            assert!(text.starts_with(words), "{which:?} {args:?}: {text}");
            assert!(
                stdout(&output).contains("Usage: serf "),
                "{which:?} {args:?}"
            );
        }
    }
}

/// Runs an agent that cannot start, on an address of its own, and answers what it says last.
fn refused(which: Which, args: &[&str]) -> String {
    let ip = fresh_ip();
    let (bind, rpc) = (format!("-bind={ip}"), format!("-rpc-addr={ip}:7373"));
    let args = [&["agent", &bind, &rpc], args].concat();
    let output = run(which, &args);
    assert_eq!(output.status.code(), Some(1), "{which:?} {args:?}");
    let text = stdout(&output);
    let last = text
        .rfind("==> ")
        .unwrap_or_else(|| panic!("{which:?} {args:?}: {text}"));
    text[last..].to_owned()
}

#[test]
fn agents_that_cannot_start_say_why_in_the_same_first_words() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("refusals");
    let file = |name: &str, text: &str| scratch.write(name, text);
    let broken = file("broken.json", "x");
    let tags = file("tags.json", "{}");
    let nobody = fresh_ip().to_string();
    let long = format!("k={}", "x".repeat(600));
    let serf = "==> Failed to start the Serf agent: Error creating Serf: ";
    let setup = "==> Failed to setup the Serf agent: ";
    for (args, words) in [
        (&["-profile=x"][..], "==> Unknown profile: x"),
        (
            &["-log-level=x"],
            "==> Invalid log level: X. Valid log levels are: [TRACE DEBUG INFO WARN ERR]\n",
        ),
        (
            &["-protocol=1"],
            &format!("{serf}Protocol version '1' too low. Must be in range: [2, 5]\n"),
        ),
        (
            &["-protocol=6"],
            &format!("{serf}Protocol version '6' too high. Must be in range: [2, 5]\n"),
        ),
        (&["-tag=x"], "==> Error: Invalid tag: 'x'\n"),
        (
            &["-tag", &long],
            &format!("{serf}Encoded length of tags exceeds limit of 512 bytes"),
        ),
        (
            &["-event-handler=x=y"],
            "==> Invalid event script: Event 'x' invoking 'y'",
        ),
        (&["-encrypt=x"], "==> Invalid encryption key: "),
        (&["-iface=nope"], "==> Invalid network interface: "),
        (&["-bind=1.2.3.4:x"], "==> Invalid bind address: "),
        (&["-bind=a..b"], "==> Invalid bind address: "),
        (&["-bind=192.0.2.1"], serf),
        (&["-advertise=x:y:z"], "==> Invalid advertise address: "),
        (
            &["-config-file=/nonexistent"],
            "==> Error reading '/nonexistent': ",
        ),
        (
            &["-config-dir=/nonexistent"],
            "==> Error reading '/nonexistent': ",
        ),
        (&["-keyring-file=/nonexistent"], setup),
        (&["-keyring-file", &broken], setup),
        (&["-tags-file", &broken], setup),
        (
            &["-tags-file", &tags, "-tag=a=b"],
            &format!("{setup}Tags config not allowed while using tag files"),
        ),
        (
            &["-encrypt=AAAAAAAAAAAAAAAAAAAAAA==", "-keyring-file=x"],
            &format!("{setup}Encryption key not allowed while using a keyring"),
        ),
        (&["-snapshot=/nonexistent/x"], serf),
        (
            &["-rpc-addr=192.0.2.1:1"],
            "==> Error starting RPC listener: listen tcp 192.0.2.1:1: ",
        ),
        (
            &["-rpc-addr=x"],
            "==> Error starting RPC listener: listen tcp",
        ),
        (
            &["-join", &nobody],
            &format!(
                "==> 1 error occurred:\n\t* Failed to join {nobody}: dial tcp {nobody}:7946: \
                 connect: connection refused\n\n\n"
            ),
        ),
        (
            &["-join", &nobody, "-join=nobody.invalid"],
            "==> 2 errors occurred:\n\t* Failed to ",
        ),
    ] {
        for which in Which::BOTH {
            let text = refused(which, args);
            assert!(text.starts_with(words), "{which:?} {args:?}: {text}");
        }
    }
}

#[test]
fn files_that_are_no_configuration_are_refused_by_both_and_ours_names_the_key() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("decoding");
    for (text, key) in [
        ("{", ""),
        ("", ""),
        ("[]", ""),
        (r#"{"nope": 1}"#, "nope"),
        (r#"{"node_name": 1}"#, "node_name"),
        (r#"{"leave_on_terminate": 1}"#, "leave_on_terminate"),
        (r#"{"protocol": "5"}"#, "protocol"),
        (r#"{"tags": {"a": 1}}"#, "tags"),
        (r#"{"start_join": "x"}"#, "start_join"),
        (r#"{"retry_interval": 5}"#, "retry_interval"),
        (r#"{"retry_interval": "5"}"#, "retry_interval"),
        (r#"{"reconnect_interval": "x"}"#, "reconnect_interval"),
        (r#"{"reconnect_timeout": "x"}"#, "reconnect_timeout"),
        (r#"{"tombstone_timeout": "x"}"#, "tombstone_timeout"),
        (r#"{"broadcast_timeout": "x"}"#, "broadcast_timeout"),
    ] {
        let path = scratch.write("agent.json", text);
        for which in Which::BOTH {
            let told = refused(which, &["-config-file", &path]);
            let words = format!("==> Error decoding '{path}': ");
            assert!(told.starts_with(&words), "{which:?} {text}: {told}");
            let named = which == Which::Reference || told.contains(key);
            assert!(named, "{told}");
        }
    }
    // Both take what is null for what is not there.
    let nobody = fresh_ip();
    let text = format!(
        r#"{{"Node_Name": null, "tags": null, "event_handlers": null, "start_join": ["{nobody}"]}}"#
    );
    let path = scratch.write("agent.json", &text);
    for which in Which::BOTH {
        let told = refused(which, &["-config-file", &path]);
        assert!(
            told.starts_with("==> 1 error occurred:"),
            "{which:?}: {told}"
        );
    }
}
