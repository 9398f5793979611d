//! What the disk of a node has: its snapshot, written as the adapters write it.

use std::time::Duration;

use serf_core::snapshot::{Record, Recorder, Replay, State};
use serf_core::{Event, Instant, Node, Status};

/// How often the clocks of the node are looked at.
const CLOCKS: Duration = Duration::from_millis(500);

/// How long a record may wait to be written: those that do are lost in a crash.
const FLUSH: Duration = Duration::from_millis(500);

/// The snapshot of one node: what is in the file, and what is on its way there.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    file: String,
    /// A file that is longer is written anew.
    limit: usize,
    buffer: String,
    flushed: Instant,
    recorder: Recorder,
    clocks_at: Instant,
    /// The node has left. What follows is the echo of that.
    left: bool,
}

impl Disk {
    /// An empty file, of a node that knows nothing.
    pub(crate) fn empty() -> Self {
        let state = State::new(false);
        Self {
            file: String::new(),
            limit: state.compaction_threshold() as usize,
            buffer: String::new(),
            flushed: Instant::ZERO,
            recorder: Recorder::new(&state),
            clocks_at: Instant::ZERO,
            left: false,
        }
    }

    /// The file of a node that has run for some time.
    pub(crate) fn of(node: &Node) -> Self {
        let mut disk = Self::empty();
        let mut records = Vec::new();
        for member in node.members() {
            let (name, addr) = (member.name().clone(), member.addr());
            match member.status() {
                Status::Failed => records.extend(Record::failure(name, addr)),
                Status::Left => {}
                _ => records.push(Record::Alive { name, addr }),
            }
        }
        disk.recorder.clocks(node, &mut records);
        records.push(Record::EventClock(node.event_time().before(1).get()));
        write(&mut disk.file, &records);
        disk.recorder = Recorder::new(&disk.read());
        disk
    }

    /// Something happened to the node.
    pub(crate) fn event(&mut self, event: &Event, now: Instant) {
        let mut records = Vec::new();
        self.recorder.event(event, &mut records);
        self.append(&records, now);
    }

    /// The node has nothing more to do for now.
    pub(crate) fn settled(&mut self, node: &Node, now: Instant) {
        if now.since(self.clocks_at) >= CLOCKS {
            self.clocks_at = now;
            let mut records = Vec::new();
            self.recorder.clocks(node, &mut records);
            self.append(&records, now);
        }
    }

    /// The node begins to leave, of its own will.
    pub(crate) fn leaves(&mut self, node: &Node, now: Instant) {
        let mut records = Vec::new();
        self.recorder.clocks(node, &mut records);
        records.push(Record::Leave);
        self.append(&records, now);
        self.flush(now);
        self.left = true;
    }

    /// The process ends: without a word, or after everything has been written.
    pub(crate) fn end(&mut self, in_order: bool, now: Instant) {
        if in_order || self.is_due(now) {
            self.flush(now);
        }
        self.buffer.clear();
    }

    /// The node starts again and reads what there is.
    pub(crate) fn open(&mut self) -> State {
        let state = self.read();
        self.recorder = Recorder::new(&state);
        self.left = false;
        state
    }

    fn append(&mut self, records: &[Record], now: Instant) {
        // The writer has not slept in the meantime.
        if self.is_due(now) && !self.buffer.is_empty() {
            let due = self.flushed + FLUSH;
            self.flush(due);
        }
        let clock = |record: &&Record| {
            matches!(
                record,
                Record::Clock(_) | Record::EventClock(_) | Record::QueryClock(_)
            )
        };
        let taken = records.iter().filter(|record| !self.left || clock(record));
        write(&mut self.buffer, taken);
        if self.is_due(now) && !self.buffer.is_empty() {
            self.flush(now);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        now.since(self.flushed) > FLUSH
    }

    fn flush(&mut self, now: Instant) {
        self.flushed = now;
        self.file.push_str(&self.buffer);
        self.buffer.clear();
        if self.file.len() > self.limit {
            let state = self.read();
            self.file.clear();
            write(&mut self.file, &state.records().collect::<Vec<_>>());
            self.limit = state.compaction_threshold() as usize + self.file.len();
        }
    }

    fn read(&self) -> State {
        let mut replay = Replay::new(false);
        replay.feed(self.file.as_bytes());
        replay.finish().state
    }
}

fn write<'a>(out: &mut String, records: impl IntoIterator<Item = &'a Record>) {
    for record in records {
        let written = record.write_line(out);
        written.expect("memory takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(disk: &mut Disk, clock: u64, now: Instant) {
        disk.append(&[Record::EventClock(clock)], now);
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_crash_loses_what_waits_and_an_orderly_end_nothing() {
        for (in_order, ends_at, clock) in [(false, 1_300, 1), (false, 1_600, 3), (true, 1_300, 3)] {
            let mut disk = Disk::empty();
            // Nothing was written for long, so that the first goes out at once.
            record(&mut disk, 1, at(1_000));
            record(&mut disk, 2, at(1_100));
            record(&mut disk, 3, at(1_200));
            disk.end(in_order, at(ends_at));
            assert_eq!(disk.open().event_clock(), clock, "{in_order} {ends_at}");
        }
    }

    #[test]
    fn what_waited_too_long_is_written_before_more_comes() {
        let mut disk = Disk::empty();
        record(&mut disk, 1, at(1_000));
        record(&mut disk, 2, at(1_100));
        record(&mut disk, 3, at(1_550));
        disk.end(false, at(1_551));
        assert_eq!(disk.open().event_clock(), 2);
    }

    #[test]
    fn a_long_file_is_written_anew() {
        let mut disk = Disk::empty();
        for time in 1..20_000 {
            record(&mut disk, time, at(time * 1_000));
        }
        assert!(disk.file.len() < 200_000, "{}", disk.file.len());
        assert_eq!(disk.open().event_clock(), 19_999);
    }
}
