//! Coalescing: a burst of events is one event to the application (wire-protocol reference,
//! section 8.11).
//!
//! Events wait until none has come for the quiescent period, but no longer than the coalescing
//! period. Then each member's, or each name's, latest is handed out. With a period of zero nothing
//! waits.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::event::{MemberEvent, MemberEventKind};
use crate::member::Name;
use crate::serf::event::UserEvent;
use crate::time::Instant;

/// Members, or user events, that may wait. Further ones are handed out at once.
pub const MAX_WAITING: usize = 1 << 14;

/// How long events wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// The longest that an event waits.
    pub coalesce: Duration,
    /// How long nothing must happen for those that wait to be handed out.
    pub quiescent: Duration,
}

impl Periods {
    /// Nothing waits.
    pub const OFF: Self = Self {
        coalesce: Duration::ZERO,
        quiescent: Duration::ZERO,
    };

    fn off(self) -> bool {
        self.coalesce.is_zero() || self.quiescent.is_zero()
    }
}

/// When those that wait are due.
#[derive(Debug, Clone)]
struct Burst {
    periods: Periods,
    /// When the first and the last of those waiting came.
    times: Option<(Instant, Instant)>,
}

impl Burst {
    const fn new(periods: Periods) -> Self {
        Self {
            periods,
            times: None,
        }
    }

    fn extend(&mut self, now: Instant) {
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now));
    }

    fn deadline(&self) -> Option<Instant> {
        let (first, last) = self.times?;
        Some((first + self.periods.coalesce).min(last + self.periods.quiescent))
    }

    /// True if the burst is over.
    fn end(&mut self, now: Instant) -> bool {
        let over = self.deadline().is_some_and(|deadline| deadline <= now);
        if over {
            self.times = None;
        }
        over
    }
}

/// Member events of one kind, each of another member, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberBurst {
    /// What happened to the members.
    pub kind: MemberEventKind,
    /// To whom and why; at least one.
    pub events: Vec<MemberEvent>,
}

/// Coalesces member events: of each member the latest counts, and only if it is of another kind
/// than the one that was last handed out about it, or an update.
#[derive(Debug, Clone)]
pub struct MemberCoalescer {
    burst: Burst,
    waiting: BTreeMap<Name, MemberEvent>,
    /// What was last handed out about each member. Those that are reaped are forgotten, so that
    /// this grows no further than the member table.
    handed_out: BTreeMap<Name, MemberEventKind>,
}

impl MemberCoalescer {
    /// One with which nothing waits yet.
    #[must_use]
    pub const fn new(periods: Periods) -> Self {
        Self {
            burst: Burst::new(periods),
            waiting: BTreeMap::new(),
            handed_out: BTreeMap::new(),
        }
    }

    /// Lets an event wait. Returns it if it is to be handed out at once.
    #[must_use = "an event that comes back does not wait"]
    pub fn push(&mut self, event: MemberEvent, now: Instant) -> Option<MemberEvent> {
        if self.burst.periods.off() {
            return Some(event);
        }
        let name = event.member.name().clone();
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&name) {
            self.hand_out(&name, event.kind);
            return Some(event);
        }
        self.waiting.insert(name, event);
        self.burst.extend(now);
        None
    }

    /// When to [`flush`](Self::flush), if anything waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.burst.deadline()
    }

    /// Hands out what waits, if that is due: a burst for each kind.
    pub fn flush(&mut self, now: Instant) -> Vec<MemberBurst> {
        if self.burst.end(now) {
            self.drain()
        } else {
            Vec::new()
        }
    }

    /// Hands out what waits, due or not; for when the node stops.
    pub fn drain(&mut self) -> Vec<MemberBurst> {
        self.burst.times = None;
        let mut kinds: BTreeMap<MemberEventKind, Vec<MemberEvent>> = BTreeMap::new();
        for (name, event) in core::mem::take(&mut self.waiting) {
            if self.hand_out(&name, event.kind) {
                kinds.entry(event.kind).or_default().push(event);
            }
        }
        kinds
            .into_iter()
            .map(|(kind, events)| MemberBurst { kind, events })
            .collect()
    }

    /// Notes what is handed out; false if that says nothing new.
    fn hand_out(&mut self, name: &Name, kind: MemberEventKind) -> bool {
        let before = match kind {
            MemberEventKind::Reap => self.handed_out.remove(name),
            kind => self.handed_out.insert(name.clone(), kind),
        };
        before != Some(kind) || kind == MemberEventKind::Update
    }
}

/// Coalesces user events that allow it: of each name those of the latest time count.
#[derive(Debug, Clone)]
pub struct UserCoalescer {
    burst: Burst,
    /// For each name the events of its latest time.
    waiting: BTreeMap<Arc<str>, Vec<UserEvent>>,
    count: usize,
}

impl UserCoalescer {
    /// One with which nothing waits yet.
    #[must_use]
    pub const fn new(periods: Periods) -> Self {
        Self {
            burst: Burst::new(periods),
            waiting: BTreeMap::new(),
            count: 0,
        }
    }

    /// Lets an event wait, or drops it if one of its name that is later waits. Returns it if it
    /// is to be handed out at once.
    #[must_use = "an event that comes back does not wait"]
    pub fn push(&mut self, event: UserEvent, now: Instant) -> Option<UserEvent> {
        if self.burst.periods.off() || !event.coalesce {
            return Some(event);
        }
        let latest = self.waiting.get(&event.name).map(|events| events[0].ltime);
        if latest.is_none_or(|latest| latest <= event.ltime) {
            if latest.is_some_and(|latest| latest < event.ltime) {
                let outdated = self.waiting.remove(&event.name);
                self.count -= outdated.map_or(0, |events| events.len());
            }
            if self.count >= MAX_WAITING {
                return Some(event);
            }
            self.count += 1;
            let events = self.waiting.entry(Arc::clone(&event.name)).or_default();
            events.push(event);
        }
        self.burst.extend(now);
        None
    }

    /// When to [`flush`](Self::flush), if anything waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.burst.deadline()
    }

    /// Hands out what waits, if that is due, in the order of the names.
    pub fn flush(&mut self, now: Instant) -> Vec<UserEvent> {
        if self.burst.end(now) {
            self.drain()
        } else {
            Vec::new()
        }
    }

    /// Hands out what waits, due or not; for when the node stops.
    pub fn drain(&mut self) -> Vec<UserEvent> {
        self.burst.times = None;
        self.count = 0;
        let waiting = core::mem::take(&mut self.waiting);
        waiting.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;
    use crate::member::{Member, Profile, Status, Versions};
    use crate::serf::clock::LamportTime;
    use MemberEventKind::{Failed, Join, Leave, Reap, Update};
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec;

    const PERIODS: Periods = Periods {
        coalesce: Duration::from_secs(3),
        quiescent: Duration::from_secs(1),
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn member_event(name: &str, kind: MemberEventKind) -> MemberEvent {
        let name = Name::new(name).expect("a valid name");
        let addr = "127.0.0.1:7946".parse().expect("an address");
        let profile = Profile::new(name, addr, Versions::CURRENT, &[]);
        let member = Member {
            profile: Arc::new(profile),
            incarnation: 1,
            intent: crate::serf::intent::Intent::NONE,
            status: Status::Alive,
            suspected: false,
            wire: crate::Wire::Native,
        };
        let cause = Cause::Announced;
        MemberEvent {
            kind,
            member,
            cause,
        }
    }

    fn user_event(name: &str, ltime: u64, payload: &str) -> UserEvent {
        UserEvent {
            ltime: LamportTime::new(ltime),
            name: name.into(),
            payload: payload.as_bytes().into(),
            coalesce: true,
        }
    }

    fn names(bursts: &[MemberBurst]) -> Vec<(MemberEventKind, Vec<String>)> {
        let name = |event: &MemberEvent| event.member.name().to_string();
        bursts
            .iter()
            .map(|burst| (burst.kind, burst.events.iter().map(name).collect()))
            .collect()
    }

    #[test]
    fn the_latest_event_of_each_member_counts_and_kinds_are_grouped() {
        let mut coalescer = MemberCoalescer::new(PERIODS);
        for (name, kind) in [("a", Failed), ("b", Join), ("c", Leave), ("a", Join)] {
            assert_eq!(coalescer.push(member_event(name, kind), at(0)), None);
        }
        assert_eq!(coalescer.flush(at(999)), []);
        let expected = vec![
            (Join, vec!["a".to_string(), "b".to_string()]),
            (Leave, vec!["c".to_string()]),
        ];
        assert_eq!(names(&coalescer.flush(at(1000))), expected);
        assert_eq!(coalescer.deadline(), None);
        assert_eq!(coalescer.flush(at(9000)), []);
    }

    #[test]
    fn what_was_handed_out_is_not_repeated_unless_it_is_an_update() {
        let mut coalescer = MemberCoalescer::new(PERIODS);
        let mut handed_out = |kind| {
            let _ = coalescer.push(member_event("a", kind), at(0));
            !coalescer.drain().is_empty()
        };
        assert!(handed_out(Join));
        assert!(!handed_out(Join));
        assert!(handed_out(Update));
        assert!(handed_out(Update));
        assert!(handed_out(Failed));
        assert!(handed_out(Reap));
        assert!(handed_out(Reap));
        assert!(handed_out(Join));
    }

    #[test]
    fn members_that_are_reaped_are_forgotten() {
        let mut coalescer = MemberCoalescer::new(PERIODS);
        for n in 0..100 {
            for kind in [Join, Reap] {
                let _ = coalescer.push(member_event(&format!("{n}"), kind), at(0));
                coalescer.drain();
            }
        }
        assert!(coalescer.handed_out.is_empty());
    }

    #[test]
    fn events_wait_for_quiet_but_not_for_ever() {
        let mut coalescer = MemberCoalescer::new(PERIODS);
        assert_eq!(coalescer.deadline(), None);
        let _ = coalescer.push(member_event("a", Join), at(0));
        assert_eq!(coalescer.deadline(), Some(at(1000)));
        for millis in [900, 1800, 2700] {
            let _ = coalescer.push(member_event("b", Join), at(millis));
        }
        assert_eq!(coalescer.deadline(), Some(at(3000)));
        assert_eq!(coalescer.flush(at(3000)).len(), 1);
        let _ = coalescer.push(member_event("a", Leave), at(3500));
        assert_eq!(coalescer.deadline(), Some(at(4500)));
    }

    #[test]
    fn without_periods_nothing_waits() {
        let half = Periods {
            quiescent: Duration::ZERO,
            ..PERIODS
        };
        for periods in [Periods::OFF, half] {
            let event = member_event("a", Join);
            let mut coalescer = MemberCoalescer::new(periods);
            assert_eq!(coalescer.push(event.clone(), at(0)), Some(event));
            assert_eq!(coalescer.deadline(), None);
            let event = user_event("a", 1, "");
            let mut coalescer = UserCoalescer::new(periods);
            assert_eq!(coalescer.push(event.clone(), at(0)), Some(event));
            assert_eq!(coalescer.deadline(), None);
        }
    }

    #[test]
    fn of_user_events_of_one_name_those_of_the_latest_time_count() {
        let mut coalescer = UserCoalescer::new(PERIODS);
        let b = user_event("b", 1, "1");
        let (early, late, same) = (
            user_event("a", 4, "1"),
            user_event("a", 5, "2"),
            user_event("a", 5, "3"),
        );
        for event in [&b, &late, &early, &same] {
            assert_eq!(coalescer.push(event.clone(), at(0)), None);
        }
        assert_eq!(coalescer.flush(at(999)), []);
        assert_eq!(coalescer.flush(at(1000)), [late.clone(), same.clone(), b]);
        for event in [&late, &same] {
            assert_eq!(coalescer.push(event.clone(), at(2000)), None);
        }
        let latest = user_event("a", 6, "4");
        assert_eq!(coalescer.push(latest.clone(), at(2000)), None);
        assert_eq!(coalescer.drain(), [latest]);
        assert_eq!(coalescer.deadline(), None);
    }

    #[test]
    fn user_events_that_forbid_it_do_not_wait() {
        let mut coalescer = UserCoalescer::new(PERIODS);
        let mut event = user_event("a", 1, "");
        event.coalesce = false;
        assert_eq!(coalescer.push(event.clone(), at(0)), Some(event));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut members = MemberCoalescer::new(PERIODS);
        let mut users = UserCoalescer::new(PERIODS);
        for n in 0..MAX_WAITING {
            let name = format!("{n}");
            assert_eq!(members.push(member_event(&name, Join), at(0)), None);
            assert_eq!(users.push(user_event("a", 1, &name), at(0)), None);
        }
        assert!(members.push(member_event("more", Join), at(0)).is_some());
        assert_eq!(members.push(member_event("0", Leave), at(0)), None);
        assert!(users.push(user_event("b", 1, ""), at(0)).is_some());
        assert!(users.push(user_event("a", 1, "more"), at(0)).is_some());
        // A later one takes the place of those before it.
        assert_eq!(users.push(user_event("a", 2, ""), at(0)), None);
        assert_eq!(users.push(user_event("b", 1, ""), at(0)), None);
        assert_eq!(users.drain().len(), 2);
    }
}
