//! What a node keeps in files: its snapshot, keyring and tags (wire-protocol reference,
//! section 10).
//!
//! Nothing here needs a runtime. Loading and saving block, so an adapter does that before the node
//! starts or where blocking is allowed; [`SnapshotWriter`] has a thread of its own.

mod journal;
mod keyring;
mod replace;
mod snapshot;
mod tags;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use serf_core::keyring::KeyringError;

pub use journal::JournalLimits;
pub(crate) use journal::{JournalWriter, Lost};
pub use keyring::{load_keyring, save_keyring};
pub use snapshot::{SnapshotStatus, SnapshotWriter};
pub use tags::{load_tags, save_tags};

/// The largest keyring or tags file that is read, in bytes; both fit many times over.
const MAX_SIZE: u64 = 1024 * 1024;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {what} '{}': {reason}", path.display())]
pub struct FileError {
    /// What was tried: `open`, `read`, `write`, `replace`, ...
    pub action: &'static str,
    /// What the file is to the node: `snapshot`, `journal`, `keyring file` or `tags file`.
    pub what: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub reason: FileErrorReason,
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileErrorReason {
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is larger than is accepted.
    #[error("it is larger than {MAX_SIZE} bytes")]
    TooLarge,
    /// It is not the JSON that is expected.
    #[error("expected {expected}; the mistake is at line {line}, column {column}")]
    Json {
        /// What is expected.
        expected: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A key cannot be used.
    #[error("key {number}: {error}")]
    Key {
        /// The number of the key, from 1.
        number: usize,
        /// What is wrong with it.
        error: KeyringError,
    },
    /// The keys are no keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl FileErrorReason {
    /// Where the mistake is, but not what it is: that could be a key that stands in a wrong place.
    fn json(expected: &'static str, error: &serde_json::Error) -> Self {
        Self::Json {
            expected,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// A file and what it is for, to make errors of what goes wrong with it.
#[derive(Debug, Clone, Copy)]
struct Subject<'a> {
    what: &'static str,
    path: &'a Path,
}

impl Subject<'_> {
    fn error(self, action: &'static str, reason: impl Into<FileErrorReason>) -> FileError {
        FileError {
            action,
            what: self.what,
            path: self.path.to_owned(),
            reason: reason.into(),
        }
    }
}
