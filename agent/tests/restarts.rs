//! What an agent remembers, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use support::{Agent, Scratch, Which, eventually, fresh_ip, reference_is_installed};

fn wait_for_content(path: &str, part: &str) {
    eventually("the content of a file", || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.contains(part).then_some(()).ok_or(text)
    });
}

#[test]
fn after_a_crash_an_agent_finds_back_and_is_not_told_again_what_it_knew() {
    let scratch = Scratch::new("crash");
    let (snapshot, got) = (scratch.path("snapshot"), scratch.path("got"));
    let seed = Agent::start(Which::Ours, "seed", &["-profile=local"]);
    let handler = format!("-event-handler=user=echo $SERF_USER_EVENT >> {got}");
    let args = ["-profile=local", "-snapshot", &snapshot, &handler];
    let join = seed.ip.to_string();
    let joined = [&args[..], &["-join", &join]].concat();
    let mut member = Agent::start(Which::Ours, "member", &joined);
    member.process.wait_for("Snapshot: true");
    let both = [("member", "alive"), ("seed", "alive")];
    seed.wait_for_members(&both);
    seed.run(Which::Ours, "event", &["-coalesce=false", "one"]);
    wait_for_content(&got, "one\n");
    wait_for_content(&snapshot, "event-clock: 1\n");
    wait_for_content(&snapshot, &format!("alive: seed {}:7946\n", seed.ip));
    member.process.kill();
    let member = Agent::start_at(Which::Ours, member.ip, "member", &args);
    member.wait_for_members(&both);
    seed.run(Which::Ours, "event", &["-coalesce=false", "two"]);
    wait_for_content(&got, "two\n");
    assert_eq!(std::fs::read_to_string(&got).unwrap(), "one\ntwo\n");
}

#[test]
fn after_a_leave_an_agent_finds_back_only_if_it_is_told_to() {
    let scratch = Scratch::new("rejoin");
    let snapshot = scratch.path("snapshot");
    let seed = Agent::start(Which::Ours, "seed", &["-profile=local"]);
    let args = ["-profile=local", "-snapshot", &snapshot];
    let join = seed.ip.to_string();
    let joined = [&args[..], &["-join", &join]].concat();
    let rejoining = [&args[..], &["-rejoin"]].concat();
    let mut member = Agent::start(Which::Ours, "member", &joined);
    let ip = member.ip;
    let both = [("member", "alive"), ("seed", "alive")];
    seed.wait_for_members(&both);
    member.process.signal("INT");
    assert_eq!(member.process.exit_code(), Some(0));
    let mut member = Agent::start_at(Which::Ours, ip, "member", &rejoining);
    member.wait_for_members(&both);
    member.process.signal("INT");
    assert_eq!(member.process.exit_code(), Some(0));
    // What it knew is gone from the file once an agent without the flag has read it.
    let member = Agent::start_at(Which::Ours, ip, "member", &args);
    assert_eq!(
        member.members(),
        [("member".to_owned(), "alive".to_owned())]
    );
}

#[test]
fn either_agent_takes_over_the_data_directory_of_the_other() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("takeover");
    let key = "[\"AAAAAAAAAAAAAAAAAAAAAA==\"]";
    let keyring = scratch.write("keyring", key);
    let (snapshot, tags) = (scratch.path("snapshot"), scratch.path("tags"));
    let args = [
        "-profile=local",
        "-keyring-file",
        &keyring,
        "-snapshot",
        &snapshot,
        "-tags-file",
        &tags,
    ];
    let ips = [fresh_ip(), fresh_ip()];
    let join = ips[1].to_string();
    let both = [("alpha", "alive"), ("beta", "alive")];
    let order = [Which::Ours, Which::Reference, Which::Ours, Which::Reference];
    for (n, which) in order.into_iter().enumerate() {
        let plain = ["-profile=local", "-encrypt=AAAAAAAAAAAAAAAAAAAAAA=="];
        let _beta = Agent::start_at(which, ips[1], "beta", &plain);
        let alpha = match n {
            0 => Agent::start_at(
                which,
                ips[0],
                "alpha",
                &[&args[..], &["-join", &join]].concat(),
            ),
            // The snapshot knows whom to join, the files which keys and tags there are.
            _ => Agent::start_at(which, ips[0], "alpha", &args),
        };
        alpha.wait_for_members(&both);
        if n > 0 {
            let restored = format!("Restored {n} tag(s) from {tags}");
            alpha.process.wait_for(&restored);
        }
        alpha.process.wait_for("Restored keyring with 1 keys from");
        let tag = format!("t{n}=x");
        assert!(alpha.run(which, "tags", &["-set", &tag]).status.success());
        wait_for_content(&snapshot, &format!("alive: beta {}:7946\n", ips[1]));
        // It crashes: both are killed when they go.
    }
}

#[test]
fn trouble_with_the_snapshot_is_told_and_the_agent_runs_on() {
    let args = ["-profile=local", "-snapshot=/dev/full"];
    let agent = Agent::start(Which::Ours, "alpha", &args);
    let told = agent
        .process
        .wait_for("[ERR] serf: Cannot write the snapshot: ");
    assert!(told.contains("runs on"), "{told}");
    agent.wait_for_members(&[("alpha", "alive")]);
}

#[test]
fn an_agent_that_leaves_logs_it_and_runs_its_handlers() {
    let scratch = Scratch::new("departure");
    let got = scratch.path("got");
    let handler = format!("-event-handler=member-leave=(echo $SERF_TAG_DC; cat) > {got}");
    let mut agent = Agent::start(Which::Ours, "alpha", &[&handler, "-tag=dc=x"]);
    let output = agent.run(Which::Ours, "leave", &[]);
    assert!(output.status.success());
    assert_eq!(agent.process.exit_code(), Some(0));
    let ip = agent.ip;
    let left = format!("[INFO] serf: EventMemberLeave: alpha {ip}");
    agent.process.wait_for(&left);
    let log = &agent.process;
    log.wait_for("[INFO] agent: Received event: member-leave");
    let content = std::fs::read_to_string(&got).unwrap();
    assert_eq!(content, format!("x\nalpha\t{ip}\t\tdc=x\n"));
}

#[test]
fn an_agent_whose_name_belongs_to_another_ends_and_says_so() {
    let args = ["-profile=local"];
    let first = Agent::start(Which::Ours, "alpha", &args);
    let join = first.ip.to_string();
    let joined = ["-profile=local", "-join", &join];
    let others = ["beta", "gamma"].map(|name| Agent::start(Which::Ours, name, &joined));
    let all = [("alpha", "alive"), ("beta", "alive"), ("gamma", "alive")];
    for agent in [&first, &others[0], &others[1]] {
        agent.wait_for_members(&all);
    }
    let beta = others[0].ip.to_string();
    let joined = ["-profile=local", "-retry-join", &beta, "-retry-interval=1s"];
    let mut second = Agent::start(Which::Ours, "alpha", &joined);
    assert_eq!(second.process.exit_code(), Some(1));
    let told = second.process.wait_for("has the name 'alpha', too");
    let rival = format!("{}:7946", first.ip);
    assert!(told.contains(&rival), "{told}");
    second
        .process
        .wait_for("[ERR] serf: Lost the vote about the name of this node");
    first.wait_for_members(&all);
}
