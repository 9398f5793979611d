//! Writing the snapshot, away from the protocol's path.

mod log;
mod queue;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serf_core::snapshot::{Record, Recovered, Replay};

use self::log::{Log, Pace};
use super::replace::with_suffix;
use super::{FileError, Subject};

const WHAT: &str = "snapshot";

/// Where a compacted snapshot is written before it takes the place of the old one.
const COMPACT: &str = ".compact";

/// How many records may wait for the disk.
const QUEUE: usize = 4096;

/// Keeps a node's snapshot up to date, on a thread of its own.
///
/// [`append`](Self::append) never waits. What is appended is in the file at most half a second
/// later, and after a leave or at [`close`](Self::close) on the disk. If the file cannot be
/// written, the node goes on without: the trouble shows in [`status`](Self::status), and every 30
/// seconds the writer tries to replace the file by one that has everything.
#[derive(Debug)]
pub struct SnapshotWriter {
    records: queue::Sender<Record>,
    status: SharedStatus,
    /// Closed when the thread has ended.
    ended: async_channel::Receiver<()>,
}

/// How the writing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// Records that were lost: the queue was full because the disk is slow, or the member's name
    /// has a line break in it.
    pub dropped: u64,
    /// How often the system refused to write.
    pub failures: u64,
    /// How often the file was replaced by a shorter one.
    pub compactions: u64,
    /// What is wrong at the moment. While this is `None`, the file has everything that was
    /// written but not dropped.
    pub trouble: Option<String>,
}

type SharedStatus = Arc<Mutex<SnapshotStatus>>;

fn lock(status: &SharedStatus) -> MutexGuard<'_, SnapshotStatus> {
    // Numbers and a text: nothing that a panic could leave half done.
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SnapshotWriter {
    /// Opens a snapshot, or creates an empty one, and says what is in it.
    ///
    /// What cannot be read in the file is skipped, as listed in [`Recovered`]. An unfinished last
    /// line is cut off. A file that is no regular one, such as `/dev/null`, is never read or
    /// replaced. With `rejoin_after_leave`, a leave forgets nothing.
    ///
    /// # Errors
    /// The file cannot be opened, read or cut.
    pub fn open(
        path: impl Into<PathBuf>,
        rejoin_after_leave: bool,
    ) -> Result<(Self, Recovered), FileError> {
        Self::open_at(Pace::default(), path.into(), rejoin_after_leave)
    }

    fn open_at(
        pace: Pace,
        path: PathBuf,
        rejoin_after_leave: bool,
    ) -> Result<(Self, Recovered), FileError> {
        let subject = Subject {
            what: WHAT,
            path: &path,
        };
        let mut file = open_file(&path).map_err(|error| subject.error("open", error))?;
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| subject.error("read", error))?;
        let mut replay = Replay::new(rejoin_after_leave);
        if metadata.is_file() {
            read(&mut file, &mut replay).map_err(|error| subject.error("read", error))?;
        }
        let recovered = replay.finish();
        if metadata.is_file() {
            let cut = file.set_len(recovered.complete);
            cut.map_err(|error| subject.error("cut the unfinished end of", error))?;
        }

        let status = SharedStatus::default();
        let (records, queue) = queue::bounded(QUEUE);
        let (running, ended) = async_channel::bounded(1);
        let log = Log::new(
            path.clone(),
            file,
            metadata.is_file(),
            &recovered,
            pace,
            Arc::clone(&status),
        );
        thread::Builder::new()
            .name("serf-snapshot".to_owned())
            .spawn(move || {
                log.run(&queue);
                drop(running);
            })
            .map_err(|error| subject.error("start a thread for", error))?;
        let writer = Self {
            records,
            status,
            ended,
        };
        Ok((writer, recovered))
    }

    /// Appends a record. Never waits: if the queue is full, the record is dropped and counted.
    ///
    /// After [`Record::Leave`] only clocks are recorded.
    pub fn append(&self, record: Record) {
        if !self.records.try_send(record) {
            lock(&self.status).dropped += 1;
        }
    }

    /// How the writing goes.
    #[must_use]
    pub fn status(&self) -> SnapshotStatus {
        lock(&self.status).clone()
    }

    /// Waits until everything appended is on the disk or has failed to get there, and says which.
    ///
    /// A disk that hangs makes it wait for as long; whoever must not wait so long gives up on the
    /// future. Dropping the writer does the same without waiting.
    pub async fn close(self) -> SnapshotStatus {
        drop(self.records);
        // Nothing is ever sent: this is the end of the thread.
        let _ = self.ended.recv().await;
        lock(&self.status).clone()
    }

    /// [`close`](Self::close) for callers that may block.
    pub fn close_blocking(self) -> SnapshotStatus {
        drop(self.records);
        let _ = self.ended.recv_blocking();
        lock(&self.status).clone()
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // The reference system deletes the old file before it renames the new one. If it was stopped
    // in between, the new one is complete.
    if !path.try_exists()? {
        match fs::rename(with_suffix(path, COMPACT), path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, log::MODE);
    options.open(path)
}

fn read(file: &mut File, replay: &mut Replay) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(len) => replay.feed(&chunk[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
