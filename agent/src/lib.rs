//! The serf agent and its command line.
//!
//! The `serf` binary is one call of [`cli::run`]. What others may want as a library is the
//! [`rpc`] client, which talks to agents of this project and to HashiCorp's.

#![forbid(unsafe_code)]

mod agent;
pub mod cli;
pub mod config;
mod discovery;
pub mod duration;
mod event;
mod handler;
mod http;
pub mod log;
pub mod rpc;
pub mod syslog;
mod telemetry;
