//! What a journal consists of.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::action::{StreamFailure, StreamId, StreamInput};
use crate::config::{Config, ConfigError, Identity, Params};
use crate::error::CommandError;
use crate::member::{InvalidName, Name, Versions};
use crate::node::Node;
use crate::serf::key_report::KeyOperation;
use crate::serf::keyring::{Key, Keyring};
use crate::serf::query::{QueryKey, QueryParams};
use crate::serf::snapshot::State;
use crate::tags::Tags;
use crate::time::Instant;
use crate::wire::label::{Label, LabelTooLong};
use crate::wire::seal;

use super::Checkpoint;

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// How the node was made; the first entry, and no other.
    Start(Box<Start>),
    /// The node as it was when the journal before this one was full; the first entry, and no other.
    Checkpoint(#[serde(borrow)] Checkpoint<'a>),
    /// Something went in, so many nanoseconds after what went in before. The first is measured
    /// from the start; negative if the caller's clock went back.
    Input(i64, #[serde(borrow)] Input<'a>),
    /// The actions that were polled since the last input, a hash of [`HASH_LEN`](super::HASH_LEN)
    /// bytes each.
    Actions(#[serde(borrow)] &'a [u8]),
}

/// How a node was made: the arguments of [`Node::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// The address it announced.
    pub addr: SocketAddr,
    /// Its tags.
    pub tags: Tags,
    /// The protocol versions it announced.
    pub versions: Versions,
    /// The label of its cluster.
    pub label: String,
    /// Its settings.
    pub config: Config,
    /// The seed of its randomness.
    pub seed: [u8; 32],
    /// When it was made, in nanoseconds of its own time.
    pub at: u64,
}

impl Start {
    pub(crate) fn new(identity: &Identity, params: &Params, seed: [u8; 32], now: Instant) -> Self {
        Self {
            name: identity.name.as_str().to_owned(),
            addr: identity.addr,
            tags: identity.tags.clone(),
            versions: identity.versions,
            label: String::from_utf8_lossy(identity.label.as_bytes()).into_owned(),
            config: Config::clone(params),
            seed,
            at: now.as_nanos(),
        }
    }

    /// Makes such a node again. It records nothing.
    ///
    /// # Errors
    /// No node can be made like that, so that the journal was not written by one.
    pub fn build(&self) -> Result<Node, StartError> {
        let identity = Identity {
            name: Name::new(&self.name).map_err(StartError::Name)?,
            addr: self.addr,
            tags: self.tags.clone(),
            versions: self.versions,
            label: Label::new(&self.label).map_err(StartError::Label)?,
        };
        let params = Params::new(self.config.clone()).map_err(StartError::Config)?;
        Node::new(identity, params, self.seed, self.at()).map_err(StartError::Refused)
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> Instant {
        Instant::from_nanos(self.at)
    }
}

/// Why a node cannot be made as a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// Its name is none.
    Name(InvalidName),
    /// Its label is none.
    Label(LabelTooLong),
    /// A setting is out of bounds.
    Config(ConfigError),
    /// The tags do not fit, or nobody could reach the address.
    Refused(CommandError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Label(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

/// Something that went into a node: one variant for each way in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Input<'a> {
    /// [`Node::handle_datagram`].
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// As it came, in its envelope.
        bytes: &'a [u8],
    },
    /// [`Node::handle_tick`].
    Tick,
    /// [`Node::accept_stream`].
    Accept {
        /// Where the stream came from.
        from: SocketAddr,
    },
    /// [`Node::handle_stream`] with [`StreamInput::Opened`].
    Opened(u64),
    /// [`Node::handle_stream`] with [`StreamInput::Data`], as it came.
    Data(u64, &'a [u8]),
    /// [`Node::handle_stream`] with [`StreamInput::Finished`].
    Finished(u64),
    /// [`Node::handle_stream`] with [`StreamInput::Failed`].
    Failed(u64, StreamFailure),
    /// [`Node::join`], or [`Node::join_replaying`].
    Join {
        /// Whom to ask.
        seeds: Cow<'a, [SocketAddr]>,
        /// Whether the events of the past are delivered.
        replay: bool,
    },
    /// [`Node::rejoin`].
    Rejoin,
    /// [`Node::restore`].
    Restore(Cow<'a, State>),
    /// [`Node::leave`].
    Leave,
    /// [`Node::force_leave`].
    ForceLeave {
        /// The member that is gone.
        name: &'a str,
        /// Whether to forget it, too.
        prune: bool,
    },
    /// [`Node::set_tags`].
    SetTags(Cow<'a, Tags>),
    /// [`Node::user_event`].
    UserEvent {
        /// Its name.
        name: &'a str,
        /// Its payload.
        payload: &'a [u8],
        /// Whether it may be coalesced.
        coalesce: bool,
    },
    /// [`Node::query`].
    Query {
        /// Its name.
        name: &'a str,
        /// Its payload.
        payload: &'a [u8],
        /// How it is asked.
        params: Cow<'a, QueryParams>,
    },
    /// [`Node::end_query`].
    EndQuery(QueryKey),
    /// [`Node::respond`].
    Respond {
        /// Which query.
        query: QueryKey,
        /// The answer.
        payload: &'a [u8],
    },
    /// [`Node::with_keyring`], with marks in the place of the keys.
    WithKeyring(Vec<KeyMark>),
    /// [`Node::set_keyring`], with marks in the place of the keys.
    SetKeyring(Vec<KeyMark>),
    /// [`Node::key_operation`] with [`KeyOperation::Install`].
    InstallKey(KeyMark),
    /// [`Node::key_operation`] with [`KeyOperation::Use`].
    UseKey(KeyMark),
    /// [`Node::key_operation`] with [`KeyOperation::Remove`].
    RemoveKey(KeyMark),
    /// [`Node::key_operation`] with [`KeyOperation::List`].
    ListKeys,
}

impl<'a> Input<'a> {
    pub(crate) fn stream(id: StreamId, input: StreamInput<'a>) -> Self {
        match input {
            StreamInput::Opened => Self::Opened(id.0),
            StreamInput::Data(bytes) => Self::Data(id.0, bytes),
            StreamInput::Finished => Self::Finished(id.0),
            StreamInput::Failed(why) => Self::Failed(id.0, why),
        }
    }

    pub(crate) fn key_operation(operation: &KeyOperation) -> Self {
        match operation {
            KeyOperation::Install(key) => Self::InstallKey(KeyMark::of(key)),
            KeyOperation::Use(key) => Self::UseKey(KeyMark::of(key)),
            KeyOperation::Remove(key) => Self::RemoveKey(KeyMark::of(key)),
            KeyOperation::List => Self::ListKeys,
        }
    }

    /// A word for the kind of input, such as `datagram`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Datagram { .. } => "datagram",
            Self::Tick => "tick",
            Self::Accept { .. } => "stream accepted",
            Self::Opened(_) => "stream opened",
            Self::Data(..) => "stream data",
            Self::Finished(_) => "stream finished",
            Self::Failed(..) => "stream failed",
            Self::Join { .. } => "join",
            Self::Rejoin => "rejoin",
            Self::Restore(_) => "snapshot restored",
            Self::Leave => "leave",
            Self::ForceLeave { .. } => "force-leave",
            Self::SetTags(_) => "tags",
            Self::UserEvent { .. } => "user event",
            Self::Query { .. } => "query",
            Self::EndQuery(_) => "query ended",
            Self::Respond { .. } => "response",
            Self::WithKeyring(_) | Self::SetKeyring(_) => "keyring",
            Self::InstallKey(_) | Self::UseKey(_) | Self::RemoveKey(_) | Self::ListKeys => {
                "key operation"
            }
        }
    }

    /// Hands the input to a node. What it answers is left aside: it follows from the same as its
    /// actions do.
    ///
    /// # Errors
    /// None of `keys` has the mark of one that is needed. Nothing has happened then.
    pub fn apply(&self, node: &mut Node, now: Instant, keys: &[Key]) -> Result<(), MissingKey> {
        let ring = |marks: &[KeyMark]| -> Result<Option<Keyring>, MissingKey> {
            let found: Result<Vec<Key>, _> = marks.iter().map(|mark| mark.find(keys)).collect();
            // No ring has none, or too many: such a journal was made by no node.
            Ok(Keyring::from_keys(found?).ok())
        };
        match self {
            Self::Datagram { from, bytes } => node.handle_datagram(*from, bytes, now),
            Self::Tick => node.handle_tick(now),
            Self::Accept { from } => {
                let _ = node.accept_stream(*from, now);
            }
            Self::Opened(id) => node.handle_stream(StreamId(*id), StreamInput::Opened, now),
            Self::Data(id, bytes) => {
                node.handle_stream(StreamId(*id), StreamInput::Data(bytes), now);
            }
            Self::Finished(id) => node.handle_stream(StreamId(*id), StreamInput::Finished, now),
            Self::Failed(id, why) => {
                node.handle_stream(StreamId(*id), StreamInput::Failed(*why), now);
            }
            Self::Join { seeds, replay } => {
                let _ = match replay {
                    true => node.join_replaying(seeds, now),
                    false => node.join(seeds, now),
                };
            }
            Self::Rejoin => {
                let _ = node.rejoin(now);
            }
            Self::Restore(state) => node.restore(state),
            Self::Leave => {
                let _ = node.leave(now);
            }
            Self::ForceLeave { name, prune } => {
                let _ = node.force_leave(name, *prune, now);
            }
            Self::SetTags(tags) => {
                let _ = node.set_tags(tags, now);
            }
            Self::UserEvent {
                name,
                payload,
                coalesce,
            } => {
                let _ = node.user_event(name, payload, *coalesce, now);
            }
            Self::Query {
                name,
                payload,
                params,
            } => {
                let _ = node.query(name, payload, params, now);
            }
            Self::EndQuery(query) => node.end_query(*query, now),
            Self::Respond { query, payload } => {
                let _ = node.respond(*query, payload, now);
            }
            Self::WithKeyring(marks) => {
                if let Some(ring) = ring(marks)? {
                    node.encrypt(ring);
                }
            }
            Self::SetKeyring(marks) => {
                if let Some(ring) = ring(marks)? {
                    node.set_keyring(ring, now);
                }
            }
            Self::InstallKey(mark) => {
                let _ = node.key_operation(&KeyOperation::Install(mark.find(keys)?), now);
            }
            Self::UseKey(mark) => {
                let _ = node.key_operation(&KeyOperation::Use(mark.find(keys)?), now);
            }
            Self::RemoveKey(mark) => {
                let _ = node.key_operation(&KeyOperation::Remove(mark.find(keys)?), now);
            }
            Self::ListKeys => {
                let _ = node.key_operation(&KeyOperation::List, now);
            }
        }
        Ok(())
    }
}

/// What stands in a journal for a key: enough to recognise it, too little to make it easier to
/// guess. Four bytes of what the key encrypts to, which says nothing about the key itself.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMark([u8; 4]);

impl KeyMark {
    /// The mark of a key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self(seal::key_check_value(key))
    }

    /// The marks of a ring, the primary first.
    pub(crate) fn all(ring: &Keyring) -> Vec<Self> {
        ring.keys().iter().map(Self::of).collect()
    }

    pub(super) fn find(self, keys: &[Key]) -> Result<Key, MissingKey> {
        let found = keys.iter().find(|key| Self::of(key) == self);
        found.cloned().ok_or(MissingKey(self))
    }
}

impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A key that the node had, and that whoever replays its journal has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingKey(pub KeyMark);

impl fmt::Display for MissingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key with the mark {:?} is needed", self.0)
    }
}

impl core::error::Error for MissingKey {}
