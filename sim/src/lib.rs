//! Deterministic discrete-event simulator of Serf clusters
#![forbid(unsafe_code)]
mod queue;
mod rng;
pub use queue::Queue;
