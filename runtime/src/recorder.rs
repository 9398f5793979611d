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
    limits: JournalLimits,
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
            limits,
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
        let (limit, bytes) = (self.limits.file_bytes, self.in_file);
        self.in_file += piece.len() as u64;
        if self.in_file > limit {
            warn!(%path, bytes, limit, "the journal ends here: it is as large as it may be");
            return false;
        }
        match self.writer.append(piece) {
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
