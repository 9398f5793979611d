//! The codec against recorded conversations of the reference implementation.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::HashMap;

use rmpv::Value;
use serde_json::Value as Json;

use serf_agent::rpc::codec::{Bytes, Decode, Encode};
use serf_agent::rpc::frame::{Framer, Limits};
use serf_agent::rpc::protocol as msg;

const TRANSCRIPTS: &str = include_str!("vectors/rpc-transcripts.json");

struct Message {
    name: String,
    connection: String,
    from_client: bool,
    is_header: bool,
    bytes: Vec<u8>,
    decoded: Json,
}

fn messages() -> Vec<Message> {
    let all: Vec<Json> = serde_json::from_str(TRANSCRIPTS).unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|entry| {
            let fields = &entry["fields"];
            Message {
                name: text(&entry["name"]),
                connection: text(&fields["connection"]),
                from_client: fields["direction"] == "c2s",
                is_header: fields["kind"] == "header",
                bytes: unhex(entry["hex"].as_str().unwrap()),
                decoded: fields["decoded"].clone(),
            }
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn value(bytes: &[u8]) -> Value {
    let mut framer = Framer::new(Limits::REQUEST);
    framer.push(bytes);
    let value = framer.next_value().unwrap().expect("a whole value");
    assert!(!framer.is_partial());
    value
}

/// Decodes and encodes again.
fn again<T: Decode + Encode>(value: Value) -> Vec<u8> {
    let mut out = Vec::new();
    T::decode(value).unwrap().encode(&mut out);
    out
}

/// The body of a command, or of its answer, decoded and encoded again.
fn body_again(command: &str, from_client: bool, value: Value) -> Option<Vec<u8>> {
    use msg::command as c;
    let event = |value: &Value| value["Event"].as_str().map(str::to_owned);
    Some(match (command, from_client) {
        (c::HANDSHAKE, true) => again::<msg::HandshakeRequest>(value),
        (c::AUTH, true) => again::<msg::AuthRequest>(value),
        (c::EVENT, true) => again::<msg::EventRequest>(value),
        (c::FORCE_LEAVE, true) => again::<msg::ForceLeaveRequest>(value),
        (c::JOIN, true) => again::<msg::JoinRequest>(value),
        (c::JOIN, false) => again::<msg::JoinResponse>(value),
        (c::MEMBERS_FILTERED, true) => again::<msg::MembersFilteredRequest>(value),
        (c::MEMBERS | c::MEMBERS_FILTERED, false) => again::<msg::MembersResponse>(value),
        (c::STREAM, true) => again::<msg::StreamRequest>(value),
        (c::MONITOR, true) => again::<msg::MonitorRequest>(value),
        (c::STOP, true) => again::<msg::StopRequest>(value),
        (c::TAGS, true) => again::<msg::TagsRequest>(value),
        (c::QUERY, true) => again::<msg::QueryRequest>(value),
        (c::QUERY, false) => again::<msg::QueryRecord>(value),
        (c::INSTALL_KEY | c::USE_KEY | c::REMOVE_KEY, true) => again::<msg::KeyRequest>(value),
        (c::RESPOND, true) => again::<msg::RespondRequest>(value),
        (c::GET_COORDINATE, true) => again::<msg::CoordinateRequest>(value),
        (c::GET_COORDINATE, false) => again::<msg::CoordinateResponse>(value),
        (c::LIST_KEYS | c::INSTALL_KEY | c::USE_KEY | c::REMOVE_KEY, false) => {
            again::<msg::KeyResponse>(value)
        }
        (c::STATS, false) => again::<msg::Stats>(value),
        (c::MONITOR, false) => again::<msg::LogRecord>(value),
        (c::STREAM, false) if event(&value).is_some_and(|name| name.starts_with("member-")) => {
            again::<msg::MemberEventRecord>(value)
        }
        (c::STREAM, false) if event(&value).as_deref() == Some("user") => {
            again::<msg::UserEventRecord>(value)
        }
        (c::STREAM, false) if event(&value).as_deref() == Some("query") => {
            again::<msg::QueryEventRecord>(value)
        }
        _ => return None,
    })
}

/// Plain maps come in any order, and old or careless clients leave keys out.
fn is_canonical(message: &Message) -> bool {
    fn sorted(value: &Value) -> bool {
        match value {
            Value::Map(pairs) => {
                pairs.iter().is_sorted_by_key(|(key, _)| key.as_str())
                    && pairs.iter().all(|(_, value)| sorted(value))
            }
            Value::Array(items) => items.iter().all(sorted),
            _ => true,
        }
    }
    let partial = ["err_query_prefix", "err_query_too_big", "query_handler"];
    let partial = partial.contains(&message.connection.as_str())
        || ["query_with_response", "old_dialect_client", "bin_name"]
            .contains(&message.connection.as_str());
    sorted(&value(&message.bytes)) && !(partial && message.from_client)
}

#[test]
fn all_messages_survive_a_round_trip_and_canonical_ones_byte_for_byte() {
    let mut commands: HashMap<(String, u64), String> = HashMap::new();
    let mut last = (String::new(), 0);
    let (mut headers, mut bodies, mut compared) = (0, 0, 0);
    for message in messages() {
        let read = value(&message.bytes);
        let connection = message.connection.clone();
        if message.is_header {
            headers += 1;
            if message.from_client {
                let mut header = msg::RequestHeader::default();
                header.update(read).unwrap();
                if message.decoded["Seq"].is_u64() {
                    last = (connection, header.seq);
                    let mut out = Vec::new();
                    header.encode(&mut out);
                    assert_eq!(out, message.bytes, "{}", message.name);
                }
                commands.insert(last.clone(), header.command);
            } else {
                let header = msg::ResponseHeader::decode(read.clone()).unwrap();
                last = (connection, header.seq);
                assert_eq!(again::<msg::ResponseHeader>(read), message.bytes);
                assert_eq!(
                    msg::response(header.seq, &header.error, None),
                    message.bytes
                );
            }
            continue;
        }
        let command = commands.get(&last).map_or("", String::as_str);
        let Some(bytes) = body_again(command, message.from_client, read) else {
            continue;
        };
        bodies += 1;
        if is_canonical(&message) {
            compared += 1;
            assert_eq!(
                bytes, message.bytes,
                "{}: {}",
                message.name, message.decoded
            );
        }
    }
    let counts = [headers, bodies, compared];
    assert!(headers > 150 && compared > 60, "{counts:?}");
}

#[test]
fn a_recorded_conversation_is_cut_at_the_same_places_when_it_trickles_in() {
    let messages = messages();
    let all: Vec<u8> = messages.iter().flat_map(|m| m.bytes.clone()).collect();
    let mut framer = Framer::new(Limits::REQUEST);
    let mut values = Vec::new();
    for byte in all {
        framer.push(&[byte]);
        values.extend(framer.next_value().unwrap());
    }
    let expected: Vec<Value> = messages.iter().map(|m| value(&m.bytes)).collect();
    assert_eq!(values, expected);
}

#[test]
fn decoders_take_every_form_that_any_release_accepts() {
    fn decode<T: Decode>(hex: &str) -> Result<T, String> {
        T::decode(value(&unhex(hex))).map_err(|error| error.to_string())
    }
    let string = |hex| decode::<String>(hex).unwrap();
    for hex in ["a161", "d90161", "da000161", "db0000000161", "c40161"] {
        assert_eq!(string(hex), "a", "{hex}");
    }
    assert_eq!(string("c0"), "");
    assert!(decode::<String>("01").is_err());
    let bytes = |hex| decode::<Bytes>(hex).unwrap().0;
    for hex in ["a161", "d90161", "c40161", "c5000161", "9161"] {
        assert_eq!(bytes(hex), b"a", "{hex}");
    }
    assert_eq!(bytes("c0"), b"");
    let number = |hex| decode::<u16>(hex);
    for hex in [
        "05",
        "cc05",
        "cd0005",
        "ce00000005",
        "d005",
        "d30000000000000005",
    ] {
        assert_eq!(number(hex), Ok(5), "{hex}");
    }
    assert_eq!(number("c0"), Ok(0));
    for hex in ["ff", "ce00010000", "cb4014000000000000", "a135"] {
        assert!(number(hex).is_err(), "{hex}");
    }
    assert_eq!(decode::<f64>("05"), Ok(5.0));
    assert_eq!(decode::<f64>("ca40a00000"), Ok(5.0));
    for (hex, flag) in [
        ("c3", true),
        ("01", true),
        ("c2", false),
        ("00", false),
        ("c0", false),
    ] {
        assert_eq!(decode::<bool>(hex), Ok(flag), "{hex}");
    }
    assert!(decode::<bool>("02").is_err());
    assert_eq!(
        decode::<Vec<String>>("81a161a162"),
        Ok(vec!["a".into(), "b".into()])
    );
    // A record as a list in the order of declaration, cut short.
    let request = decode::<msg::ForceLeaveRequest>("91a161").unwrap();
    assert_eq!((request.node.as_str(), request.prune), ("a", false));
    // Unknown keys are skipped, the last of duplicate ones wins.
    let request = decode::<msg::ForceLeaveRequest>("83a158c0a44e6f6465a161a44e6f6465a162");
    assert_eq!(request.unwrap().node, "b");
}

#[test]
fn limits_are_enforced_before_anything_is_allocated() {
    fn error(bytes: &[u8]) -> String {
        let mut framer = Framer::new(Limits::REQUEST);
        framer.push(bytes);
        framer.next_value().unwrap_err().to_string()
    }
    // A string and a list of four billion bytes and elements.
    assert!(error(&unhex("dbffffffff")).contains("1048576 bytes"));
    assert!(error(&unhex("ddffffffff")).contains("65536 elements"));
    assert!(error(&unhex("dfffffffff")).contains("65536 elements"));
    assert!(error(&[0x91; 17]).contains("deeper than 16"));
    assert!(error(&[0xc1]).contains("0xc1"));
    // Many small lists instead of a large one.
    let lists: Vec<u8> = [0xdc, 0xff, 0xff]
        .into_iter()
        .chain([0x91, 0xc0].repeat(4))
        .collect();
    assert!(error(&lists).contains("65536 elements"));
}

proptest::proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let mut framer = Framer::new(Limits::STRANGER);
        framer.push(&bytes);
        while let Ok(Some(value)) = framer.next_value() {
            let _ = msg::RequestHeader::default().update(value.clone());
            let _ = msg::MembersResponse::decode(value.clone());
            let _ = msg::CoordinateResponse::decode(value.clone());
            let _ = msg::TagsRequest::decode(value);
        }
    }
}
