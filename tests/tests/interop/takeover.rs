//! A node of ours in the place of an agent, with the agent's files.

use std::fs;

use serf_core::keyring::Key;
use serf_core::{Status, Wire};

use crate::agent::{Agent, installed, member, node, status, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_snapshot_and_the_keyring_of_an_agent_are_taken_over() {
    if !installed() {
        return;
    }
    let key = Key::new(&[7; 32]).unwrap().to_base64().to_string();
    let write = |dir: &std::path::PathBuf| {
        fs::write(dir.join("keyring.json"), format!("[\"{key}\"]")).unwrap();
    };
    let args = ["-keyring-file=keyring.json", "-snapshot=snapshot"];
    let mut old = Agent::start_with("moved", &args, write).await;
    let other = Agent::start_with("other", &args, write).await;
    old.run(&["join", &other.addr()]);
    other.run(&["event", "before"]);
    until("the agent heard of it", async || {
        old.log().contains("user-event: before")
    })
    .await;
    old.terminate();
    let snapshot = fs::read_to_string(old.dir.join("snapshot")).unwrap();
    assert!(snapshot.contains("alive: other") && snapshot.contains("event-clock: "));
    let ours = node("ours", |o| {
        o.keyring_file(old.dir.join("keyring.json"))
            .snapshot(old.dir.join("snapshot"))
    })
    .await;
    until("it has joined through the snapshot", async || {
        status(&ours, "other").await == Some(Status::Alive)
            && other.status("ours").as_deref() == Some("alive")
    })
    .await;
    assert_eq!(
        member(&ours, "other").await.unwrap().wire(),
        Wire::Memberlist
    );
    ours.user_event("after", b"", false).await.unwrap();
    until("it is heard", async || {
        other.log().contains("user-event: after")
    })
    .await;
}
