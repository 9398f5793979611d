//! User events and the handlers that run on them, on agents that are driven from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::path::{Path, PathBuf};

use support::{Agent, Which, eventually, fresh_ip, reference_is_installed, run, stdout};

/// A directory that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = format!("serf-handlers-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until the file has exactly this content.
fn wait_for_content(file: &Path, expected: &str) {
    eventually("what the handlers wrote", || {
        let content = std::fs::read_to_string(file).unwrap_or_default();
        (content == expected)
            .then_some(())
            .ok_or_else(|| format!("{content:?} instead of {expected:?}"))
    });
}

/// The arguments of an agent, with a handler.
fn with_handler<'a>(handler: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["-profile=local", "-event-handler", handler];
    args.extend(more);
    args
}

#[test]
fn an_event_runs_the_handlers_of_every_agent_with_its_payload() {
    let scratch = Scratch::new("deploy");
    let script = |name: &str| {
        let file = scratch.file(name);
        let file = file.display();
        format!(
            "user:deploy=(echo $SERF_EVENT $SERF_USER_EVENT $SERF_USER_LTIME $SERF_SELF_NAME \
             $SERF_TAG_DC; cat) >> {file}"
        )
    };
    let names = ["a", "b", "c"];
    let scripts = names.map(script);
    let a = Agent::start(Which::Ours, "a", &with_handler(&scripts[0], &["-tag=dc=x"]));
    let join = a.ip.to_string();
    let b = with_handler(&scripts[1], &["-join", &join]);
    let b = Agent::start(Which::Ours, "b", &b);
    let c = with_handler(&scripts[2], &["-join", &join]);
    let c = Agent::start(Which::Ours, "c", &c);
    for agent in [&a, &b, &c] {
        agent.wait_for_members(&[("a", "alive"), ("b", "alive"), ("c", "alive")]);
    }
    let output = b.run(Which::Ours, "event", &["-coalesce=false", "deploy", "v1"]);
    let words = "Event 'deploy' dispatched! Coalescing enabled: false\n";
    assert_eq!(stdout(&output), words);
    // No handler wants this one.
    b.run(Which::Ours, "event", &["-coalesce=false", "other"]);
    for (name, agent) in names.iter().zip([&a, &b, &c]) {
        let dc = if *name == "a" { " x" } else { "" };
        let expected = format!("user deploy 1 {name}{dc}\nv1\n");
        wait_for_content(&scratch.file(name), &expected);
        let log = &agent.process;
        log.wait_for("[INFO] agent: Received event: user-event: deploy");
        log.wait_for("[INFO] agent: Received event: user-event: other");
        wait_for_content(&scratch.file(name), &expected);
    }
    let info = stdout(&a.run(Which::Ours, "info", &[]));
    assert!(info.contains("\tevent_time = 3\n"), "{info}");
    assert!(info.contains("\tuser:deploy = (echo "), "{info}");
}

#[test]
fn events_that_may_be_coalesced_come_as_the_latest_one() {
    let scratch = Scratch::new("coalesced");
    let file = scratch.file("got");
    let handler = format!("user=cat >> {}", file.display());
    let agent = Agent::start(Which::Ours, "a", &with_handler(&handler, &[]));
    for payload in ["v1", "v2", "v3"] {
        agent.run(Which::Ours, "event", &["deploy", payload]);
    }
    agent.process.wait_for("Received event: user-event: deploy");
    wait_for_content(&file, "v3\n");
}

#[test]
fn a_handler_that_hangs_or_fails_does_not_hold_up_the_agent() {
    let scratch = Scratch::new("slow");
    let go = scratch.file("go");
    // It ends when the test says so.
    let hang = format!(
        "user:hang=while ! test -e {}; do sleep 0.05; done; echo over; exit 3",
        go.display()
    );
    let agent = Agent::start(Which::Ours, "a", &with_handler(&hang, &[]));
    agent.run(Which::Ours, "event", &["-coalesce=false", "hang"]);
    agent.process.wait_for("slow, execution exceeding 1s");
    agent.run(Which::Ours, "event", &["-coalesce=false", "next"]);
    agent.process.wait_for("Received event: user-event: next");
    std::fs::write(&go, "").unwrap();
    agent
        .process
        .wait_for("[WARN] agent: Event 'user' script output: over");
    agent.process.wait_for("[ERR] agent: Error invoking script");
    assert!(agent.process.wait_for("exit status 3").contains("[ERR]"));
}

#[test]
fn a_hangup_changes_the_handlers() {
    let scratch = Scratch::new("reload");
    let (config, file) = (scratch.file("agent.json"), scratch.file("got"));
    let write = |word: &str| {
        let handler = format!("user:x=echo {word} >> {}", file.display());
        let text = serde_json::json!({ "event_handlers": [handler] });
        std::fs::write(&config, text.to_string()).unwrap();
    };
    write("before");
    let agent = Agent::start(
        Which::Ours,
        "a",
        &["-config-file", config.to_str().unwrap()],
    );
    let send = || agent.run(Which::Ours, "event", &["-coalesce=false", "x"]);
    send();
    wait_for_content(&file, "before\n");
    write("after");
    agent.process.signal("HUP");
    eventually("the new handler", || {
        let info = stdout(&agent.run(Which::Ours, "info", &[]));
        info.contains("echo after").then_some(()).ok_or(info)
    });
    send();
    wait_for_content(&file, "before\nafter\n");
}

#[test]
fn a_replaying_join_runs_handlers_on_old_events_and_a_plain_one_does_not() {
    let scratch = Scratch::new("replay");
    let seed = Agent::start(Which::Ours, "seed", &["-profile=local"]);
    seed.run(Which::Ours, "event", &["-coalesce=false", "past"]);
    let join = seed.ip.to_string();
    let files = ["flag", "command"].map(|name| scratch.file(name));
    let handlers = files
        .each_ref()
        .map(|file| format!("user=echo $SERF_USER_EVENT >> {}", file.display()));
    let replaying = with_handler(&handlers[0], &["-replay", "-join", &join]);
    let replaying = Agent::start(Which::Ours, "flag", &replaying);
    replaying
        .process
        .wait_for("Joining cluster...(replay: true)");
    let later = Agent::start(Which::Ours, "command", &with_handler(&handlers[1], &[]));
    later.run(Which::Ours, "join", &["-replay", &join]);
    for file in &files {
        wait_for_content(file, "past\n");
    }
}

#[test]
fn both_event_commands_say_and_do_the_same_on_both_agents() {
    if !reference_is_installed() {
        return;
    }
    for agent_of in Which::BOTH {
        let agent = Agent::start(agent_of, "alpha", &[]);
        let large = "x".repeat(600);
        let barely = "x".repeat(505);
        for args in [
            &["deploy", "v1"][..],
            &["-coalesce=false", "deploy"],
            &["-coalesce", "deploy", "v2"],
            &["deploy", "-coalesce=false"],
            &["", "nameless"],
            &["deploy", &large],
            &["deploy", &barely],
        ] {
            let both = Which::BOTH.map(|which| {
                let output = agent.run(which, "event", args);
                (stdout(&output), output.status.code())
            });
            assert_eq!(both[0], both[1], "{args:?} on {agent_of:?}");
        }
        for args in [&[][..], &["a", "b", "c"]] {
            let both = Which::BOTH.map(|which| {
                let output = agent.run(which, "event", args);
                // Then comes the help.
                let complaint = stdout(&output).lines().next().map(str::to_owned);
                (complaint, output.status.code())
            });
            assert_eq!(both[0], both[1], "{args:?} on {agent_of:?}");
        }
        let sent = format!("Received event: user-event: {}", "deploy");
        agent.process.wait_for(&sent);
    }
    let nobody = format!("-rpc-addr={}:7373", fresh_ip());
    let both = Which::BOTH.map(|which| {
        let output = run(which, &["event", &nobody, "deploy"]);
        (stdout(&output), output.status.code())
    });
    assert_eq!(both[0], both[1]);
}

#[test]
fn both_monitors_show_user_events_of_our_agent() {
    if !reference_is_installed() {
        return;
    }
    let agent = Agent::start(Which::Ours, "alpha", &[]);
    let monitors = Which::BOTH.map(|which| {
        let monitor = ["monitor", "-rpc-addr", &agent.rpc_addr];
        support::Process::start(which, &monitor)
    });
    for monitor in &monitors {
        monitor.wait_for("Serf agent starting");
    }
    agent.run(
        Which::Reference,
        "event",
        &["-coalesce=false", "deploy", "v1"],
    );
    for monitor in &monitors {
        monitor.wait_for("agent: Received event: user-event: deploy");
        monitor.wait_for("\tName: \"deploy\"");
        monitor.wait_for("\tLTime: 1");
    }
}
