//! What must hold in a world: observers that see everything and change nothing.

mod deadlines;
mod incarnations;
mod packets;
mod views;

use std::net::SocketAddr;

use serf_core::{Event, Instant, Params};

pub use deadlines::Deadlines;
pub use incarnations::Incarnations;
pub use packets::Packets;
pub(crate) use views::Truth;
pub use views::{Views, Wrong};

/// One thing that a check may look at, at one node, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// When.
    pub at: Instant,
    /// The index of the node.
    pub node: usize,
    /// What.
    pub what: What<'a>,
}

/// What was observed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum What<'a> {
    /// The node was started, with an empty memory.
    Started {
        /// Its settings.
        params: &'a Params,
    },
    /// The node told its application something.
    Event(&'a Event),
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
}

/// An invariant that can be judged by watching.
pub trait Check: Send {
    /// A few words for what must hold, for the message of a failure.
    fn name(&self) -> &'static str;

    /// Looks at one thing.
    ///
    /// # Errors
    /// What is wrong about it; the run ends there.
    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String>;
}
