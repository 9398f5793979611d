//! Takes down when crashes were noticed.

use std::collections::BTreeMap;
use std::time::Duration;

use serf_core::{Event, Instant, MemberEventKind};

use crate::check::{Check, Observation, Tally, Wants, What};
use crate::host::State;

/// When each crashed node was noticed by the first of the others, and by the last so far. It
/// finds nothing wrong.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    /// By node and time of its crash.
    crashes: BTreeMap<(usize, Instant), Noticed>,
}

#[derive(Debug, Clone, Copy)]
struct Noticed {
    first: Duration,
    last: Duration,
    by: u64,
}

impl Recorder {
    /// For each crash that anybody noticed: after how long the first and the last node did.
    pub fn detections(&self) -> impl Iterator<Item = (Duration, Duration)> + '_ {
        self.crashes.values().map(|it| (it.first, it.last))
    }
}

impl Check for Recorder {
    fn name(&self) -> &'static str {
        "crashes are noticed"
    }

    fn wants(&self) -> Wants {
        Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let What::Event(Event::Member(change)) = seen.what else {
            return Ok(());
        };
        if change.kind != MemberEventKind::Failed {
            return Ok(());
        }
        let world = seen.world;
        let node = world.index_of(change.member.name());
        if let Some(node) = node.filter(|node| world.state(*node) == State::Down) {
            let crashed = world.hosts[node].disturbed;
            let after = seen.at.since(crashed);
            let noticed = self.crashes.entry((node, crashed)).or_insert(Noticed {
                first: after,
                last: after,
                by: 0,
            });
            noticed.last = after;
            noticed.by += 1;
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        let by = self.crashes.values().map(|it| it.by).sum();
        vec![
            ("crashes noticed", self.crashes.len() as u64),
            ("times they were", by),
        ]
    }
}
