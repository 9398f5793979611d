//! Bytes: how messages look on the network.
//!
//! [`native`] is what our nodes speak to each other. Its first byte is distinct from every
//! message type of the memberlist wire, which will stand beside it.

pub mod native;
