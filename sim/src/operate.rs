//! What can be done to a world from outside: commands and faults.

use std::net::SocketAddr;
use std::time::Duration;

use serf_core::keyring::Keyring;
use serf_core::snapshot::State as Snapshot;
use serf_core::{
    CommandError, CommandId, Instant, KeyOperation, LamportTime, Name, Node, Params, QueryKey,
    QueryParams, RespondError, Status, Tags,
};

use crate::check::{Deed, NetworkDeed, What};
use crate::disk::Disk;
use crate::event::{Occurrence, Op};
use crate::host::State;
use crate::link::Link;
use crate::medium::{Regions, Uplink};
use crate::network::{Cut, CutId};
use crate::rng::{Domain, derive};
use crate::stream::Segment;
use crate::trace::Entry;
use crate::world::{World, new_home};

/// What a node knows when it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory<'a> {
    Empty,
    /// All that another node knows, which holds it as alive.
    Of(&'a Node),
    Snapshot(&'a Snapshot),
}

/// The number by which the trace knows it.
fn number(deed: Deed) -> u64 {
    match deed {
        Deed::Start => 1,
        Deed::Crash => 2,
        Deed::Pause => 3,
        Deed::Resume => 4,
        Deed::Join => 5,
        Deed::Leave => 6,
        Deed::ForceLeave => 7,
        Deed::SetTags => 8,
        Deed::SetCpu => 9,
        Deed::SetClockRate => 10,
        Deed::UserEvent => 11,
        Deed::Query => 12,
        Deed::Respond => 13,
        Deed::SetKeyring => 14,
        Deed::Block => 15,
        Deed::Unblock => 16,
        Deed::InstallKey => 17,
        Deed::UseKey => 18,
        Deed::RemoveKey => 19,
        Deed::ListKeys => 20,
        Deed::JoinReplaying => 21,
    }
}

impl World {
    // Nodes.

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

    // Commands.

    /// Tells a node to join the cluster of the others.
    ///
    /// # Errors
    /// Those of [`Node::join`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn join(&mut self, node: usize, seeds: &[usize]) -> Result<CommandId, CommandError> {
        let addresses: Vec<SocketAddr> = seeds.iter().map(|seed| self.address_of(*seed)).collect();
        self.command(node, Deed::Join, |it, now| it.join(&addresses, now))
    }

    /// The same, and to hear of the user events that the others still remember.
    ///
    /// # Errors
    /// As for [`World::join`].
    pub fn join_replaying(
        &mut self,
        node: usize,
        seeds: &[usize],
    ) -> Result<CommandId, CommandError> {
        let addresses: Vec<SocketAddr> = seeds.iter().map(|seed| self.address_of(*seed)).collect();
        self.command(node, Deed::JoinReplaying, |it, now| {
            it.join_replaying(&addresses, now)
        })
    }

    /// Tells a node to leave; once it has, it ends.
    ///
    /// # Errors
    /// Those of [`Node::leave`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn leave(&mut self, node: usize) -> Result<CommandId, CommandError> {
        // Set before the command is drained: a node that knows nobody ends at once.
        let before = std::mem::replace(&mut self.hosts[node].leaving, true);
        let accepted = self.command(node, Deed::Leave, Node::leave);
        if accepted.is_err() {
            self.hosts[node].leaving = before;
        }
        accepted
    }

    /// Tells a node to treat a failed member as gone and, with `prune`, to forget it.
    ///
    /// # Errors
    /// Those of [`Node::force_leave`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn force_leave(
        &mut self,
        node: usize,
        member: &str,
        prune: bool,
    ) -> Result<CommandId, CommandError> {
        self.command(node, Deed::ForceLeave, |it, now| {
            it.force_leave(member, prune, now)
        })
    }

    /// Replaces the tags of a node, until it is restarted.
    ///
    /// # Errors
    /// Those of [`Node::set_tags`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn set_tags(&mut self, node: usize, tags: &Tags) -> Result<CommandId, CommandError> {
        self.command(node, Deed::SetTags, |it, now| it.set_tags(tags, now))
    }

    /// Has a node send a user event. Answers its time.
    ///
    /// # Errors
    /// Those of [`Node::user_event`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn user_event(
        &mut self,
        node: usize,
        name: &str,
        payload: &[u8],
    ) -> Result<LamportTime, CommandError> {
        let now = self.local(node);
        let running = self.hosts[node].running().ok_or(CommandError::NotRunning)?;
        let ltime = running.user_event(name, payload, false, now)?;
        let sent = What::Sent {
            ltime,
            name,
            payload,
        };
        self.observe(node, sent);
        let number = number(Deed::UserEvent);
        self.trace.add(Entry::Op, self.now.as_nanos(), node, number);
        self.drain(node, false);
        Ok(ltime)
    }

    /// Gives a node other keys: one that runs at once, any other from its next start on. A node
    /// keeps the keys that it has when it crashes.
    pub fn set_keyring(&mut self, node: usize, keys: Keyring) {
        let now = self.local(node);
        self.hosts[node].keyring = Some(keys.clone());
        if let Some(running) = self.hosts[node].running() {
            running.set_keyring(keys, now);
            self.note_op(node, Deed::SetKeyring);
            self.drain(node, false);
        }
    }

    /// Has a node see to it that all do something with a key.
    ///
    /// # Errors
    /// Those of [`Node::key_operation`], and [`CommandError::NotRunning`] if the node does not
    /// run.
    pub fn key_operation(
        &mut self,
        node: usize,
        operation: &KeyOperation,
    ) -> Result<CommandId, CommandError> {
        let deed = match operation {
            KeyOperation::Install(_) => Deed::InstallKey,
            KeyOperation::Use(_) => Deed::UseKey,
            KeyOperation::Remove(_) => Deed::RemoveKey,
            KeyOperation::List => Deed::ListKeys,
        };
        self.command(node, deed, |it, now| it.key_operation(operation, now))
    }

    /// Lets every node answer each query with its own name from now on.
    pub fn answer_queries(&mut self) {
        self.answering = true;
    }

    /// Has a node ask all, or some; see [`World::answers`].
    ///
    /// # Errors
    /// Those of [`Node::query`], and [`CommandError::NotRunning`] if the node does not run.
    pub fn query(
        &mut self,
        node: usize,
        name: &str,
        payload: &[u8],
        params: &QueryParams,
    ) -> Result<QueryKey, CommandError> {
        let now = self.local(node);
        let running = self.hosts[node].running().ok_or(CommandError::NotRunning)?;
        let query = running.query(name, payload, params, now)?;
        self.note_op(node, Deed::Query);
        // The node's own answer comes at once.
        self.observe(node, What::Asked { query, name });
        self.drain(node, false);
        Ok(query)
    }

    /// Has a node answer a query.
    ///
    /// # Errors
    /// Those of [`Node::respond`], and [`RespondError::PastDeadline`] if the node does not run.
    pub fn respond(
        &mut self,
        node: usize,
        query: QueryKey,
        payload: &[u8],
    ) -> Result<(), RespondError> {
        let mut result = Err(RespondError::PastDeadline);
        let _ = self.command(node, Deed::Respond, |it, now| {
            result = it.respond(query, payload, now);
            Ok(())
        });
        result
    }

    // The network.

    /// Limits what a node can send; `None` removes the limit.
    pub fn set_uplink(&mut self, node: usize, uplink: Option<Uplink>) {
        self.network.set_uplink(node, uplink);
        self.note_network(NetworkDeed::SetUplink);
    }

    /// Spreads the nodes over regions; `None` puts them in one place again.
    pub fn set_regions(&mut self, regions: Option<Regions>) {
        self.network.set_regions(regions);
        self.note_network(NetworkDeed::SetRegions);
    }

    /// Replaces all links except those set by [`World::set_link`].
    pub fn set_links(&mut self, link: Link) {
        self.network.set_default(link);
        self.note_network(NetworkDeed::SetLinks);
    }

    /// Replaces the link from one node to another, in this direction.
    pub fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.network.set_link(from, to, link);
        self.note_network(NetworkDeed::SetLink);
    }

    /// Breaks the network until the cut is healed. Cuts add up.
    pub fn cut(&mut self, cut: Cut) -> CutId {
        self.views_changed = true;
        let id = self.network.cut(cut);
        self.note_network(NetworkDeed::Cut);
        id
    }

    /// Breaks the network for some time.
    pub fn cut_for(&mut self, cut: Cut, time: Duration) -> CutId {
        let id = self.cut(cut);
        self.schedule(time, Op::Heal(id));
        id
    }

    /// Mends what one cut broke. A cut that was healed before stays healed.
    pub fn heal(&mut self, cut: CutId) {
        self.views_changed = true;
        self.network.heal(cut);
        self.note_network(NetworkDeed::Heal);
    }

    /// Mends everything.
    pub fn heal_all(&mut self) {
        self.views_changed = true;
        self.network.heal_all();
        self.note_network(NetworkDeed::Heal);
    }

    // Later.

    /// Has something happen after this much time.
    pub fn schedule(&mut self, after: Duration, op: Op) {
        let at = self.now + after;
        self.queue.push(at.as_nanos(), Occurrence::Op(Box::new(op)));
    }

    /// Has something happen now. Unlike the methods it does not tell whether a node refused.
    pub fn apply(&mut self, op: Op) {
        match op {
            Op::Start(node) => self.start(node),
            Op::Crash(node) => self.crash(node),
            Op::Pause(node) => self.pause(node),
            Op::Resume(node) => self.resume(node),
            Op::Block(node) => self.block(node),
            Op::Unblock(node) => self.unblock(node),
            Op::Join {
                node,
                seeds,
                retry,
                replay,
            } => {
                if retry {
                    self.hosts[node].seeds.clone_from(&seeds);
                    self.hosts[node].seeds_replay = replay;
                }
                let joins = match replay {
                    true => self.join_replaying(node, &seeds),
                    false => self.join(node, &seeds),
                };
                if joins.is_err() && self.state(node) == State::Paused {
                    self.retry_join(node, false);
                }
            }
            Op::Leave(node) => drop(self.leave(node)),
            Op::ForceLeave {
                node,
                member,
                prune,
            } => {
                drop(self.force_leave(node, &member, prune));
            }
            Op::SetTags { node, tags } => drop(self.set_tags(node, &tags)),
            Op::UserEvent {
                node,
                name,
                payload,
            } => drop(self.user_event(node, &name, &payload)),
            Op::Query {
                node,
                name,
                payload,
                params,
            } => drop(self.query(node, &name, &payload, &params)),
            Op::SetKeyring { node, keys } => self.set_keyring(node, keys),
            Op::Keys { node, operation } => drop(self.key_operation(node, &operation)),
            Op::ShareName { node, with } => self.share_name(node, with),
            Op::TakeAddress { node, from } => self.take_address(node, from),
            Op::Forge { by, to, forgery } => self.forge(by, to, forgery),
            Op::Restore(node) => self.restore(node),
            Op::Relocate(node) => self.relocate(node),
            Op::Rename(node) => self.rename(node),
            Op::SetCpu { node, per_input } => self.set_cpu(node, per_input),
            Op::SetClockRate { node, ppm } => self.set_clock_rate(node, ppm),
            Op::SetUplink { node, uplink } => self.set_uplink(node, uplink),
            Op::SetLinks(link) => self.set_links(link),
            Op::Cut(cut) => drop(self.cut(cut)),
            Op::CutFor(cut, time) => drop(self.cut_for(cut, time)),
            Op::Heal(id) => self.heal(id),
            Op::HealAll => self.heal_all(),
        }
    }

    fn command<T>(
        &mut self,
        node: usize,
        deed: Deed,
        run: impl FnOnce(&mut Node, Instant) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let now = self.local(node);
        let running = self.hosts[node].running().ok_or(CommandError::NotRunning)?;
        let id = run(running, now)?;
        self.note_op(node, deed);
        self.drain(node, false);
        Ok(id)
    }

    pub(crate) fn note_op(&mut self, node: usize, deed: Deed) {
        self.views_changed = true;
        // Keys are no fault, but nodes that have none in common do not hear each other.
        if !matches!(deed, Deed::SetTags | Deed::Query | Deed::Respond) {
            self.hosts[node].disturbed = self.now;
        }
        let host = &mut self.hosts[node];
        if let (Deed::Leave, Some(disk), Some(it)) = (deed, &mut host.disk, &host.node) {
            disk.leaves(it, self.now);
        }
        self.trace
            .add(Entry::Op, self.now.as_nanos(), node, number(deed));
        self.observe(node, What::Done(deed));
    }

    pub(crate) fn note_network(&mut self, deed: NetworkDeed) {
        self.network_disturbed = self.now;
        self.observe(self.len(), What::Network(deed));
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
