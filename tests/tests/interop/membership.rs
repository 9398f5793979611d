//! Who is there: joins, leaves, failures.

use serf_core::{Config, Status, Wire, Wires};
use serf_runtime::Options;
use serf_tokio::Handle;

use crate::agent::{Agent, installed, join, member, members, node, status, tags, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_joins_through_the_other() {
    if !installed() {
        return;
    }
    let first = Agent::start("go-1", &["-tag", "role=db"]).await;
    let ours = node("ours", |o| o.tags(tags(&[("role", "web")]))).await;
    let joined = ours.join(&[first.addr()]).await.unwrap();
    assert_eq!(joined.contacted.len(), 1);
    let second = Agent::start("go-2", &[]).await;
    second.run(&["join", &ours.advertise_addr().to_string()]);
    let agents = [&first, &second];
    until("all agree", async || {
        let seen = members(&ours).await;
        let alive = |name: &str, tags: &str| (name.to_owned(), "alive".to_owned(), tags.to_owned());
        seen == [
            alive("go-1", "role=db"),
            alive("go-2", ""),
            alive("ours", "role=web"),
        ] && agents.iter().all(|agent| agent.members() == seen)
    })
    .await;
    assert_eq!(
        member(&ours, "go-1").await.unwrap().wire(),
        Wire::Memberlist
    );
    assert_eq!(ours.local().await.unwrap().wire(), Wire::Native);
    let counters = ours.stats().await.unwrap().counters;
    assert_eq!(counters.dropped_malformed, 0);
    assert_eq!(counters.skipped_unknown, 0);
    assert_eq!(counters.dropped_foreign, 0);
}

/// Nodes of ours, all joined through an agent, and agents, all joined through one of ours.
async fn mixed(count: usize) -> (Vec<Agent>, Vec<Handle>) {
    let mut agents = Vec::new();
    let mut nodes: Vec<Handle> = Vec::new();
    for n in 0..count {
        let tag = format!("number={n}");
        agents.push(Agent::start(&format!("go-{n}"), &["-tag", &tag]).await);
        let (wires, number) = (Wires::Auto, n.to_string());
        let config = Config {
            wires,
            ..Config::local()
        };
        let name = format!("ours-{n}");
        let change = |o: Options| {
            o.config(config)
                .tags(tags(&[("number", &number), ("kind", "ours")]))
        };
        nodes.push(node(&name, change).await);
        join(&nodes[n], &[agents[0].addr()]).await;
        if n > 0 {
            agents[n].run(&["join", &nodes[n - 1].advertise_addr().to_string()]);
        }
    }
    until("all know all", async || {
        let seen = members(&nodes[0]).await;
        let mut same =
            seen.len() == 2 * count && seen.iter().all(|(_, status, _)| status == "alive");
        for node in &nodes {
            same &= members(node).await == seen;
        }
        same && agents.iter().all(|agent| agent.members() == seen)
    })
    .await;
    (agents, nodes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_and_five_agree_and_ours_speak_native_among_themselves() {
    if !installed() {
        return;
    }
    let (agents, nodes) = mixed(5).await;
    until("each pair speaks the best common wire", async || {
        let mut best = true;
        for node in &nodes {
            for member in node.members().await.unwrap() {
                let native = member.name().starts_with("ours");
                best &= (member.wire() == Wire::Native) == native;
            }
        }
        best
    })
    .await;
    nodes[0]
        .set_tags(tags(&[("number", "new"), ("kind", "ours")]))
        .await
        .unwrap();
    agents[0].run(&["tags", "-set", "number=new"]);
    until("all see the new tags", async || {
        let mut seen = 0;
        for node in &nodes {
            seen += members(node)
                .await
                .iter()
                .filter(|(.., tags)| tags.contains("number=new"))
                .count();
        }
        for agent in &agents {
            seen += agent
                .members()
                .iter()
                .filter(|(.., tags)| tags.contains("number=new"))
                .count();
        }
        seen == 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_sees_the_other_fail_leave_and_be_forced_out() {
    if !installed() {
        return;
    }
    let (mut agents, nodes) = mixed(3).await;
    agents[2].kill();
    nodes[2].shutdown().await;
    until("two have failed", async || {
        let mut failed = true;
        for gone in ["go-2", "ours-2"] {
            for n in 0..2 {
                failed &= status(&nodes[n], gone).await == Some(Status::Failed);
                failed &= agents[n].status(gone).as_deref() == Some("failed");
            }
        }
        failed
    })
    .await;
    nodes[0].force_leave("go-2", false).await.unwrap();
    agents[0].run(&["force-leave", "ours-2"]);
    until("two have left", async || {
        gone(&agents[..2], &nodes[..2], ["go-2", "ours-2"]).await
    })
    .await;
    agents[1].run(&["leave"]);
    assert!(nodes[1].leave().await.unwrap().complete);
    until("two more have left", async || {
        gone(&agents[..1], &nodes[..1], ["go-1", "ours-1"]).await
    })
    .await;
}

async fn gone(agents: &[Agent], nodes: &[Handle], names: [&str; 2]) -> bool {
    let mut left = true;
    for name in names {
        for node in nodes {
            left &= status(node, name).await == Some(Status::Left);
        }
        left &= agents
            .iter()
            .all(|agent| agent.status(name).as_deref() == Some("left"));
    }
    left
}

/// Agents are replaced by nodes of ours one at a time, and those by agents again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_moved_one_member_at_a_time_and_back() {
    if !installed() {
        return;
    }
    let a = Agent::start("a", &[]).await;
    let b = Agent::start("b", &[]).await;
    b.run(&["join", &a.addr()]);
    a.run(&["leave"]);
    drop(a);
    let a = node("a", |o| o).await;
    join(&a, &[b.addr()]).await;
    until("b knows the new a", async || {
        b.status("a").as_deref() == Some("alive")
    })
    .await;
    b.run(&["leave"]);
    drop(b);
    let b = node("b", |o| o).await;
    join(&b, &[a.advertise_addr().to_string()]).await;
    until("all speak native", async || {
        let known = member(&a, "b").await;
        known.is_some_and(|b| b.status() == Status::Alive && b.wire() == Wire::Native)
    })
    .await;
    a.leave().await.unwrap();
    let a = Agent::start("a", &[]).await;
    a.run(&["join", &b.advertise_addr().to_string()]);
    until("b knows that a is an agent again", async || {
        let known = member(&b, "a").await;
        known.is_some_and(|a| a.status() == Status::Alive && a.wire() == Wire::Memberlist)
            && a.status("b").as_deref() == Some("alive")
    })
    .await;
}
