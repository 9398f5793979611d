//! Writing a node's journal, away from the protocol's path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tracing::error;

use super::replace::with_suffix;
use super::{FileError, Subject};

const WHAT: &str = "journal";

/// How many pieces may wait for the disk, a few kilobytes each as a rule.
const QUEUE: usize = 256;

/// How much of a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// How many bytes a file may have, 64 MiB by default. When it is full, the next one begins with
    /// the whole state of the node, so that each can be replayed by itself. Lowering it writes that
    /// state more often, which takes a node some milliseconds per thousand members it knows; where
    /// the state takes more than half of a file, files get twice as large as the state.
    pub file_bytes: u64,
    /// How many files are kept, 4 by default: `FILE`, the newest, and those before it, also of runs
    /// before this one, as `FILE.1`, `FILE.2` and so on. Zero counts as one.
    pub files: u32,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            file_bytes: 64 * 1024 * 1024,
            files: 4,
        }
    }
}

/// Why a journal is not written any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The disk does not keep up.
    Slow,
    /// The file could not be written, which has been logged.
    Failed,
}

/// What the thread is to do.
#[derive(Debug)]
enum Piece {
    Append(Vec<u8>),
    /// Go on in a new file.
    Next,
}

/// Appends to a journal, on a thread of its own.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    pieces: SyncSender<Piece>,
    /// Closed when the thread has ended.
    ended: async_channel::Receiver<()>,
}

impl JournalWriter {
    /// Moves what is there out of the way, and opens a new file that only its owner may read.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path, limits: JournalLimits) -> Result<Self, FileError> {
        let subject = Subject { what: WHAT, path };
        let file = begin(path, limits.files).map_err(|error| subject.error("open", error))?;
        let (pieces, queue) = sync_channel(QUEUE);
        let (running, ended) = async_channel::bounded(1);
        let path = path.to_owned();
        let write = move || {
            if let Err(error) = write(file, &queue, &path, limits.files) {
                error!(%error, path = %path.display(), "the journal ends here: it cannot be written");
            }
            drop(running);
        };
        thread::Builder::new()
            .name("serf-journal".to_owned())
            .spawn(write)
            .map_err(|error| subject.error("start a thread for", error))?;
        Ok(Self { pieces, ended })
    }

    /// Appends bytes. Never waits.
    pub(crate) fn append(&self, bytes: Vec<u8>) -> Result<(), Lost> {
        self.send(Piece::Append(bytes))
    }

    /// Goes on in a new file. Never waits.
    pub(crate) fn next_file(&self) -> Result<(), Lost> {
        self.send(Piece::Next)
    }

    fn send(&self, piece: Piece) -> Result<(), Lost> {
        self.pieces.try_send(piece).map_err(|error| match error {
            TrySendError::Full(_) => Lost::Slow,
            TrySendError::Disconnected(_) => Lost::Failed,
        })
    }

    /// Waits until all is on the disk, or has failed to get there.
    pub(crate) async fn close(self) {
        drop(self.pieces);
        // Nothing is ever sent: this is the end of the thread.
        let _ = self.ended.recv().await;
    }
}

fn write(mut file: File, queue: &Receiver<Piece>, path: &Path, files: u32) -> io::Result<()> {
    for piece in queue {
        match piece {
            Piece::Append(bytes) => file.write_all(&bytes)?,
            Piece::Next => file = begin(path, files)?,
        }
    }
    match file.metadata()?.is_file() {
        true => file.sync_all(),
        false => Ok(()),
    }
}

/// Makes room for a new file under this name and creates it: `FILE` becomes `FILE.1`, and so on.
fn begin(path: &Path, files: u32) -> io::Result<File> {
    // What is no regular file, such as /dev/null, is written and never moved.
    let regular = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    if regular {
        for n in (0..files.max(1)).rev() {
            let old = numbered(path, n);
            let moved = if n + 1 < files {
                fs::rename(&old, numbered(path, n + 1))
            } else {
                fs::remove_file(&old)
            };
            match moved {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    match n {
        0 => path.to_owned(),
        n => with_suffix(path, &format!(".{n}")),
    }
}
