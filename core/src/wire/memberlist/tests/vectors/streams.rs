//! Vectors of what goes over streams and of what seals them.

use super::*;

pub(super) fn check_framing(vector: &Vector) {
    let name = &vector.name;
    match vector.id() {
        "compound_ping_suspect" | "compound_three" => {
            let (parts, rewritten) = parts_and_rewritten(&vector.bytes, None);
            let expected = vector.fields["parts"].as_array().expect("parts");
            assert!(
                parts.iter().eq(&expected
                    .iter()
                    .map(|part| unhex(text_of(part)))
                    .collect::<Vec<_>>())
            );
            assert_eq!(rewritten, vector.bytes, "{name}");
        }
        "compressed_compound" => {
            let plain = vector.hex("plain");
            assert_eq!(
                parts_and_rewritten(&vector.bytes, None),
                parts_and_rewritten(&plain, None)
            );
            assert_eq!(compressed(&plain), vector.bytes, "{name}");
            // It is longer than in plain form, so that nobody would send it in a packet.
            let (_, rewritten) = parts_and_rewritten(&plain, Some(&mut Compressor::new()));
            assert_eq!(rewritten, plain);
        }
        "compressed_repetitive" => {
            let plain = [&b"\x08"[..], &b"abcdefgh".repeat(600)].concat();
            let (parts, rewritten) =
                parts_and_rewritten(&vector.bytes, Some(&mut Compressor::new()));
            assert_eq!(parts, [plain]);
            assert_eq!(rewritten, vector.bytes, "{name}");
        }
        "compressed_dictionary_reset" => {
            let mut x: u32 = 12345;
            let plain: Vec<u8> = core::iter::once(8)
                .chain((0..12000).map(|_| {
                    x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (x >> 24) as u8
                }))
                .collect();
            let (parts, _) = parts_and_rewritten(&vector.bytes, None);
            assert_eq!(parts, [&plain[..]]);
            // When to clear the dictionary is up to the writer.
            let ours = compressed(&plain);
            assert_eq!(parts_and_rewritten(&ours, None).0, [&plain[..]]);
            assert!(ours.len() < vector.bytes.len() + 10, "{}", ours.len());
        }
        "crc_ping" | "crc_compressed_compound" => {
            let inner = vector.hex("inner");
            assert_eq!(
                parts_and_rewritten(&vector.bytes, None).0,
                parts_and_rewritten(&inner, None).0
            );
            let mut buf = Vec::new();
            let mut writer = PacketWriter::new(&mut buf, usize::MAX, true);
            assert!(writer.push_encoded(&inner));
            writer.finish(None);
            assert_eq!(buf, vector.bytes, "{name}");
        }
        "label_packet_plain" => {
            let label = Label::new(text_of(&vector.fields["label"])).expect("a label");
            let header = label.check(&vector.bytes).expect("the same label");
            assert_eq!(vector.bytes[header..], vector.hex("inner"));
        }
        _ if vector.fields.get("key").is_some() => {
            let plain = check_sealed(vector);
            assert_eq!(plain, vector.hex("plain"), "{name}");
        }
        _ => panic!("no check for {name}"),
    }
}

/// Opens a sealed packet or frame, seals it again with the same nonce and gives what is in it.
pub(super) fn check_sealed(vector: &Vector) -> Vec<u8> {
    let name = &vector.name;
    let sealer = Sealer::new(&Keyring::new(Key::new(&vector.hex("key")).expect("a key")));
    let label = vector.fields["label"].as_str().unwrap_or_default();
    let label = Label::new(label).expect("a label");
    let header = label.check(&vector.bytes).expect("the same label");
    let sealed = &vector.bytes[header..];
    let mut opened = sealed.to_vec();
    let mut buf = Vec::new();
    label.append_header(&mut buf);
    let (version, nonce, plain);
    if sealed[0] == seal::FRAME_FIRST_BYTE {
        let len = sealed.len();
        assert_eq!(
            seal::frame(sealed, len),
            Ok(Frame::Complete { len }),
            "{name}"
        );
        (version, nonce) = (sealed[5], sealed[6..18].try_into().expect("12 bytes"));
        plain = sealer.open_frame(&mut opened, &label).expect(name).to_vec();
        buf.extend_from_slice(&plain);
        sealer.seal_frame_as(version, &mut buf, header, nonce, &label);
    } else {
        (version, nonce) = (sealed[0], sealed[1..13].try_into().expect("12 bytes"));
        plain = sealer
            .open_packet(&mut opened, &label)
            .expect(name)
            .to_vec();
        buf.extend_from_slice(&plain);
        sealer.seal_packet_as(version, &mut buf, header, nonce, &label);
    }
    assert_eq!(buf, vector.bytes, "{name}");
    plain
}

pub(super) fn check_stream(vector: &Vector) {
    let name = &vector.name;
    let mut plain = vector.bytes.clone();
    if vector.fields.get("key").is_some() {
        plain = check_sealed(vector);
    }
    check_frame_is_found(&plain);
    let mut unpacker = Unpacker::new();
    let message = read_stream_message(&plain, NOWHERE, &mut unpacker, 10_000);
    match (vector.id(), message) {
        ("user_stream", Err(error)) => {
            // Serf does not send such messages.
            let opaque = MessageError::UnknownSerf { kind: b'h' };
            assert_eq!(error, StreamError::Message(opaque));
        }
        ("tcp_ping" | "tcp_ping_compressed", Ok(message @ StreamMessage::Ping(_))) => {
            let mut buf = Vec::new();
            let mut compressor = Compressor::new();
            let compressor = (plain[0] == kind::COMPRESS).then_some(&mut compressor);
            write_stream_message(&mut buf, &message, compressor);
            assert_eq!(buf, plain, "{name}");
        }
        (
            "pushpull_plain_join"
            | "pushpull_plain_nouser"
            | "pushpull_compressed"
            | "pushpull_encrypted_v1"
            | "pushpull_encrypted_v0"
            | "pushpull_encrypted_compressed",
            Ok(StreamMessage::Sync(sync)),
        ) => {
            let all: Vec<Value> = serde_json::from_str(FILES[2].1).expect("a list of vectors");
            let fields = match &vector.fields["nodes"] {
                // All others are the first one in some envelope.
                Value::Null => &all[0]["fields"],
                _ => &vector.fields,
            };
            check_push_pull(name, &sync, fields, &plain);
        }
        (id, message) => panic!("no check for {id}: {message:?}"),
    }
}

/// However the bytes arrive.
pub(super) fn check_frame_is_found(message: &[u8]) {
    let mut framing = Framing::new();
    for len in 0..message.len() {
        assert_eq!(
            framing.advance(&message[..len], 10_000),
            Ok(Frame::Partial),
            "{len}"
        );
    }
    let complete = Ok(Frame::Complete { len: message.len() });
    assert_eq!(framing.advance(message, 10_000), complete);
    let longer = [message, b"more"].concat();
    assert_eq!(Framing::new().advance(&longer, 10_000), complete);
}

pub(super) fn check_push_pull(
    name: &str,
    sync: &crate::message::Sync<'_>,
    expected: &Value,
    plain: &[u8],
) {
    assert_eq!(sync.join, expected["header"]["Join"], "{name}");
    assert_eq!(u64::from(sync.count), expected["header"]["Nodes"], "{name}");
    assert_eq!(
        sync.user_state.len() as u64,
        expected["header"]["UserStateLen"],
        "{name}"
    );
    if let Some(state) = expected["user_state"].as_str() {
        assert_eq!(sync.user_state, unhex(state), "{name}");
    }
    let nodes = expected["nodes"].as_array().expect("nodes");
    let entries: Vec<_> = SyncEntries::new(sync, NOWHERE)
        .map(|entry| entry.expect(name))
        .collect();
    assert_eq!(entries.len(), nodes.len(), "{name}");
    for (entry, node) in entries.iter().zip(nodes) {
        let mut record = fields_of(&Message::Alive(entry.alive));
        record[1].0 = "Name";
        record.push(("State", Field::Number(entry.state as u64)));
        assert!(same(&record, node), "{name}: {record:?}");
        assert_eq!(entry.state == SyncState::Alive, node["State"] == 0);
    }
    // An empty `Meta` is written as nil, so the bytes are the same where no node has one.
    if plain[0] == kind::PUSH_PULL && nodes.iter().all(|node| node["Meta"] != "") {
        let mut buf = Vec::new();
        let mut writer = SyncWriter::new(&mut buf, sync.join, usize::MAX);
        for entry in &entries {
            assert!(writer.push(entry));
        }
        writer.finish(sync.user_state, None);
        assert_eq!(buf, plain, "{name}");
    }
    let mut buf = Vec::new();
    let mut compressor = Compressor::new();
    let compressor = (plain[0] == kind::COMPRESS).then_some(&mut compressor);
    write_stream_message(&mut buf, &StreamMessage::Sync(*sync), compressor);
    assert_eq!(buf, plain, "{name}");
}
