//! Keeps the journal of a node, which `serf-sim replay` reads.

use std::path::PathBuf;
use std::time::Duration;

use serf_core::{Instant, Node};
use tracing::warn;

use crate::files::{FileError, JournalLimits, JournalWriter, Lost};

/// How much is collected before it is handed on.
const PIECE: usize = 16 * 1024;

/// How long it is kept at most, if it is less: what a node that is killed takes with it.
const DELAY: Duration = Duration::from_millis(250);

/// Takes the journal from the node and hands it to the thread that writes it. Whatever goes wrong,
/// the node goes on without.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Option<Recording>);

#[derive(Debug)]
struct Recording {
    writer: JournalWriter,
    file_bytes: u64,
    path: PathBuf,
    /// Bytes that the file has so far.
    in_file: u64,
    handed_on: Instant,
}

impl Recorder {
    pub(crate) fn open(record: Option<(PathBuf, JournalLimits)>) -> Result<Self, FileError> {
        let Some((path, limits)) = record else {
            return Ok(Self(None));
        };
        let writer = JournalWriter::open(&path, limits)?;
        Ok(Self(Some(Recording {
            writer,
            file_bytes: limits.file_bytes,
            path,
            in_file: 0,
            handed_on: Instant::ZERO,
        })))
    }

    /// True if there is to be a journal.
    pub(crate) fn records(&self) -> bool {
        self.0.is_some()
    }

    /// The node has been drained.
    pub(crate) fn settled(&mut self, node: &mut Node, now: Instant) {
        if let Some(recording) = &mut self.0 {
            let len = node.journal_len();
            // The beginning at once: without it nothing can be replayed.
            let late = recording.in_file == 0 || now.since(recording.handed_on) >= DELAY;
            if (len >= PIECE || late) && !recording.hand_on(node, now) {
                node.end_journal();
                self.0 = None;
            }
        }
    }

    /// Hands on what is left, and waits until it is on the disk.
    pub(crate) async fn close(&mut self, node: &mut Node, now: Instant) {
        if let Some(mut recording) = self.0.take() {
            recording.hand_on(node, now);
            recording.writer.close().await;
        }
    }
}

impl Recording {
    /// False if the journal ends here.
    fn hand_on(&mut self, node: &mut Node, now: Instant) -> bool {
        self.handed_on = now;
        let path = self.path.display();
        let mut piece = Vec::new();
        if !node.take_journal(&mut piece) {
            warn!(%path, "the journal ends here: too much came at once");
            return false;
        }
        if piece.is_empty() {
            return true;
        }
        self.in_file += piece.len() as u64;
        let mut written = self.writer.append(piece);
        if written.is_ok() && self.in_file >= self.file_bytes {
            let mut beginning = Vec::new();
            if !(node.restart_journal() && node.take_journal(&mut beginning)) {
                warn!(%path, "the journal ends here: the node's state is too large for it");
                return false;
            }
            self.in_file = beginning.len() as u64;
            written = self.writer.next_file();
            written = written.and_then(|()| self.writer.append(beginning));
        }
        match written {
            Ok(()) => true,
            Err(Lost::Slow) => {
                warn!(%path, "the journal ends here: the disk does not keep up");
                false
            }
            // That has been said where it happened.
            Err(Lost::Failed) => false,
        }
    }
}
