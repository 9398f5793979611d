//! The pieces of SWIM with Lifeguard, each of which can be read alone.
//!
//! None of them knows time sources, bytes or the network; [`node`](crate::node) puts them together.
//! The [broadcast queue](broadcasts) also serves Serf's layer.

pub(crate) mod accuser;
pub(crate) mod awareness;
pub(crate) mod broadcasts;
pub(crate) mod census;
pub(crate) mod index;
pub(crate) mod order;
pub(crate) mod pool;
pub(crate) mod record;
mod row;
pub(crate) mod rumours;
pub(crate) mod scaling;
pub(crate) mod suspicion;
pub(crate) mod suspicions;
pub(crate) mod table;
mod tiers;
mod waiting;
