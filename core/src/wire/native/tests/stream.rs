//! Frames on streams, case by case.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::message::{StreamMessage, Sync, SyncEntry, SyncState};
use crate::serf::clock::LamportTime;
use crate::serf::intent::Intent;

#[test]
fn a_sync_comes_back_entry_by_entry() {
    let names: Vec<String> = (0..300).map(|i| format!("node-{i}")).collect();
    let states = [
        SyncState::Alive,
        SyncState::Suspect,
        SyncState::Dead,
        SyncState::Left,
    ];
    let meta = [b'm'; 200];
    let entries: Vec<_> = names
        .iter()
        .zip(states.into_iter().cycle())
        .enumerate()
        .map(|(i, (name, state))| SyncEntry {
            state,
            intent: Intent::leave(LamportTime::new(i as u64)),
            alive: Alive {
                meta: &meta[..i % meta.len()],
                ..alive(name)
            },
        })
        .collect();
    for (join, user_state) in [(true, &b""[..]), (false, &[7; 1000])] {
        let mut buf = b"before".to_vec();
        let mut writer = SyncWriter::new(&mut buf, join, VersionRange::EMPTY, usize::MAX);
        for entry in &entries {
            assert!(writer.push(entry));
        }
        let len = writer.finish(user_state);
        assert_eq!(len, buf.len() - 6);

        let Ok(StreamMessage::Sync(sync)) = read_stream_message(&buf[6..]) else {
            panic!("not a sync");
        };
        assert_eq!((sync.join, sync.count), (join, 300));
        assert_eq!(sync.user_state, user_state);
        assert!(SyncEntries::new(&sync).eq(entries.iter().copied().map(Ok)));
        // Written in one piece it is the same.
        let mut again = Vec::new();
        write_stream_message(&mut again, &StreamMessage::Sync(sync));
        assert_eq!(again, buf[6..]);
    }
}

#[test]
fn a_sync_stays_in_its_budget() {
    let entry = SyncEntry {
        state: SyncState::Alive,
        intent: Intent::NONE,
        alive: alive("member"),
    };
    let mut buf = Vec::new();
    let mut writer = SyncWriter::new(&mut buf, true, VersionRange::EMPTY, 100);
    let pushed = (0..100).take_while(|_| writer.push(&entry)).count();
    assert!(writer.finish(b"") <= 101);
    let Ok(StreamMessage::Sync(sync)) = read_stream_message(&buf) else {
        panic!("not a sync");
    };
    assert!(pushed > 0);
    assert_eq!(SyncEntries::new(&sync).count(), pushed);
    assert_eq!(sync.count as usize, pushed);
}

#[test]
fn a_bad_entry_does_not_hide_the_next() {
    let entry = SyncEntry {
        state: SyncState::Left,
        intent: Intent::NONE,
        alive: alive("member"),
    };
    let mut good = Vec::new();
    let _ = sized::append_sized(&mut good, usize::MAX, |out| {
        alive::append_entry(out, &entry)
    });
    let mut longer = good.clone();
    longer[0] += 3;
    longer.extend(b"new");
    // Empty, a state that does not exist, good, good with an appended field, cut short.
    let bytes = [&[0, 2, 4, 0][..], &good, &longer, &[50, 1]].concat();
    let sync = Sync {
        join: false,
        versions: VersionRange::EMPTY,
        count: 0,
        entries: &bytes,
        user_state: b"",
    };
    let malformed = Err(MessageError::Malformed);
    let items: Vec<_> = SyncEntries::new(&sync).collect();
    assert_eq!(
        items,
        [malformed, malformed, Ok(entry), Ok(entry), malformed]
    );
}

#[test]
fn pings_and_acks_come_back_over_a_stream() {
    let ping = Ping {
        seq: 5,
        target: "target".into(),
        source: addr(V6),
        source_name: "source".into(),
    };
    let ack = Ack {
        seq: 5,
        payload: b"",
    };
    for message in [StreamMessage::Ping(ping), StreamMessage::Ack(ack)] {
        let mut buf = Vec::new();
        let len = write_stream_message(&mut buf, &message);
        assert_eq!(len, buf.len());
        buf.extend(b"bytes after the frame");
        assert_eq!(frame(&buf, len), Ok(Frame::Complete { len }));
        assert_eq!(read_stream_message(&buf), Ok(message));
    }
}

#[test]
fn a_frame_is_partial_until_its_last_byte() {
    let mut buf = Vec::new();
    let ping = StreamMessage::Ack(Ack {
        seq: 5,
        payload: b"payload",
    });
    let len = write_stream_message(&mut buf, &ping);
    for end in 0..len {
        assert_eq!(frame(&buf[..end], len), Ok(Frame::Partial));
        assert_eq!(
            read_stream_message(&buf[..end]),
            Err(StreamError::Malformed)
        );
    }
    assert_eq!(frame(&buf, len), Ok(Frame::Complete { len }));
}

#[test]
fn a_frame_that_cannot_become_good_is_refused_at_once() {
    assert_eq!(frame(&[6], 100), Err(StreamError::Foreign));
    assert_eq!(frame(&[0xb2], 100), Err(StreamError::Version(2)));
    let body = [0; 91];
    let good = stream_frame(&body);
    assert_eq!(frame(&good, 100), Ok(Frame::Complete { len: 100 }));
    assert_eq!(
        frame(&good[..5], 99),
        Err(StreamError::TooLarge { len: 100, cap: 99 })
    );
    let huge = [FIRST_BYTE, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(
        frame(&huge, 20 << 20),
        Err(StreamError::TooLarge {
            len: (1 << 32) + 8,
            cap: 20 << 20
        })
    );
}

#[test]
fn bad_bodies_of_frames_are_told_apart() {
    assert_eq!(
        read_stream_message(&stream_frame(&[])),
        Err(StreamError::Malformed)
    );
    assert_eq!(
        read_stream_message(&stream_frame(&[kind::NACK, 1])),
        Err(StreamError::Unknown { kind: kind::NACK })
    );
    // The kind and the join flag, then the versions.
    let sync = |join: u8, rest: &[u8]| [&[kind::SYNC, join][..], &[7; 8], rest].concat();
    let bad = [
        // A join flag of 2, more bytes of entries than there are, no user state, one too long.
        sync(2, &[0, 0, 0, 0, 0, 0, 0, 0, 0]),
        sync(0, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
        sync(0, &[0, 0, 0, 0, 0, 0, 0, 0]),
        sync(0, &[0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    for body in bad {
        assert_eq!(
            read_stream_message(&stream_frame(&body)),
            Err(StreamError::Malformed)
        );
    }
    let later = sync(1, &[0, 0, 0, 0, 0, 0, 0, 0, 1, b'u', b'n', b'e', b'w']);
    let later = stream_frame(&later);
    let Ok(StreamMessage::Sync(read)) = read_stream_message(&later) else {
        panic!("it can be read");
    };
    assert_eq!((read.join, read.count, read.entries), (true, 0, &[][..]));
    assert_eq!(read.user_state, b"u");
}
