//! What is written is read, in all the ways in which it can be put together.

use super::*;
use crate::message::{Clocks, Filter, MemberTime, RawName, StateEntry, StreamMessage};
use crate::wire::native;

fn read(packet: &[u8]) -> Vec<Vec<u8>> {
    let mut unpacker = Unpacker::new();
    read_packet(packet, NOWHERE, &mut unpacker)
        .expect("a packet")
        .map(|message| encoded(&message.expect("a message")))
        .collect()
}

#[test]
fn every_message_comes_back() {
    let messages = every_message();
    let expected: Vec<_> = messages.iter().map(encoded).collect();
    for compressor in [None, Some(&mut Compressor::new())] {
        assert_eq!(read(&packet(&messages, compressor)), expected);
    }
    for message in &messages {
        let bytes = encoded(message);
        assert_eq!(read_message(&bytes, NOWHERE).as_ref(), Ok(message));
        assert_eq!(read(&packet(&[*message], None)), [bytes]);
    }
}

#[test]
fn what_a_message_leaves_out_is_filled_in_from_where_it_came() {
    let origin = Origin {
        from: addr("10.9.9.9:1234"),
        own_port: 5555,
    };
    let short = b"\x00\x82\xa4Node\xa1n\xa5SeqNo\x07";
    let Ok(Message::Ping(ping)) = read_message(short, origin) else {
        panic!("a ping");
    };
    assert_eq!((ping.seq, ping.source), (7, origin.from));
    assert_eq!(ping.source_name, RawName::from(""));
    // One of the two is not enough.
    let half = b"\x00\x83\xa4Node\xa1n\xa5SeqNo\x07\xaaSourceAddr\xa4\x0a\x01\x02\x03";
    let Ok(Message::Ping(ping)) = read_message(half, origin) else {
        panic!("a ping");
    };
    assert_eq!(ping.source, origin.from);

    let mut portless = alive("member");
    portless.addr.set_port(0);
    let bytes = encoded(&Message::Alive(portless));
    let Ok(Message::Alive(alive)) = read_message(&bytes, origin) else {
        panic!("an announcement");
    };
    assert_eq!(alive.addr, addr("10.1.2.3:5555"));
}

#[test]
fn records_are_read_as_lists_too() {
    let list = b"\x04\x96\x07\xa6member\xa4\x0a\x01\x02\x03\xcd\x1f\x0a\xa2\xff\x80\x96\x01\x05\x02\x02\x05\x05";
    let expected = Message::Alive(alive("member"));
    assert_eq!(read_message(list, NOWHERE), Ok(expected));
    // Fields that are not there are zero, and those that are not known are skipped.
    let short = b"\x0b\x91\x05";
    assert_eq!(
        read_message(short, NOWHERE),
        Ok(Message::Nack(Nack { seq: 5 }))
    );
    let long = b"\x0b\x93\x05\x81\xa1x\x92\x01\x02\xc0";
    assert_eq!(
        read_message(long, NOWHERE),
        Ok(Message::Nack(Nack { seq: 5 }))
    );
}

#[test]
fn unknown_fields_are_skipped_and_the_last_of_equal_ones_counts() {
    let body = b"\x0b\x85\xa1a\x93\x81\xa1k\xc4\x01x\xc7\x02\x05zz\xcb\0\0\0\0\0\0\0\0\xa5SeqNo\x01\xd9\x01b\xdb\0\0\0\x01x\xa5SeqNo\x02\xa1c\xd8\x01aaaabbbbccccdddd";
    assert_eq!(
        read_message(body, NOWHERE),
        Ok(Message::Nack(Nack { seq: 2 }))
    );
}

#[test]
fn a_packet_holds_what_fits_and_no_more() {
    let message = Message::Nack(Nack { seq: 5 });
    let one = encoded(&message).len();
    for budget in 0..6 * one {
        for crc in [false, true] {
            let mut buf = vec![9];
            let mut writer = PacketWriter::new(&mut buf, budget, crc);
            let mut count = 0;
            while writer.push(&message) {
                count += 1;
            }
            assert!(writer.remaining() < one);
            let len = writer.finish(None);
            assert!(len <= budget, "{len} of {budget}");
            assert_eq!(buf.len(), 1 + len);
            if count > 0 {
                assert_eq!(read(&buf[1..]).len(), count);
            } else {
                assert_eq!(len, 0);
            }
            // One more would have been too much.
            let headers = if crc { 5 } else { 0 } + if count > 0 { 2 + 2 * (count + 1) } else { 0 };
            assert!(headers + (count + 1) * one > budget);
        }
    }
}

#[test]
fn at_most_127_messages_are_in_a_packet() {
    let message = Message::Nack(Nack { seq: 5 });
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, usize::MAX, false);
    for _ in 0..MAX_WRITTEN_PARTS {
        assert!(writer.push(&message));
    }
    assert!(!writer.push(&message));
    writer.finish(None);
    assert_eq!(read(&buf).len(), MAX_WRITTEN_PARTS);
    assert_eq!(buf[..2], [kind::COMPOUND, 127]);
}

#[test]
fn neither_empty_nor_oversized_messages_are_written() {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, usize::MAX, false);
    assert!(!writer.push_encoded(b""));
    assert!(!writer.push_encoded(&[0; 0x1_0000]));
    assert!(writer.push_encoded(&[0; 0xffff]));
    assert_eq!(writer.finish(None), 0xffff);
}

#[test]
fn a_relayed_message_is_passed_on_as_it_is() {
    let mut inner = Vec::new();
    let Message::Serf(response) = every_message()[11] else {
        panic!("a response");
    };
    append_serf_message(&mut inner, &response);
    let relay = Message::Serf(SerfMessage::Relay(Relay {
        dest: addr(V4),
        dest_name: "asker".into(),
        message: &inner,
    }));
    let envelope = encoded(&relay);
    let Ok(Message::Serf(SerfMessage::Relay(read))) = read_message(&envelope, NOWHERE) else {
        panic!("a relay");
    };
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, 1000, false);
    assert!(writer.push_relayed(read.message));
    writer.finish(None);
    assert_eq!(buf, encoded(&Message::Serf(response)));
}

#[test]
fn filters_pass_from_wire_to_wire() {
    let mut filters = Vec::new();
    native::append_node_filter(&mut filters, ["one", "two"]);
    native::append_tag_filter(&mut filters, "role", "^web");
    // Of a kind that nobody knows: it passes nobody, and must go on doing so.
    filters.extend([1, 9]);
    let Message::Serf(SerfMessage::Query(mut query)) = every_message()[10] else {
        panic!("a query");
    };
    query.filters = Filters::Native(&filters);
    let check = |filters: Filters<'_>| {
        let filters: Vec<_> = filters.iter().collect();
        let [Some(Filter::Nodes(names)), Some(tag), None] = &filters[..] else {
            panic!("{filters:?}");
        };
        assert!(names.clone().eq([RawName::from("one"), "two".into()]));
        let (key, pattern) = ("role", "^web");
        assert_eq!(*tag, Filter::Tag { key, pattern });
    };
    check(query.filters);
    let memberlist = encoded(&Message::Serf(SerfMessage::Query(query)));
    let Ok(Message::Serf(SerfMessage::Query(query))) = read_message(&memberlist, NOWHERE) else {
        panic!("a query");
    };
    assert!(matches!(query.filters, Filters::Memberlist(_)));
    check(query.filters);
    let mut native = Vec::new();
    native::append_message(&mut native, &Message::Serf(SerfMessage::Query(query)));
    let Ok(Message::Serf(SerfMessage::Query(query))) = native::read_message(&native) else {
        panic!("a query");
    };
    assert!(matches!(query.filters, Filters::Native(_)));
    check(query.filters);
    // From memberlist to memberlist nothing changes.
    let message = Message::Serf(SerfMessage::Query(query));
    assert_eq!(encoded(&message), memberlist);
}

#[test]
fn user_messages_and_refusals_travel_over_streams() {
    let Message::Serf(event) = every_message()[9] else {
        panic!("an event");
    };
    for message in [
        StreamMessage::Serf(event),
        StreamMessage::Refusal("no room"),
        StreamMessage::Ack(Ack {
            seq: 3,
            payload: b"",
        }),
    ] {
        for compressor in [None, Some(&mut Compressor::new())] {
            let mut buf = Vec::new();
            let len = write_stream_message(&mut buf, &message, compressor);
            assert_eq!(buf.len(), len);
            let mut framing = Framing::new();
            assert_eq!(
                framing.advance(&buf, len),
                Ok(native::Frame::Complete { len })
            );
            let mut unpacker = Unpacker::new();
            let read = read_stream_message(&buf, NOWHERE, &mut unpacker, len + 100);
            assert_eq!(read, Ok(message));
        }
        // The native wire has them, too.
        let mut buf = Vec::new();
        native::write_stream_message(&mut buf, &message);
        assert_eq!(native::read_stream_message(&buf), Ok(message));
    }
}

#[test]
fn a_state_says_of_each_member_whether_it_left() {
    let clocks = Clocks {
        member: LamportTime::new(300),
        event: LamportTime::new(u64::MAX),
        query: LamportTime::ZERO,
    };
    let member = |name: &'static str, ltime, left| MemberTime {
        name: name.into(),
        ltime: LamportTime::new(ltime),
        left,
    };
    let event = |name, ltime| UserEvent {
        ltime: LamportTime::new(ltime),
        name,
        payload: b"p",
        coalesce: false,
    };
    let entries = [
        StateEntry::Clocks(clocks),
        StateEntry::Member(member("b", 1, true)),
        StateEntry::Member(member("a-name-longer-than-thirty-one-bytes", 200, true)),
        StateEntry::Member(member("c", 0, false)),
        StateEntry::Member(member("a", 7, true)),
        StateEntry::Event(event("one", 5)),
        StateEntry::Event(event("two", 5)),
        StateEntry::Event(event("three", 6)),
    ];
    let write = |budget| {
        let mut writer = StateWriter::new(&clocks, budget);
        let mut pushed = vec![entries[0]];
        for entry in &entries[1..] {
            let fits = match entry {
                StateEntry::Member(member) => writer.push_member(member),
                StateEntry::Event(event) => writer.push_event(event),
                StateEntry::Clocks(_) => false,
            };
            pushed.extend(fits.then_some(*entry));
        }
        let mut state = Vec::new();
        writer.finish(&mut state);
        (state, pushed)
    };
    let (whole, pushed) = write(usize::MAX);
    assert_eq!(pushed, entries);
    for budget in 0..whole.len() + 50 {
        let (state, pushed) = write(budget);
        assert!(
            state.len() <= budget.max(106),
            "{} of {budget}",
            state.len()
        );
        let read: Vec<_> = StateEntries::new(&state)
            .expect("a state")
            .map(|entry| entry.expect("an entry"))
            .collect();
        assert_eq!(read, pushed);
    }
}

#[test]
fn a_compressor_and_an_unpacker_start_afresh_each_time() {
    let messages = every_message();
    let (mut compressor, mut unpacker) = (Compressor::new(), Unpacker::new());
    for message in messages.iter().chain(&messages) {
        let mut buf = encoded(message);
        compressor.compress(&mut buf, 0, true);
        assert_eq!(buf, compressed(&encoded(message)));
        let mut read = read_packet(&buf, NOWHERE, &mut unpacker).expect("a packet");
        assert_eq!(read.next(), Some(Ok(*message)));
        assert_eq!(read.next(), None);
    }
}
