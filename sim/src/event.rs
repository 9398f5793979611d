//! What the queue holds, and what can be asked of a world.

use std::time::Duration;

use serf_core::keyring::Keyring;
use serf_core::{KeyOperation, QueryParams, Tags};

use crate::forge::Forgery;
use crate::link::Link;
use crate::medium::Uplink;
use crate::network::{Cut, CutId};
use crate::stream::{ConnectionId, Side};

/// One entry of the event queue.
#[derive(Debug, Clone)]
pub(crate) enum Occurrence {
    /// A node's deadline.
    Wake { node: u32 },
    /// A datagram arrives.
    Datagram {
        from: u32,
        to: u32,
        payload: Vec<u8>,
    },
    /// The next segment of a stream arrives.
    Segment { connection: ConnectionId, to: Side },
    /// A slow processor is done with an input.
    Work { node: u32 },
    /// The operator, or fate, does something.
    Op(Box<Op>),
}

/// Something that is done to a world from outside: a command of an operator, or a fault. Nodes
/// are named by their index.
///
/// An operation that makes no sense in the present state of a node (crashing one that is down,
/// a command to one that has left) does nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Starts a node that is down or has left: same name and address, empty memory, a new seed.
    Start(usize),
    /// The node's process ends without a word. Its peers' open streams to it break.
    Crash(usize),
    /// The node stops running but stays in memory; what arrives waits.
    Pause(usize),
    /// A paused node goes on.
    Resume(usize),
    /// See [`World::block`](crate::World::block).
    Block(usize),
    /// See [`World::unblock`](crate::World::unblock).
    Unblock(usize),
    /// The node joins the cluster of the others.
    Join {
        /// Which node.
        node: usize,
        /// Whom it asks.
        seeds: Vec<usize>,
        /// Whether it asks again, once a second, until somebody answers.
        retry: bool,
        /// Whether it wants to hear of the user events that there were before.
        replay: bool,
    },
    /// The node leaves the cluster, then ends.
    Leave(usize),
    /// The node is told to treat a failed member as gone.
    ForceLeave {
        /// The node that is told.
        node: usize,
        /// The member.
        member: String,
        /// Whether to forget the member altogether.
        prune: bool,
    },
    /// The node's tags are replaced.
    SetTags {
        /// Which node.
        node: usize,
        /// The new tags.
        tags: Tags,
    },
    /// The node sends a user event.
    UserEvent {
        /// Which node.
        node: usize,
        /// The event's name.
        name: String,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// The node asks all, or some.
    Query {
        /// Which node.
        node: usize,
        /// The query's name.
        name: String,
        /// Its payload.
        payload: Vec<u8>,
        /// Whom, and how.
        params: QueryParams,
    },
    /// The node is given other keys: see [`World::set_keyring`](crate::World::set_keyring).
    SetKeyring {
        /// Which node.
        node: usize,
        /// The keys.
        keys: Keyring,
    },
    /// The node sees to it that all do something with a key.
    Keys {
        /// Which node.
        node: usize,
        /// What.
        operation: KeyOperation,
    },
    /// See [`World::share_name`](crate::World::share_name).
    ShareName {
        /// Which node.
        node: usize,
        /// Whose name it takes.
        with: usize,
    },
    /// See [`World::take_address`](crate::World::take_address).
    TakeAddress {
        /// Which node.
        node: usize,
        /// Whose address it takes.
        from: usize,
    },
    /// See [`World::forge`](crate::World::forge).
    Forge {
        /// The node that says it.
        by: usize,
        /// The node that is told.
        to: usize,
        /// What.
        forgery: Forgery,
    },
    /// See [`World::restore`](crate::World::restore).
    Restore(usize),
    /// See [`World::relocate`](crate::World::relocate).
    Relocate(usize),
    /// See [`World::rename`](crate::World::rename).
    Rename(usize),
    /// See [`World::set_cpu`](crate::World::set_cpu).
    SetCpu {
        /// Which node.
        node: usize,
        /// What each input takes; none for a fast one.
        per_input: Option<Duration>,
    },
    /// See [`World::set_clock_rate`](crate::World::set_clock_rate).
    SetClockRate {
        /// Which node.
        node: usize,
        /// Deviation in parts per million.
        ppm: i32,
    },
    /// See [`World::set_uplink`](crate::World::set_uplink).
    SetUplink {
        /// Which node.
        node: usize,
        /// The limit, if there is one.
        uplink: Option<Uplink>,
    },
    /// See [`World::set_links`](crate::World::set_links).
    SetLinks(Link),
    /// The network breaks.
    Cut(Cut),
    /// The network breaks for some time.
    CutFor(Cut, Duration),
    /// One break is mended.
    Heal(CutId),
    /// Every break is mended.
    HealAll,
}

const _: () = assert!(size_of::<Occurrence>() <= 32, "an event is four words");
