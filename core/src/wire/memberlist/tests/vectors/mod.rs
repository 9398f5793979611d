//! Every vector is read to what it says, and written again byte for byte wherever there is only one
//! way to write it.
#![expect(
    clippy::disallowed_methods,
    reason = "to see that no file of vectors is left out"
)]

extern crate std;

mod captured;
mod fields;
mod packets;
mod serf;
mod streams;
mod unusual;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};

use serde_json::Value;

use self::{captured::*, fields::*, packets::*, serf::*, streams::*, unusual::*};
use super::*;
use crate::message::{Filter, StreamMessage, SyncState};
use crate::serf::coordinate::Coordinate;
use crate::serf::keyring::{Key, Keyring};
use crate::tags;
use crate::wire::label::Label;
use crate::wire::msgpack::{self, Fault, Reader};
use crate::wire::native::Frame;
use crate::wire::seal::{self, Sealer};

struct Vector {
    name: String,
    bytes: Vec<u8>,
    fields: Value,
}

/// The name of a file of vectors, what it holds, and how each of them is checked.
type File = (&'static str, &'static str, fn(&Vector));

const FILES: [File; 6] = [
    (
        "memberlist-messages.json",
        include_str!("../../../../../tests/vectors/memberlist-messages.json"),
        check_message,
    ),
    (
        "memberlist-framing.json",
        include_str!("../../../../../tests/vectors/memberlist-framing.json"),
        check_framing,
    ),
    (
        "memberlist-streams.json",
        include_str!("../../../../../tests/vectors/memberlist-streams.json"),
        check_stream,
    ),
    (
        "serf-messages.json",
        include_str!("../../../../../tests/vectors/serf-messages.json"),
        check_serf,
    ),
    (
        "live-gossip.json",
        include_str!("../../../../../tests/vectors/live-gossip.json"),
        check_live,
    ),
    (
        "msgpack-dialect.json",
        include_str!("../../../../../tests/vectors/msgpack-dialect.json"),
        check_msgpack,
    ),
];

#[test]
fn every_vector_is_read_and_written() {
    let mut checked = 0;
    for (file, text, check) in FILES {
        let vectors: Vec<Value> = serde_json::from_str(text).expect("a list of vectors");
        for vector in vectors {
            let vector = Vector {
                name: format!("{file}: {}", text_of(&vector["name"])),
                bytes: unhex(text_of(&vector["hex"])),
                fields: vector["fields"].clone(),
            };
            check(&vector);
            checked += 1;
        }
    }
    assert_eq!(checked, 158);
}

#[test]
fn no_file_of_vectors_is_left_out() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    for entry in std::fs::read_dir(dir).expect("the vectors") {
        let name = entry.expect("an entry").file_name();
        let known = FILES.iter().any(|(file, ..)| name == **file);
        assert!(known, "{} is not checked", name.display());
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .expect("a hexadecimal digit")
    };
    let (pairs, rest) = text.as_bytes().as_chunks();
    assert!(rest.is_empty(), "{text}");
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}

impl Vector {
    /// The bytes that a field holds in hexadecimal.
    #[track_caller]
    fn hex(&self, field: &str) -> Vec<u8> {
        unhex(text_of(&self.fields[field]))
    }

    /// The last part of the name.
    fn id(&self) -> &str {
        self.name.split(": ").nth(1).expect("a name")
    }
}
