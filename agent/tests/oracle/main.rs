//! Our command line and the reference one against the same agent, ours and the reference one:
//! the output and the exit codes must be the same.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod questions;
#[path = "../support/mod.rs"]
mod support;

use std::process::Output;

use support::{Agent, Process, Which, eventually, fresh_ip, reference_is_installed, stdout};

/// The reference lists members and tags in random order, and does not know of wires.
fn normalised(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.split("Wire: ").next().unwrap_or_default())
        // Which line is the last decides where the padding is trimmed.
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

/// JSON without the order of the members.
fn json(text: &str) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    if let Some(members) = value["members"].as_array_mut() {
        members.sort_by_key(|member| member["name"].to_string());
    }
    value
}

/// Values that change from one moment to the next.
fn without_moving_values(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("goroutines") && !line.contains("_queue"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What both command lines say of `agent`, where the output of `command` is compared without
/// what moves. An agent that hears news in between, as of a join that gossip still spreads, is
/// asked again: what ours said before must be what it says after the reference.
fn readings(agent: &Agent, command: &str, args: &[&str]) -> (Output, Output) {
    let still = |output: &Output| without_moving_values(&stdout(output));
    eventually("an agent at rest", || {
        let before = agent.run(Which::Ours, command, args);
        let reference = agent.run(Which::Reference, command, args);
        if command != "info" {
            return Ok((before, reference));
        }
        let after = agent.run(Which::Ours, command, args);
        if still(&before) == still(&after) {
            Ok((before, reference))
        } else {
            Err(format!("{}\nthen\n{}", stdout(&before), stdout(&after)))
        }
    })
}

fn same(agent: &Agent, command: &str, args: &[&str]) -> String {
    let (ours, reference) = readings(agent, command, args);
    let (a, b) = (stdout(&ours), stdout(&reference));
    let context = format!("{command} {args:?}\nours: {a}\nreference: {b}");
    assert_eq!(ours.status.code(), reference.status.code(), "{context}");
    if command == "info" {
        let (a, b) = (without_moving_values(&a), without_moving_values(&b));
        assert_eq!(a, b, "{context}");
    } else if a.starts_with('{') {
        assert_eq!(json(&a), json(&b), "{context}");
        assert_eq!(normalised(&a), normalised(&b), "{context}");
    } else {
        assert_eq!(normalised(&a), normalised(&b), "{context}");
    }
    a
}

/// Two agents in one cluster: `alpha` with a tag, `beta-long` without.
fn cluster(which: Which) -> [Agent; 2] {
    cluster_with(which, &[])
}

fn cluster_with(which: Which, args: &[&str]) -> [Agent; 2] {
    let first = [args, &["-tag", "role=web"]].concat();
    let alpha = Agent::start(which, "alpha", &first);
    let join = alpha.ip.to_string();
    let second = [args, &["-join", &join]].concat();
    let beta = Agent::start(which, "beta-long", &second);
    let both = [("alpha", "alive"), ("beta-long", "alive")];
    alpha.wait_for_members(&both);
    beta.wait_for_members(&both);
    [alpha, beta]
}

fn commands_agree_on_agents_of(which: Which) {
    if !reference_is_installed() {
        return;
    }
    let [alpha, beta] = cluster(which);
    for args in [
        &[][..],
        &["-detailed"],
        &["-format=json"],
        &["-format", "json", "-detailed"],
        &["-format=xml"],
        &["-name", "alpha"],
        &["-name", "beta"],
        &["-name", "x|long"],
        &["-name", "beta.*", "-detailed"],
        &["-name", "nobody", "-format", "json"],
        &["-name", "("],
        &["-status", "alive"],
        &["-status=failed"],
        &["-tag", "role=w.b"],
        &["-tag", "role="],
        &["-tag", "role=web", "-tag", "dc=.+"],
        &["-tag", "role"],
        &["-role", "web"],
        &["-detailed=1", "-status=.*"],
        &["ignored"],
        &["--", "-ignored"],
    ] {
        same(&alpha, "members", args);
    }
    let ours = which == Which::Ours;
    let detailed = same(&alpha, "members", &["-detailed", "-name", "beta-long"]);
    assert_eq!(detailed.contains("  Wire: native"), ours, "{detailed}");
    let text = same(&alpha, "info", &[]);
    let wire = "\nwire:\n\tbeta-long = native";
    assert_eq!(text.contains(wire), ours, "{text}");
    assert!(
        text.contains("\tmembers = 2\n") && text.contains("\trole = web\n"),
        "{text}"
    );
    same(&alpha, "info", &["-format=json"]);
    same(&alpha, "info", &["-format=xml"]);
    same(&alpha, "info", &["-format=json", "ignored"]);
    same(&alpha, "event", &["deploy"]);
    let text = same(&alpha, "event", &["-coalesce=false", "deploy", "v1"]);
    assert_eq!(
        text,
        "Event 'deploy' dispatched! Coalescing enabled: false\n"
    );
    same(&alpha, "event", &["deploy", &"x".repeat(600)]);

    let text = same(
        &alpha,
        "tags",
        &["-set", "x=<a&b>", "-set", "y=1=2", "-delete", "nosuch"],
    );
    assert_eq!(text, "Successfully updated agent tags\n");
    same(&alpha, "tags", &["-set", "x"]);
    same(
        &alpha,
        "tags",
        &["-set", &format!("big={}", "x".repeat(100))],
    );
    let text = same(&alpha, "members", &["-format=json", "-name=alpha"]);
    assert!(text.contains(r#""x": "\u003ca\u0026b\u003e""#), "{text}");

    assert_eq!(same(&alpha, "force-leave", &["nosuch"]), "");
    assert_eq!(same(&alpha, "force-leave", &["-prune", "nosuch"]), "");
    let beta_addr = format!("{}:7946", beta.ip);
    let text = same(&alpha, "join", &[&beta_addr, &fresh_ip().to_string()]);
    assert_eq!(text, "Successfully joined cluster by contacting 1 nodes.\n");
    let text = same(&alpha, "join", &["-replay", &fresh_ip().to_string()]);
    assert!(text.contains("Error joining the cluster: 1 error occurred:\n\t* Failed to join "));
    assert!(text.contains("connection refused"), "{text}");

    same(&alpha, "rtt", &["nosuch"]);
    same(&alpha, "rtt", &["alpha", "nosuch"]);
    same(&alpha, "monitor", &["-log-level", "bogus"]);
}

#[test]
fn commands_agree_on_our_agents() {
    commands_agree_on_agents_of(Which::Ours);
}

#[test]
fn commands_agree_on_reference_agents() {
    commands_agree_on_agents_of(Which::Reference);
}

#[test]
fn estimates_of_round_trip_time_agree_on_both_agents() {
    if !reference_is_installed() {
        return;
    }
    for agent_of in Which::BOTH {
        estimates_agree_on(agent_of);
    }
}

fn estimates_agree_on(which: Which) {
    let [alpha, _beta] = cluster(which);
    // Coordinates move with every probe: the same answer twice shows that they stood still.
    eventually("two equal estimates", || {
        let ask = |which| stdout(&alpha.run(which, "rtt", &["beta-long"]));
        let (before, ours, after) = (
            ask(Which::Reference),
            ask(Which::Ours),
            ask(Which::Reference),
        );
        if before != after || !before.starts_with("Estimated beta-long <-> alpha rtt: ") {
            return Err(before);
        }
        assert_eq!(ours, before);
        Ok(())
    });
}

#[test]
fn both_monitors_show_the_log_and_events_of_both_agents() {
    if !reference_is_installed() {
        return;
    }
    for agent_of in Which::BOTH {
        let agent = Agent::start(agent_of, "alpha", &[]);
        for which in Which::BOTH {
            let args = ["monitor", "-rpc-addr", &agent.rpc_addr];
            let mut monitor = Process::start(which, &args);
            monitor.wait_for("[INFO] agent: Serf agent starting");
            monitor.wait_for("[INFO] agent.ipc: Accepted client");
            let tag = format!("by={which:?}");
            agent.run(Which::Ours, "tags", &["-set", &tag]);
            monitor.wait_for("EventMemberUpdate: alpha");
            monitor.wait_for("Event Info:");
            monitor.wait_for("\tEvent: \"member-update\"");
            monitor.wait_for(&format!("{which:?}"));
            monitor.signal("INT");
            assert_eq!(monitor.exit_code(), Some(0), "{which:?} on {agent_of:?}");
        }
        let args = ["monitor", "-rpc-addr", &agent.rpc_addr, "-log-level", "err"];
        let mut monitors = Which::BOTH.map(|which| Process::start(which, &args));
        // Both are connected once their subscriptions are answered.
        eventually("connections", || {
            let lines = agent.process.lines();
            let clients = lines.iter().filter(|line| line.contains("Accepted client"));
            (clients.count() >= 6)
                .then_some(())
                .ok_or_else(|| lines.join("\n"))
        });
        agent.run(Which::Reference, "leave", &[]);
        for monitor in &mut monitors {
            monitor.wait_for("Remote side ended the monitor!");
            assert_eq!(monitor.exit_code(), Some(1));
        }
    }
}

#[test]
fn both_leave_commands_end_both_agents_with_success() {
    if !reference_is_installed() {
        return;
    }
    for agent_of in Which::BOTH {
        for which in Which::BOTH {
            let mut agent = Agent::start(agent_of, "alpha", &[]);
            let output = agent.run(which, "leave", &[]);
            assert_eq!(stdout(&output), "Graceful leave complete\n");
            assert_eq!(output.status.code(), Some(0));
            assert_eq!(
                agent.process.exit_code(),
                Some(0),
                "{which:?} on {agent_of:?}"
            );
        }
    }
}

#[test]
fn both_force_leave_commands_declare_failed_members_as_left() {
    if !reference_is_installed() {
        return;
    }
    let args = ["-profile=local"];
    let seed = Agent::start(Which::Ours, "seed", &args);
    let join = seed.ip.to_string();
    let args = ["-profile=local", "-join", &join];
    let mut members = ["one", "two"].map(|name| Agent::start(Which::Ours, name, &args));
    seed.wait_for_members(&[("one", "alive"), ("seed", "alive"), ("two", "alive")]);
    for member in &mut members {
        member.process.kill();
    }
    seed.wait_for_members(&[("one", "failed"), ("seed", "alive"), ("two", "failed")]);
    for (which, name) in [(Which::Ours, "one"), (Which::Reference, "two")] {
        let output = seed.run(which, "force-leave", &[name]);
        assert_eq!(stdout(&output), "");
        assert_eq!(output.status.code(), Some(0));
    }
    seed.wait_for_members(&[("one", "left"), ("seed", "alive"), ("two", "left")]);
    same(&seed, "members", &["-status", "left"]);
    let output = seed.run(Which::Reference, "force-leave", &["-prune", "one"]);
    assert_eq!(output.status.code(), Some(0));
    seed.wait_for_members(&[("seed", "alive"), ("two", "left")]);
}

#[test]
fn tokens_are_asked_for_and_checked_alike() {
    if !reference_is_installed() {
        return;
    }
    let file = std::env::temp_dir().join(format!("serf-oracle-auth-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"rpc_auth": "s3cr3t"}"#).unwrap();
    let path = file.to_str().unwrap();
    for agent_of in Which::BOTH {
        let agent = Agent::start(agent_of, "alpha", &["-config-file", path]);
        for token in ["", "wrong", "s3cr3t"] {
            let auth = format!("-rpc-auth={token}");
            same(&agent, "members", &[&auth]);
            same(&agent, "info", &[&auth]);
            same(&agent, "tags", &[&auth, "-set", "a=b"]);
            same(&agent, "join", &[&auth, "127.0.0.1:1"]);
            same(&agent, "force-leave", &[&auth, "x"]);
        }
        let output = agent.run(Which::Ours, "leave", &[]);
        assert_eq!(stdout(&output), "Error leaving: Authentication required\n");
    }
    std::fs::remove_file(file).unwrap();
}

/// What both commands make of it at the same time, for those that take a while.
fn both<T: Send>(run: impl Fn(Which) -> T + Sync) -> [T; 2] {
    std::thread::scope(|scope| {
        let running = Which::BOTH.map(|which| {
            let run = &run;
            scope.spawn(move || run(which))
        });
        running.map(|thread| thread.join().unwrap())
    })
}

/// Until they do: what comes back of a query depends on when.
fn eventually_same(agent: &Agent, command: &str, args: &[&str], part: &str) {
    let what = format!("{command} {args:?} that agree on {part:?}");
    eventually(&what, || {
        let [ours, reference] = both(|which| {
            let output = agent.run(which, command, args);
            (normalised(&stdout(&output)), output.status.code())
        });
        let expected = ours.0.iter().any(|line| line.contains(part));
        (ours == reference && expected)
            .then_some(())
            .ok_or_else(|| format!("ours: {ours:#?}\nreference: {reference:#?}"))
    });
}

#[test]
fn both_key_commands_rotate_the_keys_of_both_agents() {
    if !reference_is_installed() {
        return;
    }
    let key = |byte: &str| byte.repeat(21) + "A==";
    let key = |n: usize| key(&"ABCD"[n..=n]);
    for agent_of in Which::BOTH {
        let args = ["-profile=local", &format!("-encrypt={}", key(0))];
        let [alpha, _beta] = cluster_with(agent_of, &args);
        let failed = |which, args: &[&str]| {
            let output = alpha.run(which, "keys", args);
            (normalised(&stdout(&output)), output.status.code())
        };
        for (n, which) in [(1, Which::Ours), (2, Which::Reference)] {
            let (old, new) = (key(n - 1), key(n));
            let steps = [
                (["-install", &new], "Successfully installed key!"),
                (["-use", &new], "Successfully changed primary key!"),
                (["-remove", &old], "Successfully removed key!"),
            ];
            for (args, words) in steps {
                let text = stdout(&alpha.run(which, "keys", &args));
                assert!(text.contains(words), "{which:?} on {agent_of:?}: {text}");
            }
            assert!(same(&alpha, "keys", &["-list"]).ends_with(&format!("{new}  [2/2]\n")));
            for args in [["-remove", &new], ["-use", &old]] {
                let both = Which::BOTH.map(|which| failed(which, &args));
                assert_eq!(both[0], both[1]);
                assert_eq!((both[0].0.len(), both[0].1), (5, Some(1)), "{both:?}");
            }
        }
        let both = Which::BOTH.map(|which| failed(which, &["-list", "-use", &key(0)]));
        assert_eq!(both[0], both[1]);
    }
}

#[test]
fn agents_start_and_end_alike() {
    if !reference_is_installed() {
        return;
    }
    let scratch = support::Scratch::new("oracle-life");
    let leave = scratch.write("leave.json", r#"{"leave_on_terminate": true}"#);
    let skip = scratch.write("skip.json", r#"{"skip_leave_on_interrupt": true}"#);
    let tags = scratch.write("tags.json", "{}");
    let snapshot = scratch.path("snapshot");
    for (args, signal, code) in [
        (&["-tag=a=b", "-profile=wan", "-protocol=3"][..], "INT", 0),
        (
            &["-advertise=192.0.2.1", "-role=web", "-disable-compression"],
            "TERM",
            1,
        ),
        (&["-config-file", &leave, "-retry-interval=1ms"], "TERM", 0),
        (&["-config-file", &skip, "-rejoin"], "INT", 1),
        (
            &[
                "-encrypt=AAAAAAAAAAAAAAAAAAAAAA==",
                "-snapshot",
                &snapshot,
                "-rejoin",
            ],
            "INT",
            0,
        ),
        (&["-tags-file", &tags, "-replay", "extra"], "INT", 0),
    ] {
        let ip = fresh_ip();
        let [ours, reference] = Which::BOTH.map(|which| {
            let mut agent = Agent::start_at(which, ip, "alpha", args);
            if which == Which::Reference {
                // It says that it runs just before it begins to listen for signals, and a signal that
                // comes too early kills it. This it says a second later.
                agent.process.wait_for("Received event: member-join");
            }
            agent.process.signal(signal);
            let (ended, mut lines) = (agent.process.exit_code(), agent.process.lines());
            assert_eq!(ended, Some(code), "{which:?} {args:?}");
            let is_log = |line: &String| line.contains(" [") && !line.starts_with("==>");
            lines.retain(|line| !is_log(line));
            lines
        });
        assert_eq!(ours, reference, "{args:?}");
    }
}
