//! The same RPC messages to our agent and to the reference one, which must answer the same.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use rmpv::Value;
use serde_json::{Value as Json, json};
use support::{Agent, Which, reference_is_installed};

/// Asks for an answer that comes after all others.
const LAST: u64 = 999;

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_u64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_i64().unwrap()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(list) => Value::Array(list.iter().map(value).collect()),
        Json::Object(map) => {
            let pair = |(key, it): (&String, &Json)| (Value::from(key.as_str()), value(it));
            Value::Map(map.iter().map(pair).collect())
        }
    }
}

/// Sends the messages over a connection of their own and answers what comes back, in the order of
/// its keys, until the connection is closed or the last answer has come.
fn answers(agent: &Agent, messages: &[Json]) -> Vec<String> {
    let mut stream = TcpStream::connect((agent.ip, 7373)).unwrap();
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    let last = [
        json!({"Command": "stop", "Seq": LAST}),
        json!({"Stop": LAST}),
    ];
    for message in messages.iter().chain(&last) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value(message)).unwrap();
        // An agent that has closed the connection takes no more.
        let _ = stream.write_all(&bytes);
    }
    let mut stream = BufReader::new(stream);
    let mut answers = Vec::new();
    while let Ok(Value::Map(mut map)) = rmpv::decode::read_value(&mut stream) {
        map.sort_by_key(|(key, _)| key.to_string());
        if map
            .iter()
            .any(|(key, it)| *key == "Seq".into() && *it == LAST.into())
        {
            break;
        }
        let [a, b, c, d] = agent.ip.octets();
        let addr = format!("[{a}, {b}, {c}, {d}]");
        answers.push(Value::Map(map).to_string().replace(&addr, "ADDR"));
    }
    answers
}

#[test]
fn both_agents_answer_the_same_to_the_same_messages() {
    if !reference_is_installed() {
        return;
    }
    let agents = Which::BOTH.map(|which| Agent::start(which, "alpha", &[]));
    let hello = [
        json!({"Command": "handshake", "Seq": 0}),
        json!({"Version": 1}),
    ];
    let call = |command: &str, body: Json| {
        let header = json!({"Command": command, "Seq": 1});
        [&hello[..], &[header, body]].concat()
    };
    let bare = |command: &str| [&hello[..], &[json!({"Command": command, "Seq": 1})]].concat();
    let nobody = support::fresh_ip().to_string();
    let long = "x".repeat(2000);
    let query = |name: &str, payload: &str| {
        json!({
            "RequestAck": true, "Timeout": 1_000_000, "FilterNodes": ["nobody"],
            "Name": name, "Payload": payload
        })
    };
    for messages in [
        vec![json!({"Command": "members", "Seq": 1})],
        vec![
            json!({"Command": "handshake", "Seq": 0}),
            json!({"Version": 2}),
        ],
        [hello.clone(), hello.clone()].concat(),
        bare("bogus"),
        bare("list-keys"),
        call("members-filtered", json!({})),
        call(
            "members-filtered",
            json!({"Tags": null, "Status": null, "Name": null}),
        ),
        call(
            "members-filtered",
            json!({"Tags": {"a": "("}, "Status": "", "Name": ""}),
        ),
        call(
            "members-filtered",
            json!({"Tags": {}, "Status": "fail", "Name": "a"}),
        ),
        call("join", json!({"Existing": [nobody], "Replay": false})),
        call("join", json!({"Existing": [], "Replay": false})),
        call("join", json!({"Existing": null})),
        call("stop", json!({"Stop": 99})),
        call("stream", json!({"Type": "bogus"})),
        call("stream", json!({"Type": "user,"})),
        call("monitor", json!({"LogLevel": "x"})),
        call("auth", json!({"AuthKey": "x"})),
        call("respond", json!({"ID": 5, "Payload": "x"})),
        call("get-coordinate", json!({"Node": "nobody"})),
        call("force-leave", json!({"Node": "nobody", "Prune": true})),
        call(
            "tags",
            json!({"Tags": {"a": "b"}, "DeleteTags": ["nosuch"]}),
        ),
        call("tags", json!({"Tags": null, "DeleteTags": null})),
        call("install-key", json!({"Key": "AAAAAAAAAAAAAAAAAAAAAA=="})),
        call("use-key", json!({"Key": "AAAAAAAAAAAAAAAAAAAAAA=="})),
        call("remove-key", json!({"Key": "AAAAAAAAAAAAAAAAAAAAAA=="})),
        call("query", query("_serf_x", "")),
        call("query", query("_serf_ping", "x")),
        call("query", query("load", &long)),
        call(
            "event",
            json!({"Name": "x", "Payload": "y", "Coalesce": true}),
        ),
        call(
            "event",
            json!({"Name": "x", "Payload": long, "Coalesce": true}),
        ),
        call("event", json!("no body")),
        call("stop", json!({"Stop": 1, "Unknown": [1, {"x": null}]})),
        [&hello[..], &[json!("no header")]].concat(),
        [&hello[..], &[json!(5)]].concat(),
        [
            &hello[..],
            &[
                json!({"Command": "stop", "Seq": u64::MAX}),
                json!({"Stop": 1}),
            ],
        ]
        .concat(),
        [
            &hello[..],
            &[json!({"command": "stop", "seq": 7}), json!({"stop": 1})],
        ]
        .concat(),
    ] {
        let [ours, reference] = agents.each_ref().map(|agent| answers(agent, &messages));
        assert_eq!(ours, reference, "{messages:?}");
    }
}
