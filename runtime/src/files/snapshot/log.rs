//! The file of a snapshot and when to touch it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serf_core::snapshot::{Record, Recovered, State};

use super::super::replace::replace;
use super::queue::Receiver;
use super::{COMPACT, SharedStatus, lock};

/// Permissions of a new snapshot, minus the umask.
pub(super) const MODE: u32 = 0o644;

/// At most this many bytes wait to be written at once.
const MAX_BUFFER: usize = 64 * 1024;

/// How often things happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a record may wait to be written.
    pub(super) flush: Duration,
    /// How long to wait after a failure before the next attempt.
    pub(super) retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            flush: Duration::from_millis(500),
            retry: Duration::from_secs(30),
        }
    }
}

/// The file, and what it should say.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// False for devices and the like, which are only appended to.
    regular: bool,
    state: State,
    /// Lines that are not in the file yet.
    buffer: String,
    /// Bytes in the file and in the buffer.
    size: u64,
    /// How many bytes the file had when it was as short as it can be.
    shortest: u64,
    /// When the buffer was written last.
    flushed: Instant,
    /// True if the file lacks something, or ends in the middle of a line. Then nothing is appended
    /// to it any more, until it is replaced.
    broken: bool,
    /// The file is not replaced before this.
    retry_at: Option<Instant>,
    /// The node has left. What follows is the echo of that.
    left: bool,
    pace: Pace,
    status: SharedStatus,
}

impl Log {
    pub(super) fn new(
        path: PathBuf,
        file: File,
        regular: bool,
        recovered: &Recovered,
        pace: Pace,
        status: SharedStatus,
    ) -> Self {
        Self {
            path,
            file,
            regular,
            state: recovered.state.clone(),
            buffer: String::new(),
            size: recovered.complete,
            shortest: 0,
            flushed: Instant::now(),
            broken: false,
            retry_at: None,
            left: false,
            pace,
            status,
        }
    }

    /// Takes records until nobody can append any more.
    pub(super) fn run(mut self, records: &Receiver<Record>) {
        loop {
            match self.receive(records) {
                Ok(record) => self.append(&record),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.flush_if_due();
            self.replace_if_due();
        }
        self.end();
    }

    fn receive(&self, records: &Receiver<Record>) -> Result<Record, RecvTimeoutError> {
        let flush_at = (!self.buffer.is_empty()).then(|| self.flushed + self.pace.flush);
        let replace_at = self.retry_at.filter(|_| self.needs_replacing());
        match flush_at.into_iter().chain(replace_at).min() {
            Some(at) => records.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => records.recv().map_err(RecvTimeoutError::from),
        }
    }

    fn append(&mut self, record: &Record) {
        let is_clock = matches!(
            record,
            Record::Clock(_) | Record::EventClock(_) | Record::QueryClock(_)
        );
        if self.left && !is_clock {
            return;
        }
        self.state.apply(record);
        self.left |= *record == Record::Leave;
        let before = self.buffer.len();
        let written = record.write_line(&mut self.buffer);
        if !written.expect("memory takes everything") {
            lock(&self.status).dropped += 1;
        }
        if self.broken {
            // The state has it.
            self.buffer.clear();
            return;
        }
        self.size += (self.buffer.len() - before) as u64;
        if *record == Record::Leave {
            self.flush();
            self.sync();
        }
    }

    fn flush_if_due(&mut self) {
        let due = self.flushed.elapsed() > self.pace.flush || self.buffer.len() > MAX_BUFFER;
        if due && !self.buffer.is_empty() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let written = self.file.write_all(self.buffer.as_bytes());
        self.buffer.clear();
        self.flushed = Instant::now();
        if let Err(error) = written {
            self.broken = true;
            self.failed("append to", &error);
        }
    }

    fn sync(&mut self) {
        if self.regular
            && !self.broken
            && let Err(error) = self.file.sync_all()
        {
            self.broken = true;
            self.failed("sync", &error);
        }
    }

    fn needs_replacing(&self) -> bool {
        // Where names are so long that the threshold is too low, doubling is soon enough.
        let long = self.state.compaction_threshold().max(2 * self.shortest);
        self.regular && (self.broken || self.size > long)
    }

    fn replace_if_due(&mut self) {
        let may = self.retry_at.is_none_or(|at| Instant::now() >= at);
        if may && self.needs_replacing() {
            self.replace();
        }
    }

    /// Puts the shortest file with the same meaning in the place of this one.
    fn replace(&mut self) {
        if !self.buffer.is_empty() {
            // In case this fails, the old file should have it, too.
            self.flush();
        }
        let mut text = String::new();
        for record in self.state.records() {
            // What has no line was counted when it was appended.
            let written = record.write_line(&mut text);
            written.expect("memory takes everything");
        }
        match replace(&self.path, COMPACT, MODE, |file| {
            file.write_all(text.as_bytes())
        }) {
            Ok(file) => {
                self.file = file;
                self.size = text.len() as u64;
                self.shortest = self.size;
                self.flushed = Instant::now();
                self.broken = false;
                self.retry_at = None;
                let mut status = lock(&self.status);
                status.compactions += 1;
                if status.trouble.take().is_some() {
                    tracing::info!(path = %self.path.display(), "the snapshot is whole again");
                }
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + self.pace.retry);
                self.failed("replace", &error);
            }
        }
    }

    /// Brings to the disk what can be brought there.
    fn end(mut self) {
        if !self.buffer.is_empty() {
            self.flush();
        }
        self.sync();
        if self.broken && self.regular {
            self.replace();
        }
    }

    fn failed(&self, action: &str, error: &io::Error) {
        let path = self.path.display();
        let text = format!("cannot {action} snapshot '{path}': {error}");
        tracing::warn!("{text}");
        let mut status = lock(&self.status);
        status.failures += 1;
        status.trouble = Some(text);
    }
}
