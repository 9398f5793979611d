//! For writers of adapters: a node's event loop, and what it needs of a runtime.
//!
//! An adapter implements [`Runtime`] and the traits of its sockets and timer, and its `bind` calls
//! [`start`] and spawns [`EventLoop::run`]. Everything else is here. Nothing asks for `Send`:
//! what the loop returns can move between threads if the runtime's own parts can.
//!
//! For another kind of loop there is [`Driver`], the half that needs neither timer nor sockets;
//! and for no runtime at all `serf_core::Node`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant as SystemInstant;

use futures_lite::future;
use serf_core::Node;

use crate::address::Host;
use crate::advertise;
use crate::command;
use crate::error::BindError;
use crate::events::{self, Events};
use crate::files::load_keyring;
use crate::handle::{Handle, Shared};
use crate::keeper::Keeper;
use crate::options::{Checked, DEFAULT_PORT, Options};
use crate::recorder::Recorder;

pub use crate::clock::Clock;
pub use crate::command::{Command, Commands};
pub use crate::driver::{Driver, Io};
pub use crate::event_loop::EventLoop;
pub use crate::sockets::{Sockets, canonical, sendable, stream_failure};
pub use crate::streams::Task;
pub use crate::tasks::tasks;
pub use serf_core::{Instant, StreamId, StreamInput};

/// What a node needs of a runtime.
pub trait Runtime: Clone + 'static {
    /// Its UDP sockets.
    type Datagrams: Datagrams;
    /// Its TCP listeners.
    type Listener: Listener<Stream = Self::Stream>;
    /// Its TCP connections.
    type Stream: Stream;
    /// Its timers.
    type Timer: Timer;

    /// Takes over a bound, non-blocking socket.
    ///
    /// # Errors
    /// What the system said. The socket is closed.
    fn datagrams(&self, socket: UdpSocket) -> io::Result<Self::Datagrams>;

    /// Takes over a listening, non-blocking socket.
    ///
    /// # Errors
    /// What the system said. The socket is closed.
    fn listener(&self, socket: TcpListener) -> io::Result<Self::Listener>;

    /// Connects to an address. Dropping the future gives up.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// A timer that never fires unless it is set.
    fn timer(&self) -> Self::Timer;

    /// Runs [`Task::run`] besides the loop. Nothing needs to be kept of it: tasks end by
    /// themselves, and the loop waits for them.
    fn spawn(&self, task: Task<Self>);

    /// Lets other tasks run, and the runtime look at its sockets.
    fn yield_now(&self) -> impl Future<Output = ()> {
        future::yield_now()
    }
}

/// A UDP socket as the loop uses it: wait until it holds something, then take it without waiting.
pub trait Datagrams {
    /// Waits until a datagram, or an error, is likely to be there. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// An error that the socket reported; it can be used further.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Takes a datagram, as far as the runtime knows of one. What does not fit is cut off.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else what the system reported.
    fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Takes a datagram by asking the system itself. For runtimes that remember what they learnt
    /// when they last looked at all sockets, which may be long ago if a task kept the thread busy.
    ///
    /// # Errors
    /// As [`try_receive`](Self::try_receive).
    fn receive_now(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_receive(buf)
    }

    /// Hands a datagram to the system.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is no room for it; else what the system said.
    fn try_send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<usize>;

    /// Closes the socket, so that its address is free when this returns.
    fn close(self) -> impl Future<Output = ()>
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }
}

/// A TCP listener.
pub trait Listener {
    /// What it accepts.
    type Stream;

    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// What the system said, which can be about a single connection, or that there are no more
    /// file descriptors; the listener can be used further.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;

    /// Closes the listener, so that its address is free when this returns.
    fn close(self) -> impl Future<Output = ()>
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }
}

/// A TCP connection, read and written at the same time. It should send without delay
/// (`TCP_NODELAY`). Dropping it, or a future of it, gives up.
pub trait Stream {
    /// Reads what there is, at least a byte; waits for it. Zero means that the peer has finished.
    fn read(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>>;

    /// Writes some of the bytes, at least one; waits for room.
    fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>>;

    /// Tells the peer that nothing more will be written.
    fn finish(&self) -> impl Future<Output = io::Result<()>>;
}

/// A timer that is set anew again and again.
pub trait Timer {
    /// Makes it fire at this instant, and not at another that was set before.
    fn set(&mut self, at: SystemInstant);

    /// Waits until it fires. Dropping the future changes nothing.
    fn fired(&mut self) -> impl Future<Output = ()>;
}

/// A node that was started, and waits for its loop to run.
#[derive(Debug)]
pub struct Started<R: Runtime> {
    /// What `bind` returns.
    pub handle: Handle,
    /// A subscription from the very start.
    pub events: Events,
    /// To be spawned: [`EventLoop::run`].
    pub event_loop: EventLoop<R>,
}

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

    /// The system's resolver, in a thread of a pool that shrinks again. For runtimes that have
    /// none of their own.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|name, port| {
            let found = move || (name, port).to_socket_addrs().map(Iterator::collect);
            Box::pin(blocking::unblock(found))
        })
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

/// Does everything about starting a node but running its loop: checks the options, binds the
/// sockets, chooses the address to advertise, draws the seed.
///
/// # Errors
/// Says which option cannot be satisfied and why. Nothing is left behind.
pub async fn start<R: Runtime>(
    runtime: R,
    options: Options,
    resolver: Resolver,
) -> Result<Started<R>, BindError> {
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
    let keys = match (options.keyring, &options.keyring_file) {
        (None, Some(path)) => Some(load_keyring(path)?),
        (keys, _) => keys,
    };
    let (keeper, remembered) = Keeper::open(
        options.snapshot.as_deref(),
        options.rejoin_after_leave,
        options.keyring_file,
    )?;
    let recorder = Recorder::open(options.record)?;
    let make = match recorder.records() {
        true => Node::recorded,
        false => Node::new,
    };
    let mut node = make(identity, options.params, seed, clock.now()).map_err(BindError::Refused)?;
    if let Some(keys) = keys {
        node = node.with_keyring(keys);
    }
    if let Some(snapshot) = remembered {
        node.restore(&snapshot);
        // Refused if there is nobody to find back to.
        let _ = node.rejoin(clock.now());
    }
    let (publisher, subscriptions) = events::channel(options.event_capacity);
    let (driver, stopped) = Driver::new(node, clock, publisher, keeper, recorder);
    let (asker, commands) = command::channel();
    let event_loop = EventLoop::new(runtime, driver, commands, sockets)?;
    let handle = Handle::new(Shared {
        name: options.name,
        bind_addr,
        advertise_addr,
        asker,
        subscriptions,
        stopped,
        resolver,
    });
    Ok(Started {
        events: handle.events(),
        handle,
        event_loop,
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
