//! What the agent tells handlers and clients.

use std::fmt;

use serf_core::{MemberEventKind, Query, UserEvent};
use serf_tokio::Member;

/// An event of the agent. Bursts are coalesced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AgentEvent {
    /// The same happened to these members.
    Member {
        kind: MemberEventKind,
        members: Vec<Member>,
    },
    /// Somebody sent a user event.
    User(UserEvent),
    /// Somebody asks something.
    Query(Query),
}

impl AgentEvent {
    /// Its kind, as filters and handlers know it: `member-join`, `user`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Member { kind, .. } => kind.as_str(),
            Self::User(_) => "user",
            Self::Query(_) => "query",
        }
    }
}

/// As the log shows it.
impl fmt::Display for AgentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { kind, .. } => kind.fmt(f),
            Self::User(event) => write!(f, "user-event: {}", event.name),
            Self::Query(query) => write!(f, "query: {}", query.name),
        }
    }
}
