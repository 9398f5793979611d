//! Queues and tables stay within their bounds.

use serf_core::{Node, Params};

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

/// What a node holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    members: usize,
    rumours: usize,
    /// Of the kind of messages of which most wait.
    queued: usize,
    health: u8,
    dropped: u64,
}

impl Load {
    fn of(node: &Node) -> Self {
        let [intents, queries, events] = node.queued_messages();
        Self {
            members: node.member_count(),
            rumours: node.queued_broadcasts(),
            queued: intents.max(queries).max(events),
            health: node.health_score(),
            dropped: node.counters().dropped_actions,
        }
    }

    /// What is too much of it, if anything.
    fn wrong(&self, params: &Params) -> Option<String> {
        let Self {
            members,
            rumours,
            queued,
            health,
            dropped,
        } = *self;
        if members > params.max_members as usize {
            let limit = params.max_members;
            Some(format!("{members} members, accepted are {limit}"))
        } else if rumours > members {
            Some(format!("{rumours} rumours about {members} members"))
        } else if queued > QUEUED {
            Some(format!(
                "{queued} messages of one kind to be spread, accepted are {QUEUED}"
            ))
        } else if health >= params.awareness_max {
            let limit = params.awareness_max;
            Some(format!(
                "a health score of {health}, accepted is less than {limit}"
            ))
        } else if dropped > 0 {
            Some(format!("dropped {dropped} actions, though it is drained"))
        } else {
            None
        }
    }
}

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
        let load = Load::of(node);
        self.most_members = self.most_members.max(load.members as u64);
        self.most_rumours = self.most_rumours.max(load.rumours as u64);
        self.most_queued = self.most_queued.max(load.queued as u64);
        match load.wrong(node.params()) {
            Some(wrong) => Err(format!("node {} has {wrong}", seen.node)),
            None => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use serf_core::Config;

    use super::*;
    use crate::World;

    #[test]
    fn whatever_grows_past_its_bound_is_wrong() {
        let params = Params::new(Config {
            max_members: 10,
            ..Config::lan()
        });
        let params = params.expect("within bounds");
        let most = Load {
            members: 10,
            rumours: 10,
            queued: QUEUED,
            health: params.awareness_max - 1,
            dropped: 0,
        };
        assert_eq!(most.wrong(&params), None);
        let violations: [fn(&mut Load); 5] = [
            |load| load.members += 1,
            |load| load.rumours += 1,
            |load| load.queued += 1,
            |load| load.health += 1,
            |load| load.dropped += 1,
        ];
        for (nth, violate) in violations.into_iter().enumerate() {
            let mut load = most;
            violate(&mut load);
            assert!(load.wrong(&params).is_some(), "violation {nth}");
        }
    }

    #[test]
    fn what_is_judged_is_what_the_node_holds() {
        let mut world = World::builder(0).nodes(3).joined().build();
        for nth in 0..4 {
            let name = format!("event-{nth}");
            world.user_event(1, &name, b"").expect("it runs");
        }
        let load = Load::of(world.node(1).expect("it runs"));
        let wanted = Load {
            members: 3,
            queued: 4,
            ..Load::default()
        };
        assert_eq!(load, wanted);
    }
}
