//! One participant of the cluster.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::{Action, CommandId, StreamId, StreamInput};
use crate::config::{Identity, Params};
use crate::error::CommandError;
use crate::member::Member;
use crate::stats::Counters;
use crate::tags::Tags;
use crate::time::Instant;

/// skeleton
#[derive(Debug, Clone)]
pub struct Node {}

#[allow(unused_variables, missing_docs)]
impl Node {
    /// `Err` if the tags are too large.
    pub fn new(
        identity: Identity,
        params: Params,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, CommandError> {
        unimplemented!()
    }
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        unimplemented!()
    }
    /// A peer connected. `None`: refused, close the connection.
    pub fn accept_stream(&mut self, from: SocketAddr, now: Instant) -> Option<StreamId> {
        unimplemented!()
    }
    pub fn handle_stream(&mut self, id: StreamId, input: StreamInput<'_>, now: Instant) {
        unimplemented!()
    }
    pub fn handle_tick(&mut self, now: Instant) {
        unimplemented!()
    }
    /// Appends bytes that go with the action to `buf` (never clears it).
    pub fn poll_action(&mut self, buf: &mut Vec<u8>) -> Action {
        unimplemented!()
    }

    /// Ends with Outcome::Join.
    pub fn join(&mut self, seeds: &[SocketAddr], now: Instant) -> Result<CommandId, CommandError> {
        unimplemented!()
    }
    /// Ends with Outcome::Spread; after that the node is stopped (`poll_action` answers `Wait(None)`).
    pub fn leave(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        unimplemented!()
    }
    /// Declares a failed member as left; with `prune` also forgets it. Unknown names succeed. Ends with Outcome::Spread.
    pub fn force_leave(
        &mut self,
        name: &str,
        prune: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        unimplemented!()
    }
    /// Ends with Outcome::Spread.
    pub fn set_tags(&mut self, tags: &Tags, now: Instant) -> Result<CommandId, CommandError> {
        unimplemented!()
    }

    /// All known members of any status, this node included, in no meaningful order.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        core::iter::empty()
    }
    pub fn member(&self, name: &str) -> Option<Member> {
        unimplemented!()
    }
    pub fn local(&self) -> Member {
        unimplemented!()
    }
    /// Members that take part (alive, suspected included), this node included.
    pub fn alive_count(&self) -> usize {
        unimplemented!()
    }
    /// Members of any status, this node included.
    pub fn member_count(&self) -> usize {
        unimplemented!()
    }
    /// Lifeguard's local health score: 0 is healthy.
    pub fn health_score(&self) -> u8 {
        unimplemented!()
    }
    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }
    pub fn params(&self) -> &Params {
        unimplemented!()
    }
    /// Messages waiting to be spread.
    pub fn queued_broadcasts(&self) -> usize {
        unimplemented!()
    }
}
