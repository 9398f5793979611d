//! Datagrams that arrive in one direction only, made so by a packet filter in a network namespace
//! of the test's own.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use support::{Agent, Which, eventually};

/// Set where the packet filter may be changed.
const MARK: &str = "SERF_TEST_NAMESPACE";

/// Runs this test program again in a namespace of its own, where the kernel allows that, for the
/// one test that needs it.
#[test]
fn datagrams_that_arrive_in_one_direction_only_degrade_the_health_of_both_sides() {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--map-root-user").arg("--net").env(MARK, "1");
        command
    };
    let allowed = unshare().arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no network namespaces (unshare --map-root-user --net)");
        return;
    }
    let again = std::env::current_exe().unwrap();
    let inner = ["--exact", "--ignored", "--nocapture", "in_a_namespace"];
    let output = unshare().arg(again).args(inner).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn system(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}

/// The answer to a question about health: its status line and its body.
fn health(ip: Ipv4Addr) -> String {
    let mut stream = TcpStream::connect((ip, 7374)).unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
#[ignore = "changes the packet filter: the other test runs it in a network namespace"]
fn in_a_namespace() {
    assert!(
        std::env::var_os(MARK).is_some(),
        "not on this machine's own packet filter"
    );
    system("ip", &["link", "set", "lo", "up"]);
    let [a, b] = [1, 2].map(|host| Ipv4Addr::new(127, 0, 0, host));
    let start = |name: &str, ip: Ipv4Addr, more: &[&str]| {
        let http = format!("-http-addr={ip}:7374");
        let args = [&["-profile=local", &http], more].concat();
        Agent::start_at(Which::Ours, ip, name, &args)
    };
    let alpha = start("alpha", a, &[]);
    let _beta = start("beta", b, &["-join=127.0.0.1"]);
    let both = [("alpha", "alive"), ("beta", "alive")];
    alpha.wait_for_members(&both);
    for ip in [a, b] {
        assert!(health(ip).starts_with("HTTP/1.1 200 "), "{}", health(ip));
    }

    let to_beta = "-A INPUT -p udp -s 127.0.0.1 -d 127.0.0.2 -j DROP";
    system("iptables", &to_beta.split(' ').collect::<Vec<_>>());
    for ip in [a, b] {
        eventually("degraded health", || {
            let answer = health(ip);
            let told = answer.starts_with("HTTP/1.1 503 ")
                && answer.contains(r#""udp-one-way: 1 members answer over TCP but not over UDP""#);
            told.then_some(()).ok_or(answer)
        });
    }
    // Streams keep both alive.
    alpha.wait_for_members(&both);
}
