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
