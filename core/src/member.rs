//! A member as applications see it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::message::RawName;
use crate::tags::Tags;

/// The name of a member: UTF-8 of 1 to [`Name::MAX_LEN`] bytes, cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(SmolStr);

impl Name {
    /// The longest name accepted, in bytes. The reference system has no limit of its own, but a
    /// name that leaves no room for tags in a packet could never be announced.
    pub const MAX_LEN: usize = 255;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// Empty, or longer than [`Name::MAX_LEN`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        match name.len() {
            0 => Err(InvalidName::Empty),
            1..=Self::MAX_LEN => Ok(Self(SmolStr::new(name))),
            len => Err(InvalidName::TooLong { len }),
        }
    }

    /// The name as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<RawName<'_>> for Name {
    type Error = InvalidName;

    fn try_from(name: RawName<'_>) -> Result<Self, InvalidName> {
        Self::new(str::from_utf8(name.as_bytes()).map_err(|_| InvalidName::NotUtf8)?)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A name that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidName {
    /// No characters.
    Empty,
    /// Not UTF-8.
    NotUtf8,
    /// More than [`Name::MAX_LEN`] bytes.
    TooLong {
        /// How many bytes it has.
        len: usize,
    },
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a node name must not be empty"),
            Self::NotUtf8 => f.write_str("a node name must be UTF-8"),
            Self::TooLong { len } => {
                write!(
                    f,
                    "a node name has at most {} bytes, this one has {len}",
                    Name::MAX_LEN
                )
            }
        }
    }
}

impl core::error::Error for InvalidName {}

/// The protocol versions a member speaks (wire-protocol reference, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Versions {
    /// Oldest gossip protocol understood.
    pub protocol_min: u8,
    /// Newest gossip protocol understood.
    pub protocol_max: u8,
    /// Gossip protocol spoken.
    pub protocol_cur: u8,
    /// Oldest Serf protocol understood.
    pub delegate_min: u8,
    /// Newest Serf protocol understood.
    pub delegate_max: u8,
    /// Serf protocol spoken.
    pub delegate_cur: u8,
}

impl Versions {
    /// What this implementation speaks.
    pub const CURRENT: Self = Self {
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 5,
    };
}

/// What a member announces about itself. Rarely changes, so it is shared, never edited.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Profile {
    /// Its name.
    pub name: Name,
    /// Its advertised address, in the byte form in which it was announced (an IPv4 address may
    /// come as IPv4-mapped IPv6, and peers of the reference system insist on that form).
    pub addr: SocketAddr,
    /// Its metadata: the encoded tags.
    pub meta: Box<[u8]>,
    /// Its protocol versions.
    pub versions: Versions,
}

/// The status of a member as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Takes part (perhaps under suspicion, see [`Member::suspected`]).
    Alive,
    /// Has said that it is about to leave.
    Leaving,
    /// Left of its own will, or was told to have left by an operator.
    Left,
    /// Stopped answering.
    Failed,
}

impl Status {
    /// The word for it in command output and RPC.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A member at the moment of asking; a cheap copy that does not change afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(crate) profile: Arc<Profile>,
    pub(crate) incarnation: u32,
    pub(crate) status: Status,
    pub(crate) suspected: bool,
}

impl Member {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.profile.name
    }

    /// Its advertised address, with IPv4-mapped IPv6 shown as IPv4.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(
            self.profile.addr.ip().to_canonical(),
            self.profile.addr.port(),
        )
    }

    /// Its tags, decoded from the metadata.
    #[must_use]
    pub fn tags(&self) -> Tags {
        crate::tags::decode(&self.profile.meta)
    }

    /// Its protocol versions.
    #[must_use]
    pub fn versions(&self) -> Versions {
        self.profile.versions
    }

    /// Everything it announced about itself.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// How often it has renewed its announcement; grows with each refutation and change of tags.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// True if it is accused of having failed and has not refuted that yet.
    #[must_use]
    pub fn suspected(&self) -> bool {
        self.suspected
    }
}
