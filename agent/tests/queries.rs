//! Queries as those who ask and those who answer see them.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use support::{Agent, Process, Scratch, Which, eventually, reference_is_installed, stdout};

/// Asks for so long that only the test ends it.
fn asking(agent: &Agent, which: Which, args: &[&str]) -> Process {
    let mut all = vec!["query", "-rpc-addr", &agent.rpc_addr, "-timeout=10m"];
    all.extend(args);
    Process::start(which, &all)
}

#[test]
fn a_query_is_answered_by_the_handlers_of_all_who_are_asked() {
    let handler =
        "query:load=echo $SERF_EVENT $SERF_QUERY_NAME $SERF_QUERY_LTIME $SERF_SELF_NAME; cat";
    let args = ["-event-handler", handler];
    let a = Agent::start(Which::Ours, "a", &args);
    let join = a.ip.to_string();
    let b = [&args[..], &["-join", &join, "-tag=role=web"]].concat();
    let b = Agent::start(Which::Ours, "b", &b);
    let c = [&args[..], &["-join", &join, "-tag=role=db"]].concat();
    let c = Agent::start(Which::Ours, "c", &c);
    for agent in [&a, &b, &c] {
        agent.wait_for_members(&[("a", "alive"), ("b", "alive"), ("c", "alive")]);
    }
    let asked = asking(&b, Which::Ours, &["load", "15m"]);
    for name in ["a", "b", "c"] {
        asked.wait_for(&format!("Ack from '{name}'"));
        asked.wait_for(&format!("Response from '{name}': query load 1 {name}"));
    }
    let payloads = || asked.lines().iter().filter(|line| *line == "15m").count();
    eventually("three payloads", || match payloads() {
        3 => Ok(()),
        count => Err(format!("{count}")),
    });

    for (ltime, filter) in [(2, "-node=c"), (3, "-tag=role=d.")] {
        let asked = asking(&a, Which::Ours, &["-relay-factor=1", filter, "load"]);
        asked.wait_for(&format!("Response from 'c': query load {ltime} c"));
        asked.wait_for("Ack from 'c'");
        let from_others = |line: &String| line.contains("'a'") || line.contains("'b'");
        assert!(!asked.lines().iter().any(from_others));
    }
    let output = a.run(
        Which::Ours,
        "query",
        &["-timeout=10ms", "-node=x", "-no-ack", "load"],
    );
    let text = "Query 'load' dispatched\nTotal Responses: 0\n";
    assert_eq!(stdout(&output), text);
    let info = stdout(&a.run(Which::Ours, "info", &[]));
    assert!(info.contains("\tquery_time = 5\n"), "{info}");
}

#[test]
fn handlers_that_fail_or_say_nothing_or_too_much_do_not_answer() {
    let args = [
        "-event-handler=query:fail=echo no; exit 3",
        "-event-handler=query:mute=true",
        "-event-handler=query:big=head -c 3000 /dev/zero | tr '\\0' x",
        "-event-handler=query:twice,query=echo $SERF_QUERY_NAME",
    ];
    let agent = Agent::start(Which::Ours, "alpha", &args);
    let asked = ["fail", "mute", "big", "twice"].map(|name| asking(&agent, Which::Ours, &[name]));
    // The last handler answers all queries that those before have not answered.
    asked[0].wait_for("Response from 'alpha': fail");
    asked[1].wait_for("Response from 'alpha': mute");
    asked[2].wait_for("Response from 'alpha': big");
    asked[3].wait_for("Response from 'alpha': twice");
    let log = &agent.process;
    log.wait_for("[ERR] agent: Error invoking script 'echo no; exit 3': exit status 3");
    log.wait_for(
        "[WARN] agent: Failed to respond to query 'query: big': response exceeds limit of 1024 bytes",
    );
    log.wait_for("[WARN] agent: Failed to respond to query 'query: twice': response already sent");
}

#[test]
fn the_limits_of_queries_and_responses_can_be_chosen() {
    let scratch = Scratch::new("query-limits");
    let config = r#"{"query_size_limit": 200, "query_response_size_limit": 8000}"#;
    let config = scratch.write("limits.json", config);
    let handler = "-event-handler=query=head -c 4000 /dev/zero | tr '\\0' x";
    let args = ["-config-file", &config, handler];
    let agent = Agent::start(Which::Ours, "alpha", &args);
    let output = agent.run(Which::Ours, "query", &["load", &"y".repeat(300)]);
    let text = "Error sending query: query exceeds limit of 200 bytes\n";
    assert_eq!(
        (stdout(&output).as_str(), output.status.code()),
        (text, Some(1))
    );
    agent.process.wait_for("Serf agent starting");
    let asked = asking(&agent, Which::Ours, &["load"]);
    // As much as one datagram holds, though the limit is higher.
    agent
        .process
        .wait_for("Failed to respond to query 'query: load': response exceeds limit of");
    asked.wait_for("Ack from 'alpha'");
}

#[test]
fn both_monitors_show_queries_and_both_commands_get_the_answers_of_our_agent() {
    if !reference_is_installed() {
        return;
    }
    let agent = Agent::start(Which::Ours, "alpha", &["-event-handler=query=echo 0.42"]);
    let monitors = Which::BOTH.map(|which| {
        let monitor = ["monitor", "-rpc-addr", &agent.rpc_addr];
        Process::start(which, &monitor)
    });
    for monitor in &monitors {
        monitor.wait_for("Serf agent starting");
    }
    for which in Which::BOTH {
        let asked = asking(&agent, which, &["load", "15m"]);
        asked.wait_for("Ack from 'alpha'");
        asked.wait_for("Response from 'alpha': 0.42");
    }
    for monitor in &monitors {
        monitor.wait_for("agent: Received event: query: load");
        monitor.wait_for("\tEvent: \"query\"");
        monitor.wait_for("\tName: \"load\"");
        monitor.wait_for("\tLTime: 2");
        monitor.wait_for("\tID: 2");
    }
}
