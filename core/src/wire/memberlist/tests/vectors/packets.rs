//! Vectors of single messages and of packets.

use super::*;

pub(super) fn check_message(vector: &Vector) {
    let name = &vector.name;
    match vector.id() {
        "err" => return check_refusal(vector, &vector.bytes),
        // Opaque to memberlist; Serf does not send such messages.
        "user_packet" => {
            let mut unpacker = Unpacker::new();
            let mut messages =
                read_packet(&vector.bytes, NOWHERE, &mut unpacker).expect("a packet");
            let message = messages.next_encoded().expect("a message");
            assert_eq!(message, Ok(&vector.bytes[..]));
            assert_eq!(vector.bytes[1..], vector.hex("payload"));
            let error = read_message(&vector.bytes, NOWHERE);
            assert_eq!(error, Err(MessageError::UnknownSerf { kind: b'h' }));
            return;
        }
        _ => {}
    }
    let message = read_message(&vector.bytes, NOWHERE).expect(name);
    assert_eq!(u64::from(vector.bytes[0]), vector.fields["type"], "{name}");
    let record = fields_of(&message);
    assert!(same(&record, &vector.fields), "{name}: {record:?}");
    if vector.id() != "ack_empty_payload" {
        assert_eq!(encoded(&message), vector.bytes, "{name}");
        return;
    }
    // An empty payload looks like none, which is written as nil.
    let nil: Vec<u8> = vector
        .bytes
        .iter()
        .map(|&byte| if byte == 0xa0 { 0xc0 } else { byte })
        .collect();
    assert_eq!(encoded(&message), nil);
}

pub(super) fn check_refusal(vector: &Vector, received: &[u8]) {
    let mut unpacker = Unpacker::new();
    let message = read_stream_message(received, NOWHERE, &mut unpacker, 1000).expect("a message");
    let StreamMessage::Refusal(text) = message else {
        panic!("{}: {message:?}", vector.name);
    };
    let expected = match &vector.fields["Error"] {
        Value::Null => &vector.fields["decoded"]["Error"],
        error => error,
    };
    assert_eq!(text, expected);
    let mut buf = Vec::new();
    write_stream_message(&mut buf, &message, None);
    if received[0] == kind::ERROR {
        assert_eq!(buf, received);
    }
}

/// Reads a packet, and writes it again from its messages as they came.
pub(super) fn parts_and_rewritten(
    packet: &[u8],
    compressor: Option<&mut Compressor>,
) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut unpacker = Unpacker::new();
    let mut messages = read_packet(packet, NOWHERE, &mut unpacker).expect("a packet");
    let mut buf = Vec::new();
    let crc = packet[0] == kind::CRC;
    let mut writer = PacketWriter::new(&mut buf, usize::MAX, crc);
    let mut parts = Vec::new();
    while let Some(part) = messages.next_encoded() {
        let part = part.expect("a message");
        assert!(writer.push_encoded(part));
        parts.push(part.to_vec());
    }
    writer.finish(compressor);
    (parts, buf)
}
