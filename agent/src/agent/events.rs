//! Takes the node's events: writes them to the log, and groups them for subscribers.

use std::sync::Arc;

use serf_core::{Event, MemberEvent, MemberEventKind};
use serf_tokio::Events;
use tokio::time::Instant;

use super::coalesce::Coalescer;
use super::{Agent, AgentEvent};

/// Runs until the node has stopped.
pub(super) async fn follow(agent: Arc<Agent>, mut events: Events) {
    let mut coalescer = Coalescer::default();
    loop {
        let deadline = coalescer.deadline();
        let quiet = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    log(&event);
                    if let Event::Member(event) = event {
                        coalescer.push(event, Instant::now());
                    }
                }
                Some(Err(lagged)) => tracing::warn!(target: "agent", "{lagged}"),
                None => break,
            },
            () = quiet => publish(&agent, coalescer.flush()),
        }
    }
    publish(&agent, coalescer.flush());
}

fn publish(agent: &Agent, events: Vec<AgentEvent>) {
    for event in events {
        tracing::info!(target: "agent", "Received event: {}", event.name());
        // Nobody may be listening.
        let _ = agent.events.send(Arc::new(event));
    }
}

fn log(event: &Event) {
    match event {
        Event::Member(MemberEvent {
            kind,
            member,
            cause,
        }) => {
            let (name, ip) = (member.name(), member.addr().ip());
            match kind {
                MemberEventKind::Join => {
                    tracing::info!(target: "serf", "EventMemberJoin: {name} {ip}");
                }
                MemberEventKind::Leave => {
                    tracing::info!(target: "serf", "EventMemberLeave: {name} {ip}");
                }
                MemberEventKind::Failed => {
                    tracing::info!(target: "serf", "EventMemberFailed: {name} {ip}");
                }
                MemberEventKind::Update => {
                    tracing::info!(target: "serf", "EventMemberUpdate: {name}");
                }
                MemberEventKind::Reap => {
                    tracing::info!(target: "serf", "EventMemberReap: {name}");
                }
            }
            tracing::debug!(target: "serf", "{kind} of {name}: {cause:?}");
        }
        Event::Suspected { member, by } => {
            tracing::info!(target: "memberlist", "Suspect {} has failed (accused by {by})", member.name());
        }
        Event::Refuted { accuser, .. } => {
            let accuser = accuser.as_deref().unwrap_or("unknown");
            tracing::warn!(target: "memberlist", "Refuting an accusation (from: {accuser})");
        }
        Event::NameConflict { holder, claimant } => tracing::error!(
            target: "serf",
            "Name conflict for '{}': both {} and {claimant} claim it",
            holder.name(),
            holder.addr()
        ),
        Event::DatagramsLost { member } => tracing::warn!(
            target: "memberlist",
            "{} answers over TCP but not over UDP: datagrams may be filtered on the way",
            member.name()
        ),
        Event::HealthChanged { score } => {
            tracing::debug!(target: "memberlist", "Health score is now {score}");
        }
        other => tracing::debug!(target: "serf", "{other:?}"),
    }
}
