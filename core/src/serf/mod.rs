//! The pieces of Serf's layer: intents, user events, queries (wire-protocol reference, sections
//! 7 and 8), each of which can be read alone.
//!
//! Like those of [`swim`](crate::swim) they know no time source and no network;
//! [`node`](crate::node) puts them together. Everything that peers can make grow has a bound,
//! which is enforced where it would be passed.

pub(crate) mod clock;
pub mod coalesce;
pub(crate) mod collector;
pub(crate) mod coordinate;
pub(crate) mod event;
pub(crate) mod event_buffer;
pub(crate) mod filter;
pub(crate) mod intent;
pub(crate) mod intents;
pub mod keyring;
pub(crate) mod limits;
pub(crate) mod pattern;
pub(crate) mod query;
pub(crate) mod query_buffer;
pub(crate) mod responder;
pub mod snapshot;
pub(crate) mod window;
