//! S-37: bytes that are meant to harm are refused within stated memory, and counted by kind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use serf_core::message::{Ping, StreamMessage};
use serf_core::wire::memberlist::MAX_INFLATED;
use serf_core::wire::native::write_stream_message;
use serf_core::{Config, Counters, Identity, Instant, Name, Node, Params, StreamInput};

/// What a packet can make a node take, at the most.
const PACKET_COST: usize = 2 << 20;

/// The most bytes of a message on a stream, here.
const STREAM_CAP: usize = 256 * 1024;

/// What a stream can make a node take beyond what has arrived: the plain form of a message, in a
/// buffer that is moved as it grows, and a decoder.
const STREAM_COST: usize = 2 * STREAM_CAP + 128 * 1024;

struct Counting;

thread_local! {
    /// What this thread has now, and the most that it had; each test has a thread of its own.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: usize) {
    let held = HELD.get() + bytes as isize;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is passed on unchanged to the system allocator.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may be there for a moment.
        add(new_size);
        HELD.set(HELD.get() - layout.size() as isize);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes more there were at once while this ran.
fn cost(run: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    run();
    (PEAK.get() - before).unsigned_abs()
}

fn node() -> Node {
    let config = Config {
        max_stream_message: STREAM_CAP,
        ..Config::lan()
    };
    let name = Name::new("node-1").expect("a valid name");
    let addr = SocketAddr::from(([10, 0, 0, 1], 7946));
    let params = Params::new(config).expect("a valid configuration");
    let identity = Identity::new(name, addr);
    Node::new(identity, params, [1; 32], Instant::ZERO).expect("a valid identity")
}

fn peer() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 7946))
}

/// A message in compressed form.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut encoder = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8);
    let content = encoder.encode(message).expect("it can be compressed");
    let mut packet = b"\x09\x82\xa4Algo\x00\xa3Buf\xdb".to_vec();
    packet.extend(u32::try_from(content.len()).expect("short").to_be_bytes());
    packet.extend(content);
    packet
}

fn bomb(len: usize) -> Vec<u8> {
    compressed(&vec![0; len])
}

fn compound(parts: &[&[u8]]) -> Vec<u8> {
    let mut packet = vec![7, u8::try_from(parts.len()).expect("at most 255")];
    for part in parts {
        let len = u16::try_from(part.len()).expect("at most 64 KiB");
        packet.extend(len.to_be_bytes());
    }
    packet.extend(parts.concat());
    packet
}

fn alive(versions: &[u8], addr: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x04\x86\xa4Addr".to_vec();
    let mut field = |key: &[u8], value: &[u8]| {
        bytes.extend(key);
        bytes.push(0xa0 | value.len() as u8);
        bytes.extend(value);
    };
    field(b"", addr);
    field(b"\xabIncarnation\x01\xa4Meta\xc0\xa4Node", b"n");
    field(b"\xa4Port\x01\xa3Vsn", versions);
    bytes
}

/// A packet of the native wire with this in it.
fn native(content: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xb1];
    let sum = xxhash_rust::xxh3::xxh3_64(content) as u32;
    packet.extend(sum.to_le_bytes());
    packet.extend(content);
    packet
}

/// A frame of the native wire: a ping for somebody else.
fn native_frame() -> Vec<u8> {
    let mut frame = Vec::new();
    let ping = StreamMessage::Ping(Ping {
        seq: 5,
        target: "node-2".into(),
        source: peer(),
        source_name: "node-2".into(),
    });
    write_stream_message(&mut frame, &ping);
    frame
}

type Counter = fn(&Counters) -> u64;

#[test]
fn s_37_packets_are_refused_within_two_mebibytes_and_counted_by_kind() {
    const NACK: &[u8] = b"\x0b\x81\xa5SeqNo\x05";
    let deep = (0..8).fold(NACK.to_vec(), |inner, _| compound(&[&inner]));
    let inflated = (0..8).fold(NACK.to_vec(), |inner, _| compressed(&inner));
    let full = compound(&[NACK; 255]);
    let small_bomb = bomb(MAX_INFLATED / 2 + 1);
    let nested_values = [&b"\x0b\x81\xa1x"[..], &vec![0x91; 60_000]].concat();
    let hostile: [(&str, Vec<u8>, Counter); 28] = [
        ("nothing", vec![], |c| c.dropped_empty),
        ("nothing behind a checksum", b"\x0c\0\0\0\0".to_vec(), |c| {
            c.dropped_empty
        }),
        ("a wrong checksum", b"\x0c\0\0\0\x01x".to_vec(), |c| {
            c.dropped_corrupt
        }),
        ("empty parts", compound(&[b"", b""]), |c| c.dropped_empty),
        ("a user message without body", b"\x08".to_vec(), |c| {
            c.dropped_empty
        }),
        ("a bomb", bomb(8 << 20), |c| c.dropped_compressed),
        (
            "bombs in a compound",
            compound(&[&small_bomb[..]; 20]),
            |c| c.dropped_compressed,
        ),
        ("nothing in compressed form", compressed(b""), |c| {
            c.dropped_compressed
        }),
        (
            "compressed by an unknown algorithm",
            b"\x09\x82\xa4Algo\x07\xa3Buf\xa1x".to_vec(),
            |c| c.dropped_compressed,
        ),
        (
            "compressed, of a huge declared length",
            b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff".to_vec(),
            |c| c.dropped_compressed,
        ),
        (
            "a map of 2^32 entries",
            b"\x0b\xdf\xff\xff\xff\xff".to_vec(),
            |c| c.dropped_truncated,
        ),
        (
            "a list of 2^32 entries",
            b"\x0b\xdd\xff\xff\xff\xff".to_vec(),
            |c| c.dropped_truncated,
        ),
        (
            "a name of 4 GiB",
            b"\x03\x81\xa4Node\xdb\xff\xff\xff\xff".to_vec(),
            |c| c.dropped_truncated,
        ),
        ("a table cut short", b"\x07\xff\0\x01".to_vec(), |c| {
            c.dropped_truncated
        }),
        ("a part past the end", b"\x07\x01\xff\xffx".to_vec(), |c| {
            c.dropped_truncated
        }),
        ("nested values", nested_values, |c| c.dropped_truncated),
        ("compounds in compounds", deep, |c| c.dropped_nested),
        ("compressed again and again", inflated, |c| c.dropped_nested),
        ("1,275 parts", compound(&[&full[..]; 5]), |c| {
            c.dropped_nested
        }),
        (
            "bytes behind the last part",
            [&compound(&[NACK, NACK]), &b"more"[..]].concat(),
            |c| c.dropped_trailing,
        ),
        (
            "bytes behind a message",
            [NACK, &vec![0; 60_000]].concat(),
            |c| c.dropped_trailing,
        ),
        (
            "bytes behind a message in a message",
            b"\x08\x01\x81\xa5LTime\x01more".to_vec(),
            |c| c.dropped_trailing,
        ),
        ("no versions", alive(b"", &[10, 0, 0, 3]), |c| {
            c.dropped_invalid_member
        }),
        ("five versions", alive(&[1; 5], &[10, 0, 0, 3]), |c| {
            c.dropped_invalid_member
        }),
        ("an address of five bytes", alive(&[1; 6], &[1; 5]), |c| {
            c.dropped_invalid_member
        }),
        ("a number for a record", b"\x0b\x05".to_vec(), |c| {
            c.dropped_malformed
        }),
        (
            "native: nothing, 60,000 times",
            native(&vec![0; 60_000]),
            |c| c.dropped_malformed,
        ),
        ("native: an overlong varint", native(&[0xff; 60_000]), |c| {
            c.dropped_malformed
        }),
    ];
    for (what, packet, counter) in &hostile {
        let mut node = node();
        let cost = cost(|| node.handle_datagram(peer(), packet, Instant::ZERO));
        assert!(cost <= PACKET_COST, "{what}: {cost} bytes");
        assert!(
            counter(node.counters()) > 0,
            "{what}: {:?}",
            node.counters()
        );
        assert_eq!(node.member_count(), 1, "{what}");
    }
    // One after the other they take no more than one alone may.
    let mut node = node();
    let cost = cost(|| {
        for _ in 0..10 {
            for (_, packet, _) in &hostile {
                node.handle_datagram(peer(), packet, Instant::ZERO);
            }
        }
    });
    assert!(cost <= PACKET_COST, "all: {cost} bytes");
    println!("all packets together: {cost} bytes");
}

#[test]
fn s_37_streams_are_refused_within_twice_their_limit_and_counted_by_kind() {
    let nested = [&b"\x00"[..], &vec![0x91; 200_000], b"\xc1"].concat();
    let hostile: [(&str, Vec<u8>, Counter); 14] = [
        (
            "a user message of 2^64 bytes",
            b"\x08\x81\xaaUserMsgLen\xcf\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            |c| c.oversized_streams,
        ),
        (
            "2^31 members",
            b"\x06\x83\xa5Nodes\xce\x7f\xff\xff\xff\xacUserStateLen\0\xa4Join\xc2".to_vec(),
            |c| c.oversized_streams,
        ),
        (
            "a state of 2^63 bytes",
            b"\x06\x83\xa5Nodes\0\xacUserStateLen\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xa4Join\xc2"
                .to_vec(),
            |c| c.oversized_streams,
        ),
        (
            "compressed bytes of 4 GiB",
            b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff".to_vec(),
            |c| c.oversized_streams,
        ),
        (
            "a map of 2^32 entries",
            b"\x00\xdf\xff\xff\xff\xff".to_vec(),
            |c| c.oversized_streams,
        ),
        (
            "native: a frame of 4 GiB",
            vec![0xb1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1],
            |c| c.oversized_streams,
        ),
        ("a bomb", bomb(8 << 20), |c| c.dropped_compressed),
        (
            "compressed twice",
            compressed(&compressed(b"\x00\x80")),
            |c| c.skipped_unknown,
        ),
        (
            "bytes behind a ping",
            b"\x00\x82\xa4Node\xa6node-1\xa5SeqNo\x05more".to_vec(),
            |c| c.dropped_trailing,
        ),
        (
            "native: bytes behind a frame",
            [&native_frame()[..], b"more"].concat(),
            |c| c.dropped_trailing,
        ),
        ("nested values", nested, |c| c.failed_streams),
        ("an unknown type", b"\x42rest".to_vec(), |c| {
            c.failed_streams
        }),
        (
            "a header without end",
            b"\x08\xdf\xff\xff\xff\xff".repeat(50),
            |c| c.oversized_streams + c.failed_streams,
        ),
        (
            "native: a wrong checksum",
            b"\xb1\x04\0\0\0\0\0\0\0abcd".to_vec(),
            |c| c.failed_streams,
        ),
    ];
    for (what, bytes, counter) in &hostile {
        let mut node = node();
        let id = node.accept_stream(peer(), Instant::ZERO).expect("room");
        let cost = cost(|| {
            for piece in bytes.chunks(1000) {
                node.handle_stream(id, StreamInput::Data(piece), Instant::ZERO);
            }
        });
        let arrived = 2 * bytes.len().min(STREAM_CAP);
        assert!(cost <= STREAM_COST + arrived, "{what}: {cost} bytes");
        assert!(
            counter(node.counters()) > 0,
            "{what}: {:?}",
            node.counters()
        );
        assert_eq!(node.member_count(), 1, "{what}");
    }
}
