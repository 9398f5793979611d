//! skeleton
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod config;
mod error;
mod event;
mod member;
pub mod message;
mod node;
mod rng;
mod serf;
mod stats;
mod swim;
pub mod tags;
mod time;
pub mod wire;

pub use action::{Action, CommandId, Outcome, StreamFailure, StreamId, StreamInput};
pub use config::{Config, ConfigError, Identity, Lifeguard, Params};
pub use error::CommandError;
pub use event::{Cause, Event, MemberEvent, MemberEventKind};
pub use member::{InvalidName, Member, Name, Profile, Status, Versions};
pub use node::Node;
pub use serf::clock::LamportTime;
pub use serf::collector::{Answer, QuerySummary};
pub use serf::event::UserEvent;
pub use serf::limits::SizeError;
pub use serf::query::{Query, QueryFlags, QueryKey, QueryParams};
pub use serf::responder::RespondError;
pub use stats::Counters;
pub use swim::pool::ProfilePool;
pub use tags::Tags;
pub use time::Instant;
