//! What happened in a world, in a form that can be drawn: the data behind a report.
//!
//! A [`Chronicle`] is a [`Check`] that finds nothing wrong. It holds a bounded number of samples,
//! events and incidents, and two bits for each pair of nodes of which one took the other for
//! failed, so that ten thousand nodes can be followed, too.

mod beliefs;
mod incidents;
mod samples;
mod spread;
mod tracer;

use serf_core::{Event, Instant, MemberEventKind};

use crate::check::{Check, Deed, NetworkDeed, Observation, Tally, Wants, What};
use crate::host::State;
use crate::world::World;

pub use incidents::{Accusation, Excuse, Incident};
pub use samples::{Cell, Sample};
pub use spread::Spread;
pub use tracer::Tracer;

use beliefs::Beliefs;
use incidents::Incidents;
use samples::Samples;
use spread::Spreads;

/// Follows a world for a report.
#[derive(Debug, Default)]
pub struct Chronicle {
    samples: Samples,
    beliefs: Beliefs,
    spreads: Spreads,
    incidents: Incidents,
    cuts: Vec<(f64, Option<f64>)>,
    /// Pairs of a crash and a node, by tenths of a second until the node noticed.
    noticed: Vec<u64>,
}

/// Stretches of time in which something was cut; a storm has more than can be drawn.
const CUTS: usize = 256;

/// Tenths of a second that are told apart: ten minutes.
const TENTHS: usize = 6_000;

impl Chronicle {
    /// The state of the whole cluster, once a second or, in a long run, at equal longer steps.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        self.samples.all()
    }

    /// From when to when, in seconds, anything was cut; the last may not have ended. The first 256.
    #[must_use]
    pub fn cuts(&self) -> &[(f64, Option<f64>)] {
        &self.cuts
    }

    /// How the first 64 user events spread.
    #[must_use]
    pub fn spreads(&self) -> &[Spread] {
        self.spreads.all()
    }

    /// The running nodes that were taken for failed, those without an excuse first; at most 200 of
    /// each kind of [`Excuse`], see [`Chronicle::incident_counts`].
    #[must_use]
    pub fn incidents(&self) -> Vec<&Incident> {
        self.incidents.all()
    }

    /// How many incidents there were of each kind.
    #[must_use]
    pub fn incident_counts(&self) -> &std::collections::BTreeMap<Excuse, u64> {
        self.incidents.counts()
    }

    /// How long it took until each node noticed each crash, as points of a distribution: seconds,
    /// and the share that had noticed by then.
    #[must_use]
    pub fn detection(&self) -> Vec<(f64, f64)> {
        let total: u64 = self.noticed.iter().sum();
        let mut seen = 0;
        let counted = self.noticed.iter().enumerate().filter(|(_, n)| **n > 0);
        counted
            .map(|(tenth, n)| {
                seen += n;
                ((tenth + 1) as f64 / 10.0, seen as f64 / total as f64)
            })
            .collect()
    }

    fn member_event(&mut self, seen: &Observation<'_>, change: &serf_core::MemberEvent) {
        let world = seen.world;
        let Some(member) = world.index_of(change.member.name()) else {
            return;
        };
        let failed = change.kind == MemberEventKind::Failed;
        self.beliefs.set(seen.node, member, failed);
        if !failed {
            if self.beliefs.about(member) == 0 {
                self.incidents.over(seen.at, member);
            }
            return;
        }
        let subject = &world.hosts[member];
        if subject.state == State::Down {
            let after = seen.at.since(subject.disturbed).as_millis() / 100;
            let place = usize::try_from(after).unwrap_or(TENTHS).min(TENTHS - 1);
            if self.noticed.len() <= place {
                self.noticed.resize(place + 1, 0);
            }
            self.noticed[place] += 1;
        }
        let believers = self.beliefs.about(member);
        if believers == 1 {
            // The last one that had believed it may have ended without a word.
            self.incidents.close(member);
        }
        self.incidents.failed(seen, member, change, believers);
    }

    fn network(&mut self, at: Instant, deed: NetworkDeed, cut: bool) {
        let open = self.cuts.last().is_some_and(|(_, end)| end.is_none());
        match deed {
            NetworkDeed::Forge => self.incidents.forged(at),
            NetworkDeed::Cut if !open && self.cuts.len() < CUTS => {
                self.cuts.push((seconds(at), None));
            }
            NetworkDeed::Heal if open && !cut => {
                if let Some((_, end)) = self.cuts.last_mut() {
                    *end = Some(seconds(at));
                }
            }
            _ => {}
        }
    }
}

impl Check for Chronicle {
    fn name(&self) -> &'static str {
        "what happened is written down"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::EVENTS | Wants::SENT | Wants::WAITS | Wants::DEEDS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let (at, node, world) = (seen.at, seen.node, seen.world);
        if self.samples.due(at) {
            self.samples.take(world, &mut self.beliefs);
        }
        match seen.what {
            What::Started { .. } => {
                self.beliefs.start(node, world.name(node));
            }
            What::Sent { ltime, name, .. } => self.spreads.sent(world, node, ltime, name),
            What::Event(Event::User(event)) => {
                self.spreads.told(at, node, event.ltime, &event.name);
            }
            What::Event(Event::Member(change)) => self.member_event(seen, change),
            What::Event(Event::Suspected { member, by }) => {
                if let Some(index) = world.index_of(member.name()) {
                    let incarnation = member.incarnation();
                    self.incidents.suspected(seen, index, incarnation, by);
                }
            }
            What::Waits { ticked, .. } => self.incidents.waits(ticked),
            What::Event(Event::Refuted { .. }) => self.incidents.refuted(at, node),
            What::Done(Deed::Crash) => {
                self.beliefs.forget(node);
                self.incidents.done(at, node, Deed::Crash);
            }
            What::Done(deed) => self.incidents.done(at, node, deed),
            What::Network(deed) => self.network(at, deed, world.network().is_cut()),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        // A world in which nobody stirs is sampled all the same.
        if self.samples.due(world.now()) {
            self.samples.take(world, &mut self.beliefs);
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("samples", self.samples.all().len() as u64)]
    }
}

fn seconds(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e9
}
