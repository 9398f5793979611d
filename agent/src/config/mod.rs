//! The agent's configuration: from flags and files, as they are written ([`RawConfig`]), to what
//! the agent runs on ([`Settings`]).

mod address;
mod effective;
mod invalid;
mod raw;
mod runtime;
mod settings;

pub use crate::handler::{EventScript, InvalidScript};
pub use address::{Interface, interfaces};
pub use invalid::InvalidConfig;
pub use raw::{ConfigFileError, Mdns, RawConfig};
pub use runtime::Runtime;
pub use settings::{Discover, Join, Settings};
