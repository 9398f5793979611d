//! Vectors of unusual, but valid encodings.

use super::*;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Unusual<'a> {
    s: &'a [u8],
    b: &'a [u8],
    u: u32,
    i: u64,
    f: f64,
    o: bool,
}

pub(super) fn read_unusual(bytes: &[u8]) -> Result<Unusual<'_>, Fault> {
    let mut read = Unusual::default();
    let reader = &mut Reader::new(bytes);
    msgpack::record!(reader: Fault, {
        b"S" => read.s = reader.text()?,
        b"B" => read.b = reader.bytes()?,
        b"U" => read.u = reader.u32()?,
        b"I" => read.i = reader.u64()?,
        b"F" => read.f = reader.f64()?,
        b"O" => read.o = reader.bool()?,
    })
    .map(|()| read)
}

impl Unusual<'_> {
    /// As the vectors show it.
    fn shown(&self) -> String {
        let b: String = self.b.iter().map(|byte| format!("{byte:02x}")).collect();
        let s = str::from_utf8(self.s).expect("a text");
        let Self { u, i, f, o, .. } = self;
        format!("S={s:?} B={b} U={u} I={i} F={f} O={o}")
    }
}

pub(super) fn check_msgpack(vector: &Vector) {
    let (name, fields) = (&vector.name, &vector.fields);
    if vector.id() == "decoder_acceptance" {
        for case in fields["cases"].as_array().expect("cases") {
            let bytes = unhex(text_of(&case["hex"]));
            let shown = read_unusual(&bytes).map_or("ERROR".to_string(), |read| read.shown());
            let generations = [&case["go_msgpack_0.5.5"], &case["go_msgpack_2.1.2"]];
            match text_of(&case["case"]) {
                // Byte strings are not copied, and no field is ever negative.
                "B=array with uint8 200" | "I=negative" => assert_eq!(shown, "ERROR"),
                // What one generation accepts, we accept.
                case => assert!(
                    generations.iter().any(|accepted| **accepted == *shown),
                    "{case}: {shown}"
                ),
            }
            if shown == "ERROR" && text_of(&case["case"]) != "I=negative" {
                let refused = generations.iter().all(|accepted| **accepted == "ERROR");
                assert!(
                    refused || text_of(&case["case"]).contains("uint8 200"),
                    "{case}"
                );
            }
        }
        return;
    }
    let generations = fields.as_object().expect("encodings");
    assert_eq!(
        generations["go_msgpack_0.5.5_gossip"],
        text_of(&generations["go_msgpack_0.5.5_gossip"])
    );
    assert_eq!(
        unhex(text_of(&generations["go_msgpack_0.5.5_gossip"])),
        vector.bytes
    );
    // Every form of every generation is stepped over, and read to the same where it is a record.
    for encoding in generations.values() {
        let encoding = unhex(text_of(encoding));
        let mut reader = Reader::new(&encoding);
        assert_eq!(reader.raw(), Ok(&encoding[..]), "{name}");
        assert_eq!(rewritten(vector, &encoding), vector.bytes, "{name}");
    }
}

/// Reads a value of any generation and writes it in the form of ours.
pub(super) fn rewritten(vector: &Vector, encoding: &[u8]) -> Vec<u8> {
    let (mut reader, mut out) = (Reader::new(encoding), Vec::new());
    let id = vector.id();
    if id.contains("int64_-") {
        // No field has a use for negative numbers.
        assert_eq!(reader.u64(), Err(Fault::Malformed));
        return vector.bytes.clone();
    }
    if id.starts_with("str_") {
        msgpack::append_text(&mut out, reader.text().expect(id));
    } else if id.contains("int64_") {
        msgpack::append_uint(&mut out, reader.u64().expect(id));
    } else if id.starts_with("bool_") {
        msgpack::append_bool(&mut out, reader.bool().expect(id));
    } else if id.starts_with("float64_") {
        msgpack::append_f64(&mut out, reader.f64().expect(id));
    } else if id.starts_with("array_") {
        let len = reader.array_len().expect(id);
        msgpack::append_array_len(&mut out, usize::try_from(len).expect("short"));
        for _ in 0..len {
            msgpack::append_text(&mut out, reader.text().expect(id));
        }
    } else if id.starts_with("bytes_") {
        msgpack::append_map_len(&mut out, 1);
        msgpack::append_text(&mut out, b"B");
        let mut bytes = &[][..];
        let reader = &mut reader;
        msgpack::record!(reader: Fault, { b"B" => bytes = reader.bytes()?, }).expect(id);
        match id {
            // Not what we write for nothing, but what others may.
            "bytes_len_0" => msgpack::append_text(&mut out, bytes),
            _ => msgpack::append_bytes(&mut out, bytes),
        }
    } else if id == "query_message_body" {
        let message = [&[serf_kind::QUERY], encoding].concat();
        append_serf_message(&mut out, &read_serf_message(&message).expect(id));
        out.remove(0);
    } else if id == "pushpull_header" {
        let header = sync::Header::read(&mut reader).expect(id);
        assert_eq!((header.nodes, header.user_state), (300, 70_000));
        header.append(&mut out);
        out.remove(0);
    } else {
        // No message of ours is like these; it is enough that they are stepped over.
        assert!(
            [
                "nil_string_map_field",
                "empty_string_map_field",
                "nil_string_slice_field"
            ]
            .contains(&id)
                || ["empty_string_slice_field", "struct_key_order"].contains(&id),
            "no check for {id}"
        );
        return vector.bytes.clone();
    }
    out
}
