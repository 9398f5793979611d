//! Snapshots of the reference system (`files.json`), damaged ones, and any bytes at all.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A running agent whose peer joined, then failed and was made to leave.
const RUNNING: &str = "alive: sn 127.0.0.1:27946\nalive: peer one 127.0.0.1:27947\nclock: 1\n\
    event-clock: 1\nevent-clock: 2\nquery-clock: 1\nquery-clock: 2\nquery-clock: 3\n\
    query-clock: 5\nquery-clock: 6\nquery-clock: 7\nnot-alive: peer one\nnot-alive: peer one\n";

/// What it appended when it left.
const LEFT: &str = "clock: 2\nclock: 3\nleave\nclock: 4\n";

const COMPACTED: &str = "alive: node six [::1]:7946\nalive: node-a 127.0.0.1:7946\nclock: 42\n\
    event-clock: 7\nquery-clock: 9\n";

/// Everything that may be in a file.
const REPLAY: &str = "# comment\nalive: node-a 127.0.0.1:7946\ncoordinate: {\"Vec\":[0,0]}\n\
    alive: node-b 127.0.0.1:7947\nnot-alive: node-a\nclock: 10\nevent-clock: 3\nquery-clock: 4\n\
    bogus line\nclock: x\nleave\nalive: node-c 127.0.0.1:7948\nclock: 12";

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn replay(bytes: impl AsRef<[u8]>, rejoin_after_leave: bool) -> Recovered {
    let mut replay = Replay::new(rejoin_after_leave);
    replay.feed(bytes.as_ref());
    replay.finish()
}

fn members(members: &alloc::collections::BTreeMap<Name, SocketAddr>) -> Vec<String> {
    members
        .iter()
        .map(|(name, addr)| format!("{name} {addr}"))
        .collect()
}

fn clocks(state: &State) -> (u64, u64, u64) {
    (state.clock(), state.event_clock(), state.query_clock())
}

fn written(records: impl IntoIterator<Item = Record>) -> String {
    let mut out = String::new();
    for record in records {
        record.write_line(&mut out).expect("memory takes it");
    }
    out
}

fn reasons(recovered: &Recovered) -> Vec<(u64, u64, SkipReason)> {
    let all = recovered.skipped.iter();
    all.map(|s| (s.line, s.offset, s.reason)).collect()
}

#[test]
fn a_snapshot_of_a_running_agent_is_read() {
    let recovered = replay(RUNNING, false);
    assert_eq!(members(recovered.state.alive()), ["sn 127.0.0.1:27946"]);
    assert_eq!(clocks(&recovered.state), (1, 2, 7));
    assert!(!recovered.state.left());
    assert_eq!(recovered.skipped_count, 0);
    assert_eq!(recovered.complete, RUNNING.len() as u64);
}

#[test]
fn a_leave_forgets_everything_but_the_clocks_after_it() {
    let recovered = replay(format!("{RUNNING}{LEFT}"), false);
    assert!(recovered.state.alive().is_empty());
    assert_eq!(clocks(&recovered.state), (4, 0, 0));
    assert!(recovered.state.left());
}

#[test]
fn with_rejoin_after_leave_a_leave_forgets_nothing() {
    let recovered = replay(format!("{RUNNING}{LEFT}"), true);
    assert_eq!(members(recovered.state.alive()), ["sn 127.0.0.1:27946"]);
    assert_eq!(clocks(&recovered.state), (4, 2, 7));
    assert!(recovered.state.left());
}

#[test]
fn whoever_comes_back_after_a_leave_has_not_left() {
    let recovered = replay(format!("{RUNNING}{LEFT}alive: sn 127.0.0.1:1\n"), false);
    assert!(!recovered.state.left());
}

#[test]
fn the_replay_case_of_the_reference_gives_its_results() {
    let recovered = replay(REPLAY, false);
    assert_eq!(members(recovered.state.alive()), ["node-c 127.0.0.1:7948"]);
    assert_eq!(clocks(&recovered.state), (0, 0, 0));
    let expected = [
        (9, 152, SkipReason::Unknown),
        (10, 163, SkipReason::Time),
        (13, 207, SkipReason::Unfinished),
    ];
    assert_eq!(reasons(&recovered), expected);
    assert_eq!(recovered.skipped_count, 3);
    assert_eq!(&REPLAY[recovered.complete as usize..], "clock: 12");

    let recovered = replay(REPLAY, true);
    let expected = ["node-b 127.0.0.1:7947", "node-c 127.0.0.1:7948"];
    assert_eq!(members(recovered.state.alive()), expected);
    assert_eq!(clocks(&recovered.state), (10, 3, 4));
}

#[test]
fn a_compacted_snapshot_is_written_as_the_reference_does() {
    let recovered = replay(COMPACTED, false);
    assert_eq!(recovered.skipped_count, 0);
    assert_eq!(written(recovered.state.records()), COMPACTED);
}

#[test]
fn a_failed_member_is_a_comment_to_others_and_remembered_until_it_returns_or_is_forgotten() {
    let addr = addr("10.0.0.1:7946");
    let alive = Record::Alive {
        name: name("a b"),
        addr,
    };
    let mut log = written([alive.clone()]);
    log += &written(Record::failure(name("a b"), addr));
    assert_eq!(
        log,
        "alive: a b 10.0.0.1:7946\nnot-alive: a b\n# failed: a b 10.0.0.1:7946\n"
    );
    let failed = replay(&log, false).state;
    assert!(failed.alive().is_empty());
    assert_eq!(members(failed.failed()), ["a b 10.0.0.1:7946"]);

    for (next, is_alive) in [
        (alive, true),
        (Record::NotAlive { name: name("a b") }, false),
    ] {
        let mut state = failed.clone();
        state.apply(&next);
        assert!(state.failed().is_empty());
        assert_eq!(!state.alive().is_empty(), is_alive);
    }
}

#[test]
fn a_comment_that_only_looks_like_a_failed_member_is_a_comment() {
    for line in [
        "# failed: nobody\n",
        "# failed: x 1.2.3.4\n",
        "# failed: \n",
    ] {
        assert_eq!(
            replay(line, false),
            Recovered {
                complete: line.len() as u64,
                ..replay("", false)
            }
        );
    }
}

#[test]
fn damaged_lines_are_skipped_and_the_rest_counts() {
    let long = "x".repeat(5000);
    let cases: [(&[u8], SkipReason); 18] = [
        (b"", SkipReason::Unknown),
        (b"leave ", SkipReason::Unknown),
        (b"Alive: a 1.2.3.4:5", SkipReason::Unknown),
        (b"alive:a 1.2.3.4:5", SkipReason::Unknown),
        (b"alive: a", SkipReason::Address),
        (b"alive: a 1.2.3.4", SkipReason::Address),
        (b"alive: a 1.2.3.4:65536", SkipReason::Address),
        (b"alive: a host:80", SkipReason::Address),
        (b"alive:  1.2.3.4:5", SkipReason::Name),
        (b"alive: a\rb 1.2.3.4:5", SkipReason::Name),
        (b"not-alive: ", SkipReason::Name),
        (b"not-alive: a\0", SkipReason::Nul),
        (b"\0\0\0\0clock: 7", SkipReason::Nul),
        (b"not-alive: \xff", SkipReason::NotUtf8),
        (b"clock: -1", SkipReason::Time),
        (b"clock: +1", SkipReason::Time),
        (b"event-clock: 18446744073709551616", SkipReason::Time),
        (long.as_bytes(), SkipReason::TooLong),
    ];
    for (line, reason) in cases {
        let file = [b"alive: x 1.2.3.4:5\n", line, b"\nclock: 3\n"].concat();
        let recovered = replay(&file, false);
        let shown = String::from_utf8_lossy(line);
        assert_eq!(reasons(&recovered), [(2, 19, reason)], "{shown}");
        assert_eq!(members(recovered.state.alive()), ["x 1.2.3.4:5"], "{shown}");
        assert_eq!(recovered.state.clock(), 3, "{shown}");
        assert_eq!(recovered.complete, file.len() as u64);
    }
}

#[test]
fn a_stretch_of_nuls_costs_one_line_and_no_memory() {
    for len in [1, 300, 100_000] {
        let file = [
            b"clock: 1\n".to_vec(),
            vec![0; len],
            b"clock: 2\nclock: 3\n".to_vec(),
        ]
        .concat();
        let recovered = replay(&file, false);
        assert_eq!(reasons(&recovered), [(2, 9, SkipReason::Nul)]);
        assert_eq!(recovered.state.clock(), 3);

        let recovered = replay(&file[..9 + len], false);
        assert_eq!(reasons(&recovered), [(2, 9, SkipReason::Nul)]);
        assert_eq!((recovered.state.clock(), recovered.complete), (1, 9));
    }
}

#[test]
fn lines_may_end_as_on_windows() {
    let recovered = replay(COMPACTED.replace('\n', "\r\n"), false);
    assert_eq!(recovered.skipped_count, 0);
    assert_eq!(recovered.state, replay(COMPACTED, false).state);
}

#[test]
fn a_long_comment_is_a_comment() {
    let recovered = replay(format!("# {}\nclock: 1\n", "x".repeat(5000)), false);
    assert_eq!((recovered.skipped_count, recovered.state.clock()), (0, 1));
}

#[test]
fn the_list_of_skipped_lines_is_bounded_but_their_number_is_not() {
    let recovered = replay("bogus\n".repeat(1000), false);
    assert_eq!(recovered.skipped.len(), Replay::MAX_SKIPPED);
    assert_eq!(recovered.skipped_count, 1000);
    let first = recovered.skipped[0].to_string();
    assert_eq!(
        first,
        "line 1 (at byte 0) is skipped: it is no known record"
    );
}

#[test]
fn a_name_that_would_break_the_line_is_not_written() {
    for bad in ["a\nleave", "a\r", "a\0"] {
        let mut out = String::new();
        let record = Record::NotAlive { name: name(bad) };
        assert_eq!(record.write_line(&mut out), Ok(false));
        assert_eq!(out, "");
    }
}

#[test]
fn mapped_addresses_are_written_as_ipv4() {
    let addr = addr("[::ffff:10.0.0.1]:80");
    let line = written([Record::Alive {
        name: name("a"),
        addr,
    }]);
    assert_eq!(line, "alive: a 10.0.0.1:80\n");
}

#[test]
fn the_longest_record_fits_in_the_longest_line() {
    let addr = SocketAddr::new([0xffff; 8].into(), u16::MAX);
    for record in Record::failure(name(&"x".repeat(Name::MAX_LEN)), addr) {
        let line = written([record.clone()]);
        assert!(line.len() <= Record::MAX_LINE);
        assert_eq!(Record::parse(line.trim_end().as_bytes()), Ok(Some(record)));
    }
}

#[test]
fn a_log_is_compacted_when_it_is_twice_as_long_as_its_members_need() {
    let mut state = State::new(false);
    let addr = addr("10.0.0.1:7946");
    for (count, threshold) in [
        (1, 131_072),
        (512, 131_072),
        (513, 131_328),
        (2000, 512_000),
    ] {
        for i in 0..count {
            let name = name(&format!("node-{i}"));
            state.apply(&Record::Alive { name, addr });
        }
        assert_eq!(state.compaction_threshold(), threshold);
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    // Few names, so that records concern each other, and awkward ones.
    let name = || {
        prop::sample::select(vec![
            "a",
            "b c",
            " d",
            "e ",
            "1.2.3.4:5",
            "#",
            "\u{e9}",
            "leave",
        ])
        .prop_map(name)
    };
    let addr = || (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
    prop_oneof![
        4 => (name(), addr()).prop_map(|(name, addr)| Record::Alive { name, addr }),
        2 => name().prop_map(|name| Record::NotAlive { name }),
        2 => (name(), addr()).prop_map(|(name, addr)| Record::Failed { name, addr }),
        1 => any::<u64>().prop_map(Record::Clock),
        1 => any::<u64>().prop_map(Record::EventClock),
        1 => any::<u64>().prop_map(Record::QueryClock),
        1 => Just(Record::Leave),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..30)) {
        let file = written(records.clone());
        let read: Vec<Record> = file
            .lines()
            .map(|line| Record::parse(line.as_bytes()).expect("good").expect("no comment"))
            .collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn a_compacted_log_amounts_to_the_same_state(
        records in prop::collection::vec(any_record(), 0..40),
        rejoin: bool,
    ) {
        let mut state = State::new(rejoin);
        records.iter().for_each(|record| state.apply(record));
        let compacted = replay(written(state.records()), rejoin);
        prop_assert_eq!(&compacted.state, &state);
        prop_assert_eq!(compacted.skipped_count, 0);
    }

    #[test]
    fn a_torn_log_amounts_to_its_complete_lines(
        records in prop::collection::vec(any_record(), 1..20),
        cut: prop::sample::Index,
    ) {
        let file = written(records);
        let torn = &file.as_bytes()[..cut.index(file.len())];
        let recovered = replay(torn, true);
        let complete = torn.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        prop_assert_eq!(recovered.complete, complete as u64);
        prop_assert_eq!(recovered.state, replay(&torn[..complete], true).state);
        prop_assert_eq!(recovered.skipped_count, u64::from(complete != torn.len()));
    }

    #[test]
    fn any_bytes_in_any_pieces_are_read_alike(
        lines in prop::collection::vec(
            prop_oneof![
                any_record().prop_map(|record| written([record]).into_bytes()),
                prop::collection::vec(any::<u8>(), 0..40),
                (0..800usize).prop_map(|len| vec![0; len]),
                (0..800usize).prop_map(|len| vec![b'#'; len]),
                Just(b"\n".to_vec()),
                Just(b"\r\n".to_vec()),
            ],
            0..20,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let file = lines.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(file.len() + 1)).collect();
        cuts.extend([0, file.len()]);
        cuts.sort_unstable();
        let mut pieces = Replay::new(false);
        for range in cuts.windows(2) {
            pieces.feed(&file[range[0]..range[1]]);
        }
        let whole = replay(&file, false);
        prop_assert_eq!(&pieces.finish(), &whole);
        prop_assert!(whole.complete <= file.len() as u64);
        prop_assert!(whole.skipped.len() <= Replay::MAX_SKIPPED);
        let offsets_grow = whole.skipped.is_sorted_by(|a, b| {
            a.offset < b.offset && a.line < b.line
        });
        prop_assert!(offsets_grow);
    }
}

#[test]
fn an_empty_file_is_an_empty_state() {
    let recovered = replay("", false);
    assert_eq!(recovered.state, State::new(false));
    assert_eq!((recovered.complete, recovered.skipped_count), (0, 0));
    assert_eq!(
        written(recovered.state.records())
            .to_owned()
            .lines()
            .count(),
        3
    );
}
