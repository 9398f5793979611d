//! Serf's gossip protocol as a pure state machine: who is in the cluster, who has failed, who left.
//!
//! [`Node`] is one participant. It reads no clock, opens no socket, draws no randomness of its own
//! and calls nobody back. Datagrams, stream bytes and the time go in; [`Action`]s come out. Whoever
//! drives it, an adapter for some runtime or a simulator, keeps these six rules:
//!
//! 1. **Feed.** Hand in what happened, in any order and as many as there are at once:
//!    [`handle_datagram`](Node::handle_datagram), [`accept_stream`](Node::accept_stream) and
//!    [`handle_stream`](Node::handle_stream), commands such as [`join`](Node::join), and
//!    [`handle_tick`](Node::handle_tick) when the time it asked for has come.
//! 2. **Drain.** Then call [`poll_action`](Node::poll_action) and carry out what it says, until it
//!    says [`Action::Wait`]. Only then is the deadline known, so it cannot be stale.
//! 3. **Sleep** until that deadline or the next input, whichever comes first. With `Wait(None)` the
//!    node has left the cluster and the loop is over.
//! 4. **Read before you tick.** After a late wake-up, hand in what the sockets hold before the
//!    tick: the ack that a timer is about to miss is often there already.
//! 5. **Time** is an [`Instant`], nanoseconds since any start you like, the same for all calls.
//!    Read the clock once per wake-up. It never needs to be right, only to go forward; if it goes
//!    back, that is counted and taken as standing still.
//! 6. **Randomness** is the 32-byte seed given at the start. Draw it from the system's entropy; in
//!    a test, choose it. The same seed and the same inputs give the same actions, on every
//!    platform.
//!
//! Input from the network never causes an error or a panic: what cannot be used is dropped and
//! counted, see [`Counters`]. Every table and queue is bounded, see [`Config`]. Commands fail with
//! a [`CommandError`], having changed nothing; those that take time answer with a [`CommandId`]
//! and end in [`Action::Done`].
//!
//! # The loop
//!
//! Two nodes and a network of two queues, in full. An adapter has sockets instead of queues and a
//! timer instead of `now = deadline`; the loop is the same.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::net::SocketAddr;
//! use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, StreamId, StreamInput};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let addrs: [SocketAddr; 2] = ["10.0.0.1:7946".parse()?, "10.0.0.2:7946".parse()?];
//! let params = Params::new(Config::lan())?;
//! let mut now = Instant::ZERO;
//! let mut nodes = [
//!     Node::new(Identity::new(Name::new("one")?, addrs[0]), params.clone(), [1; 32], now)?,
//!     Node::new(Identity::new(Name::new("two")?, addrs[1]), params, [2; 32], now)?,
//! ];
//! nodes[1].join(&[addrs[0]], now)?;
//!
//! // What is under way: a datagram, or something that happened on a stream.
//! enum Parcel { Datagram(Vec<u8>), Dialled(StreamId), Opened(StreamId), Data(StreamId, Vec<u8>) }
//! let mut network: VecDeque<(usize, Parcel)> = VecDeque::new();
//! let mut other_end = std::collections::BTreeMap::new();
//! let mut buf = Vec::new();
//!
//! while nodes.iter().any(|node| node.alive_count() < 2) {
//!     // Feed: what the network holds.
//!     while let Some((to, parcel)) = network.pop_front() {
//!         let from = 1 - to;
//!         match parcel {
//!             Parcel::Datagram(bytes) => nodes[to].handle_datagram(addrs[from], &bytes, now),
//!             Parcel::Dialled(theirs) => if let Some(id) = nodes[to].accept_stream(addrs[from], now) {
//!                 other_end.insert((from, theirs), id);
//!                 other_end.insert((to, id), theirs);
//!                 network.push_back((from, Parcel::Opened(theirs)));
//!             },
//!             Parcel::Opened(id) => nodes[to].handle_stream(id, StreamInput::Opened, now),
//!             Parcel::Data(id, bytes) => nodes[to].handle_stream(id, StreamInput::Data(&bytes), now),
//!         }
//!     }
//!     // Then tick, and drain.
//!     let mut deadline = Instant::FAR_FUTURE;
//!     for (n, node) in nodes.iter_mut().enumerate() {
//!         node.handle_tick(now);
//!         loop {
//!             buf.clear();
//!             match node.poll_action(&mut buf) {
//!                 Action::SendDatagram { .. } => network.push_back((1 - n, Parcel::Datagram(buf.clone()))),
//!                 Action::OpenStream { id, .. } => network.push_back((1 - n, Parcel::Dialled(id))),
//!                 Action::WriteStream { id } => {
//!                     network.push_back((1 - n, Parcel::Data(other_end[&(n, id)], buf.clone())));
//!                 }
//!                 Action::CloseStream { .. } => {}
//!                 Action::Event(event) => println!("{n}: {event:?}"),
//!                 Action::Answer { answer, .. } => println!("{n}: {answer:?}"),
//!                 Action::QueryEnded { summary, .. } => println!("{n}: {summary:?}"),
//!                 Action::Done { outcome, .. } => println!("{n}: {outcome:?}"),
//!                 Action::Wait(wait) => {
//!                     deadline = deadline.min(wait.unwrap_or(Instant::FAR_FUTURE));
//!                     break;
//!                 }
//!             }
//!         }
//!     }
//!     // Sleep.
//!     if network.is_empty() {
//!         now = deadline;
//!     }
//! }
//! assert_eq!(nodes[0].members().count(), 2);
//! # Ok(()) }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod config;
mod error;
mod event;
pub mod journal;
mod member;
pub mod message;
mod node;
mod rng;
mod secret;
mod serf;
mod stats;
mod swim;
pub mod tags;
mod time;
pub mod wire;

pub use action::{Action, CommandId, Outcome, StreamFailure, StreamId, StreamInput};
pub use config::{Config, ConfigError, Identity, Lifeguard, Params};
pub use error::CommandError;
pub use event::{Cause, Event, MemberEvent, MemberEventKind};
pub use member::{InvalidName, Member, Name, Profile, Status, VersionRange, Versions};
pub use node::Node;
pub use serf::clock::LamportTime;
pub use serf::collector::{Answer, QuerySummary};
pub use serf::coordinate::Coordinate;
pub use serf::event::UserEvent;
pub use serf::intent::Intent;
pub use serf::key_report::{KeyOperation, KeyReport};
pub use serf::limits::SizeError;
pub use serf::query::{Query, QueryFlags, QueryKey, QueryParams};
pub use serf::responder::RespondError;
pub use serf::{coalesce, keyring, snapshot};
pub use stats::{Counters, QueueReport, QueueStats};
pub use swim::pool::ProfilePool;
pub use tags::Tags;
pub use time::Instant;
pub use wire::{UnknownWires, Wire, Wires};
