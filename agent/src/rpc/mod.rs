//! The RPC protocol between an agent and its clients.
//!
//! [`Client`] talks to an agent, be it of this project or HashiCorp's. [`protocol`] names the
//! messages, [`codec`] and [`frame`] turn them into bytes and back.

pub mod client;
pub mod codec;
pub mod frame;
pub mod protocol;
pub(crate) mod server;

pub use client::{Client, ClientError, ConnectError};
