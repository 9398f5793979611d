//! What the runtime adapters of Serf share.
//!
//! Applications use an adapter crate such as `serf-tokio`, which re-exports what is here: bind a
//! node with [`Options`], steer it with a [`Handle`], listen to its [`Events`].
//!
//! Whoever writes an adapter finds its other half in [`adapter`]: everything about driving a node
//! that needs neither a timer nor an asynchronous socket.

#![forbid(unsafe_code)]

pub mod adapter;
mod address;
mod advertise;
mod clock;
mod command;
mod driver;
mod error;
mod event_loop;
mod events;
pub mod files;
mod handle;
mod keeper;
mod options;
mod query;
mod recorder;
mod sockets;
mod stats;
mod streams;
mod tasks;

pub use address::AddressError;
pub use error::{
    AnswerError, BindError, CallError, JoinError, SeedFailure, SeedFailureReason, Stopped,
};
pub use events::{Events, Lagged};
pub use files::JournalLimits;
pub use handle::{Handle, Joined, Left, Spread};
pub use options::{DEFAULT_PORT, Options};
pub use query::Answers;
pub use serf_core::keyring::{Key, Keyring, KeyringError};
pub use serf_core::wire::label::{Label, LabelTooLong};
pub use serf_core::{
    Answer, Cause, CommandError, Config, ConfigError, Coordinate, Counters, Event, Intent,
    InvalidName, KeyOperation, KeyReport, LamportTime, Lifeguard, Member, MemberEvent,
    MemberEventKind, Name, Params, Profile, Query, QueryKey, QueryParams, QuerySummary,
    QueueReport, QueueStats, RespondError, SizeError, Status, StreamFailure, Tags, UserEvent,
    Versions,
};
pub use stats::{SocketCounters, Stats};
