//! Packets, case by case.

use alloc::string::ToString;

use super::*;

#[test]
fn the_first_byte_is_no_message_type_of_memberlist() {
    for version in 0..16 {
        let first = MAGIC | version;
        assert!(first > 13 && first != 244);
    }
}

#[test]
fn the_bytes_do_not_change() {
    let bytes = packet(&[
        Message::Nack(Nack { seq: 300 }),
        Message::Alive(alive("n1")),
        Message::Dead(Accusation {
            incarnation: 1,
            name: "a".into(),
            from: "b".into(),
        }),
    ]);
    let expected: &[u8] = &[
        3, 4, 0xac, 0x02, // nack
        21, 6, 7, 2, b'n', b'1', 6, 10, 1, 2, 3, 0x0a, 0x1f, 1, 5, 2, 2, 5, 5, 2, 0xff,
        0x80, // alive
        6, 7, 1, 1, b'a', 1, b'b', // dead
    ];
    assert_eq!(bytes[0], 0xb1);
    assert_eq!(bytes[1..HEADER_LEN], checksum(expected));
    assert_eq!(bytes[HEADER_LEN..], *expected);
}

#[test]
fn every_message_comes_back_alone_and_together() {
    let messages = every_message();
    for message in &messages {
        assert_eq!(read(&packet(&[*message])), [Ok(*message)]);
    }
    let all: Vec<_> = messages.iter().copied().map(Ok).collect();
    assert_eq!(read(&packet(&messages)), all);
}

#[test]
fn an_address_keeps_its_byte_form() {
    for text in [V4, V6, MAPPED] {
        let message = Message::Alive(Alive {
            addr: addr(text),
            ..alive("n")
        });
        assert_eq!(read(&packet(&[message])), [Ok(message)]);
    }
}

#[test]
fn a_writer_appends_and_stays_in_its_budget() {
    let message = Message::Alive(alive("member"));
    let len = packet(&[message]).len();
    let mut buf = b"before".to_vec();

    let mut writer = PacketWriter::new(&mut buf, len);
    assert!(writer.is_empty());
    assert_eq!(writer.remaining(), len - HEADER_LEN);
    assert!(writer.push(&message));
    assert_eq!(writer.remaining(), 0);
    assert!(!writer.push(&Message::Nack(Nack { seq: 1 })));
    assert_eq!(writer.finish(), len);

    assert_eq!(&buf[..6], b"before");
    assert_eq!(read(&buf[6..]), [Ok(message)]);
}

#[test]
fn a_shorter_message_fits_where_a_longer_did_not() {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, HEADER_LEN + 10);
    assert!(!writer.push(&Message::Alive(alive("member"))));
    assert!(writer.is_empty());
    assert!(writer.push(&Message::Nack(Nack { seq: 1 })));
    let len = writer.finish();
    assert_eq!(len, buf.len());
    assert_eq!(read(&buf), [Ok(Message::Nack(Nack { seq: 1 }))]);
}

#[test]
fn a_packet_without_messages_leaves_nothing_behind() {
    for budget in [0, 1, HEADER_LEN, usize::MAX] {
        let mut buf = b"before".to_vec();
        let mut writer = PacketWriter::new(&mut buf, budget);
        if budget <= HEADER_LEN {
            assert!(!writer.push(&Message::Nack(Nack { seq: 1 })));
            assert_eq!(writer.remaining(), 0);
        }
        assert_eq!(writer.finish(), 0);
        assert_eq!(buf, b"before");
    }
}

#[test]
fn lengths_of_one_two_and_three_bytes_work() {
    for len in [
        0, 1, 120, 121, 122, 123, 124, 125, 126, 127, 128, 16_000, 16_383, 16_384, 70_000,
    ] {
        let payload = vec![0xaa; len];
        let ack = Message::Ack(Ack {
            seq: 1,
            payload: &payload,
        });
        let nack = Message::Nack(Nack { seq: 2 });
        assert_eq!(read(&packet(&[ack, nack])), [Ok(ack), Ok(nack)]);
    }
}

#[test]
fn foreign_version_and_damage_are_told_apart() {
    let good = packet(&every_message());
    let with_first = |first| {
        let mut bytes = good.clone();
        bytes[0] = first;
        read_packet(&bytes).err()
    };
    for first in 0..=u8::MAX {
        let expected = match first {
            FIRST_BYTE => None,
            0xb0..=0xbf => Some(PacketError::Version(first & 0x0f)),
            _ => Some(PacketError::Foreign),
        };
        assert_eq!(with_first(first), expected, "{first}");
    }
    assert_eq!(read_packet(&[]).err(), Some(PacketError::Foreign));
    for len in 1..good.len() {
        assert_eq!(read_packet(&good[..len]).err(), Some(PacketError::Corrupt));
    }
}

#[test]
fn a_message_cut_at_any_byte_is_malformed_and_the_next_one_is_read() {
    let nack = Message::Nack(Nack { seq: 9 });
    for message in every_message() {
        let whole = packet(&[message]);
        let body = &whole[HEADER_LEN + 1..];
        for len in 0..body.len() {
            let mut bytes = vec![u8::try_from(len).expect("short")];
            bytes.extend(&body[..len]);
            bytes.extend(&packet(&[nack])[HEADER_LEN..]);
            assert_eq!(
                read(&envelope(&bytes)),
                [Err(MessageError::Malformed), Ok(nack)],
                "{message:?} cut at {len}"
            );
        }
    }
}

#[test]
fn a_packet_cut_inside_a_message_ends_with_an_error() {
    let whole = packet(&[every_message()[0]]);
    for len in HEADER_LEN + 1..whole.len() {
        assert_eq!(
            read(&envelope(&whole[HEADER_LEN..len])),
            [Err(MessageError::Malformed)]
        );
    }
    assert_eq!(read(&envelope(&[])), []);
}

#[test]
fn an_unknown_kind_is_reported_and_skipped() {
    let nack = Message::Nack(Nack { seq: 9 });
    for kind in [0, kind::SYNC, kind::RELAY + 1, 255] {
        let mut bytes = vec![3, kind, 0xff, 0xff];
        bytes.extend(&packet(&[nack])[HEADER_LEN..]);
        assert_eq!(
            read(&envelope(&bytes)),
            [Err(MessageError::Unknown { kind }), Ok(nack)]
        );
    }
}

#[test]
fn bytes_after_the_known_fields_are_ignored() {
    for message in every_message() {
        let mut bytes = packet(&[message]).split_off(HEADER_LEN);
        bytes[0] += 3;
        bytes.extend(b"new");
        assert_eq!(read(&envelope(&bytes)), [Ok(message)]);
    }
}

#[test]
fn messages_of_length_zero_are_malformed_and_bounded() {
    let items = read(&envelope(&[0; 100])).len();
    assert_eq!(items, 100);
}

#[test]
fn impossible_lengths_and_fields_are_malformed() {
    let bad: [&[u8]; 8] = [
        // Lengths: past the end, unfinished, of more than 32 bits, of too many bytes.
        &[200, 1],
        &[0x80],
        &[0xff, 0xff, 0xff, 0xff, 0x1f],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        // A sequence number of more than 32 bits.
        &[6, kind::NACK, 0xff, 0xff, 0xff, 0xff, 0x1f],
        // A payload longer than its message.
        &[4, kind::ACK, 1, 5, 0],
        &[
            12,
            kind::ACK,
            1,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0x01,
        ],
        // An address of 5 bytes.
        &[
            18,
            kind::ALIVE,
            1,
            1,
            b'n',
            5,
            1,
            2,
            3,
            4,
            5,
            1,
            5,
            2,
            2,
            5,
            5,
            1,
            0,
        ],
    ];
    for bytes in bad {
        assert_eq!(
            read(&envelope(bytes)),
            [Err(MessageError::Malformed)],
            "{bytes:?}"
        );
    }
    // A length may take more bytes than it needs.
    assert_eq!(
        read(&envelope(&[0x82, 0x80, 0x00, kind::NACK, 5])),
        [Ok(Message::Nack(Nack { seq: 5 }))]
    );
}

#[test]
fn errors_name_what_was_wrong() {
    assert_eq!(
        StreamError::TooLarge { len: 5, cap: 4 }.to_string(),
        "a message of 5 bytes, at most 4 are accepted"
    );
    assert_eq!(
        PacketError::Version(3).to_string(),
        "a packet of unknown version 3"
    );
    assert_eq!(
        MessageError::Unknown { kind: 9 }.to_string(),
        "a message of unknown kind 9"
    );
}
