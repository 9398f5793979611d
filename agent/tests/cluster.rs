//! Clusters of our own agents, driven as an operator drives them: flags, signals, commands.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{Agent, Process, Scratch, Which, eventually, fresh_ip, run, stdout};

fn start(name: &str, args: &[&str]) -> Agent {
    Agent::start(Which::Ours, name, args)
}

/// A configuration file that is gone when the test is over.
struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("serf-cluster-{}-{name}.json", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_start_is_told_in_the_usual_words() {
    let first = start("first", &[]);
    let join = first.ip.to_string();
    let args = [
        "-join",
        &join,
        "-tag",
        "a=b",
        "-profile=wan",
        "-advertise",
        "127.0.0.1:1",
    ];
    let second = start("second", &args);
    second
        .process
        .wait_for("[INFO] serf: EventMemberJoin: first");
    let lines = second.process.lines();
    let end = lines
        .iter()
        .position(|line| line.starts_with("    20"))
        .unwrap();
    let expected = format!(
        "==> Starting Serf agent...
==> Starting Serf agent RPC...
==> Serf agent running!
                      Node name: 'second'
                      Bind addr: '{ip}:7946'
    Advertise addr: '127.0.0.1:1'
                       RPC addr: '{ip}:7373'
                      Encrypted: false
                       Snapshot: false
                        Profile: wan
    Message Compression Enabled: true
==> Joining cluster...(replay: false)
    Join completed. Synced with 1 initial agents

==> Log data will now stream in as it occurs:
",
        ip = second.ip
    );
    assert_eq!(lines[..end].join("\n"), expected);
    assert!(
        lines[end].ends_with("[INFO] agent: Serf agent starting"),
        "{}",
        lines[end]
    );
}

#[test]
fn a_killed_agent_fails_and_is_alive_again_after_a_restart() {
    let args = ["-profile=local"];
    let [a, b] = ["a", "b"].map(|name| start(name, &args));
    let seeds = a.ip.to_string();
    let mut c = start("c", &["-profile=local", "-join", &seeds]);
    let output = b.run(Which::Ours, "join", &[&seeds]);
    assert_eq!(
        stdout(&output),
        "Successfully joined cluster by contacting 1 nodes.\n"
    );
    let all = [("a", "alive"), ("b", "alive"), ("c", "alive")];
    for agent in [&a, &b, &c] {
        agent.wait_for_members(&all);
    }
    c.process.kill();
    for agent in [&a, &b] {
        agent.wait_for_members(&[("a", "alive"), ("b", "alive"), ("c", "failed")]);
    }
    let c = Agent::start_at(Which::Ours, c.ip, "c", &["-profile=local", "-join", &seeds]);
    for agent in [&a, &b, &c] {
        agent.wait_for_members(&all);
    }
}

#[test]
fn leave_and_interrupt_leave_and_terminate_does_not() {
    let watcher = start("watcher", &["-profile=local"]);
    let seed = watcher.ip.to_string();
    let args = ["-profile=local", "-join", &seed];
    let (mut left, mut interrupted, mut terminated) = (
        start("left", &args),
        start("int", &args),
        start("term", &args),
    );
    let alive = [
        ("int", "alive"),
        ("left", "alive"),
        ("term", "alive"),
        ("watcher", "alive"),
    ];
    watcher.wait_for_members(&alive);

    assert!(left.run(Which::Ours, "leave", &[]).status.success());
    assert_eq!(left.process.exit_code(), Some(0));
    interrupted.process.signal("INT");
    assert_eq!(interrupted.process.exit_code(), Some(0));
    interrupted.process.wait_for("==> Caught signal: interrupt");
    interrupted
        .process
        .wait_for("==> Gracefully shutting down agent...");
    terminated.process.signal("TERM");
    assert_eq!(terminated.process.exit_code(), Some(1));
    terminated.process.wait_for("==> Caught signal: terminated");
    watcher.wait_for_members(&[
        ("int", "left"),
        ("left", "left"),
        ("term", "failed"),
        ("watcher", "alive"),
    ]);

    assert!(
        watcher
            .run(Which::Ours, "force-leave", &["term"])
            .status
            .success()
    );
    watcher.wait_for_members(&[
        ("int", "left"),
        ("left", "left"),
        ("term", "left"),
        ("watcher", "alive"),
    ]);
    let prune = |name| {
        watcher
            .run(Which::Ours, "force-leave", &["-prune", name])
            .status
    };
    assert!(prune("term").success());
    eventually("a pruned member is gone", || {
        let members = watcher.members();
        let gone = !members.iter().any(|(name, _)| name == "term");
        gone.then_some(()).ok_or_else(|| format!("{members:?}"))
    });
}

#[test]
fn what_signals_do_can_be_configured() {
    let file = ConfigFile::new(
        "signals",
        r#"{"leave_on_terminate": true, "skip_leave_on_interrupt": true, "profile": "local"}"#,
    );
    let watcher = start("watcher", &["-profile=local"]);
    let seed = watcher.ip.to_string();
    let args = ["-config-file", file.path(), "-join", &seed];
    let (mut interrupted, mut terminated) = (start("int", &args), start("term", &args));
    watcher.wait_for_members(&[("int", "alive"), ("term", "alive"), ("watcher", "alive")]);
    interrupted.process.signal("INT");
    assert_eq!(interrupted.process.exit_code(), Some(1));
    terminated.process.signal("TERM");
    assert_eq!(terminated.process.exit_code(), Some(0));
    watcher.wait_for_members(&[("int", "failed"), ("term", "left"), ("watcher", "alive")]);
}

#[test]
fn a_second_signal_ends_the_agent_at_once() {
    let mut agent = start("a", &[]);
    agent.process.signal("INT");
    // Leaving takes a second at least: the agent lingers so that others can pass the news on.
    agent.process.wait_for("Gracefully shutting down");
    agent.process.signal("TERM");
    assert_eq!(agent.process.exit_code(), Some(1));
    let lines = agent.process.lines();
    assert!(
        !lines.iter().any(|line| line.contains("shutdown complete")),
        "{lines:#?}"
    );
}

#[test]
fn a_join_that_reaches_nobody_is_fatal_at_the_start() {
    let nobody = fresh_ip().to_string();
    let mut agent = Agent::spawn(Which::Ours, fresh_ip(), "a", &["-join", &nobody]);
    assert_eq!(agent.process.exit_code(), Some(1));
    agent.process.wait_for("==> 1 error occurred:");
    agent.process.wait_for("connection refused");
    // The log is not shown.
    assert!(
        !agent
            .process
            .lines()
            .iter()
            .any(|line| line.contains("[INFO]"))
    );
}

#[test]
fn joining_is_retried_until_it_works_or_the_attempts_are_used_up() {
    let seed_ip = fresh_ip();
    let retry = ["-retry-join", &seed_ip.to_string(), "-retry-interval", "1s"];
    let patient = start("patient", &retry);
    let limited = [&retry[..], &["-retry-max=1"]].concat();
    let mut limited = start("limited", &limited);
    patient.process.wait_for("[WARN] agent: Join failed: ");
    assert_eq!(limited.process.exit_code(), Some(1));
    limited
        .process
        .wait_for("[ERR] agent: maximum retry join attempts made, exiting");
    let seed = Agent::start_at(Which::Ours, seed_ip, "seed", &[]);
    seed.wait_for_members(&[("patient", "alive"), ("seed", "alive")]);
    patient
        .process
        .wait_for("Join completed. Synced with 1 initial agents");
}

#[test]
fn a_name_to_join_is_resolved_again_each_time() {
    // Names of the test's own: /etc/hosts is another file for what runs in here.
    let scratch = Scratch::new("names");
    let hosts = scratch.write("hosts", "");
    let named = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.args([
            r#"mount --bind "$0" /etc/hosts && exec "$@""#,
            &hosts,
            program,
        ]);
        command
    };
    let allowed = named("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "mount namespaces must be allowed where CI=true");
        eprintln!("skipped: no mount namespaces (unshare --map-root-user --mount)");
        return;
    }
    let points_to = |ip| scratch.write("hosts", &format!("{ip} seed.test\n"));
    let (ip, nobody) = (fresh_ip(), fresh_ip());
    points_to(nobody);
    let mut command = named(Which::Ours.program());
    command
        .args([
            "agent",
            "-node=member",
            "-retry-join=seed.test",
            "-retry-interval=1s",
        ])
        .args([format!("-bind={ip}"), format!("-rpc-addr={ip}:7373")]);
    let member = Process::of(&mut command);
    member.wait_for(&format!("Failed to join {nobody}: "));
    let seed = start("seed", &[]);
    points_to(seed.ip);
    member.wait_for("Join completed. Synced with 1 initial agents");
    seed.wait_for_members(&[("member", "alive"), ("seed", "alive")]);
}

#[test]
fn tags_that_are_changed_while_agents_run_appear_in_the_members_of_all() {
    let a = start("a", &["-tag=role=web"]);
    let join = a.ip.to_string();
    let [b, c] = ["b", "c"].map(|name| start(name, &["-join", &join]));
    for agent in [&a, &b, &c] {
        agent.wait_for_members(&[("a", "alive"), ("b", "alive"), ("c", "alive")]);
    }
    for (agent, args) in [
        (&a, &["-delete", "role"][..]),
        (&b, &["-set", "role=db", "-set", "dc=east"]),
    ] {
        let output = agent.run(Which::Ours, "tags", args);
        assert_eq!(stdout(&output), "Successfully updated agent tags\n");
    }
    for agent in [&a, &b, &c] {
        eventually("the new tags", || {
            let text = stdout(&agent.run(Which::Ours, "members", &[]));
            let lines: Vec<_> = text.lines().map(str::trim_end).collect();
            let ends = ["  alive", "  alive  dc=east,role=db", "  alive"];
            let as_expected = lines.len() == 3
                && lines
                    .iter()
                    .zip(ends)
                    .all(|(line, end)| line.ends_with(end));
            as_expected.then_some(()).ok_or(text)
        });
    }
}

#[test]
fn a_hangup_reloads_the_level_of_the_log_and_the_tags() {
    let file = ConfigFile::new("reload", r#"{"log_level": "err", "tags": {"a": "1"}}"#);
    let agent = start("a", &["-config-file", file.path()]);
    let tags = |expected: &str| {
        eventually("the tags", || {
            let text = stdout(&agent.run(Which::Ours, "members", &[]));
            text.trim_end()
                .ends_with(expected)
                .then_some(())
                .ok_or(text)
        });
    };
    tags("alive  a=1");
    assert!(
        !agent
            .process
            .lines()
            .iter()
            .any(|line| line.contains("Accepted client"))
    );

    let loud = r#"{"log_level": "loud", "tags": {"a": "9"}}"#;
    for (wrong, reason) in [("{", "Error decoding"), (loud, "Invalid log level: LOUD")] {
        std::fs::write(&file.0, wrong).unwrap();
        agent.process.signal("HUP");
        let refusal = format!("==> Failed to reload configs: {reason}");
        agent.process.wait_for(&refusal);
    }
    tags("alive  a=1");

    std::fs::write(&file.0, r#"{"log_level": "debug", "tags": {"a": "2"}}"#).unwrap();
    agent.process.signal("HUP");
    agent.process.wait_for("EventMemberUpdate: a");
    tags("alive  a=2");
    agent.process.wait_for("Accepted client");
}

#[test]
fn files_of_a_directory_are_merged_in_order_and_flags_come_last() {
    let dir = std::env::temp_dir().join(format!("serf-cluster-dir-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("20.json", r#"{"tags": {"a": "20", "b": "20", "c": "20"}}"#);
    write(
        "10.json",
        r#"{"Tags": {"a": "10", "d": "10"}, "role": "web"}"#,
    );
    write("30.txt", "not JSON");
    let config_dir = dir.to_str().unwrap();
    let agent = start("a", &["-config-dir", config_dir, "-tag", "b=flag"]);
    let text = stdout(&agent.run(Which::Ours, "members", &[]));
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(
        text.ends_with("alive  a=20,b=flag,c=20,d=10,role=web\n"),
        "{text}"
    );
    agent
        .process
        .wait_for("==> Deprecation warning: 'Role' has been replaced with 'Tags'");
}

#[test]
fn the_environment_names_the_agent_and_the_token_and_flags_win() {
    let file = ConfigFile::new("auth", r#"{"rpc_auth": "s3cr3t"}"#);
    let agent = start("a", &["-config-file", file.path()]);
    let members = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_serf"))
            .arg("members")
            .args(args)
            .env("SERF_RPC_ADDR", &agent.rpc_addr)
            .env("SERF_RPC_AUTH", "s3cr3t")
            .output()
            .unwrap();
        stdout(&output)
    };
    assert!(members(&[]).starts_with("a  "));
    assert!(members(&["-rpc-auth", "x"]).contains("Invalid authentication token"));
    assert!(members(&["-rpc-addr", "127.0.0.1:1"]).contains("connection refused"));
    let without = run(Which::Ours, &["members", "-rpc-addr", &agent.rpc_addr]);
    assert_eq!(
        stdout(&without),
        "Error retrieving members: Authentication required\n"
    );
}
