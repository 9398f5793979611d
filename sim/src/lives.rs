//! The lives of nodes: how they start, crash, come back, move, stop for a while, and end.

use std::time::Duration;

use serf_core::snapshot::State as Snapshot;
use serf_core::{Instant, Name, Node, Params, Status};

use crate::check::{Deed, What};
use crate::disk::Disk;
use crate::event::{Occurrence, Op};
use crate::host::State;
use crate::rng::{Domain, derive};
use crate::stream::Segment;
use crate::world::{World, new_home};

/// What a node knows when it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory<'a> {
    Empty,
    /// All that another node knows, which holds it as alive.
    Of(&'a Node),
    Snapshot(&'a Snapshot),
}

impl World {
    /// Adds a node with the settings of the world. It is down until it is started.
    pub fn add(&mut self) -> usize {
        self.push_host(self.params.clone())
    }

    /// Gives a node other settings, from its next start on.
    pub fn set_params(&mut self, node: usize, params: Params) {
        self.hosts[node].params = params;
    }

    /// Starts a node that is down or has left: same name and address, empty memory, a new seed.
    /// It knows nobody until it joins. A node that runs is not touched.
    pub fn start(&mut self, node: usize) {
        self.start_with(node, Memory::Empty);
    }

    /// The same, with what the node knows from elsewhere. False if it knows somebody from a
    /// snapshot, but nobody to find back to.
    pub(crate) fn start_with(&mut self, node: usize, memory: Memory<'_>) -> bool {
        if !matches!(self.state(node), State::Down | State::Left) {
            return true;
        }
        let last_word = self.highest_incarnation(node);
        self.clusters.start(node);
        self.take_up_name(node);
        let host = &mut self.hosts[node];
        host.last_word = last_word;
        let seed = derive(self.seed, Domain::Node, node as u64, host.starts);
        let faults = &mut self.network.faults;
        faults.restarts += u64::from(host.starts > 0);
        faults.late_starts += u64::from(host.starts == 0 && self.now > Instant::ZERO);
        host.starts += 1;
        host.tick_due = false;
        host.state = State::Running;
        host.leaving = false;
        host.seeds.clear();
        let identity = host.identity.clone();
        let params = host.params.clone();
        let now = host.clock.local(self.now);
        let make = match &mut host.journal {
            Some(journal) => {
                journal.clear();
                Node::recorded
            }
            None => Node::new,
        };
        let twin = match memory {
            Memory::Of(known) => known.twin(&identity.name, seed, now),
            Memory::Empty | Memory::Snapshot(_) => None,
        };
        let mut node_itself = twin.unwrap_or_else(|| {
            make(identity, params.clone(), seed, now)
                .expect("the identities of a world are in order")
                .with_pool(self.profiles.clone())
        });
        if let Some(keys) = &host.keyring {
            node_itself = node_itself.with_keyring(keys.clone());
        }
        let snapshot = match memory {
            Memory::Snapshot(snapshot) => Some(snapshot),
            Memory::Empty | Memory::Of(_) => None,
        };
        let mut finds_back = true;
        if let Some(snapshot) = snapshot {
            node_itself.restore(snapshot);
            finds_back = node_itself.rejoin(now).is_ok();
        } else if let Some(disk) = &mut host.disk {
            **disk = Disk::of(&node_itself);
        }
        host.node = Some(node_itself);
        self.note_op(node, Deed::Start);
        let params = &params;
        self.observe(node, What::Started { params, snapshot });
        self.drain(node, false);
        finds_back
    }

    /// Has a node keep a snapshot from its next start on, from which [`World::restore`] lets it go
    /// on. As with real disks, the last half second before a crash may be missing in it.
    pub fn keep_snapshot(&mut self, node: usize) {
        let disk = &mut self.hosts[node].disk;
        disk.get_or_insert_with(|| Box::new(Disk::empty()));
    }

    /// Has a node keep a [journal](World::journal) from its next start on.
    pub fn record(&mut self, node: usize) {
        self.hosts[node].journal.get_or_insert_default();
    }

    /// What a node has journalled since it was started last, for a
    /// [replay](crate::replay::Replay). `None` if it was not told to.
    #[must_use]
    pub fn journal(&self, node: usize) -> Option<&[u8]> {
        self.hosts[node].journal.as_deref()
    }

    /// Ends a node without a word: its memory is lost, peers find their streams to it broken.
    /// Datagrams that it sent before still arrive.
    pub fn crash(&mut self, node: usize) {
        if matches!(self.state(node), State::Running | State::Paused) {
            self.note_op(node, Deed::Crash);
            self.network.faults.crashes += 1;
            self.remember(node);
            self.end(node, State::Down);
            self.hosts[node].node = None;
        }
    }

    /// What a crashed node's disk would tell: whom it knew, and its own last word.
    fn remember(&mut self, node: usize) {
        const REMEMBERED: usize = 8;
        let Some(it) = self.node(node) else {
            return;
        };
        let last_word = it.local().incarnation();
        let keyring = it.keyring().cloned();
        let alive = |member: &serf_core::Member| member.status() == Status::Alive;
        let mut known: Vec<usize> = it
            .members()
            .filter(alive)
            .filter_map(|member| self.node_at(member.addr()))
            .filter(|known| *known != node)
            .collect();
        known.sort_unstable();
        // Not the first ones: all nodes that come back would ask the same few.
        let turn = if known.is_empty() {
            0
        } else {
            node % known.len()
        };
        known.rotate_left(turn);
        known.truncate(REMEMBERED);
        known.shrink_to_fit();
        let host = &mut self.hosts[node];
        host.remembered = known;
        host.keyring = keyring;
        host.last_word = host.last_word.max(last_word);
    }

    /// Starts a node that remembers. One that [keeps a snapshot](World::keep_snapshot) goes on from
    /// that: its clocks, and those whom it knew, through whom it finds back. Any other does what
    /// [`World::start`] does, and joins through some of those that it knew when it crashed and
    /// node 0, as one with their addresses in its configuration. Whoever reaches nobody asks
    /// node 0 again until somebody answers.
    pub fn restore(&mut self, node: usize) {
        if !matches!(self.state(node), State::Down | State::Left) {
            return;
        }
        if let Some(disk) = &mut self.hosts[node].disk {
            let snapshot = disk.open();
            return self.restore_from(node, &snapshot);
        }
        self.start(node);
        let mut seeds = std::mem::take(&mut self.hosts[node].remembered);
        self.network.faults.restores += u64::from(!seeds.is_empty());
        let door = self.door(node);
        if door != node && !seeds.contains(&door) {
            seeds.push(door);
        }
        self.ask_to_join(node, seeds);
    }

    fn restore_from(&mut self, node: usize, snapshot: &Snapshot) {
        self.network.faults.snapshots += 1;
        let door = vec![self.door(node)];
        if self.start_with(node, Memory::Snapshot(snapshot)) {
            // Those that it knew may all be away.
            self.hosts[node].seeds = door;
        } else if self.len() > 1 {
            self.ask_to_join(node, door);
        }
    }

    fn ask_to_join(&mut self, node: usize, seeds: Vec<usize>) {
        let (retry, replay) = (true, false);
        self.apply(Op::Join {
            node,
            seeds,
            retry,
            replay,
        });
    }

    /// Gives a node that is down another address; nobody is at the old one any more.
    pub fn relocate(&mut self, node: usize) {
        if matches!(self.state(node), State::Down | State::Left) {
            let home = new_home(self.homes.len());
            self.homes.insert(home, node);
            self.hosts[node].identity.addr = home;
            self.hosts[node].moved = true;
            self.network.faults.moves += 1;
        }
    }

    /// Gives a node that is down another name, such as `node-3-b1`. Nobody has the old one any
    /// more.
    pub fn rename(&mut self, node: usize) {
        if matches!(self.state(node), State::Down | State::Left) {
            let name = format!("node-{node}-b{}", self.hosts[node].starts);
            let name = Name::new(&name).expect("short enough");
            self.index_of.insert(name.clone(), node);
            let old = std::mem::replace(&mut self.hosts[node].identity.name, name);
            self.give_up_name(node, &old);
            self.hosts[node].last_word = 0;
            self.network.faults.renames += 1;
        }
    }

    /// Lets a node's clock run at another rate from now on: `ppm` parts per million faster, or
    /// slower if negative; from -900,000 to 1,000,000.
    pub fn set_clock_rate(&mut self, node: usize, ppm: i32) {
        self.note_op(node, Deed::SetClockRate);
        self.network.faults.clock_drifts += u64::from(ppm != 0);
        let now = self.now;
        self.hosts[node].clock.set_rate(now, ppm);
        // Its deadline is another one now.
        self.drain(node, false);
    }

    /// [`World::crash`], then [`World::start`] in the same instant.
    pub fn restart(&mut self, node: usize) {
        self.crash(node);
        self.start(node);
    }

    /// Stops a running node in mid-air, as a debugger or a hypervisor does. What arrives waits
    /// for it, as far as a socket buffer holds.
    pub fn pause(&mut self, node: usize) {
        if self.state(node) == State::Running {
            self.note_op(node, Deed::Pause);
            self.network.faults.pauses += 1;
            self.hosts[node].state = State::Paused;
        }
    }

    /// Lets a paused node go on. As a good adapter does, it first reads what has arrived (a
    /// bounded number of inputs at a time), and only then looks at the clock.
    pub fn resume(&mut self, node: usize) {
        if self.state(node) != State::Paused {
            return;
        }
        self.note_op(node, Deed::Resume);
        self.hosts[node].state = State::Running;
        if self.hosts[node].blocked {
            // Messages wait on, but deadlines do not.
            if self.hosts[node].alarm.deadline() <= self.now {
                self.tick(node);
            }
            return;
        }
        self.work_off_backlog(node);
    }

    /// Takes the machine's side of the end of a process: its sockets close.
    pub(crate) fn end(&mut self, node: usize, state: State) {
        // What it has sent is with its machine already.
        self.release(node);
        let host = &mut self.hosts[node];
        if let Some(disk) = &mut host.disk {
            disk.end(state == State::Left, self.now);
        }
        host.state = state;
        host.leaving = false;
        host.backlog_datagrams = 0;
        let backlog = std::mem::take(&mut host.backlog);
        let streams = std::mem::take(&mut host.streams);
        for (connection, side) in streams.into_values() {
            self.streams.close(connection, side, true);
            self.send_segment(connection, side.other(), Segment::Reset);
        }
        // Segments that waited in the backlog are dealt with as those that find nobody.
        for occurrence in backlog {
            match occurrence {
                Occurrence::Datagram { payload, .. } => self.pool.give(payload),
                other => self.happen(other),
            }
        }
        self.pass_on_name(node);
        self.views_changed = true;
    }

    /// A join reached nobody: asks again in a second, if that was wished.
    pub(crate) fn retry_join(&mut self, node: usize, contacted: bool) {
        let seeds = std::mem::take(&mut self.hosts[node].seeds);
        if !contacted && !seeds.is_empty() {
            let mut rng = crate::rng::generator(self.seed, Domain::Operator, node as u64);
            let pause = 1_000_000_000 + crate::rng::below(&mut rng, 500_000_000);
            let op = Op::Join {
                node,
                seeds,
                retry: true,
                replay: self.hosts[node].seeds_replay,
            };
            self.schedule(Duration::from_nanos(pause), op);
        }
    }
}
