//! Queues and tables stay within their bounds.

use super::{Check, Observation, Tally, Wants, What};

/// At each node: no more members than `max_members`, one rumour per member at most, 4,096 intents,
/// queries and user events each waiting at most, a health score below `awareness_max`, and no action dropped, as the
/// world drains its nodes as it should.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    looks: u64,
    most_members: u64,
    most_rumours: u64,
    most_queued: u64,
}

/// Intents, queries or user events that wait to be spread, at most.
const QUEUED: usize = 4_096;

impl Check for Bounds {
    fn name(&self) -> &'static str {
        "queues and tables stay within bounds"
    }

    fn wants(&self) -> Wants {
        Wants::WAITS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let (What::Waits { .. }, Some(node)) = (seen.what, seen.world.node(seen.node)) else {
            return Ok(());
        };
        self.looks += 1;
        let (members, rumours) = (node.member_count(), node.queued_broadcasts());
        let [intents, queries, events] = node.queued_messages();
        let queued = intents.max(queries).max(events);
        self.most_members = self.most_members.max(members as u64);
        self.most_rumours = self.most_rumours.max(rumours as u64);
        self.most_queued = self.most_queued.max(queued as u64);
        let params = node.params();
        let (health, dropped) = (node.health_score(), node.counters().dropped_actions);
        let wrong = if members > params.max_members as usize {
            format!("{members} members, accepted are {}", params.max_members)
        } else if rumours > members {
            format!("{rumours} rumours about {members} members")
        } else if queued > QUEUED {
            format!("{queued} messages of one kind to be spread, accepted are {QUEUED}")
        } else if health >= params.awareness_max {
            let limit = params.awareness_max;
            format!("a health score of {health}, accepted is less than {limit}")
        } else if dropped > 0 {
            format!("dropped {dropped} actions, though it is drained")
        } else {
            return Ok(());
        };
        Err(format!("node {} has {wrong}", seen.node))
    }

    fn tally(&self) -> Tally {
        vec![
            ("looks", self.looks),
            ("most members", self.most_members),
            ("most rumours", self.most_rumours),
            ("most events", self.most_queued),
        ]
    }
}
