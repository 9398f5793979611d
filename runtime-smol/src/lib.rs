//! Serf on smol: cluster membership, failure detection and events over gossip.
//!
//! ```
//! use serf_smol::{Config, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let options = |name| Options::new(name).bind("127.0.0.1:0").config(Config::local());
//!     let alice = serf_smol::bind(options("alice")).await?;
//!     let bob = serf_smol::bind(options("bob")).await?;
//!
//!     bob.join(&[alice.bind_addr().to_string()]).await?;
//!     assert_eq!(bob.members().await?.len(), 2);
//!
//!     bob.leave().await?;
//!     alice.shutdown().await;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! [`bind`] uses smol's global executor, [`bind_on`] one of your own. Everything else is the same
//! on every runtime and documented where it comes from, `serf-runtime`.

#![forbid(unsafe_code)]

mod sockets;

use std::sync::Arc;

use serf_runtime::adapter::{Resolver, Started, start};
pub use serf_runtime::*;
use smol::Executor;
use sockets::Smol;

/// Starts a node on smol's global executor.
///
/// The node knows only itself until it joins others, or others join it.
///
/// # Errors
/// Says which option cannot be satisfied and why. Nothing is left running.
pub async fn bind(options: Options) -> Result<Handle, BindError> {
    let (handle, _) = bind_with_events(options).await?;
    Ok(handle)
}

/// Starts a node as [`bind`] does, with a subscription from the very start: its first event is
/// that the node itself joined.
///
/// # Errors
/// As [`bind`].
pub async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
    run(Smol::default(), options).await
}

/// Starts a node as [`bind`] does, on an executor of your own: it runs whenever that does. The
/// node holds on to the executor until it has stopped.
///
/// # Errors
/// As [`bind`].
pub async fn bind_on(
    executor: Arc<Executor<'static>>,
    options: Options,
) -> Result<Handle, BindError> {
    let (handle, _) = bind_with_events_on(executor, options).await?;
    Ok(handle)
}

/// Starts a node as [`bind_with_events`] and [`bind_on`] do.
///
/// # Errors
/// As [`bind`].
pub async fn bind_with_events_on(
    executor: Arc<Executor<'static>>,
    options: Options,
) -> Result<(Handle, Events), BindError> {
    run(Smol::on(executor), options).await
}

async fn run(runtime: Smol, options: Options) -> Result<(Handle, Events), BindError> {
    let Started {
        handle,
        events,
        event_loop,
    } = start(runtime.clone(), options, Resolver::system()).await?;
    runtime.detach(event_loop.run());
    Ok((handle, events))
}
