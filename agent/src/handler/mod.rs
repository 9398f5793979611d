//! Event handlers: commands that the agent runs on events.
//!
//! They run one at a time, in the order of the events and then of the configuration, in a task of
//! their own: a slow handler delays those after it and nothing else. While it runs, up to
//! 512 events wait; those beyond that are lost to the handlers, which the log tells.

mod filter;
mod invocation;
mod output;
mod queue;
mod script;

pub(crate) use filter::{EventFilter, UnknownFilter};
pub(crate) use queue::Handlers;
pub use script::{EventScript, InvalidScript};

#[cfg(test)]
mod fixture {
    use std::time::Duration;

    use serf_core::message::{self, UserEvent};
    use serf_core::{LamportTime, MemberEventKind, QueryFlags};
    use serf_tokio::{Member, Options, Tags, bind};

    use crate::event::AgentEvent;

    pub(super) async fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let tags: Tags = tags.iter().map(owned).collect();
        let options = Options::new(name).bind("127.0.0.1:0").tags(tags);
        bind(options).await.unwrap().local().await.unwrap()
    }

    pub(super) fn member_event(kind: MemberEventKind, members: Vec<Member>) -> AgentEvent {
        AgentEvent::Member { kind, members }
    }

    pub(super) fn user_event(name: &str, payload: &str) -> AgentEvent {
        let message = UserEvent {
            ltime: LamportTime::new(7),
            name,
            payload: payload.as_bytes(),
            coalesce: false,
        };
        AgentEvent::User((&message).into())
    }

    pub(super) fn query(name: &str, payload: &str) -> AgentEvent {
        let message = message::Query {
            ltime: LamportTime::new(9),
            id: 1,
            source: ([127, 0, 0, 1], 7946).into(),
            source_name: "b".into(),
            filters: message::Filters::Native(&[]),
            flags: QueryFlags::default(),
            relay_factor: 0,
            timeout: Duration::from_secs(1),
            name,
            payload: payload.as_bytes(),
        };
        AgentEvent::Query((&message).into())
    }
}
