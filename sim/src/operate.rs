//! What can be done to a world from outside: commands, and faults of the network.

use std::net::SocketAddr;
use std::time::Duration;

use serf_core::keyring::Keyring;
use serf_core::{
    CommandError, CommandId, Instant, KeyOperation, LamportTime, Node, QueryKey, QueryParams,
    RespondError, Tags,
};

use crate::check::{Deed, NetworkDeed, What};
use crate::event::{Occurrence, Op};
use crate::host::State;
use crate::link::Link;
use crate::medium::{Regions, Uplink};
use crate::network::{Cut, CutId};
use crate::trace::Entry;
use crate::world::World;

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
}
