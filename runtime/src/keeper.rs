//! What a node leaves on disk while it runs: its snapshot and its keys.
//!
//! Nothing here blocks: the snapshot has a thread of its own, and keys change seldom enough for a
//! thread each time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serf_core::keyring::Keyring;
use serf_core::snapshot::{Record, Recorder, Recovered, State};
use serf_core::{Event, Instant, Node};
use tracing::{error, warn};

use crate::files::{FileError, SnapshotStatus, SnapshotWriter, save_keyring};

/// How often the clocks are looked at.
const CLOCKS: Duration = Duration::from_millis(500);

/// Keeps the files of one node.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    snapshot: Option<Snapshot>,
    keyring: Option<KeyringFile>,
}

#[derive(Debug)]
struct Snapshot {
    writer: SnapshotWriter,
    recorder: Recorder,
    /// When the clocks were recorded last.
    clocks_at: Instant,
    records: Vec<Record>,
}

#[derive(Debug)]
struct KeyringFile {
    path: Arc<Path>,
    /// What is to be written next.
    latest: Arc<Mutex<Option<Keyring>>>,
    /// Held by whoever writes, so that an older ring never comes after a newer one.
    writing: Arc<Mutex<()>>,
}

impl Keeper {
    /// Opens the snapshot, if there is to be one, and says what is in it.
    pub(crate) fn open(
        snapshot: Option<&Path>,
        rejoin_after_leave: bool,
        keyring: Option<PathBuf>,
    ) -> Result<(Self, Option<State>), FileError> {
        let keyring = keyring.map(|path| KeyringFile {
            path: path.into(),
            latest: Arc::default(),
            writing: Arc::default(),
        });
        let Some(path) = snapshot else {
            let snapshot = None;
            return Ok((Self { snapshot, keyring }, None));
        };
        let (writer, recovered) = SnapshotWriter::open(path, rejoin_after_leave)?;
        report_skipped(path, &recovered);
        let snapshot = Snapshot {
            writer,
            recorder: Recorder::new(&recovered.state),
            clocks_at: Instant::ZERO,
            records: Vec::new(),
        };
        let snapshot = Some(snapshot);
        Ok((Self { snapshot, keyring }, Some(recovered.state)))
    }

    /// Something happened to the node.
    pub(crate) fn event(&mut self, event: &Event, node: &Node) {
        if *event == Event::KeyringChanged {
            self.save_keyring(node);
        }
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.recorder.event(event, &mut snapshot.records);
            snapshot.write();
        }
    }

    /// The node has been drained.
    pub(crate) fn settled(&mut self, node: &Node, now: Instant) {
        if let Some(snapshot) = &mut self.snapshot
            && now.since(snapshot.clocks_at) >= CLOCKS
        {
            snapshot.clocks_at = now;
            snapshot.recorder.clocks(node, &mut snapshot.records);
            snapshot.write();
        }
    }

    /// The node leaves of its own will.
    pub(crate) fn leaves(&mut self, node: &Node) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.recorder.clocks(node, &mut snapshot.records);
            snapshot.records.push(Record::Leave);
            snapshot.write();
        }
    }

    /// How the writing of the snapshot goes; `None` if there is none.
    pub(crate) fn snapshot_status(&self) -> Option<SnapshotStatus> {
        let snapshot = self.snapshot.as_ref()?;
        Some(snapshot.writer.status())
    }

    /// Waits until everything is on the disk, or has failed to get there.
    pub(crate) async fn close(&mut self) {
        if let Some(snapshot) = self.snapshot.take() {
            let status = snapshot.writer.close().await;
            if let Some(trouble) = status.trouble {
                error!(trouble, "the snapshot is not complete");
            }
        }
    }

    fn save_keyring(&self, node: &Node) {
        let (Some(file), Some(keys)) = (&self.keyring, node.keyring()) else {
            return;
        };
        // A panic could leave nothing half done here.
        let mut latest = file.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(keys.clone());
        drop(latest);
        let (path, latest) = (Arc::clone(&file.path), Arc::clone(&file.latest));
        let writing = Arc::clone(&file.writing);
        let save = move || {
            let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            let keys = latest.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(keys) = keys
                && let Err(error) = save_keyring(&path, &keys)
            {
                error!(%error, "the keys changed, but not in the file");
            }
        };
        let thread = thread::Builder::new().name("serf-keyring".to_owned());
        if let Err(error) = thread.spawn(save) {
            error!(%error, "no thread to save the keys");
        }
    }
}

impl Snapshot {
    fn write(&mut self) {
        for record in self.records.drain(..) {
            self.writer.append(record);
        }
    }
}

fn report_skipped(path: &Path, recovered: &Recovered) {
    for skipped in &recovered.skipped {
        warn!(path = %path.display(), "snapshot: {skipped}");
    }
    let listed = recovered.skipped.len() as u64;
    if recovered.skipped_count > listed {
        let more = recovered.skipped_count - listed;
        warn!(path = %path.display(), more, "snapshot: further lines were skipped");
    }
}
