//! Questions: queries and tests of reachability.

use super::support::{Agent, Process, Which, eventually, reference_is_installed, stdout};
use super::{both, cluster_with, eventually_same, same};

/// What `reachability -verbose` says and ends with. Times and numbers are left out, and answers are
/// in the order of the names.
fn reachability_in_detail(agent: &Agent, which: Which) -> (Vec<String>, Option<i32>) {
    let output = agent.run(which, "reachability", &["-verbose"]);
    let is_number = |word: &str| word.trim_end_matches(',').parse::<f64>().is_ok();
    let without_numbers = |line: &str| {
        let words = line.split(' ').map(|word| match is_number(word) {
            true if word.ends_with(',') => "N,",
            true => "N",
            false => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = stdout(&output).lines().map(without_numbers).collect();
    let is_ack = |line: &String| line.starts_with("\tAck from ");
    let first = lines.iter().position(is_ack).unwrap_or_default();
    let acks = lines.iter().filter(|line| is_ack(line)).count();
    lines[first..first + acks].sort();
    (lines, output.status.code())
}

fn queries_agree_on_agents_of(which: Which) {
    if !reference_is_installed() {
        return;
    }
    let handler = "-event-handler=query:load=echo 0.42";
    let [alpha, _beta] = cluster_with(which, &["-profile=local", handler]);
    let brief = "-timeout=500ms";
    for (args, part) in [
        (&[brief, "load", "15m"][..], "Total Responses: 2"),
        (
            &[brief, "-format=json", "load"],
            "\"beta-long\": \"0.42\\n\"",
        ),
        (&[brief, "-no-ack", "load"], "Total Responses: 2"),
        (
            &[brief, "-no-ack", "-format=json", "load"],
            "\"Acks\": null,",
        ),
        (&[brief, "-node=beta-long", "load"], "Total Responses: 1"),
        (
            &[brief, "-tag=role=w", "-relay-factor=3", "load"],
            "Total Acks: 1",
        ),
        (&[brief, "silent"], "Total Acks: 2"),
        (&[brief, "_serf_ping"], "Total Acks: 2"),
    ] {
        eventually_same(&alpha, "query", args, part);
    }
    for args in [
        &["-timeout=10ms", "-node=x", "load"][..],
        &["-timeout=10ms", "-node=x", "-format=json", "load"],
        &["-timeout=10ms", "-node=x", "-node=y", "-no-ack", "load"],
        &["-tag=role", "load"],
        &["-relay-factor=256", "load"],
        &["-relay-factor", "-1", "load"],
        &["-format=xml", "load"],
        &["_serf_conflict"],
        &["_serf_ping", "x"],
        &["load", &"y".repeat(2000)],
    ] {
        same(&alpha, "query", args);
    }
    eventually_same(&alpha, "reachability", &[], "Successfully contacted");
    eventually("the same words of a verbose test", || {
        let [ours, reference] = both(|which| reachability_in_detail(&alpha, which));
        let whole = [
            "Total members: N, live members: N",
            "Starting reachability test...",
            "\tAck from 'alpha'",
            "\tAck from 'beta-long'",
            "Query time: N sec, time to last response: N sec",
            "Successfully contacted all live nodes",
        ];
        (ours == reference && ours.0 == whole)
            .then_some(())
            .ok_or_else(|| format!("ours: {ours:#?}\nreference: {reference:#?}"))
    });
    same(&alpha, "keys", &["-list"]);
    same(&alpha, "keys", &["-install=AAAAAAAAAAAAAAAAAAAAAA=="]);
}

#[test]
fn queries_agree_on_our_agents() {
    queries_agree_on_agents_of(Which::Ours);
}

#[test]
fn queries_agree_on_reference_agents() {
    queries_agree_on_agents_of(Which::Reference);
}

#[test]
fn an_unreachable_member_is_named_by_both() {
    if !reference_is_installed() {
        return;
    }
    // With the timing of a wide area it takes a while until it counts as failed.
    let [alpha, mut beta] = cluster_with(Which::Ours, &["-profile=wan"]);
    beta.process.kill();
    let [ours, reference] = both(|which| {
        let (mut lines, code) = reachability_in_detail(&alpha, which);
        // Then come an explanation and hints.
        lines.truncate(6);
        (lines, code)
    });
    assert_eq!(ours, reference);
    let answered = [
        "\tAck from 'alpha'",
        "Query time: N sec, time to last response: N sec",
    ];
    let missing = [
        "Received less acks than live nodes! Missing acks from:",
        "\tbeta-long",
    ];
    assert_eq!(ours.0[2..4], answered);
    assert_eq!(ours.0[4..], missing);
    assert_eq!(ours.1, Some(1));
}

#[test]
fn questions_that_are_interrupted_end_alike() {
    if !reference_is_installed() {
        return;
    }
    for agent_of in Which::BOTH {
        // With the timing of a wide area a test of reachability goes on for some seconds.
        let args = ["-profile=wan", "-event-handler=query:load=echo 0.42"];
        let agent = Agent::start(agent_of, "alpha", &args);
        let ask = |which: Which, args: &[&str]| {
            let at = ["-rpc-addr", &agent.rpc_addr];
            Process::start(which, &[&args[..1], &at, &args[1..]].concat())
        };
        for (args, until, signal) in [
            (
                &["query", "-timeout=10m", "load"][..],
                &["Ack", "Response"][..],
                "INT",
            ),
            (
                &["query", "-timeout=10m", "load"],
                &["Ack", "Response"],
                "TERM",
            ),
            (&["reachability"], &["Starting"], "TERM"),
            (&["reachability", "-verbose"], &["Ack"], "INT"),
            (&["reachability", "-verbose"], &["Ack"], "TERM"),
        ] {
            let [ours, reference] = Which::BOTH.map(|which| {
                let mut asking = ask(which, args);
                for words in until {
                    asking.wait_for(words);
                }
                asking.signal(signal);
                let code = asking.exit_code();
                let mut lines = asking.lines();
                lines.sort();
                (code, lines)
            });
            assert_eq!(ours, reference, "{args:?} {signal} on {agent_of:?}");
            let expected = (signal == "INT").then_some(1);
            assert_eq!(ours.0, expected, "{args:?} {signal} on {agent_of:?}");
        }
        // Nothing tells when this one has begun to listen for signals.
        let args = ["query", "-timeout=10m", "-format=json", "load"];
        let asked = || {
            let lines = agent.process.lines();
            let query = |line: &&String| line.contains("Received event: query: load");
            lines.iter().filter(query).count()
        };
        for which in Which::BOTH {
            eventually("an interrupt in the midst", || {
                let before = asked();
                let mut asking = ask(which, &args);
                eventually("the query", || match asked() {
                    count if count > before => Ok(()),
                    count => Err(format!("{count} queries")),
                });
                asking.signal("INT");
                let ended = (asking.exit_code(), asking.lines());
                (ended == (Some(1), Vec::new()))
                    .then_some(())
                    .ok_or_else(|| format!("{which:?} on {agent_of:?}: {ended:?}"))
            });
        }
    }
}
