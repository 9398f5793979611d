//! The numbers that `stats` answers with.

use std::collections::BTreeMap;

use serf_tokio::Stopped;

use crate::agent::Agent;
use crate::rpc::protocol::Stats;

/// Collects the numbers, in the sections and under the names that scripts know.
pub(super) async fn collect(agent: &Agent) -> Result<Stats, Stopped> {
    let node = agent.handle.stats().await?;
    let local = agent.handle.local().await?;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    let runtime = section(&[
        ("arch", &arch),
        ("cpu_count", &cpus),
        ("goroutines", &tasks),
        ("max_procs", &1),
        ("os", &std::env::consts::OS),
        ("version", &concat!("serf-", env!("CARGO_PKG_VERSION"))),
    ]);
    let mut serf = section(&[
        ("encrypted", &node.encrypted),
        ("event_queue", &node.queues.events.depth),
        ("event_time", &node.event_time),
        ("failed", &node.failed),
        ("health_score", &node.health_score),
        ("intent_queue", &node.queues.intents.depth),
        ("left", &node.left),
        ("member_time", &node.member_time),
        ("members", &node.members),
        ("query_queue", &node.queues.queries.depth),
        ("query_time", &node.query_time),
    ]);
    let name = local.name().as_str();
    // Absent where coordinates are off.
    if agent.handle.coordinate(name).await?.is_some() {
        let resets = node.coordinate_resets.to_string();
        serf.insert("coordinate_resets".to_owned(), resets);
    }
    let members = agent.handle.members().await?;
    let wires = members
        .iter()
        .filter(|member| member.name() != local.name())
        .map(|member| (member.name().to_string(), member.wire().to_string()));
    Ok([
        ("agent", section(&[("name", &name)])),
        ("event_handlers", agent.handlers.list()),
        ("runtime", runtime),
        ("serf", serf),
        ("tags", local.tags()),
        // Ours: by member, what this agent speaks to it.
        ("wire", wires.collect()),
    ]
    .into_iter()
    .map(|(name, section)| (name.to_owned(), section))
    .collect())
}

fn section(values: &[(&str, &dyn ToString)]) -> BTreeMap<String, String> {
    values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.to_string()))
        .collect()
}
