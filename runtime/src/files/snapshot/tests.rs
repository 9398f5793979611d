//! The writer with real files, and with a disk that is full.

use std::path::Path;
use std::time::Duration;

use serf_core::Name;
use serf_core::snapshot::State;
use tempfile::TempDir;

use super::*;

const AT_ONCE: Pace = Pace {
    flush: Duration::ZERO,
    retry: Duration::ZERO,
};

fn scratch() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    (dir, path)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn alive(text: &str) -> Record {
    let addr = "10.0.0.1:7946".parse().unwrap();
    Record::Alive {
        name: name(text),
        addr,
    }
}

fn reopen(path: &Path) -> Recovered {
    let (writer, recovered) = SnapshotWriter::open(path, false).unwrap();
    assert_eq!(writer.close_blocking(), SnapshotStatus::default());
    recovered
}

fn names(state: &State) -> Vec<&str> {
    state.alive().keys().map(Name::as_str).collect()
}

#[test]
fn what_is_appended_is_in_the_file_and_is_recovered() {
    let (_dir, path) = scratch();
    let (writer, recovered) = SnapshotWriter::open(&path, false).unwrap();
    assert_eq!(recovered.state, State::new(false));
    writer.append(alive("a"));
    writer.append(alive("b c"));
    writer.append(Record::Clock(3));
    for record in Record::failure(name("a"), "10.0.0.1:7946".parse().unwrap()) {
        writer.append(record);
    }
    assert_eq!(writer.close_blocking(), SnapshotStatus::default());
    let expected = "alive: a 10.0.0.1:7946\nalive: b c 10.0.0.1:7946\nclock: 3\n\
        not-alive: a\n# failed: a 10.0.0.1:7946\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);

    let state = reopen(&path).state;
    assert_eq!(names(&state), ["b c"]);
    assert_eq!(state.failed().len(), 1);
    assert_eq!(state.clock(), 3);
}

#[test]
fn an_idle_writer_brings_the_last_record_to_the_file() {
    let (_dir, path) = scratch();
    let (writer, _) = SnapshotWriter::open(&path, false).unwrap();
    writer.append(alive("a"));
    // Ends by itself, or the test never does.
    while fs::read_to_string(&path).unwrap().is_empty() {
        thread::yield_now();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "alive: a 10.0.0.1:7946\n"
    );
    drop(writer);
}

#[test]
fn a_torn_line_is_cut_off_before_anything_is_appended() {
    let (_dir, path) = scratch();
    fs::write(&path, "alive: a 10.0.0.1:7946\nclock: 1").unwrap();
    let (writer, recovered) = SnapshotWriter::open(&path, false).unwrap();
    assert_eq!(recovered.skipped_count, 1);
    assert_eq!(recovered.state.clock(), 0);
    writer.append(Record::Clock(12));
    let status = futures_lite::future::block_on(writer.close());
    assert_eq!(status, SnapshotStatus::default());
    let expected = "alive: a 10.0.0.1:7946\nclock: 12\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn after_a_leave_only_clocks_are_recorded() {
    let (_dir, path) = scratch();
    let (writer, _) = SnapshotWriter::open(&path, false).unwrap();
    for record in [
        alive("a"),
        Record::Leave,
        Record::NotAlive { name: name("a") },
        alive("b"),
        Record::Clock(4),
    ] {
        writer.append(record);
    }
    writer.close_blocking();
    let expected = "alive: a 10.0.0.1:7946\nleave\nclock: 4\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let state = reopen(&path).state;
    assert!(state.left() && state.alive().is_empty());
}

#[test]
fn a_file_grown_long_is_replaced_by_a_short_one_with_the_same_meaning() {
    let (dir, path) = scratch();
    let line = "alive: a 10.0.0.1:7946\n";
    fs::write(&path, line.to_owned() + &"clock: 1\n".repeat(20_000)).unwrap();
    fs::write(dir.path().join("snapshot.compact"), "left over").unwrap();
    let (writer, _) = SnapshotWriter::open(&path, false).unwrap();
    writer.append(Record::Clock(2));
    writer.append(Record::Clock(3));
    let status = writer.close_blocking();
    assert_eq!((status.compactions, status.trouble), (1, None));
    let expected = format!("{line}clock: 2\nevent-clock: 0\nquery-clock: 0\nclock: 3\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_compacted_file_that_was_not_renamed_yet_is_taken() {
    let (dir, path) = scratch();
    let compact = dir.path().join("snapshot.compact");
    fs::write(&compact, "alive: a 10.0.0.1:7946\n").unwrap();
    assert_eq!(names(&reopen(&path).state), ["a"]);
    assert!(path.exists() && !compact.exists());
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let (dir, _) = scratch();
    let path = dir.path().join("none/snapshot");
    let error = SnapshotWriter::open(&path, false).unwrap_err().to_string();
    let path = path.display();
    assert_eq!(
        error,
        format!("cannot open snapshot '{path}': No such file or directory (os error 2)")
    );
}

/// Carries out the records on a log whose appends fail as on a full disk.
#[cfg(target_os = "linux")]
fn run_on_a_full_disk(path: &Path, records: &[Record]) -> SnapshotStatus {
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let status = SharedStatus::default();
    let recovered = Replay::new(false).finish();
    let log = Log::new(
        path.to_owned(),
        full,
        true,
        &recovered,
        AT_ONCE,
        Arc::clone(&status),
    );
    let (send, receive) = queue::bounded(records.len());
    for record in records {
        assert!(send.try_send(record.clone()));
    }
    drop(send);
    log.run(&receive);
    lock(&status).clone()
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_full_disk_the_file_is_replaced_and_has_everything() {
    let (_dir, path) = scratch();
    let records = [alive("a"), Record::EventClock(7), alive("b")];
    let status = run_on_a_full_disk(&path, &records);
    assert_eq!(status.trouble, None);
    assert_eq!((status.failures, status.compactions), (1, 1));
    assert_eq!(status.dropped, 0);
    let state = reopen(&path).state;
    assert_eq!(names(&state), ["a", "b"]);
    assert_eq!(state.event_clock(), 7);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_stays_full_is_reported() {
    let (dir, _) = scratch();
    let path = dir.path().join("none/snapshot");
    let status = run_on_a_full_disk(&path, &[alive("a"), alive("b")]);
    assert!(status.failures >= 2, "{status:?}");
    assert_eq!(status.compactions, 0);
    let trouble = status.trouble.unwrap();
    assert!(
        trouble.starts_with("cannot replace snapshot '"),
        "{trouble}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_but_never_read_or_replaced() {
    let (dir, path) = scratch();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let (writer, recovered) = SnapshotWriter::open_at(AT_ONCE, path.clone(), false).unwrap();
    assert_eq!(recovered.state, State::new(false));
    writer.append(alive("a"));
    let status = writer.close_blocking();
    assert_eq!((status.failures, status.compactions), (1, 0));
    let trouble = status.trouble.unwrap();
    assert!(trouble.contains("No space left on device"), "{trouble}");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_full_queue_does_not_hold_the_caller_up() {
    let (records, _nobody_reads) = queue::bounded(2);
    let writer = SnapshotWriter {
        records,
        status: SharedStatus::default(),
        ended: async_channel::bounded(1).1,
    };
    for clock in 0..5 {
        writer.append(Record::Clock(clock));
    }
    assert_eq!(writer.status().dropped, 3);
}

#[test]
fn a_name_that_has_no_line_is_counted() {
    let (_dir, path) = scratch();
    let (writer, _) = SnapshotWriter::open(&path, false).unwrap();
    writer.append(alive("a\nleave"));
    assert_eq!(writer.close_blocking().dropped, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}
