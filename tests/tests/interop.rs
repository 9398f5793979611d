//! Nodes of ours in one cluster with agents of the reference system. They run where `serf` is
//! installed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "interop/agent.rs"]
mod agent;
#[path = "interop/capture.rs"]
mod capture;
#[path = "interop/keys.rs"]
mod keys;
#[path = "interop/membership.rs"]
mod membership;
#[path = "interop/messages.rs"]
mod messages;
#[path = "interop/partition.rs"]
mod partition;
#[path = "interop/takeover.rs"]
mod takeover;
