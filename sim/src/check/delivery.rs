//! Each user event is delivered at most once to each node and, when connected, at least once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serf_core::{Event, Instant, LamportTime};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::node_set::NodeSet;
use super::{Check, Observation, Tally, Wants, What, settling_time, steady};
use crate::world::World;

/// Nobody is told of an event twice in one life, or of one that nobody sent. If the sender was
/// and stays healthy, every healthy node of its cluster that was there a quarter of a minute
/// before is told within a bound, unless the network was cut or changed in between: by default, in
/// a fair network, within the [settling time](super::settling_time).
///
/// Not judged are, by default, events of nodes with a `retransmit_mult` of 1; events of a flood,
/// of which nodes remember less than there are; and those that
/// a node says itself that it missed.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    within: Option<Duration>,
    /// By identity.
    sent: BTreeMap<u64, Sent>,
    /// Those to be judged, oldest first.
    pending: VecDeque<(u64, Instant)>,
    deliveries: u64,
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
    last: Instant,
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

    fn judge(&mut self, world: &World, id: u64) -> Result<(), String> {
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
        if !steady(event.by) {
            self.unjudged += 1;
            return Ok(());
        }
        self.judged += 1;
        let mut running = world.running();
        let missed = running.find(|&node| steady(node) && !event.told.contains(node));
        let Some(node) = missed else {
            self.latencies.push(event.last.since(event.at));
            return Ok(());
        };
        let told = event.told.len();
        Err(format!(
            "node {node} was not told of {:?} of time {} from node {} at {:?}; {told} nodes were",
            event.name,
            event.ltime.get(),
            event.by,
            event.at
        ))
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
        Wants::STARTED | Wants::EVENTS | Wants::SENT
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let node = seen.node;
        match seen.what {
            What::Started { .. } => {
                // A new life: it may hear again of what it heard in the last one.
                for event in self.sent.values_mut() {
                    event.told.remove(node);
                }
            }
            What::Sent {
                ltime,
                name,
                payload,
            } => {
                let id = identity(ltime, name, payload);
                // The same event of two senders at the same time is one.
                self.sent.entry(id).or_insert_with(|| {
                    self.pending.push_back((id, seen.at));
                    Sent {
                        at: seen.at,
                        by: node,
                        ltime,
                        name: name.to_owned(),
                        told: NodeSet::default(),
                        last: seen.at,
                    }
                });
            }
            What::Event(Event::User(event)) => {
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
                known.told.insert(node);
                known.last = seen.at;
            }
            What::Event(Event::EventsMissed { from, until }) => {
                for (id, _) in &self.pending {
                    if let Some(event) = self.sent.get_mut(id)
                        && (*from..*until).contains(&event.ltime)
                    {
                        event.told.insert(node);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let Some(bound) = self.bound(world) else {
            return Ok(());
        };
        while let Some(&(id, at)) = self.pending.front() {
            if world.now().since(at) < bound {
                break;
            }
            self.judge(world, id)?;
            self.pending.pop_front();
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![
            ("deliveries", self.deliveries),
            ("events judged", self.judged),
            ("events not judged", self.unjudged),
        ]
    }
}
