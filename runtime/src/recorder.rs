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
    /// Bytes of the state that it began with.
    beginning: u64,
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
            beginning: 0,
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
        // A state that is larger than a file would otherwise be written again with every piece.
        let full = self.file_bytes.max(2 * self.beginning);
        if written.is_ok() && self.in_file >= full {
            let mut beginning = Vec::new();
            if !(node.restart_journal() && node.take_journal(&mut beginning)) {
                warn!(%path, "the journal ends here: the node's state is too large for it");
                return false;
            }
            self.beginning = beginning.len() as u64;
            self.in_file = self.beginning;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use futures_lite::future::block_on;
    use serf_core::{Action, Config, Identity, Name, Params};

    use super::*;

    #[test]
    fn the_state_of_a_node_is_at_most_half_of_a_full_file() {
        let place = tempfile::tempdir().unwrap();
        let limits = JournalLimits {
            file_bytes: 1000,
            files: 1000,
        };
        let record = Some((place.path().join("journal"), limits));
        let mut recorder = Recorder::open(record).unwrap();
        let identity = Identity::new(Name::new("a").unwrap(), ([127, 0, 0, 1], 1).into());
        let params = Params::new(Config::local()).unwrap();
        let mut now = Instant::ZERO;
        let mut node = Node::recorded(identity, params, [0; 32], now).unwrap();
        for _ in 0..200 {
            now = now + DELAY;
            // The node remembers it: this is what makes its state grow.
            node.user_event("news", &[7; 400], false, now).unwrap();
            while !matches!(node.poll_action(&mut Vec::new()), Action::Wait(_)) {}
            recorder.settled(&mut node, now);
        }
        assert!(recorder.records());
        block_on(recorder.close(&mut node, now));
        let files = fs::read_dir(place.path()).unwrap();
        let sizes: Vec<u64> = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert!(sizes.len() > 3, "{sizes:?}");
        // The inputs, as much again for states, and the state that the last file begins with.
        let inputs = 200 * 500;
        assert!(sizes.iter().sum::<u64>() < 3 * inputs, "{sizes:?}");
    }
}
