//! Which events a subscription wants.

use serf_core::MemberEventKind;

use crate::agent::AgentEvent;

/// One element of a filter list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    All,
    Member(MemberEventKind),
    /// Of this name, or of any. Nothing of these kinds happens yet.
    User(Option<String>),
    Query(Option<String>),
}

/// A list of event filters, such as `member-join,user:deploy`. An event passes if one matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventFilter(Vec<Element>);

impl EventFilter {
    /// `None` if an element is not known. An empty list is `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        const MEMBER: [MemberEventKind; 5] = [
            MemberEventKind::Join,
            MemberEventKind::Leave,
            MemberEventKind::Failed,
            MemberEventKind::Update,
            MemberEventKind::Reap,
        ];
        text.split(',')
            .map(|element| match element.split_once(':') {
                None if element.is_empty() || element == "*" => Some(Element::All),
                None if element == "user" => Some(Element::User(None)),
                None if element == "query" => Some(Element::Query(None)),
                None => MEMBER
                    .into_iter()
                    .find(|kind| kind.as_str() == element)
                    .map(Element::Member),
                Some(("user", name)) => Some(Element::User(Some(name.to_owned()))),
                Some(("query", name)) => Some(Element::Query(Some(name.to_owned()))),
                Some(_) => None,
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn passes(&self, event: &AgentEvent) -> bool {
        let AgentEvent::Member { kind, .. } = event;
        self.0.iter().any(|element| match element {
            Element::All => true,
            Element::Member(wanted) => wanted == kind,
            Element::User(_) | Element::Query(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, kind: MemberEventKind) -> bool {
        let event = AgentEvent::Member {
            kind,
            members: Vec::new(),
        };
        EventFilter::parse(filter).unwrap().passes(&event)
    }

    #[test]
    fn one_matching_element_is_enough() {
        assert!(passes("", MemberEventKind::Reap));
        assert!(passes("*", MemberEventKind::Reap));
        assert!(passes("user:x,member-join", MemberEventKind::Join));
        assert!(!passes("user:x,member-join", MemberEventKind::Leave));
        assert!(!passes("query", MemberEventKind::Join));
    }

    #[test]
    fn other_elements_are_refused() {
        for text in ["bogus", "member-join,bogus", "member-join:x", "Member-Join"] {
            assert_eq!(EventFilter::parse(text), None, "{text}");
        }
    }
}
