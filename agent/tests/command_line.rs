//! The command line without an agent: help, versions, flags, exit codes.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use clap_complete::Shell;
use support::{Which, reference_is_installed, run, stderr, stdout};

#[test]
fn help_goes_to_stderr_and_says_which_commands_there_are() {
    for (args, code) in [
        (&["--help"][..], 0),
        (&["-h"], 0),
        (&[], 127),
        (&["bogus"], 127),
        (&["bogus", "-x"], 127),
    ] {
        let output = run(Which::Ours, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert!(stderr(&output).contains("    force-leave "), "{args:?}");
    }
    let output = run(Which::Ours, &["members", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("--detailed"));
    assert_eq!(stdout(&output), "");
}

#[test]
fn every_name_of_a_flag_is_in_help_manual_and_completions() {
    let help = stderr(&run(Which::Ours, &["agent", "-help"]));
    let mut manual = Vec::new();
    let commands = serf_agent::cli::describe();
    let agent = commands.find_subcommand("agent").unwrap();
    clap_mangen::Man::new(agent.clone())
        .render(&mut manual)
        .unwrap();
    let manual = String::from_utf8(manual).unwrap().replace("\\-", "-");
    let [bash, zsh, fish] = [Shell::Bash, Shell::Zsh, Shell::Fish].map(|shell| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut commands.clone(), "serf", &mut script);
        String::from_utf8(script).unwrap()
    });
    for name in ["config-file", "config-dir"] {
        let long = format!("--{name}");
        for text in [&help, &manual, &bash] {
            assert!(text.contains(&long), "{name}: {text}");
        }
        assert!(zsh.contains(&format!("'*{long}=[")), "{zsh}");
        assert!(fish.contains(&format!(" -l {name} ")), "{fish}");
    }
}

#[test]
fn version_is_a_command_and_a_flag() {
    let expected = format!(
        "{}\nAgent Protocol: 5 (Understands back to: 2)\n",
        env!("CARGO_PKG_VERSION")
    );
    for args in [
        &["version"][..],
        &["version", "x"],
        &["version", "-x"],
        &["--version"],
        &["-v"],
        &["members", "-v"],
    ] {
        let output = run(Which::Ours, args);
        assert_eq!(stdout(&output), expected, "{args:?}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn wrong_flags_are_named_on_stderr_and_help_follows_on_stdout() {
    for (args, complaint) in [
        (
            &["members", "-bogus"][..],
            "flag provided but not defined: -bogus",
        ),
        (&["members", "-format"], "flag needs an argument: -format"),
        (
            &["members", "-detailed=maybe"],
            "invalid boolean value \"maybe\"",
        ),
        (
            &["agent", "-protocol", "x"],
            "invalid value \"x\" for flag -protocol",
        ),
        (&["agent", "-retry-interval", "5"], "invalid duration \"5\""),
    ] {
        let output = run(Which::Ours, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
        assert!(stdout(&output).contains("Usage: serf "), "{args:?}");
    }
    let output = run(Which::Ours, &["-bogus", "members"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Invalid flags before the subcommand"));
}

#[test]
fn a_key_is_32_random_bytes_in_base64() {
    let key = || stdout(&run(Which::Ours, &["keygen"]));
    assert_eq!(key().trim_end().len(), 44);
    assert!(key().ends_with("=\n"));
    assert_ne!(key(), key());
}

#[test]
fn an_agent_that_cannot_start_says_why_and_exits_1() {
    for (args, complaint) in [
        (&["-profile", "x"][..], "==> Unknown profile: x"),
        (
            &["-log-level", "x"],
            "==> Invalid log level: X. Valid log levels are: [TRACE DEBUG INFO WARN ERR]",
        ),
        (&["-tag", "x"], "==> Error: Invalid tag: 'x'"),
        (
            &["-snapshot", "/nonexistent/x"],
            "Error creating Serf: cannot open snapshot '/nonexistent/x'",
        ),
        (&["-encrypt", "x"], "==> Invalid encryption key: "),
        (
            &["-encrypt=AAAAAAAAAAAAAAAAAAAAAA==", "-keyring-file=x"],
            "==> Failed to setup the Serf agent: Encryption key not allowed while using a keyring",
        ),
        (
            &["-keyring-file", "/nonexistent"],
            "==> Failed to setup the Serf agent: cannot open keyring file '/nonexistent'",
        ),
        (
            &["-event-handler=bogus=x.sh"],
            "==> Invalid event script: Event 'bogus' invoking 'x.sh'",
        ),
        (
            &["-config-file", "/nonexistent"],
            "==> Error reading '/nonexistent': No such file",
        ),
        (
            &["-bind", "127.0.0.1:99999"],
            "==> Invalid bind address: '127.0.0.1:99999'",
        ),
        (
            &["-bind", "192.0.2.1"],
            "==> Failed to start the Serf agent: ",
        ),
    ] {
        // Of the same flag the last one counts.
        let bind = format!("-bind={}", support::fresh_ip());
        let args = [&["agent", &bind], args].concat();
        let output = run(Which::Ours, &args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            stdout(&output).contains(complaint),
            "{args:?}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn without_an_agent_commands_fail_like_those_of_the_reference() {
    if !reference_is_installed() {
        return;
    }
    let addr = format!("{}:7373", support::fresh_ip());
    let addr = format!("-rpc-addr={addr}");
    for args in [
        &["members", &addr][..],
        &["members", "-rpc-addr=127.0.0.1"],
        &["members", "-rpc-addr="],
        &["members", "-tag=x", &addr],
        &["leave", &addr],
        &["force-leave", &addr, "x"],
        &["join", &addr, "x"],
        &["info", &addr],
        &["tags", "-set=a=b", &addr],
        &["tags", "-set=a", &addr],
        &["monitor", &addr],
        &["rtt", &addr],
    ] {
        let (ours, reference) = (run(Which::Ours, args), run(Which::Reference, args));
        assert_eq!(stdout(&ours), stdout(&reference), "{args:?}");
        assert_eq!(ours.status.code(), reference.status.code(), "{args:?}");
    }
    // The texts of help are our own; where they go and the exit codes are not.
    for args in [
        &[][..],
        &["bogus"],
        &["--help"],
        &["members", "-h"],
        &["-bogus", "members"],
        &["members", "-bogus"],
        &["members", "-format"],
        &["force-leave", &addr],
        &["force-leave", &addr, "a", "b"],
        &["join", &addr],
        &["tags", &addr],
    ] {
        let (ours, reference) = (run(Which::Ours, args), run(Which::Reference, args));
        assert_eq!(ours.status.code(), reference.status.code(), "{args:?}");
        assert_eq!(
            ours.stdout.is_empty(),
            reference.stdout.is_empty(),
            "{args:?}"
        );
        // What is wrong is said on stderr, too; the reference does so for flags only.
        let help_only = args.first() == Some(&"tags");
        assert!(!ours.stderr.is_empty() || help_only, "{args:?}");
        assert!(
            !ours.stderr.is_empty() || reference.stderr.is_empty(),
            "{args:?}"
        );
    }
}
