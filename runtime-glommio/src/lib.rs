//! Serf on glommio: cluster membership, failure detection and events over gossip, for programs
//! with one thread per core and io_uring.
//!
//! glommio is for Linux. On other systems this crate is empty and has no dependencies; the compiler
//! says so to whoever calls [`bind`] there. A program for several systems can depend on it under
//! `[target.'cfg(target_os = "linux")'.dependencies]`.
//!
//! ```no_run
//! # #[cfg(target_os = "linux")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use glommio::LocalExecutorBuilder;
//! use serf_glommio::{Config, Options};
//!
//! serf_glommio::executor(LocalExecutorBuilder::default())?.run(async {
//!     let options = |name| Options::new(name).bind("127.0.0.1:0").config(Config::local());
//!     let alice = serf_glommio::bind(options("alice")).await?;
//!     let bob = serf_glommio::bind(options("bob")).await?;
//!
//!     bob.join(&[alice.bind_addr().to_string()]).await?;
//!     assert_eq!(bob.members().await?.len(), 2);
//!
//!     bob.leave().await?;
//!     alice.shutdown().await;
//!     Ok(())
//! })
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```
//!
//! # Threads
//!
//! A node lives on the executor on which [`bind`] was called: its loop, its sockets and its
//! streams never leave that thread. [`LocalHandle`] stays there, too; [`LocalHandle::remote`]
//! gives the [`Handle`] that any other thread or runtime may use. Both make the same calls.
//!
//! One executor takes as many nodes as you like, and as many executors as you like take one each.
//! A task that keeps its executor busy without yielding holds up the nodes on it. The loop runs
//! in the task queue in which `bind` is called: call it from one with
//! [`Latency::Matters`](glommio::Latency) if the program has long-running tasks in others.
//!
//! # Receives are never cancelled
//!
//! A receive that was handed to the kernel and then cancelled may already have taken a datagram,
//! which is lost with it. The ring is therefore asked only to *peek*: that takes nothing out of
//! the socket, and what is there is then received without waiting. Accepts are waited for until
//! they end, also when the node stops.
//!
//! # What the kernel must allow
//!
//! Linux 5.8 or later, io_uring permitted, and 512 KiB of lockable memory. [`check`] says which of
//! it is missing and how to come by it, and [`executor`] asks it first: glommio itself panics, or
//! ends the process, where the kernel is too old. A node needs none of the memory that an
//! executor registers for files: with many executors,
//! [`io_memory`](glommio::LocalExecutorBuilder::io_memory) can be a few pages.
//!
//! # Licence
//!
//! Among glommio's dependencies, `bitmaps` is under the Mozilla Public License 2.0; all others are
//! permissive.

#[cfg(target_os = "linux")]
mod available;
#[cfg(target_os = "linux")]
mod handle;
#[cfg(target_os = "linux")]
mod sockets;

#[cfg(target_os = "linux")]
use serf_runtime::adapter::{Resolver, Started, start};
#[cfg(target_os = "linux")]
pub use serf_runtime::*;
#[cfg(target_os = "linux")]
use sockets::Glommio;

#[cfg(target_os = "linux")]
pub use available::{Unavailable, check, executor};
#[cfg(target_os = "linux")]
pub use handle::LocalHandle;

/// Starts a node on the current glommio executor.
///
/// The node knows only itself until it joins others, or others join it.
///
/// # Errors
/// Says which option cannot be satisfied and why. Nothing is left running.
///
/// # Panics
/// Outside of a glommio executor.
#[cfg(target_os = "linux")]
pub async fn bind(options: Options) -> Result<LocalHandle, BindError> {
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
#[cfg(target_os = "linux")]
pub async fn bind_with_events(options: Options) -> Result<(LocalHandle, Events), BindError> {
    let Started {
        handle,
        events,
        event_loop,
    } = start(Glommio, options, Resolver::system()).await?;
    glommio::spawn_local(event_loop.run()).detach();
    Ok((LocalHandle::new(handle), events))
}
