//! The pieces of SWIM with Lifeguard, each of which can be read alone.
//!
//! None of them knows messages, time sources or the network; [`node`](crate::node) puts them
//! together.

pub(crate) mod awareness;
pub(crate) mod census;
pub(crate) mod order;
pub(crate) mod pool;
pub(crate) mod record;
pub(crate) mod rumours;
pub(crate) mod scaling;
pub(crate) mod suspicion;
pub(crate) mod table;
