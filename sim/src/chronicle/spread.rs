//! How user events spread.

use serf_core::{Instant, LamportTime};

use crate::world::World;

/// How one user event spread.
#[derive(Debug, Clone)]
pub struct Spread {
    /// When it was sent, in seconds.
    pub at: f64,
    /// By which node.
    pub by: usize,
    /// Its name.
    pub name: String,
    /// How many nodes ran then.
    pub running: usize,
    /// After how many seconds each node was told, in order.
    pub told: Vec<f32>,
    ltime: LamportTime,
    sent: Instant,
    /// A bit for each node that was told.
    nodes: Vec<u64>,
}

/// Events that are followed.
const EVENTS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Spreads {
    all: Vec<Spread>,
}

impl Spreads {
    pub(super) fn all(&self) -> &[Spread] {
        &self.all
    }

    pub(super) fn sent(&mut self, world: &World, by: usize, ltime: LamportTime, name: &str) {
        if self.all.len() < EVENTS {
            self.all.push(Spread {
                at: super::seconds(world.now()),
                by,
                name: name.to_owned(),
                running: world.running().count(),
                told: Vec::new(),
                ltime,
                sent: world.now(),
                nodes: vec![0; world.len().div_ceil(64)],
            });
        }
    }

    pub(super) fn told(&mut self, at: Instant, node: usize, ltime: LamportTime, name: &str) {
        let mut known = self.all.iter_mut().rev();
        let Some(spread) = known.find(|it| it.ltime == ltime && it.name == name) else {
            return;
        };
        // A node that was restarted is told again, which is no news of the event's spread.
        let Some(word) = spread.nodes.get_mut(node / 64) else {
            return;
        };
        if *word >> (node % 64) & 1 == 0 {
            *word |= 1 << (node % 64);
            spread.told.push(at.since(spread.sent).as_secs_f32());
        }
    }
}
