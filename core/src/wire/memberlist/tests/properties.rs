//! What holds for any messages and any bytes.

use alloc::string::String;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::message::{StreamMessage, SyncEntry, SyncState};
use crate::serf::intent::Intent;
use crate::wire::msgpack::Reader;
use crate::wire::native::{self, Frame};

/// Owned material that a message can borrow from.
#[derive(Debug, Clone)]
struct Parts {
    kind: u8,
    numbers: (u32, bool),
    ltime: u64,
    texts: [String; 2],
    addrs: [SocketAddr; 2],
    versions: [u8; 6],
    bytes: Vec<u8>,
}

impl Parts {
    fn alive(&self) -> Alive<'_> {
        Alive {
            incarnation: self.numbers.0,
            name: (&*self.texts[0]).into(),
            addr: self.addrs[0],
            versions: field::read_versions(&self.versions).expect("six bytes"),
            meta: &self.bytes,
        }
    }

    fn message(&self) -> Message<'_> {
        let (seq, flag) = self.numbers;
        let [a, b] = &self.texts;
        let [source, target_addr] = self.addrs;
        let accusation = Accusation {
            incarnation: seq,
            name: (&**a).into(),
            from: (&**b).into(),
        };
        match self.kind {
            0 => Message::Ping(Ping {
                seq,
                target: (&**a).into(),
                source,
                source_name: (&**b).into(),
            }),
            1 => Message::IndirectPing(IndirectPing {
                seq,
                target: (&**a).into(),
                target_addr,
                nack: flag,
                source,
                source_name: (&**b).into(),
            }),
            2 => Message::Ack(Ack {
                seq,
                payload: &self.bytes,
            }),
            3 => Message::Nack(Nack { seq }),
            4 => Message::Suspect(accusation),
            5 => Message::Alive(self.alive()),
            6 => Message::Dead(accusation),
            _ => Message::Serf(self.serf_message()),
        }
    }

    fn serf_message(&self) -> SerfMessage<'_> {
        let (id, flag) = self.numbers;
        let ltime = LamportTime::new(self.ltime);
        let [a, b] = &self.texts;
        match self.kind {
            7 => SerfMessage::LeaveIntent(LeaveIntent {
                ltime,
                node: (&**a).into(),
                prune: flag,
            }),
            8 => SerfMessage::JoinIntent(JoinIntent {
                ltime,
                node: (&**a).into(),
            }),
            9 => SerfMessage::UserEvent(UserEvent {
                ltime,
                name: a,
                payload: &self.bytes,
                coalesce: flag,
            }),
            10 => SerfMessage::Query(Query {
                ltime,
                id,
                source: self.addrs[0],
                source_name: (&**a).into(),
                filters: Filters::default(),
                flags: QueryFlags::from_bits(id),
                relay_factor: self.versions[0],
                timeout: Duration::from_nanos(self.ltime >> 1),
                name: b,
                payload: &self.bytes,
            }),
            11 => SerfMessage::QueryResponse(QueryResponse {
                ltime,
                id,
                from: (&**a).into(),
                flags: id,
                payload: &self.bytes,
            }),
            _ => SerfMessage::Relay(Relay {
                dest: self.addrs[0],
                dest_name: (&**a).into(),
                message: &self.bytes,
            }),
        }
    }
}

fn any_addr() -> impl Strategy<Value = SocketAddr> {
    // Those that are no address of anybody stand for none.
    let port = 1..=u16::MAX;
    prop_oneof![
        (any::<[u8; 4]>(), port.clone()).prop_map(SocketAddr::from),
        (any::<[u8; 16]>(), port).prop_map(SocketAddr::from),
    ]
    .prop_filter("somewhere", |addr| !addr.ip().is_unspecified())
}

fn any_parts() -> impl Strategy<Value = Parts> {
    (
        0..13_u8,
        (prop_oneof![0..300_u32, any::<u32>()], any::<bool>()),
        prop_oneof![0..300_u64, any::<u64>()],
        [".{0,20}", ".{0,60}"],
        [any_addr(), any_addr()],
        any::<[u8; 6]>(),
        vec_of(any::<u8>(), 0..300),
    )
        .prop_map(
            |(kind, numbers, ltime, texts, addrs, versions, bytes)| Parts {
                kind,
                numbers,
                ltime,
                texts,
                addrs,
                versions,
                bytes,
            },
        )
}

/// Every decoder, on the same bytes.
fn drain(bytes: &[u8]) {
    let mut unpacker = Unpacker::new();
    if let Ok(messages) = read_packet(bytes, NOWHERE, &mut unpacker) {
        assert!(messages.count() <= MAX_PARTS);
    }
    if let Ok(Message::Serf(SerfMessage::Query(query))) = read_message(bytes, NOWHERE) {
        assert!(query.filters.iter().count() <= bytes.len());
    }
    if let Ok(StreamMessage::Sync(sync)) =
        read_stream_message(bytes, NOWHERE, &mut unpacker, 10_000)
    {
        assert!(SyncEntries::new(&sync, NOWHERE).count() <= sync.entries.len());
        if let Ok(state) = StateEntries::new(sync.user_state) {
            assert!(state.count() <= 1 + sync.user_state.len());
        }
    }
    if let Ok(Frame::Complete { len }) = Framing::new().advance(bytes, 10_000) {
        assert!(len <= bytes.len());
    }
    if let Ok(state) = StateEntries::new(bytes) {
        assert!(state.count() <= 1 + bytes.len());
    }
    let _ = read_coordinate(bytes);
    let _ = read_conflict_response(bytes);
    let _ = read_key_request(bytes);
    if let Ok(response) = read_key_response(bytes) {
        assert!(response.keys.count() <= bytes.len());
    }
}

proptest! {
    #[test]
    fn any_messages_come_back_as_far_as_they_fit(
        parts in vec_of(any_parts(), 0..20),
        budget in 0..2000_usize,
        crc: bool,
        compress: bool,
    ) {
        let mut buf = vec![1, 2, 3];
        let mut writer = PacketWriter::new(&mut buf, budget, crc);
        let fitting: Vec<_> = parts
            .iter()
            .map(Parts::message)
            .filter(|message| writer.push(message))
            .map(Ok)
            .collect();
        let mut compressor = Compressor::new();
        let len = writer.finish(compress.then_some(&mut compressor));
        prop_assert!(len <= budget);
        prop_assert_eq!(buf.len(), 3 + len);
        if fitting.is_empty() {
            prop_assert_eq!(len, 0);
        } else {
            let mut unpacker = Unpacker::new();
            let read: Vec<_> = read_packet(&buf[3..], NOWHERE, &mut unpacker)
                .expect("a packet")
                .collect();
            prop_assert_eq!(read, fitting);
        }
    }

    #[test]
    fn a_message_goes_from_wire_to_wire_unchanged(parts in any_parts()) {
        let message = parts.message();
        let bytes = encoded(&message);
        let there = read_message(&bytes, NOWHERE).expect("a message");
        let mut native = Vec::new();
        native::append_message(&mut native, &there);
        prop_assert_eq!(native::read_message(&native), Ok(message));
    }

    #[test]
    fn any_plain_text_survives_compression(
        seed in vec_of(any::<u8>(), 1..40),
        times in 1..400_usize,
    ) {
        let plain = seed.repeat(times);
        let mut unpacker = Unpacker::new();
        prop_assert_eq!(unpacker.inflate(&compressed(&plain)[1..], plain.len()), Ok(()));
        prop_assert_eq!(&unpacker.inflated, &plain);
        let cap = plain.len() - 1;
        let cut = unpacker.inflate(&compressed(&plain)[1..], cap);
        prop_assert_eq!(cut, Err(InflateError::TooLarge { cap }));
    }

    #[test]
    fn a_state_exchange_comes_back_however_it_arrives(
        parts in vec_of(any_parts(), 0..10),
        states in vec_of(0..4_usize, 10),
        user_state in vec_of(any::<u8>(), 0..100),
        budget in 0..3000_usize,
        compress: bool,
        step in 1..500_usize,
    ) {
        let all = [SyncState::Alive, SyncState::Suspect, SyncState::Dead, SyncState::Left];
        let mut buf = vec![7];
        let mut writer = SyncWriter::new(&mut buf, true, budget);
        let mut expected = Vec::new();
        for (parts, state) in parts.iter().zip(states) {
            let entry = SyncEntry { state: all[state], intent: Intent::NONE, alive: parts.alive() };
            if writer.push(&entry) {
                expected.push(Ok(entry));
            }
        }
        let mut compressor = Compressor::new();
        let len = writer.finish(&user_state, compress.then_some(&mut compressor));
        let message = &buf[1..];
        prop_assert_eq!(message.len(), len);
        prop_assert!(compress || len <= budget.max(46) + user_state.len());
        let mut framing = Framing::new();
        let mut received = 0;
        let frame = loop {
            received = (received + step).min(len);
            match framing.advance(&message[..received], len) {
                Ok(Frame::Partial) => prop_assert!(received < len),
                other => break other,
            }
        };
        prop_assert_eq!(frame, Ok(Frame::Complete { len }));
        let mut unpacker = Unpacker::new();
        let read = read_stream_message(message, NOWHERE, &mut unpacker, 100_000);
        let Ok(StreamMessage::Sync(sync)) = read else {
            panic!("{read:?}");
        };
        prop_assert_eq!(sync.user_state, &user_state[..]);
        prop_assert_eq!(SyncEntries::new(&sync, NOWHERE).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_packet_with_flipped_bits_is_refused(
        parts in vec_of(any_parts(), 1..5),
        flips in vec_of((any::<prop::sample::Index>(), 0..8_u8), 1..3),
    ) {
        let messages: Vec<_> = parts.iter().map(Parts::message).collect();
        let good = packet(&messages, None);
        let mut bad = good.clone();
        for (at, bit) in flips {
            // The first byte says that there is a checksum.
            let at = 1 + at.index(bad.len() - 1);
            bad[at] ^= 1 << bit;
        }
        prop_assume!(bad != good);
        let mut unpacker = Unpacker::new();
        prop_assert!(read_packet(&bad, NOWHERE, &mut unpacker).is_err());
    }

    #[test]
    fn random_bytes_never_panic(
        kind in 0..14_u8,
        serf_kind in 0..10_u8,
        bytes in vec_of(any::<u8>(), 0..600),
    ) {
        drain(&bytes);
        drain(&[&[kind], &bytes[..]].concat());
        drain(&[&[kind, serf_kind], &bytes[..]].concat());
        let mut reader = Reader::new(&bytes);
        while reader.skip().is_ok() && !reader.rest().is_empty() {}
    }

    #[test]
    fn damaged_messages_never_panic(
        parts in any_parts(),
        damage in vec_of((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = encoded(&parts.message());
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        drain(&bytes);
        drain(&compound(&[&bytes, &bytes]));
        drain(&compressed(&bytes));
        drain(&bytes[..cut.index(bytes.len())]);
    }
}
