//! What can be wrong with a configuration.

use serf_core::Versions;
use serf_core::keyring::KeyringError;

use crate::handler::InvalidScript;

/// A configuration that makes no sense. The text says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Two settings that exclude each other, in words that operators know.
    #[error("Failed to setup the Serf agent: {0}")]
    Conflict(&'static str),
    /// Another profile.
    #[error("Unknown profile: {0} (accepted are lan, wan and local)")]
    Profile(String),
    /// Another level.
    #[error("Invalid log level: {0}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]")]
    LogLevel(String),
    /// Another format.
    #[error("Invalid log_format: '{0}' (accepted are text and json)")]
    LogFormat(String),
    /// Another choice of wires.
    #[error("Invalid wire: '{0}' (accepted are auto, native and memberlist)")]
    Wire(String),
    /// Another runtime, or one that is not in this build; says which are accepted.
    #[error("Invalid runtime: {0}")]
    Runtime(String),
    /// Another facility.
    #[error(
        "Syslog setup failed: invalid syslog facility: {0} (accepted are KERN, USER, MAIL, \
         DAEMON, AUTH, SYSLOG, LPR, NEWS, UUCP, CRON, AUTHPRIV, FTP and LOCAL0 to LOCAL7)"
    )]
    SyslogFacility(String),
    /// Another protocol version, in words that operators know.
    #[error(
        "Failed to start the Serf agent: Error creating Serf: Protocol version '{version}' too \
         {how}. Must be in range: [{min}, {max}]"
    )]
    Protocol {
        /// As given.
        version: i64,
        /// Low or high.
        how: &'static str,
        /// The oldest that is accepted.
        min: u8,
        /// The newest.
        max: u8,
    },
    /// An event handler that makes no sense.
    #[error(transparent)]
    EventHandler(#[from] InvalidScript),
    /// A number out of bounds.
    #[error("Invalid {key}: {value} (accepted are {min} to {max} {unit})")]
    OutOfBounds {
        /// Which.
        key: &'static str,
        /// As given.
        value: i64,
        /// The least that is accepted.
        min: i64,
        /// The most that is accepted.
        max: i64,
        /// Of what.
        unit: &'static str,
    },
    /// A duration out of bounds.
    #[error("Invalid {key}: {value} (accepted are durations up to 720h0m0s)")]
    Duration {
        /// Which.
        key: &'static str,
        /// As given.
        value: crate::duration::GoDuration,
    },
    /// No key.
    #[error("Invalid encryption key: {0} (accepted are 16, 24 or 32 bytes in base64)")]
    EncryptionKey(#[from] KeyringError),
    /// No label.
    #[error("Invalid label: it has {0} bytes (accepted are up to 255)")]
    Label(usize),
    /// A cluster name that mDNS cannot carry.
    #[error("Invalid discover: '{0}' (accepted are names of 1 to 25 bytes without dots)")]
    Discover(String),
    /// No address.
    #[error("Invalid {what} address: '{text}' (accepted are ip, ip:port, [v6] and [v6]:port)")]
    Address {
        /// Which.
        what: &'static str,
        /// As given.
        text: String,
    },
    /// No such interface.
    #[error("Invalid network interface: there is no '{name}' that is up (accepted are {known})")]
    Interface {
        /// As given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The interface does not have the address to bind.
    #[error("Interface '{name}' has no '{ip}' address (accepted are {known})")]
    NotOnInterface {
        /// The interface.
        name: String,
        /// What it should have.
        ip: String,
        /// What it has.
        known: String,
    },
}

impl InvalidConfig {
    pub(super) fn protocol(version: i64) -> Self {
        let (min, max) = (
            Versions::CURRENT.delegate_min,
            Versions::CURRENT.delegate_max,
        );
        let how = if version < i64::from(min) {
            "low"
        } else {
            "high"
        };
        Self::Protocol {
            version,
            how,
            min,
            max,
        }
    }
}
