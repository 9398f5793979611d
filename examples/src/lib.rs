//! What the example programs share, which is all but the runtime.
//!
//! - [`chat`]: people talk by user events.
//! - [`cache`]: a sharded cache that follows the membership.
//!
//! Each is there as `chat-tokio`, `chat-smol`, `chat-glommio` and so on, and they mix in one
//! cluster. `std-threads` is a member that uses no runtime, only `serf-core` and the standard
//! library; `placement-glommio` shows where nodes can live with one thread per core.
//!
//! ```text
//! cargo run -p serf-examples --bin chat-tokio -- anna 127.0.0.1:7946
//! cargo run -p serf-examples --bin chat-smol -- ben 127.0.0.2:7946 127.0.0.1:7946
//! ```

#![forbid(unsafe_code)]

pub mod cache;
pub mod chat;

use std::fmt;
use std::io::{BufRead as _, Write as _};
use std::thread;

use async_channel::{Receiver, bounded};
use serf_runtime::{Config, Options};

/// What a program ends with.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a program failed. `main` shows it in the same words, not in Rust's.
pub struct Failure(Box<dyn std::error::Error>);

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The arguments of every program here.
#[derive(Debug, Clone)]
pub struct Args {
    /// The node's name.
    pub name: String,
    /// The address to bind.
    pub bind: String,
    /// Whom to join; nobody, to be the first.
    pub seeds: Vec<String>,
}

impl Args {
    /// Those that the program was started with.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse() -> Result<Self> {
        let mut args = std::env::args().skip(1);
        let (Some(name), Some(bind)) = (args.next(), args.next()) else {
            return Err("expected arguments: NAME ADDRESS [SEED]...".into());
        };
        let seeds = args.collect();
        Ok(Self { name, bind, seeds })
    }

    /// How to start the node.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::new(&self.name)
            .bind(&self.bind)
            .config(Config::local())
    }
}

/// What is typed, by the line. Reading a terminal blocks, so a thread does it.
#[must_use]
pub fn lines() -> Receiver<String> {
    let (sender, lines) = bounded(1);
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if sender.send_blocking(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Prints a line at once, also into a pipe.
pub fn say(line: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Whoever listened may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
