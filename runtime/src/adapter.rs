//! For writers of adapters: a driver without a loop.
//!
//! An adapter's `bind` calls [`prepare`], turns the [`Sockets`] into those of its runtime, spawns
//! a loop as [`Driver`] describes it, and returns the handle. There is no trait to implement:
//! runtimes differ in what may be cancelled and what may move between threads, and a loop that
//! knows its runtime is shorter than one that abstracts from it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use serf_core::Node;

use crate::address::Host;
use crate::advertise;
use crate::command;
use crate::error::BindError;
use crate::events;
use crate::handle::{Handle, Shared};
use crate::options::{Checked, DEFAULT_PORT, Options};

pub use crate::clock::Clock;
pub use crate::command::{Command, Commands};
pub use crate::driver::{Driver, Io};
pub use crate::sockets::{Sockets, canonical, sendable, stream_failure};
pub use serf_core::{Instant, StreamId, StreamInput};

/// A lookup under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves the names of hosts in the way of the runtime.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String, u16) -> Resolving + Send + Sync>);

impl Resolver {
    /// A resolver that calls `start` for each name and port. It must start the lookup in a task
    /// or thread of its own and return at once, and the future that it returns must be at home
    /// in any executor: handles are used from anywhere.
    pub fn new(start: impl Fn(String, u16) -> Resolving + Send + Sync + 'static) -> Self {
        Self(Arc::new(start))
    }

    pub(crate) fn resolve(&self, name: String, port: u16) -> Resolving {
        self.0(name, port)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// A node that waits for its loop.
#[derive(Debug)]
pub struct Prepared {
    /// What the loop turns.
    pub driver: Driver,
    /// What the handles ask for.
    pub commands: Commands,
    /// Bound and non-blocking.
    pub sockets: Sockets,
    /// What `bind` returns.
    pub handle: Handle,
}

/// Does everything about starting a node but starting its loop: checks the options, binds the
/// sockets, chooses the address to advertise, draws the seed.
///
/// # Errors
/// Says which option cannot be satisfied and why. Nothing is left behind.
pub async fn prepare(options: Options, resolver: Resolver) -> Result<Prepared, BindError> {
    let options = options.check()?;
    let sockets = Sockets::bind(resolve_bind(&options, &resolver).await?)?;
    let bind_addr = sockets.addr;
    let explicit = options.advertise.as_ref();
    let explicit = explicit.and_then(|address| address.literal(bind_addr.port()));
    let advertise_addr = advertise::choose(explicit, bind_addr, advertise::interfaces)?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(BindError::Entropy)?;
            seed
        }
    };
    let clock = Clock::new();
    let identity = options.identity(advertise_addr);
    let node =
        Node::new(identity, options.params, seed, clock.now()).map_err(BindError::Refused)?;
    let (publisher, subscriptions) = events::channel(options.event_capacity);
    let (driver, stopped) = Driver::new(node, clock, publisher);
    let (asker, commands) = command::channel();
    let handle = Handle::new(Shared {
        name: options.name,
        bind_addr,
        advertise_addr,
        asker,
        subscriptions,
        stopped,
        resolver,
    });
    Ok(Prepared {
        driver,
        commands,
        sockets,
        handle,
    })
}

async fn resolve_bind(options: &Checked, resolver: &Resolver) -> Result<SocketAddr, BindError> {
    let port = options.bind.port.unwrap_or(DEFAULT_PORT);
    let name = match &options.bind.host {
        Host::Ip(ip) => return Ok(SocketAddr::new(*ip, port)),
        Host::Name(name) => name.clone(),
    };
    let found = resolver.resolve(name, port).await;
    let first = found.and_then(|found| {
        let first = found.into_iter().next();
        first.ok_or_else(|| io::Error::other("no addresses"))
    });
    first.map_err(|source| BindError::Unresolved {
        address: options.bind_text.clone(),
        source,
    })
}
