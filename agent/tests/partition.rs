//! A partition between two networks, with agents of ours and reference ones on both sides. The
//! networks are namespaces of this test's own, and end with it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::net::Ipv4Addr;
use std::process::Command;

use support::{Agent, Process, Scratch, Which, eventually, reference_is_installed, stdout};

/// Set in the process that runs in a namespace.
const INSIDE: &str = "SERF_TEST_NAMESPACE";

#[test]
fn both_sides_of_a_partition_find_each_other_again_and_hear_what_they_missed() {
    if !reference_is_installed() {
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return part_and_heal();
    }
    // Whoever is not root may be it in a namespace of users.
    let allowed = [&[][..], &["--map-root-user"]].into_iter().find(|way| {
        let tried = in_namespaces(way).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(way) = allowed else {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "network namespaces must be allowed where CI=true");
        eprintln!("skipped: only root may have network namespaces here");
        return;
    };
    let inside = in_namespaces(way)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("both_sides_of_a_partition_find_each_other_again_and_hear_what_they_missed")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, err) = (
        stdout(&inside),
        String::from_utf8_lossy(&inside.stderr).into_owned(),
    );
    assert!(
        inside.status.success() && out.contains("1 passed"),
        "{out}{err}"
    );
}

/// A command in namespaces that are gone, with all that runs there, as soon as it ends.
fn in_namespaces(more: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--mount-proc"])
        .args(["--fork", "--kill-child"])
        .args(more);
    command
}

fn run(line: &str) {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

/// Two networks, between which this process is the router.
fn build_networks() {
    // Where names of namespaces and locks are kept: of these nobody else is to know.
    run("mount -t tmpfs none /run");
    run("ip link set lo up");
    for side in [1, 2] {
        run(&format!("ip netns add side-{side}"));
        run(&format!(
            "ip link add to-{side} type veth peer name out netns side-{side}"
        ));
        run(&format!("ip addr add 10.83.{side}.1/24 dev to-{side}"));
        run(&format!("ip link set to-{side} up"));
        for host in [2, 3] {
            run(&format!(
                "ip -n side-{side} addr add 10.83.{side}.{host}/24 dev out"
            ));
        }
        run(&format!("ip -n side-{side} link set lo up"));
        run(&format!("ip -n side-{side} link set out up"));
        run(&format!(
            "ip -n side-{side} route add default via 10.83.{side}.1"
        ));
    }
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
}

fn start(which: Which, name: &str, side: u8, host: u8, config: &str) -> Agent {
    let ip = Ipv4Addr::new(10, 83, side, host);
    let rpc_addr = format!("{ip}:7373");
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &format!("side-{side}"), which.program()])
        .args(["agent", "-profile=local", "-node", name])
        .args(["-bind", &format!("{ip}:7946"), "-rpc-addr", &rpc_addr])
        .args(["-config-file", config]);
    if (side, host) != (1, 2) {
        command.args(["-join", "10.83.1.2"]);
    }
    let process = Process::of(&mut command);
    process.wait_for("Log data will now stream in");
    Agent {
        process,
        ip,
        rpc_addr,
    }
}

fn part_and_heal() {
    build_networks();
    let scratch = Scratch::new("partition");
    let config = scratch.write("often.json", r#"{"reconnect_interval": "1s"}"#);
    let start = |which, name, side, host| start(which, name, side, host, &config);
    let ours = Which::Ours;
    let theirs = Which::Reference;
    let left = [start(ours, "a", 1, 2), start(theirs, "b", 1, 3)];
    let right = [start(ours, "c", 2, 2), start(theirs, "d", 2, 3)];
    let all_see = |of_left: &str, of_right: &str| {
        let (left_sees, right_sees) = (("alive", of_right), (of_left, "alive"));
        for (side, (of_left, of_right)) in [(&left, left_sees), (&right, right_sees)] {
            for agent in side {
                agent.wait_for_members(&[
                    ("a", of_left),
                    ("b", of_left),
                    ("c", of_right),
                    ("d", of_right),
                ]);
            }
        }
    };
    all_see("alive", "alive");

    run("iptables -w -A FORWARD -j DROP");
    all_see("failed", "failed");
    for (agent, name) in [
        (&left[0], "of-a"),
        (&left[1], "of-b"),
        (&right[0], "of-c"),
        (&right[1], "of-d"),
    ] {
        let output = agent.run(ours, "event", &["-coalesce=false", name]);
        assert!(output.status.success(), "{output:?}");
    }

    run("iptables -w -D FORWARD -j DROP");
    all_see("alive", "alive");
    for agent in left.iter().chain(&right) {
        for name in ["of-a", "of-b", "of-c", "of-d"] {
            let line = format!("Received event: user-event: {name}");
            eventually("what was said meanwhile", || {
                let lines = agent.process.lines();
                let heard = lines.iter().filter(|seen| seen.contains(&line)).count();
                (heard == 1)
                    .then_some(())
                    .ok_or_else(|| format!("{heard} times {name}: {lines:#?}"))
            });
        }
        eventually("an answer from everybody", || {
            let output = agent.run(ours, "reachability", &[]);
            let text = stdout(&output);
            output.status.success().then_some(()).ok_or(text)
        });
    }
}
