//! How what goes wrong in a scenario is put into a world.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::fault::{Back, Fault, Partition, Stutter, Traffic};
use super::{Nodes, keys};
use crate::event::Op;
use crate::link::Link;
use crate::medium::Uplink;
use crate::network::{self, Cut};
use crate::world::World;

impl Fault {
    /// Plans it in the world, counted from now.
    pub(super) fn plan(&self, world: &mut World, base: Link, rng: &mut ChaCha8Rng) {
        let count = world.len();
        let mut pick = |nodes: &Nodes| nodes.pick(count, rng);
        let (at, end) = (self.at.0, self.lasts.map(|lasts| self.at.0 + lasts.0));
        let mut during = |begin: Op, finish: Op| {
            world.schedule(at, begin);
            if let Some(end) = end {
                world.schedule(end, finish);
            }
        };
        if let Some(it) = &self.pause {
            for node in pick(&it.nodes) {
                during(Op::Pause(node), Op::Resume(node));
            }
        }
        if let Some(it) = &self.block {
            for node in pick(&it.nodes) {
                during(Op::Block(node), Op::Unblock(node));
            }
        }
        if let Some(it) = &self.slow {
            for node in pick(&it.nodes) {
                let cpu = |per_input| Op::SetCpu { node, per_input };
                during(cpu(Some(it.per_input.0)), cpu(None));
            }
        }
        if let Some(it) = &self.drift {
            for node in pick(&it.nodes) {
                let rate = |ppm| Op::SetClockRate { node, ppm };
                during(rate(it.ppm), rate(0));
            }
        }
        if let Some(it) = &self.narrow {
            for node in pick(&it.nodes) {
                let limit = |uplink| Op::SetUplink { node, uplink };
                let uplink = Uplink {
                    bytes_per_second: it.bytes_per_second,
                    queue: it.queue,
                };
                during(limit(Some(uplink)), limit(None));
            }
        }
        if let Some(it) = &self.network {
            during(Op::SetLinks(it.link()), Op::SetLinks(base));
        }
        if let Some(it) = &self.crash {
            for node in pick(&it.nodes) {
                world.schedule(at, Op::Crash(node));
                match (end, it.back) {
                    (None, _) => {}
                    (Some(end), Back::Remembering | Back::Snapshot) => {
                        world.schedule(end, Op::Restore(node))
                    }
                    (Some(end), Back::Empty) => come_back(world, end, node),
                }
            }
        }
        let come_again = |world: &mut World, nodes: Vec<usize>, change: fn(usize) -> Op| {
            let end = end.unwrap_or(at);
            for node in nodes {
                world.schedule(at, Op::Crash(node));
                world.schedule(end, change(node));
                world.schedule(end, Op::Restore(node));
            }
        };
        if let Some(it) = &self.relocate {
            come_again(world, pick(&it.nodes), Op::Relocate);
        }
        if let Some(it) = &self.rename {
            come_again(world, pick(&it.nodes), Op::Rename);
        }
        if let Some(it) = &self.leave {
            for node in pick(&it.nodes) {
                world.schedule(at, Op::Leave(node));
                if let Some(end) = end {
                    come_back(world, end, node);
                }
            }
        }
        if let Some(it) = &self.join {
            for node in pick(&it.nodes) {
                start_and_join(world, at, node, it.replay);
            }
        }
        if let Some(it) = &self.force_leave
            && let Some(node) = it.by.index(count)
        {
            for member in pick(&it.nodes) {
                let force = Op::ForceLeave {
                    node,
                    member: format!("node-{member}"),
                    prune: it.prune,
                };
                world.schedule(at, force);
            }
        }
        if let Some(it) = &self.stutter {
            for node in pick(&it.nodes) {
                stutter(world, node, it, at, end.unwrap_or(at));
            }
        }
        if let Some(it) = &self.partition {
            let side = pick(&it.side);
            let other = match &it.other {
                Some(other) => pick(other),
                None => (0..count)
                    .filter(|node| side.binary_search(node).is_err())
                    .collect(),
            };
            let cut = it.cut(side, other);
            match self.lasts {
                Some(lasts) => world.schedule(at, Op::CutFor(cut, lasts.0)),
                None => world.schedule(at, Op::Cut(cut)),
            }
        }
        self.plan_commands(world, &mut pick);
        self.plan_hostilities(world, &mut pick);
    }

    /// What operators do with queries and keys.
    fn plan_commands(&self, world: &mut World, pick: &mut dyn FnMut(&Nodes) -> Vec<usize>) {
        let at = self.at.0;
        if let Some(it) = &self.query {
            for node in pick(&it.nodes) {
                it.plan(world, at, node, "query".to_owned());
            }
        }
        if let Some(it) = &self.keys {
            for node in pick(&it.nodes) {
                if let Some(keys) = keys::ring(&it.ring) {
                    world.schedule(at, Op::SetKeyring { node, keys });
                }
            }
        }
        if let Some(it) = &self.rotate {
            it.plan(world, at);
        }
    }

    /// What takes from others what is theirs, or is not true.
    fn plan_hostilities(&self, world: &mut World, pick: &mut dyn FnMut(&Nodes) -> Vec<usize>) {
        let at = self.at.0;
        let end = at + self.lasts.unwrap_or_default().0;
        if let Some(it) = &self.namesake {
            it.plan(world, at, pick(&it.nodes));
        }
        if let Some(it) = &self.reuse_address {
            it.plan(world, at, end);
        }
        if let Some(it) = &self.poison {
            it.plan(world, at, pick(&it.nodes));
        }
        if let Some(it) = &self.slander {
            let (told, about) = (pick(&it.nodes), pick(&it.about));
            it.plan(world, (at, end), told, about);
        }
    }
}

impl Partition {
    fn cut(&self, side: Vec<usize>, other: Vec<usize>) -> Cut {
        let cut = match self.one_way {
            true => Cut::one_way(side, other),
            false => Cut::between(side, other),
        };
        let cut = cut.only(match self.traffic {
            Traffic::All => network::Traffic::All,
            Traffic::Datagrams => network::Traffic::Datagrams,
            Traffic::Streams => network::Traffic::Streams,
        });
        match self.refuse {
            true => cut.refusing(),
            false => cut,
        }
    }
}

/// Starts a node and lets it join, remembering nothing.
pub(super) fn come_back(world: &mut World, at: Duration, node: usize) {
    start_and_join(world, at, node, false);
}

fn start_and_join(world: &mut World, at: Duration, node: usize, replay: bool) {
    let seed = world.door(node);
    world.schedule(at, Op::Start(node));
    let join = Op::Join {
        node,
        seeds: vec![seed],
        retry: true,
        replay,
    };
    world.schedule(at, join);
}

fn stutter(world: &mut World, node: usize, it: &Stutter, from: Duration, until: Duration) {
    let mut at = from;
    while at < until {
        world.schedule(at, Op::Pause(node));
        world.schedule((at + it.stops.0).min(until), Op::Resume(node));
        at += it.stops.0 + it.runs.0;
    }
}
