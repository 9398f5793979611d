//! The pieces of Serf above membership, each of which can be read alone.

#![cfg_attr(not(test), expect(dead_code, reason = "the node does not use it yet"))]

pub(crate) mod coordinate;
pub mod keyring;
pub mod snapshot;
