//! What can go wrong, in words that name the culprit.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use serf_core::{CommandError, ConfigError, InvalidName, RespondError, StreamFailure, Versions};

use crate::address::AddressError;
use crate::files::FileError;

/// Why a node could not be started; nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The node's name cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A setting is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tags do not fit, or the address to advertise is one that nobody can reach.
    #[error(transparent)]
    Refused(CommandError),
    /// The event capacity is out of bounds.
    #[error("event_capacity is {capacity}, accepted is 1 to {limit}")]
    EventCapacity {
        /// What was asked for.
        capacity: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// No Serf protocol version that can be spoken.
    #[error("protocol is {0}, accepted is {min} to {max}", min = Versions::CURRENT.delegate_min, max = Versions::CURRENT.delegate_max)]
    Protocol(u8),
    /// The address to bind cannot be understood.
    #[error("invalid bind address '{address}': {reason}")]
    BindAddress {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// The address to advertise cannot be understood.
    #[error("invalid advertise address '{address}': {reason}")]
    AdvertiseAddress {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// The name of the host to bind could not be resolved.
    #[error("cannot resolve the name in bind address '{address}': {source}")]
    Unresolved {
        /// As given.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Bound to every address of the machine, which has none.
    #[error("no IP address found to advertise for {bound}; give an advertise address")]
    NoAddress {
        /// The bound address.
        bound: SocketAddr,
    },
    /// Bound to every address of the machine, which could not be listed.
    #[error("cannot list this machine's addresses to advertise one for {bound}: {source}")]
    Interfaces {
        /// The bound address.
        bound: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The sockets could not be opened: the port is in use, the address is not of this machine.
    #[error("cannot bind {protocol} address {addr}: {source}")]
    Socket {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The snapshot or the keyring file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gave no random seed.
    #[error("cannot draw a random seed: {0}")]
    Entropy(getrandom::Error),
}

/// The node has stopped: it left, was shut down, or its runtime ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Why a call did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node refused; nothing has changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The node has stopped, perhaps before the call had ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a query could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It was answered before, its time is over, or the answer is too large.
    #[error(transparent)]
    Refused(#[from] RespondError),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a join reached nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The join was not tried, or not to its end.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Every address failed; each is listed with its reason.
    #[error("could not join the cluster: {}", Listed(.0))]
    Unreachable(Vec<SeedFailure>),
}

impl From<Stopped> for JoinError {
    fn from(stopped: Stopped) -> Self {
        Self::Call(CallError::Stopped(stopped))
    }
}

/// One address through which a join failed. A name that resolves to several can fail as often.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SeedFailure {
    /// The seed as given to `join`.
    pub seed: String,
    /// The address that was tried, if it came so far.
    pub addr: Option<SocketAddr>,
    /// Why it failed.
    pub reason: SeedFailureReason,
}

impl fmt::Display for SeedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(addr) if addr.to_string() == self.seed => write!(f, "{addr}")?,
            Some(addr) => write!(f, "'{}' ({addr})", self.seed)?,
            None => write!(f, "'{}'", self.seed)?,
        }
        write!(f, ": {}", self.reason)
    }
}

/// Why a seed failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedFailureReason {
    /// It is not an address.
    #[error("{0}")]
    Malformed(#[from] AddressError),
    /// Its name could not be resolved; what the resolver said.
    #[error("cannot resolve the name: {0}")]
    Unresolved(String),
    /// The exchange with it failed.
    #[error("{0}")]
    Exchange(StreamFailure),
}

struct Listed<'a>(&'a [SeedFailure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, failure) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_join_lists_each_address_with_its_reason() {
        let failures = vec![
            SeedFailure {
                seed: "10.0.0.1:7946".into(),
                addr: "10.0.0.1:7946".parse().ok(),
                reason: SeedFailureReason::Exchange(StreamFailure::Refused),
            },
            SeedFailure {
                seed: "db".into(),
                addr: "10.0.0.2:7946".parse().ok(),
                reason: SeedFailureReason::Exchange(StreamFailure::TimedOut),
            },
            SeedFailure {
                seed: "nowhere.invalid".into(),
                addr: None,
                reason: SeedFailureReason::Unresolved("unknown name".into()),
            },
        ];
        assert_eq!(
            JoinError::Unreachable(failures).to_string(),
            "could not join the cluster: 10.0.0.1:7946: connection refused; \
             'db' (10.0.0.2:7946): timed out; \
             'nowhere.invalid': cannot resolve the name: unknown name"
        );
    }
}
