//! What two agents said to each other.

use super::*;

pub(super) fn check_live(vector: &Vector) {
    let (name, fields) = (&vector.name, &vector.fields);
    match vector.id() {
        "live_pushpull_response" => check_captured_push_pull(vector, &vector.bytes),
        "live_error_reply" => check_refusal(vector, &vector.bytes),
        "live_encrypted_error_reply" => {
            let plain = check_sealed(vector);
            assert_eq!(plain, vector.hex("plain"), "{name}");
            check_refusal(vector, &plain);
        }
        "live_encrypted_pushpull_response" => {
            let plain = check_sealed(vector);
            assert_eq!(u64::from(plain[0]), fields["plain_outer_type"]);
            let inner = vector.hex("inner");
            assert_eq!(compressed(&inner), plain, "{name}");
            check_captured_push_pull(vector, &plain);
        }
        "live_join_stream_compressed" => {
            assert_eq!(compressed(&vector.hex("inner")), vector.bytes, "{name}");
            check_captured_push_pull(vector, &vector.bytes);
        }
        "live_encrypted_udp_ack" => {
            let plain = check_sealed(vector);
            assert_eq!(plain, vector.hex("plain"));
            let (parts, rewritten) = parts_and_rewritten(&plain, Some(&mut Compressor::new()));
            let inner = fields["inner"].as_array().expect("messages");
            assert!(
                parts
                    .into_iter()
                    .eq(inner.iter().map(|part| unhex(text_of(part))))
            );
            assert_eq!(rewritten, plain, "{name}");
        }
        "live_tcp_ack" => {
            let mut unpacker = Unpacker::new();
            let message = read_stream_message(&vector.bytes, NOWHERE, &mut unpacker, 100);
            let Ok(StreamMessage::Ack(ack)) = message else {
                panic!("{name}: {message:?}");
            };
            assert!(same(&fields_of(&Message::Ack(ack)), fields));
            let mut buf = Vec::new();
            write_stream_message(&mut buf, &StreamMessage::Ack(ack), None);
            assert_eq!(buf, vector.bytes, "{name}");
        }
        _ => {
            let expected = fields["messages"].as_array().expect("messages");
            let mut unpacker = Unpacker::new();
            let messages: Vec<_> = read_packet(&vector.bytes, NOWHERE, &mut unpacker)
                .expect(name)
                .map(|message| message.expect(name))
                .collect();
            assert_eq!(messages.len(), expected.len(), "{name}");
            for (message, expected) in messages.iter().zip(expected) {
                let record = fields_of(message);
                assert!(same(&record, &expected["body"]), "{name}: {record:?}");
            }
            let mut buf = Vec::new();
            let mut writer = PacketWriter::new(&mut buf, usize::MAX, vector.bytes[0] == kind::CRC);
            assert!(messages.iter().all(|message| writer.push(message)));
            writer.finish(None);
            assert_eq!(buf, vector.bytes, "{name}");
            if let Some(request) = fields["request"].as_str() {
                let request = unhex(request);
                let message = read_message(&request, NOWHERE).expect(name);
                assert_eq!(encoded(&message), request, "{name}");
                if let Message::Serf(SerfMessage::Relay(relay)) = message {
                    assert_eq!(relay.message, &vector.bytes[1..], "{name}");
                }
            }
        }
    }
}

pub(super) fn check_captured_push_pull(vector: &Vector, plain: &[u8]) {
    let name = &vector.name;
    check_frame_is_found(plain);
    let mut unpacker = Unpacker::new();
    let message = read_stream_message(plain, NOWHERE, &mut unpacker, 10_000);
    let Ok(StreamMessage::Sync(sync)) = message else {
        panic!("{name}: {message:?}");
    };
    if vector.fields.get("nodes").is_some() {
        check_push_pull(name, &sync, &vector.fields, plain);
    }
    let mut entries = SyncEntries::new(&sync, NOWHERE);
    assert!(entries.all(|entry| entry.is_ok_and(|entry| entry.state == SyncState::Alive)));
    assert!(sync.versions.is_compatible());
    let mut state = StateEntries::new(sync.user_state).expect(name);
    assert!(state.all(|entry| entry.is_ok()), "{name}");
}
