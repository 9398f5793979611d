//! The vectors of the reference system, as bytes to begin with.

use serde_json::Value;

/// The key of the sealed vectors.
pub const KEY: [u8; 32] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\
                            \x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f";

const FILES: [&str; 6] = [
    include_str!("../../core/tests/vectors/live-gossip.json"),
    include_str!("../../core/tests/vectors/memberlist-framing.json"),
    include_str!("../../core/tests/vectors/memberlist-messages.json"),
    include_str!("../../core/tests/vectors/memberlist-streams.json"),
    include_str!("../../core/tests/vectors/msgpack-dialect.json"),
    include_str!("../../core/tests/vectors/serf-messages.json"),
];

/// Every text in the vectors that is bytes in hexadecimal, as those bytes; the parts and plain forms
/// that belong to a vector are among them. And some lines of a snapshot and of a keyring, and journals.
#[must_use]
pub fn vectors() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in FILES {
        let vectors: Value = serde_json::from_str(file).expect("a file of vectors");
        collect(&vectors, &mut found);
    }
    found.push(
        b"alive: peer one 127.0.0.1:27947\nclock: 1\nevent-clock: 2\nquery-clock: 3\n\
          not-alive: peer one\n# failed: peer one 127.0.0.1:1\nleave\ncoordinate: {}\n"
            .to_vec(),
    );
    found.push(b"EBESExQVFhcYGRobHB0eHw==\nAAECAwQFBgcICQoLDA0ODw==\n".to_vec());
    found.extend(crate::journal::examples());
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => found.extend(unhex(text)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)? << 4 | digit(low)?).ok()
        })
        .collect()
}
