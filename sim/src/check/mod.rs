//! What must hold in a world: observers that see everything and change nothing.
//!
//! All of them watch every world, unless [`Builder::unchecked`](crate::Builder::unchecked) says
//! otherwise. They follow what happens rather than compare everything with everything, so that
//! ten thousand nodes can be watched, too; and they tell how often they really had something to
//! judge ([`World::tallies`](crate::World::tallies)), as a check that never did has shown nothing.

mod agreement;
mod bounds;
mod clocks;
mod deadlines;
mod delivery;
mod false_failures;
mod incarnations;
mod node_set;
mod packets;
mod queries;
mod returns;
mod rows;
mod traffic;
mod views;

use std::any::Any;
use std::net::SocketAddr;
use std::ops::BitOr;
use std::time::Duration;

use serf_core::snapshot::State;
use serf_core::{Answer, Event, Instant, LamportTime, Params, QueryKey};

use crate::world::World;

pub use agreement::Agreement;
pub use bounds::Bounds;
pub use clocks::Clocks;
pub use deadlines::Deadlines;
pub use delivery::Delivery;
pub use false_failures::FalseFailures;
pub use incarnations::Incarnations;
pub use packets::Packets;
pub use queries::Queries;
pub use returns::Returns;
pub use traffic::Traffic;
pub(crate) use views::Truth;
pub use views::{Views, Wrong};

/// One thing that a check may look at, at one node, at one instant.
#[derive(Clone, Copy)]
pub struct Observation<'a> {
    /// When.
    pub at: Instant,
    /// The index of the node.
    pub node: usize,
    /// What.
    pub what: What<'a>,
    /// The world in which it happened, just after it did.
    pub world: &'a World,
}

/// What was observed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum What<'a> {
    /// The node was started, with an empty memory but for what was in its snapshot.
    Started {
        /// Its settings.
        params: &'a Params,
        /// What it went on from, if it kept a snapshot.
        snapshot: Option<&'a State>,
    },
    /// The node told its application something.
    Event(&'a Event),
    /// The node was told to send a user event, and took it.
    Sent {
        /// The time of the event.
        ltime: LamportTime,
        /// Its name.
        name: &'a str,
        /// Its payload.
        payload: &'a [u8],
    },
    /// The node was told to ask a query, and took it.
    Asked {
        /// What tells it apart.
        query: QueryKey,
        /// Its name.
        name: &'a str,
    },
    /// An answer to a query of the node came.
    Answered {
        /// Which query.
        query: QueryKey,
        /// Who answers, and what.
        answer: &'a Answer,
    },
    /// The node sent a datagram.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// The node has no more actions and waits.
    Waits {
        /// For what time; `None` if it has stopped.
        until: Option<Instant>,
        /// Whether it was told the time just before; otherwise a deadline may be due already.
        ticked: bool,
    },
    /// Something was done to the node from outside.
    Done(Deed),
    /// Something was done to the network; the index of the node is one that no node has.
    Network(NetworkDeed),
}

/// What was done to a node from outside, by an operator or by fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "each is the method of `World` or the `KeyOperation` of that name"
)]
pub enum Deed {
    Start,
    Crash,
    Pause,
    Resume,
    Join,
    JoinReplaying,
    Leave,
    ForceLeave,
    SetTags,
    SetCpu,
    SetClockRate,
    UserEvent,
    Query,
    Respond,
    SetKeyring,
    InstallKey,
    UseKey,
    RemoveKey,
    ListKeys,
    Block,
    Unblock,
}

/// What was done to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the method of `World` of that name")]
pub enum NetworkDeed {
    Cut,
    Heal,
    SetLinks,
    SetLink,
    SetUplink,
    SetRegions,
    Forge,
}

impl What<'_> {
    #[inline]
    fn kind(&self) -> Wants {
        match self {
            Self::Started { .. } => Wants::STARTED,
            Self::Event(_) => Wants::EVENTS,
            Self::Sent { .. } => Wants::SENT,
            Self::Asked { .. } | Self::Answered { .. } => Wants::QUERIES,
            Self::Datagram { .. } => Wants::DATAGRAMS,
            Self::Waits { .. } => Wants::WAITS,
            Self::Done(_) | Self::Network(_) => Wants::DEEDS,
        }
    }
}

/// The kinds of things that a check wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants(u8);

impl Wants {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// [`What::Started`].
    pub const STARTED: Self = Self(1);
    /// [`What::Event`].
    pub const EVENTS: Self = Self(2);
    /// [`What::Datagram`].
    pub const DATAGRAMS: Self = Self(4);
    /// [`What::Waits`].
    pub const WAITS: Self = Self(8);
    /// [`What::Sent`].
    pub const SENT: Self = Self(16);
    /// [`What::Done`] and [`What::Network`].
    pub const DEEDS: Self = Self(32);
    /// [`What::Asked`] and [`What::Answered`].
    pub const QUERIES: Self = Self(64);
    /// Everything.
    pub const ALL: Self = Self(127);

    fn includes(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

impl BitOr for Wants {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Numbers of a check, each with a few words for what it counts.
pub type Tally = Vec<(&'static str, u64)>;

/// An invariant that can be judged by watching.
pub trait Check: Any + Send {
    /// A few words for what must hold, for the message of a failure.
    fn name(&self) -> &'static str;

    /// What it wants to see; the fewer, the faster the world.
    fn wants(&self) -> Wants {
        Wants::ALL
    }

    /// Looks at one thing.
    ///
    /// # Errors
    /// What is wrong about it; the run ends there.
    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String>;

    /// Looks at the whole world, every five simulated seconds.
    ///
    /// # Errors
    /// What is wrong about it; the run ends there.
    fn look(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }

    /// How often it had something to judge, and what else it counted.
    fn tally(&self) -> Tally {
        Vec::new()
    }
}

/// All checks of a world.
#[derive(Default)]
pub(crate) struct Checks {
    all: Vec<Box<dyn Check>>,
    /// What any of them wants.
    wanted: u8,
}

impl Checks {
    /// Those that watch every world.
    pub(crate) fn standard() -> Self {
        let mut checks = Self::default();
        checks.add(Box::new(Agreement::default()));
        checks.add(Box::new(Bounds::default()));
        checks.add(Box::new(Clocks::default()));
        checks.add(Box::new(Deadlines::default()));
        checks.add(Box::new(Delivery::default()));
        checks.add(Box::new(FalseFailures::default()));
        checks.add(Box::new(Incarnations::default()));
        checks.add(Box::new(Packets::default()));
        checks.add(Box::new(Queries::default()));
        checks.add(Box::new(Returns::default()));
        checks.add(Box::new(Traffic::default()));
        checks
    }

    /// Adds a check, in the place of one of the same name.
    pub(crate) fn add(&mut self, check: Box<dyn Check>) {
        self.all.retain(|other| other.name() != check.name());
        self.all.push(check);
        self.wanted = self.all.iter().fold(0, |all, one| all | one.wants().0);
    }

    /// Removes a check. Answers whether there was one of that name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|check| check.name() != name);
        self.wanted = self.all.iter().fold(0, |all, one| all | one.wants().0);
        self.all.len() < before
    }

    #[inline]
    pub(crate) fn want(&self, what: &What<'_>) -> bool {
        self.wanted & what.kind().0 != 0
    }

    /// The first check that finds something wrong, and what.
    pub(crate) fn observe(&mut self, seen: &Observation<'_>) -> Result<(), (&'static str, String)> {
        let kind = seen.what.kind();
        for check in &mut self.all {
            if check.wants().includes(kind) {
                check.observe(seen).map_err(|found| (check.name(), found))?;
            }
        }
        Ok(())
    }

    pub(crate) fn look(&mut self, world: &World) -> Result<(), (&'static str, String)> {
        for check in &mut self.all {
            check.look(world).map_err(|found| (check.name(), found))?;
        }
        Ok(())
    }

    pub(crate) fn find<T: Check>(&self) -> Option<&T> {
        let mut all = self.all.iter().map(|check| check.as_ref() as &dyn Any);
        all.find_map(|check| check.downcast_ref())
    }

    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&'static str, Tally)> + '_ {
        self.all.iter().map(|check| (check.name(), check.tally()))
    }
}

/// True if the node is well, in this cluster, and was so long before `at` that what was told to
/// all then must have reached it.
pub(crate) fn steady(world: &World, node: usize, cluster: u32, at: Instant) -> bool {
    /// Nodes that joined later than this before need not get it.
    const GRACE: Duration = Duration::from_secs(15);
    let host = &world.hosts[node];
    world.cluster_of(node) == cluster
        && host.is_healthy()
        && host.disturbed + GRACE <= at
        && !world.is_contested(node)
}

/// How long nodes may take to agree once nothing disturbs them any more: time for each to reach
/// the failed members again and to exchange all state, twice, and for 30 probes. `None` if their
/// settings have neither, so that there is no bound.
#[must_use]
pub fn settling_time(params: &Params, nodes: usize) -> Option<Duration> {
    let (sync, reconnect) = (params.push_pull_interval, params.reconnect_interval);
    if sync.is_zero() || reconnect.is_zero() {
        return None;
    }
    // State exchanges become rarer with each doubling of the cluster beyond 32.
    let doublings = nodes.div_ceil(32).next_power_of_two().ilog2();
    Some(2 * (sync * (doublings + 1) + reconnect) + 30 * params.probe_interval)
}
