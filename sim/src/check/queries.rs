//! Each query is answered at most once by each member and, if that is asked for, by all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serf_core::{Answer, Instant, Name, QueryKey};

use super::node_set::NodeSet;
use super::{Check, Observation, Tally, Wants, What, steady};
use crate::world::World;

/// Nobody answers a query twice, or one that nobody asked.
///
/// With [`Queries::within`], every healthy node of the asker's cluster that was there a quarter of
/// a minute before answers in time, unless the network was cut or changed in between: that holds
/// for queries to all in a world whose nodes [answer](World::answer_queries). A query is spread by
/// gossip alone, which now and then misses somebody, so there is no bound by default.
#[derive(Debug, Clone, Default)]
pub struct Queries {
    within: Option<Duration>,
    asked: BTreeMap<Id, Asked>,
    /// All names that nodes ever had.
    names: BTreeSet<Name>,
    /// Those to be judged, oldest first.
    pending: VecDeque<(Id, Instant)>,
    answers: u64,
    judged: u64,
    unjudged: u64,
    /// How long the last answer to each judged query took.
    latencies: Vec<Duration>,
}

/// The asker, and what tells its queries apart.
type Id = (usize, QueryKey);

#[derive(Debug, Clone)]
struct Asked {
    at: Instant,
    name: String,
    /// The names that answered: of a node that is renamed in the meantime two may.
    answered: BTreeSet<Name>,
    /// The nodes that did within the bound.
    in_time: NodeSet,
    last: Instant,
}

impl Queries {
    /// All have to answer within this time.
    #[must_use]
    pub fn within(bound: Duration) -> Self {
        Self {
            within: Some(bound),
            ..Self::default()
        }
    }

    /// How long the last answer to each query that was judged took, in the order in which they
    /// were asked.
    #[must_use]
    pub fn latencies(&self) -> &[Duration] {
        &self.latencies
    }

    fn judge(&mut self, world: &World, id: Id, bound: Duration) -> Result<(), String> {
        let Some(query) = self.asked.get(&id) else {
            return Ok(());
        };
        let (asker, cluster) = (id.0, world.cluster_of(id.0));
        let steady = |node| steady(world, node, cluster, query.at);
        let disturbed = world.network().is_cut() || world.network_disturbed > query.at;
        if disturbed || !world.answering || !steady(asker) {
            self.unjudged += 1;
            return Ok(());
        }
        self.judged += 1;
        let mut running = world.running();
        let silent = running.find(|&node| steady(node) && !query.in_time.contains(node));
        let Some(node) = silent else {
            self.latencies.push(query.last.since(query.at));
            return Ok(());
        };
        let (name, at) = (&query.name, query.at);
        Err(format!(
            "node {node} did not answer {name:?} of node {asker} of {at:?} within {bound:?}"
        ))
    }

    fn answered(&mut self, seen: &Observation<'_>, query: QueryKey, from: &str) -> Verdict {
        let asker = seen.node;
        let Some(known) = self.asked.get_mut(&(asker, query)) else {
            return Err(format!("{from} answers node {asker}, which did not ask"));
        };
        let name = Name::new(from).ok();
        let node = name.as_ref().and_then(|name| seen.world.index_of(name));
        let (Some(name), Some(node)) = (name.clone(), node) else {
            // Unless it has taken another name since.
            return match name.is_some_and(|name| self.names.contains(&name)) {
                true => Ok(()),
                false => Err(format!("{from} answers node {asker}, and nobody is that")),
            };
        };
        self.answers += 1;
        if !known.answered.insert(name) && !seen.world.has_moved(node) {
            let name = &known.name;
            return Err(format!("{from} answers {name:?} of node {asker} twice"));
        }
        let took = seen.at.since(known.at);
        if self.within.is_none_or(|bound| took <= bound) {
            known.in_time.insert(node);
            known.last = seen.at;
        }
        Ok(())
    }
}

type Verdict = Result<(), String>;

impl Check for Queries {
    fn name(&self) -> &'static str {
        "queries are answered once by each"
    }

    fn wants(&self) -> Wants {
        Wants::QUERIES | Wants::STARTED
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        match seen.what {
            What::Started { .. } => {
                self.names.insert(seen.world.name(seen.node).clone());
                Ok(())
            }
            What::Asked { query, name } => {
                let id = (seen.node, query);
                let asked = Asked {
                    at: seen.at,
                    name: name.to_owned(),
                    answered: BTreeSet::new(),
                    in_time: NodeSet::default(),
                    last: seen.at,
                };
                self.asked.insert(id, asked);
                self.pending.push_back((id, seen.at));
                Ok(())
            }
            What::Answered {
                query,
                answer: Answer::Response { from, .. },
            } => self.answered(seen, query, from),
            _ => Ok(()),
        }
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let Some(bound) = self.within else {
            return Ok(());
        };
        while let Some(&(id, at)) = self.pending.front() {
            if world.now().since(at) <= bound {
                break;
            }
            self.judge(world, id, bound)?;
            self.pending.pop_front();
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![
            ("answers", self.answers),
            ("queries judged", self.judged),
            ("queries not judged", self.unjudged),
        ]
    }
}
