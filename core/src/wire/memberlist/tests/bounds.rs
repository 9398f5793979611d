//! What comes in is refused for a reason that can be counted, within the memory that is stated.

use alloc::format;

use super::*;
use crate::message::{MemberTime, StreamMessage, SyncEntry, SyncState};
use crate::serf::intent::Intent;
use crate::wire::native::Frame;

fn refused(packet: &[u8]) -> PacketError {
    let mut unpacker = Unpacker::new();
    match read_packet(packet, NOWHERE, &mut unpacker) {
        Ok(messages) => panic!("{packet:?} was read: {messages:?}"),
        Err(error) => error,
    }
}

fn items(packet: &[u8]) -> Vec<Result<Vec<u8>, MessageError>> {
    let mut unpacker = Unpacker::new();
    read_packet(packet, NOWHERE, &mut unpacker)
        .expect("a packet")
        .map(|message| message.map(|message| encoded(&message)))
        .collect()
}

fn nack() -> Vec<u8> {
    encoded(&Message::Nack(Nack { seq: 5 }))
}

#[test]
fn a_packet_is_refused_as_a_whole_with_the_reason() {
    let mut damaged = packet(&every_message(), None);
    damaged[40] ^= 1;
    let inflate = PacketError::Inflate;
    for (packet, expected) in [
        (&b""[..], PacketError::Empty),
        (b"\x0c", PacketError::Corrupt),
        (b"\x0c\0\0\0", PacketError::Corrupt),
        (&damaged, PacketError::Corrupt),
        (b"\x07", PacketError::Truncated),
        (b"\x07\x02\0\x01\0", PacketError::Truncated),
        (b"\x09", inflate(InflateError::Malformed)),
        (b"\x09\xc0", inflate(InflateError::Malformed)),
        (
            b"\x09\x82\xa4Algo\x01\xa3Buf\xa1x",
            inflate(InflateError::Algorithm(1)),
        ),
        (
            b"\x09\x82\xa4Algo\x00\xa3Buf\xc6\xff\xff\xff\xff",
            inflate(InflateError::Malformed),
        ),
        // Nothing but an end.
        (
            b"\x09\x82\xa4Algo\x00\xa3Buf\xa2\x01\x01",
            inflate(InflateError::Empty),
        ),
        (&compressed(b""), inflate(InflateError::Empty)),
    ] {
        assert_eq!(refused(packet), expected, "{packet:?}");
    }
    // An empty packet with a checksum that matches.
    assert_eq!(refused(b"\x0c\0\0\0\0"), PacketError::Empty);
}

#[test]
fn a_message_is_refused_with_the_reason() {
    let alive = |addr: &[u8], vsn: &[u8]| {
        let mut bytes = b"\x04\x86\xa4Addr".to_vec();
        crate::wire::msgpack::append_bytes(&mut bytes, addr);
        bytes.extend(b"\xabIncarnation\x01\xa4Meta\xc0\xa4Node\xa1n\xa4Port\x01\xa3Vsn");
        crate::wire::msgpack::append_bytes(&mut bytes, vsn);
        bytes
    };
    assert!(read_message(&alive(&[1; 4], &[1; 6]), NOWHERE).is_ok());
    for (message, expected) in [
        (b"".to_vec(), MessageError::Empty),
        (b"\x0c".to_vec(), MessageError::Unknown { kind: 12 }),
        (b"\xf4".to_vec(), MessageError::Unknown { kind: 244 }),
        (b"\x06\x80".to_vec(), MessageError::Unknown { kind: 6 }),
        (b"\x08".to_vec(), MessageError::Empty),
        (b"\x08\x0a".to_vec(), MessageError::UnknownSerf { kind: 10 }),
        (
            b"\x08\x02\x80".to_vec(),
            MessageError::UnknownSerf { kind: 2 },
        ),
        (b"\x00".to_vec(), MessageError::Truncated),
        (b"\x0b\x81\xa5SeqNo".to_vec(), MessageError::Truncated),
        (
            b"\x0b\xdf\xff\xff\xff\xff".to_vec(),
            MessageError::Truncated,
        ),
        (
            b"\x0b\xdd\xff\xff\xff\xff".to_vec(),
            MessageError::Truncated,
        ),
        (
            b"\x0b\x81\xa1x\xdd\xff\xff\xff\xff".to_vec(),
            MessageError::Truncated,
        ),
        (b"\x0b\x05".to_vec(), MessageError::Malformed),
        (b"\x0b\x81\x01\x01".to_vec(), MessageError::Malformed),
        (b"\x0b\x81\xa5SeqNo\xff".to_vec(), MessageError::Malformed),
        (
            b"\x0b\x81\xa5SeqNo\xcf\0\0\0\x01\0\0\0\0".to_vec(),
            MessageError::Malformed,
        ),
        (
            b"\x08\x03\x81\xa4Name\xa1\xff".to_vec(),
            MessageError::Malformed,
        ),
        (alive(&[1; 3], &[1; 6]), MessageError::Address { len: 3 }),
        (alive(&[], &[1; 6]), MessageError::Address { len: 0 }),
        (alive(&[1; 17], &[1; 6]), MessageError::Address { len: 17 }),
        (alive(&[1; 4], &[]), MessageError::Versions { len: 0 }),
        (alive(&[1; 4], &[1; 5]), MessageError::Versions { len: 5 }),
        (alive(&[1; 4], &[1; 7]), MessageError::Versions { len: 7 }),
    ] {
        assert_eq!(
            read_message(&message, NOWHERE),
            Err(expected),
            "{message:?}"
        );
    }
}

#[test]
fn every_message_cut_short_is_refused() {
    for message in every_message() {
        // What is relayed goes to the end, whatever that is.
        let relayed = match message {
            Message::Serf(SerfMessage::Relay(relay)) => relay.message.len(),
            _ => 0,
        };
        let bytes = encoded(&message);
        for len in 0..bytes.len() - relayed {
            let cut = read_message(&bytes[..len], NOWHERE);
            let expected = match len {
                0 => MessageError::Empty,
                1 if bytes[0] == kind::USER => MessageError::Empty,
                _ => MessageError::Truncated,
            };
            assert_eq!(cut, Err(expected), "{message:?} cut to {len}");
        }
    }
}

#[test]
fn what_is_around_a_bad_part_is_read() {
    let nack = nack();
    let bad = compound(&[&nack, b"", b"\x42", &nack]);
    let unknown = Err(MessageError::Unknown { kind: 0x42 });
    let (ok, empty) = (Ok(nack.clone()), Err(MessageError::Empty));
    assert_eq!(items(&bad), [ok.clone(), empty, unknown, ok.clone()]);
    // A part that runs past the end takes those after it with it.
    let cut = &compound(&[&nack, &nack, &nack])[..];
    let short = &cut[..cut.len() - nack.len() - 1];
    assert_eq!(items(short), [ok.clone(), Err(MessageError::Truncated)]);
    // Bytes after the last part are nobody's.
    let long = [cut, b"rest"].concat();
    let trailing = Err(MessageError::Trailing { len: 4 });
    assert_eq!(items(&long), [ok.clone(), ok.clone(), ok, trailing]);
    assert_eq!(items(b"\x07\x00"), []);
}

#[test]
fn bytes_behind_a_message_are_ignored_and_counted() {
    let nack = nack();
    let more = [&nack[..], b"more"].concat();
    let broken = [&nack[..3], b"more"].concat();
    for (packet, read, trailed) in [
        (nack.clone(), 1, 0),
        (more.clone(), 1, 1),
        (compound(&[&more, &nack, &more, &broken]), 3, 2),
        (compressed(&more), 1, 1),
    ] {
        let mut unpacker = Unpacker::new();
        let mut messages = read_packet(&packet, NOWHERE, &mut unpacker).expect("a packet");
        let whole = messages.by_ref().flatten();
        assert_eq!(
            whole
                .map(|message| encoded(&message))
                .filter(|it| *it == nack)
                .count(),
            read
        );
        assert_eq!(messages.trailed(), trailed);
    }
    // What is relayed is all the rest, whatever that is.
    let message = b"\x01\x81\xa5LTime\x01more";
    let relay = Relay {
        dest: SocketAddr::from(([10, 0, 0, 1], 7946)),
        dest_name: "n".into(),
        message,
    };
    let packet = encoded(&Message::Serf(SerfMessage::Relay(relay)));
    let mut unpacker = Unpacker::new();
    let mut messages = read_packet(&packet, NOWHERE, &mut unpacker).expect("a packet");
    let read = messages.next();
    assert_eq!(read, Some(Ok(Message::Serf(SerfMessage::Relay(relay)))));
    assert_eq!(messages.trailed(), 0);
}

#[test]
fn a_compound_may_have_255_parts_however_empty() {
    let nack = nack();
    assert_eq!(items(&compound(&[&nack[..]; 255])).len(), 255);
    let empty = items(&compound(&[&b""[..]; 255]));
    assert_eq!(empty, vec![Err(MessageError::Empty); 255]);
}

#[test]
fn containers_in_containers_are_taken_apart_up_to_a_depth() {
    let nack = nack();
    let ok = Ok(nack.clone());
    let twice = compound(&[&compound(&[&nack, &nack]), &compressed(&nack), &nack]);
    assert_eq!(items(&twice), vec![ok.clone(); 4]);
    assert_eq!(items(&compressed(&twice)), vec![ok.clone(); 4]);
    assert_eq!(items(&compressed(&compressed(&nack))), vec![ok.clone()]);
    for wrap in [|inner: &[u8]| compound(&[inner]), compressed] {
        let mut packet = nack.clone();
        for _ in 0..MAX_DEPTH {
            packet = wrap(&packet);
        }
        assert_eq!(items(&packet), vec![ok.clone()]);
        assert_eq!(items(&wrap(&packet)), [Err(MessageError::TooDeep)]);
    }
    // What is broken inside does not take the rest with it.
    let broken = compound(&[b"\x07\x05", b"\x09\xc0", &nack]);
    let inflate = MessageError::Inflate(InflateError::Malformed);
    assert_eq!(
        items(&broken),
        [Err(MessageError::Truncated), Err(inflate), ok]
    );
    // A checksum has its place on the outside only.
    let inside = compound(&[b"\x0c\0\0\0\0"]);
    assert_eq!(items(&inside), [Err(MessageError::Unknown { kind: 12 })]);
}

#[test]
fn nested_compounds_have_a_number_of_messages_that_is_bounded() {
    let nack = nack();
    let full = compound(&[&nack[..]; 255]);
    let items = items(&compound(&[&full[..]; 5]));
    assert_eq!(items.len(), MAX_PARTS);
    assert_eq!(items.last(), Some(&Err(MessageError::TooMany)));
}

#[test]
fn a_decompression_bomb_is_refused() {
    // The message is its type and then zeros.
    let bomb = |len: usize| compressed(&vec![0; len]);
    let too_large = InflateError::TooLarge { cap: MAX_INFLATED };
    let large = bomb(8 << 20);
    assert!(large.len() < 65_000, "{}", large.len());
    let mut unpacker = Unpacker::new();
    let error = read_packet(&large, NOWHERE, &mut unpacker).map(drop);
    assert_eq!(error, Err(PacketError::Inflate(too_large)));
    assert!(unpacker.inflated.capacity() <= 4 * MAX_INFLATED);
    assert_eq!(
        refused(&bomb(MAX_INFLATED + 1)),
        PacketError::Inflate(too_large)
    );
    assert_eq!(items(&bomb(MAX_INFLATED)).len(), 1);

    // Nor does it help to put many small ones into one packet.
    let small = bomb(MAX_INFLATED / 2 + 1);
    let bombs = compound(&[&small[..]; 20]);
    let mut unpacker = Unpacker::new();
    let read = read_packet(&bombs, NOWHERE, &mut unpacker).expect("a packet");
    let refused = read.filter(|item| matches!(item, Err(MessageError::Inflate(_))));
    assert_eq!(refused.count(), 19);
    assert!(unpacker.flat.len() <= MAX_INFLATED + bombs.len());

    // On a stream the caller says how much there may be.
    let error = read_stream_message(&large, NOWHERE, &mut unpacker, 1 << 20);
    let cap = 1 << 20;
    assert_eq!(
        error,
        Err(StreamError::Inflate(InflateError::TooLarge { cap }))
    );
}

#[test]
fn deeply_nested_values_cost_nothing() {
    let mut message = b"\x0b\x82\xa1x".to_vec();
    message.extend(vec![0x91; 1 << 20]);
    message.extend(b"\xc0\xa5SeqNo\x05");
    assert_eq!(
        read_message(&message, NOWHERE),
        Ok(Message::Nack(Nack { seq: 5 }))
    );
    let maps = [&b"\x0b\x81\xa1x"[..], &vec![0x81; 1 << 20]].concat();
    assert_eq!(read_message(&maps, NOWHERE), Err(MessageError::Truncated));
}

#[test]
fn a_stream_that_says_it_is_too_long_is_refused_at_once() {
    for message in [
        &b"\x08\x81\xaaUserMsgLen\xcf\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x06\x83\xa5Nodes\xce\x7f\xff\xff\xff\xacUserStateLen\0\xa4Join\xc2",
        b"\x06\x83\xa5Nodes\0\xacUserStateLen\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xa4Join\xc2",
        b"\x06\x83\xa5Nodes\x01\xacUserStateLen\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa4Join\xc2\xc0",
        b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff",
        b"\x00\xdf\xff\xff\xff\xff",
        b"\x06\x83\xa5Nodes\x02\xacUserStateLen\0\xa4Join\xc2\xdd\xff\xff\xff\xff",
    ] {
        let cap = 1 << 20;
        let error = Framing::new().advance(message, cap);
        assert!(
            matches!(error, Err(StreamError::TooLarge { len, .. }) if len > cap as u64),
            "{message:?}: {error:?}"
        );
    }
    // And what is longer than accepted, however it came about.
    let ping = encoded(&every_message()[0]);
    let (len, cap) = (ping.len() as u64, ping.len() - 1);
    let error = StreamError::TooLarge { len, cap };
    assert_eq!(Framing::new().advance(&ping, cap), Err(error));
}

#[test]
fn what_is_no_stream_message_is_refused_at_once() {
    let malformed = StreamError::Message(MessageError::Malformed);
    let unknown = |kind| StreamError::Message(MessageError::Unknown { kind });
    for (message, expected) in [
        (&b"\x05\x80"[..], unknown(5)),
        (b"\x07\x01", unknown(7)),
        (b"\xb1", unknown(0xb1)),
        (b"\x06\x81\xa5Nodes\xff", malformed),
        (b"\x08\x05", malformed),
        (b"\x00\xc1", malformed),
    ] {
        let mut framing = Framing::new();
        let framed = framing.advance(message, 1000);
        let mut unpacker = Unpacker::new();
        let read = read_stream_message(message, NOWHERE, &mut unpacker, 1000);
        // A value that is no record is only seen to be none when it is read.
        assert!(
            framed == Err(expected) || read == Err(expected),
            "{message:?}: {framed:?}, {read:?}"
        );
        assert!(read.is_err());
    }
    // A header that does not end.
    let mut endless = b"\x08\xdf\xff\xff\xff\xff".to_vec();
    endless.extend([0xa1, b'x', 0xc0].repeat(100));
    assert_eq!(Framing::new().advance(&endless, 1 << 20), Err(malformed));
    // Compressed twice.
    let twice = compressed(&compressed(&encoded(&every_message()[0])));
    let mut unpacker = Unpacker::new();
    let read = read_stream_message(&twice, NOWHERE, &mut unpacker, 1000);
    assert_eq!(read, Err(unknown(kind::COMPRESS)));
}

fn entry(name: &str) -> SyncEntry<'_> {
    SyncEntry {
        intent: Intent::NONE,
        state: SyncState::Alive,
        alive: alive(name),
    }
}

#[test]
fn entries_around_a_bad_one_are_read() {
    let mut one = Vec::new();
    let mut writer = SyncWriter::new(&mut one, true, usize::MAX);
    assert!(writer.push(&entry("a")));
    writer.finish(b"", None);
    let start = one
        .iter()
        .position(|&byte| byte == 0x87)
        .expect("a map of seven");
    let one = &one[start..];
    let short_versions = b"\x82\xa4Addr\xa4\x01\x02\x03\x04\xa3Vsn\xa2\x01\x02";
    let state_9 =
        b"\x83\xa4Addr\xa4\x01\x02\x03\x04\xa5State\x09\xa3Vsn\xa6\x01\x02\x03\x04\x05\x06";
    let no_record = b"\xa3abc";
    let entries = [one, short_versions, state_9, no_record, b"\xc0", one].concat();
    let sync = crate::message::Sync {
        join: true,
        versions: crate::member::VersionRange::EMPTY,
        count: 6,
        entries: &entries,
        user_state: b"state",
    };
    let mut buf = Vec::new();
    write_stream_message(&mut buf, &StreamMessage::Sync(sync), None);
    let mut framing = Framing::new();
    let len = buf.len();
    assert_eq!(framing.advance(&buf, len), Ok(Frame::Complete { len }));
    let mut unpacker = Unpacker::new();
    let Ok(StreamMessage::Sync(read)) = read_stream_message(&buf, NOWHERE, &mut unpacker, len)
    else {
        panic!("a state exchange");
    };
    assert_eq!(
        (read.entries, read.user_state),
        (&entries[..], &b"state"[..])
    );
    assert!(read.versions.is_compatible(), "bad entries do not count");
    let items: Vec<_> = SyncEntries::new(&read, NOWHERE).collect();
    assert_eq!(items[0], Ok(entry("a")));
    assert_eq!(items[1], Err(MessageError::Versions { len: 2 }));
    assert_eq!(items[2], Err(MessageError::Malformed));
    assert_eq!(items[3], Err(MessageError::Malformed));
    assert_eq!(items[4], Err(MessageError::Address { len: 0 }));
    assert_eq!(items[5], Ok(entry("a")));
    assert_eq!(items.len(), 6);
}

#[test]
fn a_state_with_bad_parts_gives_the_others() {
    let state = b"\x02\x86\xaaEventLTime\x08\xa6Events\x93\xc0\x05\xc0\xa5LTime\x03\xabLeftMembers\x93\xa1a\x05\xa1b\xaaQueryLTime\x04\xacStatusLTimes\x83\xa1a\x01\xa1b\xff\xa1c\x01";
    let entries: Vec<_> = StateEntries::new(state).expect("a state").collect();
    let a = MemberTime {
        name: "a".into(),
        ltime: LamportTime::new(1),
        left: true,
    };
    assert_eq!(entries[1], Ok(crate::message::StateEntry::Member(a)));
    // The rest of the members, and the rest of the events.
    assert_eq!(entries[2..], [Err(MessageError::Malformed); 2]);
    let none = StateEntries::new(b"").map(drop);
    assert_eq!(none, Err(MessageError::Empty));
    let other = StateEntries::new(b"opaque").map(drop);
    assert_eq!(other, Err(MessageError::UnknownSerf { kind: b'o' }));
    let cut = StateEntries::new(&state[..state.len() - 1]).map(drop);
    assert_eq!(cut, Err(MessageError::Truncated));
}

#[test]
fn secrets_are_not_printed() {
    let request = KeyRequest { key: b"secret" };
    let mut payload = Vec::new();
    write_key_response(
        &mut payload,
        true,
        "",
        Some(["secret"].into_iter()),
        "secret",
    );
    let response = read_key_response(&payload).expect("a response");
    for shown in [
        format!("{request:?}"),
        format!("{response:?} {:?}", response.keys),
    ] {
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }
}
