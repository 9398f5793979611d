//! Running nodes that were taken for failed, and how it came to that.

use std::collections::BTreeMap;
use std::mem;

use serf_core::{Cause, Instant, MemberEvent, Name};

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
    /// The accusations at the incarnation at which it was declared failed, in order, the first
    /// eight.
    pub accusations: Vec<Accusation>,
    /// How many there were in all.
    pub accusers: u64,
    /// Those whom the one who declared it failed had heard accuse it.
    pub heard: Vec<Name>,
    /// When it was first declared failed, in seconds.
    pub declared_at: f64,
    /// By which node.
    pub declared_by: usize,
    /// How many other nodes took it for failed at once after that, at the most.
    pub believers: u64,
    /// When so many did first.
    pub believed_at: f64,
    /// When it heard of it and said otherwise, if it did.
    pub refuted_at: Option<f64>,
    /// When nobody took it for failed any more.
    pub over_at: Option<f64>,
}

/// A node's own accusation of another.
#[derive(Debug, Clone)]
pub struct Accusation {
    /// The node that accuses.
    pub by: usize,
    /// When, in seconds.
    pub at: f64,
    /// Its probe, sent about so many seconds before, was not answered. `None` if another node's
    /// state, in an exchange, had the member as suspected or dead.
    pub probe: Option<f64>,
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
    /// Somebody said what was not true.
    Forged,
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
            Self::Forged => "somebody said what was not true",
            Self::Cut => "it was cut off",
        }
    }
}

/// Incidents of one kind that are kept.
const KEPT: u64 = 200;

/// Accusations of one incident that are kept.
const ACCUSATIONS: usize = 8;

/// Incarnations of a member of which the accusations are kept.
const ROUNDS: usize = 4;

/// What was done to a node so many seconds ago may still be felt.
const FELT: f64 = 20.0;

#[derive(Debug, Default)]
pub(super) struct Incidents {
    /// Accusations that led to nothing yet, by node and then by its incarnation.
    suspected: BTreeMap<usize, BTreeMap<u32, Suspicion>>,
    /// Accusations by a node that has not waited since, of these members and incarnations.
    fresh: Vec<(usize, u32, Excuse, Accusation)>,
    /// Declared failed and not refuted yet, by node: the place in `all`, if it has one.
    open: BTreeMap<usize, Option<usize>>,
    all: Vec<Incident>,
    counts: BTreeMap<Excuse, u64>,
    /// What was last done to each node that may still be felt.
    deeds: Vec<Option<(f64, Deed)>>,
    /// When a message was last forged.
    forged: Option<f64>,
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
        if aftermath(deed).is_some() {
            if self.deeds.len() <= node {
                self.deeds.resize(node + 1, None);
            }
            self.deeds[node] = Some((super::seconds(at), deed));
        }
        if matches!(deed, Deed::Crash | Deed::Start) {
            self.suspected.remove(&node);
            self.open.remove(&node);
        }
    }

    pub(super) fn forged(&mut self, at: Instant) {
        self.forged = Some(super::seconds(at));
    }

    /// A node tells that it suspects another.
    pub(super) fn suspected(
        &mut self,
        seen: &Observation<'_>,
        member: usize,
        incarnation: u32,
        by: &Name,
    ) {
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
            probe: Some(params.probe_interval.as_secs_f64()),
            fault,
        };
        self.fresh.push((member, incarnation, excuse, accusation));
    }

    /// The node has done all that an input or its timers made it do. Its own probes fail by its
    /// timers; what it accuses by an input stood in the state of another.
    pub(super) fn waits(&mut self, ticked: bool) {
        for (member, incarnation, excuse, mut accusation) in mem::take(&mut self.fresh) {
            if !ticked {
                accusation.probe = None;
            }
            let rounds = self.suspected.entry(member).or_default();
            let suspicion = rounds.entry(incarnation).or_insert_with(|| Suspicion {
                excuse,
                accusations: Vec::new(),
                accusers: 0,
            });
            suspicion.accusers += 1;
            if suspicion.accusations.len() < ACCUSATIONS {
                suspicion.accusations.push(accusation);
            }
            if rounds.len() > ROUNDS {
                rounds.pop_first();
            }
        }
    }

    /// A node takes another for failed, as so many do now.
    pub(super) fn failed(
        &mut self,
        seen: &Observation<'_>,
        member: usize,
        change: &MemberEvent,
        believers: u32,
    ) {
        let world = seen.world;
        if !is_up(&world.hosts[member]) {
            return;
        }
        let at = super::seconds(seen.at);
        if let Some(place) = self.open.get(&member) {
            if let Some(incident) = place.and_then(|place| self.all.get_mut(place)) {
                let others = u64::from(believers.saturating_sub(1));
                if others > incident.believers {
                    incident.believers = others;
                    incident.believed_at = at;
                }
            }
            return;
        }
        // Accusations at older incarnations were answered, those at newer ones are yet to come.
        let incarnation = change.member.incarnation();
        let rounds = self.suspected.remove(&member);
        let suspicion = rounds.and_then(|mut rounds| rounds.remove(&incarnation));
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
        let (declared_by, heard) = match &change.cause {
            Cause::Declared { by } => (world.index_of(by).unwrap_or(seen.node), Vec::new()),
            Cause::SuspicionExpired { accusers } => (seen.node, accusers.to_vec()),
            _ => (seen.node, Vec::new()),
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
            heard,
            declared_at: at,
            declared_by,
            believers: 0,
            believed_at: at,
            refuted_at: None,
            over_at: None,
        });
    }

    /// A node was told that it is suspected or failed, and said otherwise.
    pub(super) fn refuted(&mut self, at: Instant, node: usize) {
        // Its word may not reach those who suspect it, so the accusations stand.
        let incident = self.open_one(node).filter(|it| it.refuted_at.is_none());
        if let Some(incident) = incident {
            incident.refuted_at = Some(super::seconds(at));
        }
    }

    /// Nobody takes a node for failed any more.
    pub(super) fn over(&mut self, at: Instant, node: usize) {
        if let Some(incident) = self.open_one(node) {
            incident.over_at = Some(super::seconds(at));
        }
        self.close(node);
    }

    /// Whoever takes the node for failed from now on does so anew.
    pub(super) fn close(&mut self, node: usize) {
        self.open.remove(&node);
    }

    fn open_one(&mut self, node: usize) -> Option<&mut Incident> {
        let place = self.open.get(&node).copied().flatten();
        place.and_then(|place| self.all.get_mut(place))
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
        let forged = |at| super::seconds(now) - at <= FELT;
        if self.forged.is_some_and(forged) {
            return (Excuse::Forged, "messages were forged".to_owned());
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
        let what = aftermath(deed).filter(|_| ago <= FELT)?;
        Some(format!("{what} {ago:.1} s before"))
    }
}

/// What is said of a node to which this was done a short time ago, if it may still be felt.
fn aftermath(deed: Deed) -> Option<&'static str> {
    match deed {
        Deed::Resume => Some("went on after it had stood still"),
        Deed::Unblock => Some("had neither heard nor been heard"),
        Deed::Start => Some("was started"),
        Deed::SetCpu => Some("had been slow"),
        Deed::SetClockRate => Some("had its clock changed"),
        Deed::Leave => Some("was told to leave"),
        Deed::SetKeyring => Some("was given other keys"),
        Deed::InstallKey | Deed::UseKey | Deed::RemoveKey => Some("had all change their keys"),
        _ => None,
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
