//! Deterministic simulation of Serf clusters: thousands of the real
//! [`Node`](serf_core::Node), under virtual time, from one seed.
//!
//! A [`World`] drives its nodes through the same calls as an adapter would, and stands in for the
//! machines and the network between them. It jumps from one event to the next; nothing is read
//! from the system it runs on. So a run of minutes in a cluster of a thousand takes seconds, and
//! every failure can be repeated from the seed in its message.
//!
//! ```
//! use std::time::Duration;
//! use serf_sim::{Latency, World};
//!
//! # fn main() -> Result<(), serf_sim::Failure> {
//! let mut world = World::builder(42)
//!     .nodes(20)
//!     .latency(Latency::Constant(Duration::from_millis(2)))
//!     .loss(0.01)
//!     .build();
//! world.join_all_through(0);
//! world.run_until_converged(Duration::from_secs(60))?;
//! world.crash(7);
//! world.run_until_converged(Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```
//!
//! # In your own tests
//!
//! Whatever a cluster must do for you, ask it of many seeds. A failure names its seed, and
//! `SEEDS=13..14 cargo test` repeats seed 13 to the last bit:
//!
//! ```
//! use std::ops::Range;
//! use std::time::Duration;
//! use serf_sim::{Failure, World};
//!
//! /// Twenty seeds in each build, and others with `SEEDS=1000..2000 cargo test`.
//! fn seeds() -> Range<u64> {
//!     let text = std::env::var("SEEDS").unwrap_or("0..20".to_owned());
//!     let (from, to) = text.split_once("..").expect("SEEDS is A..B");
//!     from.parse().expect("a seed")..to.parse().expect("a seed")
//! }
//!
//! # /*
//! #[test]
//! # */
//! fn a_crash_is_noticed_whatever_the_seed() -> Result<(), Failure> {
//!     for seed in seeds() {
//!         let mut world = World::builder(seed).nodes(20).loss(0.05).build();
//!         world.join_all_through(0);
//!         world.run_until_converged(Duration::from_secs(60))?;
//!         world.crash(7);
//!         world.run_until_converged(Duration::from_secs(60))?;
//!     }
//!     Ok(())
//! }
//! # fn main() -> Result<(), Failure> { a_crash_is_noticed_whatever_the_seed() }
//! ```
//!
//! What holds in every world is watched by [checks](check); what a test wants to know beyond
//! that, it asks the world, or finds in the log of [events](World::events).

#![forbid(unsafe_code)]

mod blocked;
mod builder;
pub mod check;
pub mod chronicle;
mod clock;
mod clusters;
mod deliver;
mod disk;
mod event;
mod failure;
mod faults;
mod forge;
mod host;
mod identity;
pub mod lifeguard;
mod link;
mod lives;
mod medium;
mod network;
mod operate;
mod pool;
mod processor;
mod queue;
pub mod replay;
mod rng;
pub mod scenario;
mod segment;
mod stream;
mod trace;
mod world;

pub use builder::{Builder, MAX_COORDINATES};
pub use event::Op;
pub use failure::Failure;
pub use faults::Faults;
pub use forge::Forgery;
pub use host::{State, Usage};
pub use link::{Burst, Latency, Link, Ratio};
pub use medium::{Regions, Uplink};
pub use network::{Cut, CutId, Traffic};
pub use queue::{Queue, Ticket};
pub use trace::TraceHash;
pub use world::{Logged, World};
