//! Each user event is delivered at most once to each node and, when connected, at least once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serf_core::snapshot::State;
use serf_core::{Event, Instant, LamportTime};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::node_set::NodeSet;
use super::{Check, Deed, Observation, Tally, Wants, What, settling_time, steady};
use crate::world::World;

/// Nobody is told of an event twice in one life, of one that nobody sent, or of one that it said
/// it missed; nor does anybody say that it missed one that it was told of, but for the first time
/// after it went on from a snapshot: what it heard of until then may not be all. If the sender was
/// and stays healthy, every healthy node of its cluster that was there a quarter of a minute
/// before is told within a bound, unless the network was cut or changed in between: by default, in
/// a fair network, within the [settling time](super::settling_time). The sender has to be in touch:
/// it knows how late it is for whoever sent an event a quarter of a minute before.
///
/// Who goes on from a snapshot is not told again of what was told before that snapshot was
/// written. It is told, within the same bound, of the later events that all others have, or that
/// it missed them; so is who joins and asks for the past, as far back as everybody remembers.
///
/// Not judged are, by default, events of nodes with a `retransmit_mult` of 1; events of a flood,
/// of which nodes remember less than there are; and those that
/// a node says itself that it missed.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    within: Option<Duration>,
    caught_up_within: Option<Duration>,
    /// By identity.
    sent: BTreeMap<u64, Sent>,
    /// Those to be judged, oldest first.
    pending: VecDeque<(u64, Instant)>,
    /// Those who have to be told of the past, in the order in which they came.
    returned: VecDeque<Returned>,
    /// Those that go on from a snapshot and have not said yet that they missed anything.
    restored: NodeSet,
    /// The node that was started last, and when.
    fresh: Option<(usize, Instant)>,
    deliveries: u64,
    caught_up: u64,
    missed: u64,
    returns: u64,
    judged: u64,
    unjudged: u64,
    /// How long each judged event took to reach the last node.
    latencies: Vec<Duration>,
}

#[derive(Debug, Clone)]
struct Sent {
    at: Instant,
    by: usize,
    ltime: LamportTime,
    name: String,
    /// The nodes that were told in their present life.
    told: NodeSet,
    /// Those that said in their present life that they missed it.
    missed: NodeSet,
    last: Instant,
    /// Whether its sender knew how late it was: not one that comes out of a long isolation and
    /// sends before anybody has reached it, at a time that is long past for the others.
    in_touch: bool,
}

/// How long after an event everybody who is connected knows of its time.
const IN_TOUCH: Duration = Duration::from_secs(15);

/// A node that has to be told of events that all others know.
#[derive(Debug, Clone)]
struct Returned {
    node: usize,
    at: Instant,
    missing: Vec<u64>,
}

impl Delivery {
    /// With a bound other than the settling time, in a network of any kind.
    #[must_use]
    pub fn within(bound: Duration) -> Self {
        Self {
            within: Some(bound),
            ..Self::default()
        }
    }

    /// With another bound for nodes that come back or join, in a network of any kind.
    #[must_use]
    pub fn caught_up_within(self, bound: Duration) -> Self {
        Self {
            caught_up_within: Some(bound),
            ..self
        }
    }

    /// How often a node that came back or joined could be judged, how many events it was told of
    /// that had been sent before, and how many it said that it missed.
    #[must_use]
    pub fn caught_up(&self) -> (u64, u64, u64) {
        (self.returns, self.caught_up, self.missed)
    }

    /// How long each event that was judged took to reach the last node that got it, in the order
    /// in which they were sent.
    #[must_use]
    pub fn latencies(&self) -> &[Duration] {
        &self.latencies
    }

    fn bound(&self, world: &World) -> Option<Duration> {
        self.within
            .or_else(|| settling_time(&world.params, world.len()))
    }

    /// Judges what should have been told by now; before anything else is, so that nothing counts
    /// that comes too late.
    fn judge_due(&mut self, world: &World) -> Result<(), String> {
        let Some(bound) = self.bound(world) else {
            return Ok(());
        };
        while let Some(&(id, at)) = self.pending.front() {
            if world.now().since(at) <= bound {
                break;
            }
            self.judge(world, id, bound)?;
            self.pending.pop_front();
        }
        let bound = self.caught_up_within.unwrap_or(bound);
        let due = |it: &&Returned| world.now().since(it.at) > bound;
        while self.returned.front().filter(due).is_some() {
            if let Some(returned) = self.returned.pop_front() {
                self.judge_return(world, &returned, bound)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, world: &World, id: u64, bound: Duration) -> Result<(), String> {
        let Some(event) = self.sent.get(&id) else {
            return Ok(());
        };
        let network = world.network();
        let remembered = world.params.event_buffer / 2;
        let flood = self.pending.len() as u64 > remembered;
        let fair = self.within.is_some() || network.is_fair(&world.params);
        // Sent so rarely, news may die out at once and take many state exchanges to get round.
        let rare = self.within.is_none() && world.params.retransmit_mult < 2;
        if flood || rare || !fair || network.is_cut() || world.network_disturbed > event.at {
            self.unjudged += 1;
            return Ok(());
        }
        let cluster = world.cluster_of(event.by);
        let steady = |node| steady(world, node, cluster, event.at);
        if !steady(event.by) || !event.in_touch {
            self.unjudged += 1;
            return Ok(());
        }
        self.judged += 1;
        let mut running = world.running();
        let missed = running.find(|&node| steady(node) && !event.reached(node));
        let Some(node) = missed else {
            self.latencies.push(event.last.since(event.at));
            return Ok(());
        };
        let told = event.told.len();
        Err(format!(
            "node {node} was not told within {bound:?} of {:?} of time {} from node {} at {:?}; {told} \
             nodes were",
            event.name,
            event.ltime.get(),
            event.by,
            event.at
        ))
    }
}

impl Sent {
    /// The node was told of it, or said that it was not.
    fn reached(&self, node: usize) -> bool {
        self.told.contains(node) || self.missed.contains(node)
    }
}

impl Delivery {
    /// What a node that comes back now has to be told of: what all others know by now and it does
    /// not. `knows` is the last time up to which it knows everything, if it knows anything.
    fn returns(&mut self, seen: &Observation<'_>, knows: Option<u64>) {
        let (world, node, at) = (seen.world, seen.node, seen.at);
        let others = world.running().filter(|other| *other != node);
        let others: Vec<usize> = others
            .filter(|other| {
                world.is_together(node, *other)
                    && steady(world, *other, world.cluster_of(*other), at)
            })
            .collect();
        let latest = self.sent.values().map(|event| event.ltime.get()).max();
        let remembered = latest.map(|latest| latest.saturating_sub(world.params.event_buffer / 2));
        let missing = self.sent.iter().filter(|(_, event)| match knows {
            Some(known) => event.ltime.get() > known,
            None => Some(event.ltime.get()) > remembered,
        });
        let missing = missing.filter(|(_, event)| others.iter().all(|other| event.reached(*other)));
        let missing = missing.map(|(id, _)| *id).collect();
        if !others.is_empty() {
            self.returned.push_back(Returned { node, at, missing });
        }
    }

    fn judge_return(
        &mut self,
        world: &World,
        returned: &Returned,
        bound: Duration,
    ) -> Result<(), String> {
        let Returned { node, at, missing } = returned;
        let (network, host) = (world.network(), &world.hosts[*node]);
        let fair = self.caught_up_within.is_some() || network.is_fair(&world.params);
        let disturbed = network.is_cut() || world.network_disturbed > *at;
        if !fair || disturbed || !host.is_healthy() || host.disturbed > *at {
            return Ok(());
        }
        self.returns += 1;
        for event in missing.iter().filter_map(|id| self.sent.get(id)) {
            if event.told.contains(*node) {
                self.caught_up += 1;
            } else if event.missed.contains(*node) {
                self.missed += 1;
            } else {
                let (name, time) = (&event.name, event.ltime.get());
                return Err(format!(
                    "node {node} came back at {at:?} and was neither told within {bound:?} of \
                     {name:?} of time {time}, which all others knew, nor that it missed it"
                ));
            }
        }
        Ok(())
    }

    fn started(&mut self, seen: &Observation<'_>, snapshot: Option<&State>) {
        let node = seen.node;
        let known = snapshot.map(State::event_clock);
        // A new life: it may hear again of what it heard in the last one, and does not remember.
        for event in self.sent.values_mut() {
            if known.is_none_or(|known| event.ltime.get() > known) {
                event.told.remove(node);
                event.missed.remove(node);
            }
        }
        self.fresh = Some((node, seen.at));
        self.restored.remove(node);
        if known.is_some() {
            self.restored.insert(node);
            self.returns(seen, known);
        }
    }
}

fn identity(ltime: LamportTime, name: &str, payload: &[u8]) -> u64 {
    let name = xxh3_64_with_seed(name.as_bytes(), ltime.get());
    xxh3_64_with_seed(payload, name)
}

impl Check for Delivery {
    fn name(&self) -> &'static str {
        "user events are delivered to all, once"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::EVENTS | Wants::SENT | Wants::DEEDS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let node = seen.node;
        match seen.what {
            What::Started { snapshot, .. } => self.started(seen, snapshot),
            // Who has nobody to find back to joins as a new node does, and ignores the past.
            What::Done(Deed::Join) => self.returned.retain(|it| it.node != node),
            // Only the first join of a life can still choose.
            What::Done(Deed::JoinReplaying) if self.fresh == Some((node, seen.at)) => {
                self.returns(seen, None);
            }
            What::Sent {
                ltime,
                name,
                payload,
            } => {
                let id = identity(ltime, name, payload);
                let old = |other: &&Sent| other.at + IN_TOUCH <= seen.at;
                let latest = self
                    .sent
                    .values()
                    .filter(old)
                    .map(|other| other.ltime)
                    .max();
                let in_touch = latest.is_none_or(|latest| ltime > latest);
                // The same event of two senders at the same time is one.
                self.sent.entry(id).or_insert_with(|| {
                    self.pending.push_back((id, seen.at));
                    Sent {
                        at: seen.at,
                        by: node,
                        ltime,
                        name: name.to_owned(),
                        told: NodeSet::default(),
                        missed: NodeSet::default(),
                        last: seen.at,
                        in_touch,
                    }
                });
            }
            What::Event(Event::User(event)) => {
                self.judge_due(seen.world)?;
                self.deliveries += 1;
                let id = identity(event.ltime, &event.name, &event.payload);
                let Some(known) = self.sent.get_mut(&id) else {
                    let (ltime, name) = (event.ltime.get(), &event.name);
                    return Err(format!(
                        "node {node} was told of {name:?} of time {ltime}, which nobody sent"
                    ));
                };
                if known.told.contains(node) {
                    let (ltime, name) = (event.ltime.get(), &event.name);
                    return Err(format!(
                        "node {node} was told of {name:?} of time {ltime} twice"
                    ));
                }
                if known.missed.contains(node) {
                    let (ltime, name) = (event.ltime.get(), &event.name);
                    return Err(format!(
                        "node {node} was told of {name:?} of time {ltime}, which it said it missed"
                    ));
                }
                known.told.insert(node);
                known.last = seen.at;
            }
            What::Event(Event::EventsMissed { from, until }) => {
                self.judge_due(seen.world)?;
                let times = *from..*until;
                let restored = self.restored.contains(node);
                self.restored.remove(node);
                for event in self.sent.values_mut() {
                    if !times.contains(&event.ltime) {
                        continue;
                    }
                    if event.told.contains(node) && !restored {
                        let (ltime, name) = (event.ltime.get(), &event.name);
                        return Err(format!(
                            "node {node} said that it missed {name:?} of time {ltime}, of which it \
                             was told"
                        ));
                    }
                    event.missed.insert(node);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        self.judge_due(world)
    }

    fn tally(&self) -> Tally {
        vec![
            ("deliveries", self.deliveries),
            ("events judged", self.judged),
            ("events not judged", self.unjudged),
            ("returns judged", self.returns),
            ("events told to those who returned", self.caught_up),
            ("events that they said they missed", self.missed),
        ]
    }
}
