//! Tests that cross crates, and what they share.
//!
//! [`mod@conformance`] is the suite that every runtime adapter passes. An adapter takes part with an
//! implementation of [`Runtime`], as in [`runtimes`], and one line:
//! `serf_tests::conformance!(MyRuntime);`.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

pub mod addresses;
pub mod conformance;
pub mod handles;
mod harness;
pub mod layer;
pub mod membership;
mod populous;
mod proxy;
pub mod recording;
pub mod runtimes;
pub mod trouble;

pub use harness::{Runtime, eventually, loopback, options, within};
