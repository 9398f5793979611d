//! Serf on tokio: cluster membership, failure detection and events over gossip.
//!
//! ```
//! use serf_tokio::{Config, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = |name| Options::new(name).bind("127.0.0.1:0").config(Config::local());
//! let alice = serf_tokio::bind(options("alice")).await?;
//! let bob = serf_tokio::bind(options("bob")).await?;
//!
//! bob.join(&[alice.bind_addr().to_string()]).await?;
//! assert_eq!(bob.members().await?.len(), 2);
//!
//! bob.leave().await?;
//! alice.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Everything but [`bind`] is the same on every runtime and documented where it comes from,
//! `serf-runtime`.

#![forbid(unsafe_code)]

mod sockets;

use serf_runtime::adapter::{Resolver, Started, start};
pub use serf_runtime::*;
use sockets::Tokio;

/// Starts a node on the current tokio runtime, which needs its I/O and time drivers enabled.
///
/// The node knows only itself until it joins others, or others join it.
///
/// # Errors
/// Says which option cannot be satisfied and why. Nothing is left running.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn bind(options: Options) -> Result<Handle, BindError> {
    let (handle, _) = bind_with_events(options).await?;
    Ok(handle)
}

/// Starts a node as [`bind`] does, with a subscription from the very start: its first event is
/// that the node itself joined.
///
/// # Errors
/// As [`bind`].
///
/// # Panics
/// As [`bind`].
pub async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
    let Started {
        handle,
        events,
        event_loop,
    } = start(Tokio, options, resolver()).await?;
    tokio::spawn(event_loop.run());
    Ok((handle, events))
}

/// Resolves names with tokio's resolver in a task of the current runtime.
fn resolver() -> Resolver {
    let runtime = tokio::runtime::Handle::current();
    Resolver::new(move |name, port| {
        let lookup = runtime.spawn(async move {
            let found = tokio::net::lookup_host((name, port)).await?;
            Ok(found.collect())
        });
        Box::pin(async { lookup.await.unwrap_or_else(|ended| Err(ended.into())) })
    })
}
