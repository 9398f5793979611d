//! What holds for any messages and any bytes.

use alloc::string::String;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::message::{StreamMessage, Sync, SyncEntry, SyncState};
use crate::serf::clock::LamportTime;
use crate::serf::intent::Intent;

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
    fn versions(&self) -> Versions {
        let [a, b, c, d, e, f] = self.versions;
        Versions {
            protocol_min: a,
            protocol_max: b,
            protocol_cur: c,
            delegate_min: d,
            delegate_max: e,
            delegate_cur: f,
        }
    }

    fn alive(&self) -> Alive<'_> {
        Alive {
            incarnation: self.numbers.0,
            name: (&*self.texts[0]).into(),
            addr: self.addrs[0],
            versions: self.versions(),
            meta: &self.bytes,
        }
    }

    fn intent(&self) -> Intent {
        let ltime = LamportTime::new(self.ltime);
        match self.numbers.1 {
            true => Intent::leave(ltime),
            false => Intent::join(ltime),
        }
    }

    fn message(&self) -> Message<'_> {
        let (seq, nack) = self.numbers;
        let [a, b] = &self.texts;
        let [source, target_addr] = self.addrs;
        let accusation = Accusation {
            incarnation: seq,
            name: (&**a).into(),
            from: (&**b).into(),
        };
        match self.kind {
            kind::PING => Message::Ping(Ping {
                seq,
                target: (&**a).into(),
                source,
                source_name: (&**b).into(),
            }),
            kind::INDIRECT_PING => Message::IndirectPing(IndirectPing {
                seq,
                target: (&**a).into(),
                target_addr,
                nack,
                source,
                source_name: (&**b).into(),
            }),
            kind::ACK => Message::Ack(Ack {
                seq,
                payload: &self.bytes,
            }),
            kind::NACK => Message::Nack(Nack { seq }),
            kind::SUSPECT => Message::Suspect(accusation),
            kind::ALIVE => Message::Alive(self.alive()),
            kind::DEAD => Message::Dead(accusation),
            _ => Message::Serf(self.serf_message()),
        }
    }

    fn serf_message(&self) -> SerfMessage<'_> {
        let (id, flag) = self.numbers;
        let ltime = LamportTime::new(self.ltime);
        let [a, b] = &self.texts;
        match self.kind {
            kind::LEAVE_INTENT => SerfMessage::LeaveIntent(LeaveIntent {
                ltime,
                node: (&**a).into(),
                prune: flag,
            }),
            kind::JOIN_INTENT => SerfMessage::JoinIntent(JoinIntent {
                ltime,
                node: (&**a).into(),
            }),
            kind::USER_EVENT => SerfMessage::UserEvent(UserEvent {
                ltime,
                name: a,
                payload: &self.bytes,
                coalesce: flag,
            }),
            kind::QUERY => SerfMessage::Query(Query {
                ltime,
                id,
                source: self.addrs[0],
                source_name: (&**a).into(),
                filters: Filters::Native(&self.bytes),
                flags: QueryFlags::from_bits(id),
                relay_factor: self.versions[0],
                timeout: Duration::from_nanos(self.ltime),
                name: b,
                payload: &self.bytes,
            }),
            kind::QUERY_RESPONSE => SerfMessage::QueryResponse(QueryResponse {
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
    // Without flow information and scope, which do not travel.
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<([u8; 16], u16)>().prop_map(SocketAddr::from),
    ]
}

fn any_parts() -> impl Strategy<Value = Parts> {
    (
        (kind::PING..=kind::RELAY).prop_filter("not a packet", |&kind| kind != kind::SYNC),
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

fn drain(packet: &[u8]) -> usize {
    read_packet(packet).map_or(0, Iterator::count)
}

proptest! {
    #[test]
    fn any_messages_come_back_as_far_as_they_fit(
        parts in vec_of(any_parts(), 0..20),
        budget in 0..2000_usize,
    ) {
        let mut buf = vec![1, 2, 3];
        let mut writer = PacketWriter::new(&mut buf, budget);
        let fitting: Vec<_> = parts
            .iter()
            .map(Parts::message)
            .filter(|message| writer.push(message))
            .map(Ok)
            .collect();
        let len = writer.finish();
        prop_assert!(len <= budget);
        prop_assert_eq!(buf.len(), 3 + len);
        if fitting.is_empty() {
            prop_assert_eq!(len, 0);
        } else {
            prop_assert_eq!(read(&buf[3..]), fitting);
        }
    }

    #[test]
    fn announcements_by_hand_are_what_serde_makes_of_them(
        parts in any_parts(),
        state in 0..4_usize,
    ) {
        let states = [SyncState::Alive, SyncState::Suspect, SyncState::Dead, SyncState::Left];
        let entry = SyncEntry { state: states[state], intent: parts.intent(), alive: parts.alive() };
        let mut by_hand = Vec::new();
        alive::append_entry(&mut by_hand, &entry);
        prop_assert_eq!(&by_hand, &postcard::to_allocvec(&entry).expect("it serializes"));
        prop_assert_eq!(alive::read_entry(&by_hand), Some(entry));
    }

    #[test]
    fn bytes_are_an_announcement_by_hand_where_serde_accepts_them(
        parts in any_parts(),
        damage in vec_of((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let mut bytes = postcard::to_allocvec(&parts.alive()).expect("it serializes");
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            let by_serde = postcard::take_from_bytes(bytes).ok().map(|(alive, _): (Alive<'_>, _)| alive);
            prop_assert_eq!(alive::read_alive(bytes), by_serde);
        }
    }

    #[test]
    fn pings_and_acks_by_hand_are_what_serde_makes_of_them(
        parts in any_parts(),
        bits in 0..33_u32,
        damage in vec_of((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let [target, source_name] = parts.texts.each_ref().map(|text| (&**text).into());
        // Numbers of all lengths.
        let seq = u32::try_from(u64::from(parts.numbers.0) & ((1 << bits) - 1)).expect("32 bits");
        let ping = Ping { seq, target, source: parts.addrs[0], source_name };
        let ack = Ack { seq, payload: &parts.bytes };
        let mut by_hand = Vec::new();
        probe::append_ping(&mut by_hand, &ping);
        prop_assert_eq!(&by_hand, &postcard::to_allocvec(&ping).expect("it serializes"));
        let len = by_hand.len();
        probe::append_ack(&mut by_hand, &ack);
        prop_assert_eq!(&by_hand[len..], &postcard::to_allocvec(&ack).expect("it serializes"));
        prop_assert_eq!(probe::read_ping(&by_hand), Some(ping));
        prop_assert_eq!(probe::read_ack(&by_hand[len..]), Some(ack));

        for (at, byte) in damage {
            let at = at.index(by_hand.len());
            by_hand[at] = byte;
        }
        for bytes in [&by_hand[..], &by_hand[len..], &by_hand[..cut.index(by_hand.len())]] {
            let ping = postcard::take_from_bytes(bytes).ok().map(|(it, _): (Ping<'_>, _)| it);
            prop_assert_eq!(probe::read_ping(bytes), ping);
            let ack = postcard::take_from_bytes(bytes).ok().map(|(it, _): (Ack<'_>, _)| it);
            prop_assert_eq!(probe::read_ack(bytes), ack);
        }
    }

    #[test]
    fn an_encoded_announcement_is_written_as_the_message_is(
        parts in any_parts(),
        short in 0..100_usize,
    ) {
        let alive = parts.alive();
        let announced = Announcement::new(alive.name, alive.addr, alive.versions, alive.meta);
        prop_assert_eq!(announced.meta(), alive.meta);

        let expected = packet(&[Message::Alive(alive)]);
        let mut buf = Vec::new();
        // From too little room to more than enough.
        let budget = (expected.len() + 10).saturating_sub(short);
        let mut writer = PacketWriter::new(&mut buf, budget);
        prop_assert_eq!(
            writer.push_alive(alive.incarnation, &announced),
            expected.len() <= budget
        );
        if writer.finish() > 0 {
            prop_assert_eq!(&buf, &expected);
        }

        for state in [SyncState::Alive, SyncState::Suspect, SyncState::Dead, SyncState::Left] {
            let frame = |push: &dyn Fn(&mut SyncWriter<'_>) -> bool| {
                let mut buf = Vec::new();
                let mut writer = SyncWriter::new(&mut buf, true, VersionRange::EMPTY, usize::MAX);
                assert!(push(&mut writer));
                writer.finish(&[]);
                buf
            };
            prop_assert_eq!(
                frame(&|writer| writer.push_encoded(state, parts.intent(), alive.incarnation, &announced)),
                frame(&|writer| writer.push(&SyncEntry { state, intent: parts.intent(), alive }))
            );
        }
    }

    #[test]
    fn a_packet_with_flipped_bits_is_refused(
        parts in vec_of(any_parts(), 1..5),
        flips in vec_of((any::<prop::sample::Index>(), 0..8_u8), 1..5),
    ) {
        let messages: Vec<_> = parts.iter().map(Parts::message).collect();
        let good = packet(&messages);
        let mut bad = good.clone();
        for (at, bit) in flips {
            let at = at.index(bad.len());
            bad[at] ^= 1 << bit;
        }
        prop_assume!(bad != good);
        prop_assert!(read_packet(&bad).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec_of(any::<u8>(), 0..600)) {
        prop_assert!(drain(&bytes) == 0);
        prop_assert!(drain(&envelope(&bytes)) <= bytes.len());
        let _ = frame(&bytes, 1000);
        let _ = read_stream_message(&bytes);
        if let Ok(StreamMessage::Sync(sync)) = read_stream_message(&stream_frame(&bytes)) {
            prop_assert!(SyncEntries::new(&sync).count() <= bytes.len());
        }
        let sync = Sync { join: false, versions: VersionRange::EMPTY, count: 0, entries: &bytes, user_state: b"" };
        prop_assert!(SyncEntries::new(&sync).count() <= bytes.len());
    }

    #[test]
    fn damaged_messages_in_an_intact_envelope_never_panic(
        parts in vec_of(any_parts(), 1..5),
        damage in vec_of((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let messages: Vec<_> = parts.iter().map(Parts::message).collect();
        let mut bytes = packet(&messages).split_off(HEADER_LEN);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert!(drain(&envelope(&bytes)) <= bytes.len());
    }

    #[test]
    fn a_damaged_frame_is_refused(
        parts in any_parts(),
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let mut buf = Vec::new();
        let mut writer = SyncWriter::new(&mut buf, true, VersionRange::EMPTY, usize::MAX);
        let entry = SyncEntry { state: SyncState::Alive, intent: Intent::NONE, alive: parts.alive() };
        prop_assert!(writer.push(&entry));
        writer.finish(&parts.bytes);
        let at = at.index(buf.len());
        buf[at] ^= 1 << bit;
        prop_assert!(read_stream_message(&buf).is_err());
    }
}
