//! Signals, as a service supervisor and a person at a terminal send them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that means something to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caught {
    Interrupt,
    Terminate,
    Hangup,
    User1,
}

impl Caught {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Terminate => "terminated",
            Self::Hangup => "hangup",
            Self::User1 => "user defined signal 1",
        }
    }

    /// Whether it asks the agent to end.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Interrupt | Self::Terminate)
    }
}

/// Catches signals from now on.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    pub(super) async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
            _ = self.hangup.recv() => Caught::Hangup,
            _ = self.user1.recv() => Caught::User1,
        }
    }

    /// Waits for a signal that asks the agent to end.
    pub(super) async fn next_end(&mut self) {
        while !self.next().await.ends() {}
    }
}
