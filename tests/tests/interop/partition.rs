//! A partition between network namespaces. They are this test's own and end with its processes.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use serf_core::{Config, Status};
use std::time::Duration;

use crate::agent::{Agent, installed, join, node, status, until};

/// Set in the process that runs in a namespace.
const INSIDE: &str = "SERF_INTEROP_NAMESPACE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_sides_of_a_partition_find_each_other_again() {
    if !installed() {
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return part_and_heal().await;
    }
    // Whoever is not root may be it in a namespace of users.
    let allowed = ["-n", "-rn"].into_iter().find(|way| {
        let tried = Command::new("unshare").args([way, "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(way) = allowed else {
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "network namespaces must be allowed in CI");
        eprintln!("skipped: only root may have network namespaces here");
        return;
    };
    let inside = Command::new("unshare")
        .arg(way)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "partition::the_two_sides_of_a_partition_find_each_other_again",
        ])
        .arg("--nocapture")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&inside.stdout);
    let err = String::from_utf8_lossy(&inside.stderr);
    assert!(
        inside.status.success() && out.contains("1 passed"),
        "{out}{err}"
    );
}

/// A second namespace, held by a process.
struct Namespace(Child);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(words: &[&str]) -> bool {
    Command::new(words[0])
        .args(&words[1..])
        .status()
        .is_ok_and(|status| status.success())
}

async fn part_and_heal() {
    let holder = Command::new("unshare")
        .args(["-n", "cat"])
        .stdin(Stdio::piped())
        .spawn();
    let there = Namespace(holder.unwrap());
    let pid = there.0.id().to_string();
    let inside: &[&str] = &["nsenter", "-t", &pid, "-n"];
    fn at<'w>(inside: &[&'w str], words: &[&'w str]) -> Vec<&'w str> {
        [inside, words].concat()
    }
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    until("the second namespace is there", async || {
        std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|ns| ns != own)
    })
    .await;
    for words in [
        &["ip", "link", "set", "lo", "up"][..],
        &[
            "ip", "link", "add", "here", "type", "veth", "peer", "name", "there",
        ],
        &["ip", "link", "set", "there", "netns", &pid],
        &["ip", "addr", "add", "10.83.0.1/24", "dev", "here"],
        &["ip", "link", "set", "here", "up"],
        &at(inside, &["ip", "link", "set", "lo", "up"]),
        &at(
            inside,
            &["ip", "addr", "add", "10.83.0.2/24", "dev", "there"],
        ),
        &at(inside, &["ip", "link", "set", "there", "up"]),
    ] {
        assert!(run(words), "{words:?}");
    }
    let often = |dir: &std::path::PathBuf| {
        std::fs::write(dir.join("config.json"), br#"{"reconnect_interval": "1s"}"#).unwrap();
    };
    let ip = Ipv4Addr::new(10, 83, 0, 2);
    let args = ["-config-file=config.json"];
    let go = Agent::start_at("go", ip, inside, &args, often).await;
    let config = Config {
        reconnect_interval: Duration::from_secs(1),
        ..Config::local()
    };
    let ours = node("ours", |o| o.bind("10.83.0.1:7946").config(config)).await;
    join(&ours, &[go.addr()]).await;
    until("they know each other", async || {
        both(&ours, &go, Status::Alive).await
    })
    .await;
    assert!(run(&["ip", "link", "set", "here", "down"]));
    until("each takes the other for failed", async || {
        both(&ours, &go, Status::Failed).await
    })
    .await;
    assert!(run(&["ip", "link", "set", "here", "up"]));
    until("they have found each other again", async || {
        both(&ours, &go, Status::Alive).await
    })
    .await;
}

async fn both(ours: &serf_tokio::Handle, go: &Agent, is: Status) -> bool {
    status(ours, "go").await == Some(is) && go.status("ours").as_deref() == Some(is.as_str())
}
