//! Fuzz targets: each feeds bytes to one decoder, which must not panic, and checks what it gives.
//!
//! With a nightly compiler and cargo-fuzz they run guided by coverage:
//!
//! ```sh
//! cd fuzz
//! cargo run --bin seeds             # writes the vectors to corpus/, as a start
//! cargo +nightly fuzz run memberlist_packet
//! ```
//!
//! On a stable compiler `cargo test` feeds each target the vectors and some thousand mutations of
//! them, the same every time; `cargo run --bin memberlist_packet FILE...` feeds it the files that a
//! run has left behind.

mod journal;
#[cfg(test)]
mod tests;
mod vectors;

use std::net::{Ipv4Addr, SocketAddr};

use serf_core::VersionRange;
use serf_core::keyring::{Key, Keyring};
use serf_core::message::{Message, SerfMessage, StreamMessage, Sync};
use serf_core::snapshot::Replay;
use serf_core::wire::label::Label;
use serf_core::wire::memberlist::{self, Compressor, Origin, Unpacker};
use serf_core::wire::native::{self, Frame};
use serf_core::wire::seal::{self, SealError, Sealer};

pub use journal::journal;
pub use vectors::{KEY, vectors};

/// A decoder and what is expected of it.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("native_packet", native_packet),
    ("native_stream", native_stream),
    ("memberlist_packet", memberlist_packet),
    ("memberlist_stream", memberlist_stream),
    ("msgpack", msgpack),
    ("lzw", lzw),
    ("seal", seal),
    ("files", files),
    ("journal", journal),
];

/// The most bytes that a message on a stream may have.
const CAP: usize = 1 << 20;

const ORIGIN: Origin = Origin {
    from: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7946),
    own_port: 7946,
};

/// Feeds a target the files that are named on the command line.
pub fn replay(target: Target) {
    for path in std::env::args_os().skip(1) {
        match std::fs::read(&path) {
            Ok(data) => target(&data),
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
}

/// Packets of the native wire; their messages also without the checksum, which would hide them.
pub fn native_packet(data: &[u8]) {
    if let Ok(messages) = native::read_packet(data) {
        assert!(messages.count() <= data.len());
    }
    let Ok(message) = native::read_message(data) else {
        return;
    };
    check_filters(&message, data.len());
    let mut bytes = Vec::new();
    native::append_message(&mut bytes, &message);
    assert_eq!(native::read_message(&bytes), Ok(message));
    if let Message::Ack(ack) = message {
        let _ = native::read_coordinate(ack.payload);
    }
}

/// Frames of the native wire; also in a frame with a checksum that matches, as the entries and the
/// user state of a state exchange.
pub fn native_stream(data: &[u8]) {
    check_native_stream(data);
    let (entries, user_state) = data.split_at(data.len() / 2);
    let sync = Sync {
        join: true,
        versions: VersionRange::EMPTY,
        count: 3,
        entries,
        user_state,
    };
    let mut frame = Vec::new();
    native::write_stream_message(&mut frame, &StreamMessage::Sync(sync));
    assert_eq!(
        native::read_stream_message(&frame),
        Ok(StreamMessage::Sync(sync))
    );
    check_native_stream(&frame);
}

fn check_native_stream(data: &[u8]) {
    if let Ok(Frame::Complete { len }) = native::frame(data, CAP) {
        assert!(len <= data.len().min(CAP));
    }
    if let Ok(StreamMessage::Sync(sync)) = native::read_stream_message(data) {
        assert!(native::SyncEntries::new(&sync).count() <= sync.entries.len());
        let _ = native::StateEntries::new(sync.user_state).count();
    }
}

/// Packets of the memberlist wire, and that their messages are the same when written again.
pub fn memberlist_packet(data: &[u8]) {
    let mut unpacker = Unpacker::new();
    let Ok(messages) = memberlist::read_packet(data, ORIGIN, &mut unpacker) else {
        return;
    };
    let mut count = 0;
    for message in messages {
        count += 1;
        if let Ok(message) = message {
            check_filters(&message, memberlist::MAX_INFLATED);
            check_written_again(&message);
        }
    }
    assert!(count <= memberlist::MAX_PARTS);
}

fn check_written_again(message: &Message<'_>) {
    let mut bytes = Vec::new();
    memberlist::append_message(&mut bytes, message);
    let again = memberlist::read_message(&bytes, ORIGIN).expect("what is written can be read");
    let mut twice = Vec::new();
    memberlist::append_message(&mut twice, &again);
    assert_eq!(bytes, twice);
    // And as the other wire has it.
    let mut native = Vec::new();
    native::append_message(&mut native, message);
    assert!(native::read_message(&native).is_ok());
}

fn check_filters(message: &Message<'_>, most: usize) {
    if let Message::Serf(SerfMessage::Query(query)) = message {
        assert!(query.filters.iter().count() <= most);
    }
}

/// Streams of the memberlist wire, in one piece and byte by byte.
pub fn memberlist_stream(data: &[u8]) {
    let whole = memberlist::Framing::new().advance(data, CAP);
    let mut framing = memberlist::Framing::new();
    let step = data.len() / 64 + 1;
    let pieces = (0..data.len())
        .step_by(step)
        .map(|len| framing.advance(&data[..len], CAP))
        .find(|frame| *frame != Ok(Frame::Partial));
    let pieces = pieces.unwrap_or_else(|| framing.advance(data, CAP));
    assert_eq!(whole.is_ok(), pieces.is_ok());
    if whole.is_ok() {
        assert_eq!(whole, pieces);
    }
    let mut unpacker = Unpacker::new();
    match memberlist::read_stream_message(data, ORIGIN, &mut unpacker, CAP) {
        Ok(StreamMessage::Sync(sync)) => {
            let entries = memberlist::SyncEntries::new(&sync, ORIGIN);
            assert!(entries.count() <= sync.entries.len());
            state(sync.user_state);
        }
        Ok(message) => {
            let mut bytes = Vec::new();
            memberlist::write_stream_message(&mut bytes, &message, None);
            let mut unpacker = Unpacker::new();
            let again = memberlist::read_stream_message(&bytes, ORIGIN, &mut unpacker, CAP);
            assert!(again.is_ok());
        }
        Err(_) => {}
    }
    state(data);
}

fn state(bytes: &[u8]) {
    if let Ok(state) = memberlist::StateEntries::new(bytes) {
        assert!(state.count() <= 1 + bytes.len());
    }
}

/// Records of the memberlist wire, whatever they stand for.
pub fn msgpack(data: &[u8]) {
    if let Ok(message) = memberlist::read_message(data, ORIGIN) {
        check_written_again(&message);
    }
    if let Ok(message) = memberlist::read_serf_message(data) {
        check_written_again(&Message::Serf(message));
    }
    if let Ok(response) = memberlist::read_key_response(data) {
        assert!(response.keys.count() <= data.len());
    }
    if let Ok(request) = memberlist::read_key_request(data) {
        assert!(request.key.len() <= data.len());
    }
    if let Ok(Some(member)) = memberlist::read_conflict_response(data) {
        let mut bytes = Vec::new();
        memberlist::write_conflict_response(&mut bytes, Some(&member));
        assert_eq!(memberlist::read_conflict_response(&bytes), Ok(Some(member)));
    }
    if let Ok(coordinate) = memberlist::read_coordinate(data) {
        assert!(coordinate.is_valid());
    }
    let _ = serf_core::tags::decode(data);
}

/// Compressed data, and data that is compressed and must come back.
pub fn lzw(data: &[u8]) {
    let mut wrapped = b"\x09\x82\xa4Algo\x00\xa3Buf\xdb".to_vec();
    wrapped.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
    wrapped.extend(data);
    let mut unpacker = Unpacker::new();
    if let Ok(messages) = memberlist::read_packet(&wrapped, ORIGIN, &mut unpacker) {
        assert!(messages.count() <= memberlist::MAX_PARTS);
    }
    if data.is_empty() || data.len() > 0xffff {
        return;
    }
    let mut packet = Vec::new();
    let mut writer = memberlist::PacketWriter::new(&mut packet, usize::MAX, true);
    assert!(writer.push_encoded(data));
    writer.finish(Some(&mut Compressor::new()));
    // Of what looks like a container this says nothing.
    if !matches!(data[0], 7 | 9) {
        let mut messages =
            memberlist::read_packet(&packet, ORIGIN, &mut unpacker).expect("a packet");
        assert_eq!(messages.next_encoded(), Some(Ok(data)));
        assert!(messages.next_encoded().is_none());
    }
}

/// Sealed packets and frames. What does not open is left as it was.
pub fn seal(data: &[u8]) {
    let sealer = Sealer::new(&Keyring::new(Key::new(&KEY).expect("a key")));
    let label = Label::none();
    if let Ok(Frame::Complete { len }) = seal::frame(data, CAP) {
        assert!(len <= data.len().min(CAP));
    }
    let mut bytes = data.to_vec();
    match sealer.open_packet(&mut bytes, &label) {
        Ok(_) | Err(SealError::Padding) => {}
        Err(_) => assert_eq!(bytes, data),
    }
    let mut bytes = data.to_vec();
    let _ = sealer.open_frame(&mut bytes, &label);
    let _ = label.check(data);
    let mut packet = data.to_vec();
    sealer.seal_packet(&mut packet, 0, *b"never again!", &label);
    assert_eq!(sealer.open_packet(&mut packet, &label), Ok(data));
    let mut frame = data.to_vec();
    sealer.seal_frame(&mut frame, 0, *b"never again!", &label);
    assert_eq!(sealer.open_frame(&mut frame, &label), Ok(data));
}

/// Lines of snapshots, and keys in base64.
pub fn files(data: &[u8]) {
    for rejoin in [false, true] {
        let mut replay = Replay::new(rejoin);
        let (begin, end) = data.split_at(data.len() / 2);
        replay.feed(begin);
        replay.feed(end);
        let recovered = replay.finish();
        let mut whole = Replay::new(rejoin);
        whole.feed(data);
        assert_eq!(whole.finish(), recovered);
    }
    if let Ok(text) = str::from_utf8(data) {
        for line in text.lines() {
            if let Ok(key) = Key::from_base64(line) {
                assert_eq!(Key::new(key.as_bytes()), Ok(key));
            }
        }
    }
}
