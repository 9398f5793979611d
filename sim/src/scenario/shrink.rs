//! The smallest scenario that still fails.

use std::time::Duration;

use super::{Nodes, Scenario, Span};

/// What [`shrink`] came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The smallest scenario found.
    pub scenario: Scenario,
    /// How many were tried.
    pub tried: usize,
}

/// Makes a failing scenario smaller, with fewer faults, less work, fewer nodes, less time and
/// plainer settings, for as long as `fails` says that it still does; at most `limit` questions.
///
/// It does not become one that cannot but fail: what is expected can be there before it ends, who
/// leaves has the time to do so before it comes back, and who moves may take its name along.
pub fn shrink(
    scenario: &Scenario,
    limit: usize,
    fails: &mut dyn FnMut(&Scenario) -> bool,
) -> Shrunk {
    let mut best = scenario.clone();
    let mut tried = 0;
    loop {
        let mut smaller = None;
        for candidate in candidates(&best) {
            if tried >= limit {
                break;
            }
            tried += 1;
            if candidate.validate().is_ok() && fails(&candidate) {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(found) => best = found,
            None => {
                return Shrunk {
                    scenario: best,
                    tried,
                };
            }
        }
    }
}

/// Scenarios that are a little smaller, those that save most first.
fn candidates(from: &Scenario) -> Vec<Scenario> {
    let mut out = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Scenario)| {
        let mut smaller = from.clone();
        change(&mut smaller);
        if smaller != *from {
            out.push(smaller);
        }
    };
    let (faults, work) = (from.faults.len(), from.work.len());
    if faults > 1 {
        offer(&|it| drop(it.faults.drain(..faults / 2)));
        offer(&|it| it.faults.truncate(faults / 2));
    }
    (0..faults).for_each(|nth| offer(&|it| drop(it.faults.remove(nth))));
    (0..work).for_each(|nth| offer(&|it| drop(it.work.remove(nth))));
    (0..from.groups.len()).for_each(|nth| offer(&|it| drop(it.groups.remove(nth))));
    for nodes in [from.cluster.nodes / 2, from.cluster.nodes - 1] {
        if nodes >= 2 {
            offer(&|it| with_nodes(it, nodes));
        }
    }
    offer(&|it| it.network = Default::default());
    offer(&|it| it.config = Default::default());
    offer(&|it| it.cluster.cold = false);
    plainer(from, &mut offer);
    for nth in 0..faults {
        offer(&|it| it.faults[nth].at = half(it.faults[nth].at));
        offer(&|it| it.faults[nth].lasts = it.faults[nth].lasts.map(half));
        let sets = from.faults[nth].clone().nodes_mut().count();
        for set in 0..sets {
            fewer(from, &mut offer, nth, set);
        }
    }
    let least = Span(from.least().min(from.lasts.0));
    for shorter in [least, half(from.lasts), less(from.lasts)] {
        offer(&|it| it.lasts = shorter.max(least));
    }
    (0..work).for_each(|nth| {
        offer(&|it| {
            let every = &mut it.work[nth].every.0;
            *every = (*every * 2).min(Duration::from_secs(60)).max(*every);
        });
    });
    out.retain(|it| can_hold(it, from));
    out
}

/// How long a node that leaves is away at the least: it has said so to everybody before.
const LEAVING: Duration = Duration::from_secs(10);

/// False if what makes a scenario smaller takes from it what its expectations rely on.
fn can_hold(smaller: &Scenario, from: &Scenario) -> bool {
    let leaves = |it: &Scenario| {
        let leaving = it.faults.iter().filter(|fault| fault.leave.is_some());
        leaving.filter_map(|fault| fault.lasts).min()
    };
    let soon =
        leaves(smaller).is_some_and(|away| away.0 < LEAVING) && leaves(smaller) < leaves(from);
    let moves = smaller.faults.iter().any(|fault| fault.relocate.is_some());
    let named = smaller.config.dead_reclaim == from.config.dead_reclaim;
    !soon && (named || !moves)
}

/// Takes a change that makes a scenario smaller.
type Offer<'a> = dyn FnMut(&dyn Fn(&mut Scenario)) + 'a;

/// One setting, and one property of the network, as it is by default.
fn plainer(from: &Scenario, offer: &mut Offer<'_>) {
    let Ok(table) = from.to_toml().parse::<toml::Table>() else {
        return;
    };
    for section in ["config", "network"] {
        let keys = table.get(section).and_then(toml::Value::as_table);
        for key in keys.into_iter().flat_map(toml::Table::keys) {
            let mut plain = table.clone();
            if let Some(toml::Value::Table(section)) = plain.get_mut(section) {
                section.remove(key);
            }
            if let Ok(plain) = plain.try_into::<Scenario>() {
                offer(&|it| it.clone_from(&plain));
            }
        }
    }
}

/// One node less in one set of a fault.
fn fewer(from: &Scenario, offer: &mut Offer<'_>, fault: usize, set: usize) {
    let mut faults = from.faults.clone();
    let Some(Nodes::These(nodes)) = faults[fault].nodes_mut().nth(set).cloned() else {
        return;
    };
    for place in 0..nodes.len().min(16) {
        let mut less = nodes.clone();
        less.remove(place);
        if less.is_empty() {
            return;
        }
        offer(&|it| {
            if let Some(nodes) = it.faults[fault].nodes_mut().nth(set) {
                *nodes = Nodes::These(less.clone());
            }
        });
    }
}

/// A cluster of so many nodes; what was said of others is forgotten.
fn with_nodes(scenario: &mut Scenario, nodes: usize) {
    scenario.cluster.nodes = nodes;
    scenario.cluster.late = scenario.cluster.late.min(nodes - 1);
    let keep = |set: &mut Nodes| set.keep(nodes);
    scenario.groups.retain_mut(|it| keep(&mut it.nodes));
    let there =
        |it: &mut super::Fault| it.one_by_one().all(|(_, node)| node.index(nodes).is_some());
    scenario
        .faults
        .retain_mut(|it| there(it) && it.nodes_mut().all(keep));
    scenario.work.retain_mut(|it| it.nodes_mut().all(keep));
}

/// Half a minute less.
fn less(span: Span) -> Span {
    Span(span.0.saturating_sub(Duration::from_secs(30)))
}

/// Half of a time, in whole milliseconds.
fn half(span: Span) -> Span {
    Span(Duration::from_millis(span.0.as_millis() as u64 / 2))
}
