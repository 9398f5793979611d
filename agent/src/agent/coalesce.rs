//! Groups member events, so that a burst of joins is one event to a handler or a client.

use std::collections::BTreeMap;
use std::time::Duration;

use serf_core::{MemberEvent, MemberEventKind, Name};
use serf_tokio::Member;
use tokio::time::Instant;

use super::AgentEvent;

/// The longest that an event waits for others.
const PERIOD: Duration = Duration::from_secs(3);
/// How long nothing must happen for the events so far to be handed out.
const QUIET: Duration = Duration::from_secs(1);

/// Collects member events until things are quiet.
///
/// Of several events about one member only the last counts, and one that repeats what was last
/// handed out about it does not (except for updates).
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    waiting: BTreeMap<Name, (MemberEventKind, Member)>,
    handed_out: BTreeMap<Name, MemberEventKind>,
    /// When the first and the last of those waiting came.
    times: Option<(Instant, Instant)>,
}

impl Coalescer {
    pub(super) fn push(&mut self, event: MemberEvent, now: Instant) {
        let name = event.member.name().clone();
        self.waiting.insert(name, (event.kind, event.member));
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now));
    }

    /// When to [`flush`](Self::flush), if anything waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.times
            .map(|(first, last)| (first + PERIOD).min(last + QUIET))
    }

    /// Hands out everything that waits: one event of each kind.
    pub(super) fn flush(&mut self) -> Vec<AgentEvent> {
        self.times = None;
        let mut groups: BTreeMap<MemberEventKind, Vec<Member>> = BTreeMap::new();
        for (name, (kind, member)) in std::mem::take(&mut self.waiting) {
            let before = match kind {
                // Forgotten members must not add up here.
                MemberEventKind::Reap => self.handed_out.remove(&name),
                kind => self.handed_out.insert(name, kind),
            };
            if before != Some(kind) || kind == MemberEventKind::Update {
                groups.entry(kind).or_default().push(member);
            }
        }
        groups
            .into_iter()
            .map(|(kind, members)| AgentEvent::Member { kind, members })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use MemberEventKind::{Failed, Join, Leave, Reap, Update};
    use serf_core::Cause;
    use serf_tokio::{Options, bind};

    use super::*;

    async fn member(name: &str) -> Member {
        let node = bind(Options::new(name).bind("127.0.0.1:0")).await.unwrap();
        node.local().await.unwrap()
    }

    fn push(coalescer: &mut Coalescer, kind: MemberEventKind, member: &Member, now: Instant) {
        let (member, cause) = (member.clone(), Cause::Announced);
        let event = MemberEvent {
            kind,
            member,
            cause,
        };
        coalescer.push(event, now);
    }

    fn flush(coalescer: &mut Coalescer) -> Vec<(MemberEventKind, Vec<String>)> {
        let events = coalescer.flush().into_iter();
        events
            .map(|AgentEvent::Member { kind, members }| {
                let names = members.iter().map(|member| member.name().to_string());
                (kind, names.collect())
            })
            .collect()
    }

    #[tokio::test]
    async fn the_last_event_of_each_member_counts_and_kinds_are_grouped() {
        let (a, b, c) = (member("a").await, member("b").await, member("c").await);
        let (mut coalescer, now) = (Coalescer::default(), Instant::now());
        push(&mut coalescer, Failed, &a, now);
        push(&mut coalescer, Join, &a, now);
        push(&mut coalescer, Join, &b, now);
        push(&mut coalescer, Leave, &c, now);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = vec![(Join, names(&["a", "b"])), (Leave, names(&["c"]))];
        assert_eq!(flush(&mut coalescer), expected);
        assert_eq!(flush(&mut coalescer), []);
    }

    #[tokio::test]
    async fn what_was_handed_out_is_not_repeated_unless_it_is_an_update() {
        let a = member("a").await;
        let (mut coalescer, now) = (Coalescer::default(), Instant::now());
        let mut handed_out = |kind| {
            push(&mut coalescer, kind, &a, now);
            !flush(&mut coalescer).is_empty()
        };
        assert!(handed_out(Join));
        assert!(!handed_out(Join));
        assert!(handed_out(Update));
        assert!(handed_out(Update));
        assert!(handed_out(Failed));
        assert!(handed_out(Reap));
        assert!(handed_out(Join));
    }

    #[tokio::test]
    async fn events_wait_for_quiet_but_not_for_ever() {
        let a = member("a").await;
        let (mut coalescer, start) = (Coalescer::default(), Instant::now());
        assert_eq!(coalescer.deadline(), None);
        push(&mut coalescer, Join, &a, start);
        assert_eq!(coalescer.deadline(), Some(start + QUIET));
        let later = start + Duration::from_millis(2900);
        push(&mut coalescer, Leave, &a, later);
        assert_eq!(coalescer.deadline(), Some(start + PERIOD));
        flush(&mut coalescer);
        assert_eq!(coalescer.deadline(), None);
    }
}
