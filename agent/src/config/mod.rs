//! The agent's configuration: from flags and files, as they are written ([`RawConfig`]), to what
//! the agent runs on ([`Settings`]).

mod raw;
mod settings;

pub use crate::handler::{EventScript, InvalidScript};
pub use raw::{ConfigFileError, RawConfig};
pub use settings::{InvalidConfig, Join, Settings};
