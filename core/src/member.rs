//! A member as applications see it.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::message::RawName;
use crate::serf::intent::Intent;
use crate::tags::Tags;
use crate::wire::native::Announcement;
use crate::wire::{Wire, understands_native};

/// The name of a member: UTF-8 of 1 to [`Name::MAX_LEN`] bytes, cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "&str")]
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

impl TryFrom<&str> for Name {
    type Error = InvalidName;

    fn try_from(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
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

    /// The Serf protocol in which tags came: those who speak an older one announce a role only.
    pub(crate) const TAGS_SINCE: u8 = 3;

    /// The Serf protocol in which queries came: those who speak an older one ask none.
    pub(crate) const QUERIES_SINCE: u8 = 4;

    /// The same, speaking another Serf protocol: 2 to 5, `None` for others. Below 4 a node asks no
    /// queries, and below 3 it announces none of its tags but `role`; it understands all the same
    /// whatever others say.
    #[must_use]
    pub fn speaking(protocol: u8) -> Option<Self> {
        let current = Self::CURRENT;
        (current.delegate_min..=current.delegate_max)
            .contains(&protocol)
            .then_some(Self {
                delegate_cur: protocol,
                ..current
            })
    }
}

/// What a set of members speaks and understands (wire-protocol reference, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// Largest minimum and smallest maximum among the alive.
    protocol: (u8, u8),
    delegate: (u8, u8),
    /// Smallest and largest version spoken among all.
    protocol_spoken: (u8, u8),
    delegate_spoken: (u8, u8),
}

impl VersionRange {
    /// That of no members.
    pub const EMPTY: Self = Self {
        protocol: (0, u8::MAX),
        delegate: (0, u8::MAX),
        protocol_spoken: (u8::MAX, 0),
        delegate_spoken: (u8::MAX, 0),
    };

    /// Widens it by one member.
    pub fn add(&mut self, v: Versions, alive: bool) {
        if alive {
            let (min, max) = self.protocol;
            self.protocol = (min.max(v.protocol_min), max.min(v.protocol_max));
            let (min, max) = self.delegate;
            self.delegate = (min.max(v.delegate_min), max.min(v.delegate_max));
        }
        let (min, max) = self.protocol_spoken;
        self.protocol_spoken = (min.min(v.protocol_cur), max.max(v.protocol_cur));
        let (min, max) = self.delegate_spoken;
        self.delegate_spoken = (min.min(v.delegate_cur), max.max(v.delegate_cur));
    }

    /// Widens it by the members of another.
    pub fn merge(&mut self, other: Self) {
        let narrow = |a: (u8, u8), b: (u8, u8)| (a.0.max(b.0), a.1.min(b.1));
        let widen = |a: (u8, u8), b: (u8, u8)| (a.0.min(b.0), a.1.max(b.1));
        self.protocol = narrow(self.protocol, other.protocol);
        self.delegate = narrow(self.delegate, other.delegate);
        self.protocol_spoken = widen(self.protocol_spoken, other.protocol_spoken);
        self.delegate_spoken = widen(self.delegate_spoken, other.delegate_spoken);
    }

    /// True if everyone understands what anyone speaks.
    #[must_use]
    pub const fn is_compatible(&self) -> bool {
        self.protocol.0 <= self.protocol_spoken.0
            && self.protocol_spoken.1 <= self.protocol.1
            && self.delegate.0 <= self.delegate_spoken.0
            && self.delegate_spoken.1 <= self.delegate.1
    }
}

/// What a member announces about itself. Rarely changes, so it is shared, never edited.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Profile {
    /// Its name.
    pub name: Name,
    /// Its advertised address, in the byte form in which it was announced (an IPv4 address may
    /// come as IPv4-mapped IPv6, and peers of the reference system insist on that form).
    pub addr: SocketAddr,
    /// Its protocol versions.
    pub versions: Versions,
    /// It understands the native wire.
    pub(crate) native: bool,
    /// Name, address, versions and the metadata, as they go over the wire.
    pub(crate) announced: Announcement,
}

impl Profile {
    pub(crate) fn new(name: Name, addr: SocketAddr, versions: Versions, meta: &[u8]) -> Self {
        Self {
            announced: Announcement::new((&name).into(), addr, versions, meta),
            native: understands_native(meta),
            name,
            addr,
            versions,
        }
    }

    /// Its metadata: the encoded tags, and whether it understands the native wire.
    #[must_use]
    pub fn meta(&self) -> &[u8] {
        self.announced.meta()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("name", &self.name)
            .field("addr", &self.addr)
            .field("meta", &self.meta())
            .field("versions", &self.versions)
            .finish()
    }
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
    pub(crate) intent: Intent,
    pub(crate) status: Status,
    pub(crate) suspected: bool,
    pub(crate) wire: Wire,
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
        crate::tags::decode(self.profile.meta())
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

    /// The latest word on whether it stays, and its time by the member clock.
    #[must_use]
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// The wire that this node speaks to it: the best that both understand. For the node itself it
    /// is the one that it prefers.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// True if it is accused of having failed and has not refuted that yet.
    #[must_use]
    pub fn suspected(&self) -> bool {
        self.suspected
    }
}
