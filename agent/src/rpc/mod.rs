//! The RPC protocol between an agent and its clients.
//!
//! [`Client`] talks to an agent, be it of this project or HashiCorp's. [`protocol`] names the
//! messages, [`codec`] and [`frame`] turn them into bytes and back.
//!
//! ```no_run
//! use serf_agent::rpc::Client;
//! use serf_agent::rpc::client::ClientOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(&ClientOptions::new("127.0.0.1:7373")).await?;
//! for member in client.members().await? {
//!     println!("{} is {}", member.name, member.status);
//! }
//! let mut events = client.stream("member-join,member-failed").await?;
//! while let Some(record) = events.next().await {
//!     println!("{record}");
//! }
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod codec;
mod dial;
pub mod frame;
pub mod protocol;
pub(crate) mod server;

pub use client::{Client, ClientError, ConnectError};
