//! Which events a handler or a subscription wants.

use std::fmt;

use serf_core::MemberEventKind;

use crate::event::AgentEvent;

/// One element of a filter list, such as `member-join` or `user:deploy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventFilter {
    All,
    Member(MemberEventKind),
    /// Of this name; of any if it is empty.
    User(String),
    /// As for user events.
    Query(String),
}

/// Not an event filter. Holds the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownFilter(pub(crate) String);

impl EventFilter {
    /// Reads a comma-separated list. An empty one is `*`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, UnknownFilter> {
        match text {
            "" => Ok(vec![Self::All]),
            list => list.split(',').map(Self::parse).collect(),
        }
    }

    fn parse(element: &str) -> Result<Self, UnknownFilter> {
        const MEMBER: [MemberEventKind; 5] = [
            MemberEventKind::Join,
            MemberEventKind::Leave,
            MemberEventKind::Failed,
            MemberEventKind::Update,
            MemberEventKind::Reap,
        ];
        if let Some(kind) = MEMBER.into_iter().find(|kind| kind.as_str() == element) {
            return Ok(Self::Member(kind));
        }
        match element.split_once(':').unwrap_or((element, "")) {
            ("user", name) => Ok(Self::User(name.to_owned())),
            ("query", name) => Ok(Self::Query(name.to_owned())),
            _ if element == "*" => Ok(Self::All),
            _ => Err(UnknownFilter(element.to_owned())),
        }
    }

    pub(crate) fn passes(&self, event: &AgentEvent) -> bool {
        match (self, event) {
            (Self::All, _) => true,
            (Self::Member(wanted), AgentEvent::Member { kind, .. }) => wanted == kind,
            (Self::User(name), AgentEvent::User(event)) => name.is_empty() || **name == *event.name,
            (Self::Query(name), AgentEvent::Query(query)) => {
                name.is_empty() || **name == *query.name
            }
            (Self::Member(_) | Self::User(_) | Self::Query(_), _) => false,
        }
    }
}

/// `EVENT:NAME`, also if there is no name.
impl fmt::Display for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*:"),
            Self::Member(kind) => write!(f, "{kind}:"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::fixture::{member_event, query, user_event};
    use MemberEventKind::{Join, Leave, Reap};

    fn passes(filter: &str, event: &AgentEvent) -> bool {
        let filters = EventFilter::parse_list(filter).unwrap();
        filters.iter().any(|filter| filter.passes(event))
    }

    #[test]
    fn one_matching_element_is_enough() {
        assert!(passes("", &member_event(Reap, Vec::new())));
        assert!(passes("*", &user_event("x", "")));
        let list = "user:x,member-join";
        assert!(passes(list, &member_event(Join, Vec::new())));
        assert!(passes(list, &user_event("x", "")));
        assert!(!passes(list, &user_event("y", "")));
        assert!(!passes(list, &member_event(Leave, Vec::new())));
        assert!(passes("user", &user_event("y", "")));
        assert!(passes("user:", &user_event("y", "")));
        assert!(passes("user:a:b", &user_event("a:b", "")));
        assert!(!passes("query", &user_event("y", "")));
        assert!(passes("user,query", &query("y", "")));
        assert!(passes("query:y", &query("y", "")));
        assert!(!passes("query:x,user:y", &query("y", "")));
    }

    #[test]
    fn other_elements_are_refused() {
        for (list, element) in [
            ("bogus", "bogus"),
            ("member-join,bogus", "bogus"),
            ("member-join:x", "member-join:x"),
            ("Member-Join", "Member-Join"),
            ("*:", "*:"),
            ("user,", ""),
            (",", ""),
        ] {
            let unknown = UnknownFilter(element.to_owned());
            assert_eq!(EventFilter::parse_list(list), Err(unknown), "{list}");
        }
    }
}
