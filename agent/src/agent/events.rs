//! Takes the node's events: writes them to the log, coalesces them, and passes them on to handlers
//! and subscribers.

use std::sync::Arc;
use std::time::Duration;

use serf_core::coalesce::{MemberBurst, MemberCoalescer, Periods, UserCoalescer};
use serf_core::{Event, Instant, MemberEvent, MemberEventKind};
use serf_tokio::Events;

use super::Agent;
use crate::event::AgentEvent;

/// How long events of either kind wait for others.
const PERIODS: Periods = Periods {
    coalesce: Duration::from_secs(3),
    quiescent: Duration::from_secs(1),
};

/// Runs until the node has stopped.
pub(super) async fn follow(agent: Arc<Agent>, mut events: Events) {
    let mut pipeline = Pipeline::new();
    let start = tokio::time::Instant::now();
    let now = || Instant::ZERO + start.elapsed();
    loop {
        let deadline = pipeline.deadline();
        let due = async {
            match deadline {
                Some(deadline) => {
                    let deadline = start + deadline.since(Instant::ZERO);
                    tokio::time::sleep_until(deadline).await;
                }
                None => std::future::pending().await,
            }
        };
        let ready = tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    log(&event);
                    agent.note(&event);
                    count(&agent, &event);
                    pipeline.push(event, now())
                }
                Some(Err(lagged)) => {
                    tracing::warn!(target: "agent", "{lagged}");
                    Vec::new()
                }
                None => break,
            },
            () = due => pipeline.flush(now()),
        };
        publish(&agent, ready);
    }
    publish(&agent, pipeline.drain());
}

/// What holds events back for a while, so that bursts become one event.
struct Pipeline {
    members: MemberCoalescer,
    users: UserCoalescer,
}

impl Pipeline {
    fn new() -> Self {
        Self {
            members: MemberCoalescer::new(PERIODS),
            users: UserCoalescer::new(PERIODS),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.members.deadline(), self.users.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Answers what is not held back.
    fn push(&mut self, event: Event, now: Instant) -> Vec<AgentEvent> {
        let at_once = match event {
            Event::Member(event) => self.members.push(event, now).map(|event| {
                let members = vec![event.member];
                let kind = event.kind;
                AgentEvent::Member { kind, members }
            }),
            Event::User(event) => self.users.push(event, now).map(AgentEvent::User),
            Event::Query(query) => Some(AgentEvent::Query(query)),
            _ => None,
        };
        at_once.into_iter().collect()
    }

    /// Answers what is due.
    fn flush(&mut self, now: Instant) -> Vec<AgentEvent> {
        let members = self.members.flush(now).into_iter().map(members);
        let users = self.users.flush(now).into_iter().map(AgentEvent::User);
        members.chain(users).collect()
    }

    /// Answers all that is held back.
    fn drain(&mut self) -> Vec<AgentEvent> {
        let members = self.members.drain().into_iter().map(members);
        let users = self.users.drain().into_iter().map(AgentEvent::User);
        members.chain(users).collect()
    }
}

fn members(burst: MemberBurst) -> AgentEvent {
    AgentEvent::Member {
        kind: burst.kind,
        members: burst.events.into_iter().map(|event| event.member).collect(),
    }
}

fn publish(agent: &Agent, events: Vec<AgentEvent>) {
    for event in events {
        tracing::info!(target: "agent", "Received event: {event}");
        let event = Arc::new(event);
        agent.handlers.push(&event);
        // Nobody may be listening.
        let _ = agent.events.send(event);
    }
}

fn count(agent: &Agent, event: &Event) {
    match event {
        Event::Member(MemberEvent { kind, .. }) => agent.telemetry.count(match kind {
            MemberEventKind::Join => "serf.member.join",
            MemberEventKind::Leave => "serf.member.left",
            MemberEventKind::Failed => "serf.member.failed",
            MemberEventKind::Update => "serf.member.update",
            MemberEventKind::Reap => "serf.member.reap",
        }),
        Event::User(event) => {
            agent.telemetry.count("serf.events");
            let name = &event.name;
            agent
                .telemetry
                .count_one_of("serf.events.by_name", "name", name);
        }
        Event::Query(query) => {
            // The node itself counts all of them.
            let name = &query.name;
            agent
                .telemetry
                .count_one_of("serf.queries.by_name", "name", name);
        }
        _ => {}
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
        Event::Undecryptable { from, all: true } => tracing::error!(
            target: "memberlist",
            "Nothing that others send can be decrypted, such as what comes from {from}: this node \
             needs a key that they have (see encrypt_key, keyring_file and `serf keys -list` there)"
        ),
        Event::Undecryptable { from, all: false } => tracing::warn!(
            target: "memberlist",
            "No key decrypts what came from {from}: it has another key, or none"
        ),
        Event::Decrypting => {
            tracing::info!(target: "memberlist", "What others send can be decrypted again");
        }
        Event::KeyringChanged => tracing::info!(target: "serf", "The keys of this node changed"),
        Event::Declined { peer, reason } => tracing::error!(
            target: "memberlist",
            "{peer} refuses to exchange state with this node: {reason}"
        ),
        Event::NameVote {
            rival,
            for_me,
            for_rival,
            lost: false,
        } => tracing::warn!(
            target: "serf",
            "Keeping the name that {rival} claims, too: {for_me} members know this node by it, \
             {for_rival} the other one; give one of the two another name"
        ),
        Event::NameVote {
            rival,
            for_me,
            for_rival,
            lost: true,
        } => tracing::error!(
            target: "serf",
            "Lost the vote about the name of this node: {for_rival} members know {rival} by it, \
             {for_me} this one; giving way"
        ),
        Event::Query(query) => tracing::debug!(
            target: "serf",
            "Query: {} at {} from {}",
            query.name,
            query.key.ltime,
            query.source
        ),
        Event::HealthChanged { score } => {
            tracing::debug!(target: "memberlist", "Health score is now {score}");
        }
        Event::EventsMissed { from, until } => tracing::warn!(
            target: "serf",
            "Missed the user events of the times {from} to {}: it is too late to take them",
            until.before(1)
        ),
        other => tracing::debug!(target: "serf", "{other:?}"),
    }
}
