//! What a node knows about a member never gets older.

use std::collections::BTreeMap;

use serf_core::{Event, MemberEventKind, Name};

use super::{Check, Observation, What};

/// In the events of one node, the incarnation of a member never goes back, unless the node was
/// restarted or had forgotten the member. Costs memory for each pair of nodes.
#[derive(Debug, Clone, Default)]
pub struct Incarnations {
    /// By observing node.
    known: Vec<BTreeMap<Name, u32>>,
}

impl Check for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations never go back"
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        if self.known.len() <= seen.node {
            self.known.resize(seen.node + 1, BTreeMap::new());
        }
        let known = &mut self.known[seen.node];
        let member = match seen.what {
            What::Started { .. } => {
                known.clear();
                return Ok(());
            }
            What::Event(Event::Member(change)) if change.kind == MemberEventKind::Reap => {
                known.remove(change.member.name());
                return Ok(());
            }
            What::Event(Event::Member(change)) => &change.member,
            What::Event(Event::Suspected { member, .. }) => member,
            _ => return Ok(()),
        };
        let incarnation = member.incarnation();
        let before = known
            .insert(member.name().clone(), incarnation)
            .unwrap_or(0);
        if incarnation < before {
            let (node, name) = (seen.node, member.name());
            return Err(format!(
                "node {node} knew {name} at {before} and now at {incarnation}"
            ));
        }
        Ok(())
    }
}
