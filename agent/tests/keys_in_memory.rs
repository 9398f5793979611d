//! A key that the agent was given is nowhere in its memory any more, once it is forgotten.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../../core/tests/arena/mod.rs"]
mod arena;

use std::env;
use std::fs;

use arena::{SECRET_TEXT, traces};
use serf_agent::config::{RawConfig, Settings};
use serf_agent::rpc::codec::{Decode as _, Encode as _};
use serf_agent::rpc::frame::{Framer, Limits};
use serf_agent::rpc::protocol::{KeyRequest, KeyResponse, response};
use zeroize::Zeroizing;

#[test]
fn a_key_leaves_no_trace_in_what_requests_and_configuration_have_freed() {
    request_comes_in();
    assert_eq!(traces(), 0, "after a request");
    keys_are_listed();
    assert_eq!(traces(), 0, "after a list");
    configuration_is_read();
    assert_eq!(traces(), 0, "after configuration");
}

/// In one piece and in many, with something before and behind it.
fn request_comes_in() {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    bytes.push(1);
    let mut key = Zeroizing::new(String::with_capacity(64));
    key.push_str(SECRET_TEXT);
    KeyRequest { key }.encode(&mut bytes);
    "x".repeat(5000).encode(&mut bytes);
    for piece in [bytes.len(), 20] {
        let mut framer = Framer::new(Limits::REQUEST);
        let mut values = Vec::new();
        for piece in bytes.chunks(piece) {
            framer.push(piece);
            while let Some(value) = framer.next_value().unwrap() {
                values.push(value);
            }
        }
        let [_, request, _] = <[_; 3]>::try_from(values).unwrap();
        let request = KeyRequest::decode(request).unwrap();
        assert_eq!(request.key.as_str(), SECRET_TEXT);
        assert!(traces() > 0, "it is found where it is");
    }
}

fn keys_are_listed() {
    let mut list = KeyResponse::default();
    list.keys = Some([(SECRET_TEXT.to_owned(), 3)].into());
    drop(Zeroizing::new(response(1, "", Some(&list))));
}

fn configuration_is_read() {
    let path = env::temp_dir().join(format!("serf-keys-{}.json", std::process::id()));
    let mut text = Zeroizing::new(String::with_capacity(256));
    text.push_str("{\"Encrypt_Key\": \"");
    text.push_str(SECRET_TEXT);
    text.push_str("\"}");
    fs::write(&path, text.as_bytes()).unwrap();
    drop(text);
    let raw = RawConfig::from_path(&path);
    fs::remove_file(&path).unwrap();
    let settings = Settings::new(raw.unwrap(), "host").unwrap();
    assert_eq!(
        &*settings.keyring.unwrap().primary().to_base64(),
        SECRET_TEXT
    );
}
