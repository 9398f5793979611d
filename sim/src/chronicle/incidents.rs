//! Running nodes that were taken for failed, and how it came to that.

use std::collections::BTreeMap;

use serf_core::{Cause, Instant, Name};

use crate::check::{Deed, Observation};
use crate::host::{Host, State};
use crate::link::Ratio;
use crate::network::Traffic;
use crate::world::World;

/// A running node that was taken for failed: from the first accusation to the last belief.
#[derive(Debug, Clone)]
pub struct Incident {
    /// The name of the node.
    pub member: Name,
    /// Its index.
    pub node: usize,
    /// Why it was not heard, as far as can be said.
    pub excuse: Excuse,
    /// The accusations, in order, the first eight; the first is that of a failed probe.
    pub accusations: Vec<Accusation>,
    /// How many there were in all.
    pub accusers: u64,
    /// When it was first declared failed, in seconds.
    pub declared_at: f64,
    /// By which node.
    pub declared_by: usize,
    /// How many other nodes took it for failed after that.
    pub believers: u64,
    /// When the last of them did.
    pub believed_at: f64,
    /// When it heard of it and said otherwise, if it did.
    pub refuted_at: Option<f64>,
}

/// A node's own probe of another was not answered.
#[derive(Debug, Clone)]
pub struct Accusation {
    /// The node whose probe failed.
    pub by: usize,
    /// When, in seconds.
    pub at: f64,
    /// The probe was sent about so many seconds before.
    pub probe: f64,
    /// What was wrong then with either of the two or the way between them, in words.
    pub fault: String,
}

/// Why a running node was not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// None that is known.
    None,
    /// The network loses, delays or damages packets.
    Network,
    /// The one who accused it was not well.
    Accuser,
    /// It was not well itself: stood still, was slow, or had just been started.
    Itself,
    /// It was cut off from the one who accused it.
    Cut,
}

impl Excuse {
    /// In a few words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "for no known reason",
            Self::Network => "the network was poor",
            Self::Accuser => "the accuser was not well",
            Self::Itself => "it was not well itself",
            Self::Cut => "it was cut off",
        }
    }
}

/// Incidents of one kind that are kept.
const KEPT: u64 = 200;

/// Accusations of one incident that are kept.
const ACCUSATIONS: usize = 8;

/// Accusations that led to nothing for so many seconds are of the past.
const FORGIVEN: f64 = 60.0;

/// What was done to a node so many seconds ago may still be felt.
const FELT: f64 = 20.0;

#[derive(Debug, Default)]
pub(super) struct Incidents {
    /// Accused and not declared failed yet, by node.
    suspected: BTreeMap<usize, Suspicion>,
    /// Declared failed and not refuted yet, by node: the place in `all`, if it has one.
    open: BTreeMap<usize, Option<usize>>,
    all: Vec<Incident>,
    counts: BTreeMap<Excuse, u64>,
    /// What was last done to each node.
    deeds: Vec<Option<(f64, Deed)>>,
}

#[derive(Debug)]
struct Suspicion {
    excuse: Excuse,
    accusations: Vec<Accusation>,
    accusers: u64,
}

impl Incidents {
    pub(super) fn all(&self) -> Vec<&Incident> {
        let mut all: Vec<&Incident> = self.all.iter().collect();
        all.sort_by_key(|incident| incident.excuse);
        all
    }

    pub(super) fn counts(&self) -> &BTreeMap<Excuse, u64> {
        &self.counts
    }

    pub(super) fn done(&mut self, at: Instant, node: usize, deed: Deed) {
        if matches!(deed, Deed::UserEvent | Deed::Query | Deed::Respond) {
            return;
        }
        if self.deeds.len() <= node {
            self.deeds.resize(node + 1, None);
        }
        self.deeds[node] = Some((super::seconds(at), deed));
        if matches!(deed, Deed::Crash | Deed::Start) {
            self.suspected.remove(&node);
            self.open.remove(&node);
        }
    }

    /// A node tells that it suspects another.
    pub(super) fn suspected(&mut self, seen: &Observation<'_>, member: usize, by: &Name) {
        let world = seen.world;
        if !is_up(&world.hosts[member]) || self.open.contains_key(&member) {
            return;
        }
        // What others say is told by themselves, too.
        if *by != world.hosts[seen.node].identity.name {
            return;
        }
        let (excuse, fault) = self.fault(world, seen.at, seen.node, member);
        let params = &world.hosts[seen.node].params;
        let accusation = Accusation {
            by: seen.node,
            at: super::seconds(seen.at),
            probe: params.probe_interval.as_secs_f64(),
            fault,
        };
        let suspicion = self.suspected.entry(member).or_insert_with(|| Suspicion {
            excuse,
            accusations: Vec::new(),
            accusers: 0,
        });
        let begun = suspicion.accusations.first();
        if begun.is_some_and(|first| accusation.at - first.at > FORGIVEN) {
            suspicion.excuse = excuse;
            suspicion.accusations.clear();
            suspicion.accusers = 0;
        }
        suspicion.accusers += 1;
        if suspicion.accusations.len() < ACCUSATIONS {
            suspicion.accusations.push(accusation);
        }
    }

    /// A node takes another for failed.
    pub(super) fn failed(&mut self, seen: &Observation<'_>, member: usize, cause: &Cause) {
        let world = seen.world;
        if !is_up(&world.hosts[member]) {
            return;
        }
        let at = super::seconds(seen.at);
        if let Some(place) = self.open.get(&member) {
            if let Some(incident) = place.and_then(|place| self.all.get_mut(place)) {
                incident.believers += 1;
                incident.believed_at = at;
            }
            return;
        }
        let suspicion = self.suspected.remove(&member);
        let excuse = match &suspicion {
            Some(suspicion) => suspicion.excuse,
            // Old news about somebody who has come back.
            None => self.fault(world, seen.at, seen.node, member).0,
        };
        let count = self.counts.entry(excuse).or_default();
        *count += 1;
        let kept = *count <= KEPT;
        self.open.insert(member, kept.then_some(self.all.len()));
        if !kept {
            return;
        }
        let declared_by = match cause {
            Cause::Declared { by } => world.index_of(by).unwrap_or(seen.node),
            _ => seen.node,
        };
        let (accusations, accusers) = suspicion.map_or((Vec::new(), 0), |suspicion| {
            (suspicion.accusations, suspicion.accusers)
        });
        self.all.push(Incident {
            member: world.name(member).clone(),
            node: member,
            excuse,
            accusations,
            accusers,
            declared_at: at,
            declared_by,
            believers: 0,
            believed_at: at,
            refuted_at: None,
        });
    }

    /// A node was told that it is suspected or failed, and said otherwise.
    pub(super) fn refuted(&mut self, at: Instant, node: usize) {
        // Its word may not reach those who suspect it, so the accusations stand.
        if let Some(Some(place)) = self.open.remove(&node)
            && let Some(incident) = self.all.get_mut(place)
        {
            incident.refuted_at = Some(super::seconds(at));
        }
    }

    /// What was wrong with two nodes and the way between them.
    fn fault(
        &self,
        world: &World,
        now: Instant,
        accuser: usize,
        member: usize,
    ) -> (Excuse, String) {
        let network = world.network();
        let open = |from, to| network.passes(from, to, Traffic::All);
        if network.is_cut() && !(open(accuser, member) && open(member, accuser)) {
            let text = "nothing passed between them, or only one way or one kind of traffic";
            return (Excuse::Cut, text.to_owned());
        }
        if let Some(what) = self.unwell(world, now, member) {
            return (Excuse::Itself, format!("{} {what}", world.name(member)));
        }
        if let Some(what) = self.unwell(world, now, accuser) {
            return (Excuse::Accuser, format!("{} {what}", world.name(accuser)));
        }
        if !network.is_fair(&world.params) {
            let text = match network.is_cut() {
                true => "other ways in the network were cut".to_owned(),
                false => format!("the network was poor{}", lossy(world)),
            };
            return (Excuse::Network, text);
        }
        match lossy(world) {
            nothing if nothing.is_empty() => (Excuse::None, "no fault is known".to_owned()),
            lossy => (Excuse::Network, format!("the network is fair{lossy}")),
        }
    }

    fn unwell(&self, world: &World, now: Instant, node: usize) -> Option<String> {
        let host = &world.hosts[node];
        if host.state == State::Paused {
            return Some("stood still".to_owned());
        }
        if host.blocked {
            return Some("neither heard nor was heard".to_owned());
        }
        if let Some(nanos) = host.cpu {
            let each = std::time::Duration::from_nanos(nanos);
            return Some(format!("was slow, {each:?} for each input"));
        }
        let (at, deed) = self.deeds.get(node).copied().flatten()?;
        let ago = super::seconds(now) - at;
        let what = match deed {
            _ if ago > FELT => return None,
            Deed::Resume => "went on after it had stood still",
            Deed::Unblock => "had neither heard nor been heard",
            Deed::Start => "was started",
            Deed::SetCpu => "had been slow",
            Deed::SetClockRate => "had its clock changed",
            Deed::Leave => "was told to leave",
            Deed::Keys => "was given other keys",
            _ => return None,
        };
        Some(format!("{what} {ago:.1} s before"))
    }
}

fn is_up(host: &Host) -> bool {
    matches!(host.state, State::Running | State::Paused)
}

fn lossy(world: &World) -> String {
    let loss = world.network().default_loss();
    match loss == Ratio::NEVER {
        true => String::new(),
        false => format!(", it loses {:.0} % of packets", loss.as_f64() * 100.0),
    }
}
