//! What a node knows about a member never gets older.

use serf_core::{Event, MemberEventKind};

use super::rows::Rows;
use super::{Check, Observation, Tally, Wants, What};

/// In the events of one node, the incarnation of a member never goes back, unless the node was
/// restarted or had forgotten the member, or the member moved to another address. Incarnations past 65,534 are not told apart.
#[derive(Debug, Clone, Default)]
pub struct Incarnations {
    /// Those past 1, where all members begin.
    known: Rows,
    compared: u64,
}

impl Check for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations never go back"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let (member, reaped) = match seen.what {
            What::Started { .. } => {
                self.known.start(seen.node, seen.world.name(seen.node));
                return Ok(());
            }
            What::Event(Event::Member(change)) => {
                (&change.member, change.kind == MemberEventKind::Reap)
            }
            What::Event(Event::Suspected { member, .. }) => (member, false),
            _ => return Ok(()),
        };
        let incarnation = u16::try_from(member.incarnation()).unwrap_or(u16::MAX);
        if incarnation <= 1 && self.known.is_clear(seen.node) {
            return Ok(());
        }
        let Some(index) = seen.world.index_of(member.name()) else {
            return Ok(());
        };
        let before = self.known.get(seen.node, index);
        let now = if reaped { 0 } else { incarnation };
        self.known.set(seen.node, index, now);
        self.compared += 1;
        if incarnation < before && !seen.world.has_moved(index) {
            let (node, name) = (seen.node, member.name());
            return Err(format!(
                "node {node} knew {name} at {before} and now at {incarnation}"
            ));
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("news at nodes that know of refutations", self.compared)]
    }
}
