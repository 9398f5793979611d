//! The native wire as a whole: what is written is read, and nothing else is.

mod packet;
mod properties;
mod stream;

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::packet::HEADER_LEN;
use super::*;
use crate::member::{VersionRange, Versions};
use crate::message::{Accusation, Ack, Alive, IndirectPing, Message, Nack, Ping};

const V4: &str = "10.1.2.3:7946";
const V6: &str = "[2001:db8::1]:443";
const MAPPED: &str = "[::ffff:10.1.2.3]:7946";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn alive(name: &str) -> Alive<'_> {
    Alive {
        incarnation: 7,
        name: name.into(),
        addr: addr(V4),
        versions: Versions::CURRENT,
        meta: b"\xff\x80",
    }
}

/// One message of every kind.
fn every_message() -> Vec<Message<'static>> {
    let accusation = Accusation {
        incarnation: 300,
        name: "accused".into(),
        from: "accuser".into(),
    };
    vec![
        Message::Ping(Ping {
            seq: 1,
            target: "target".into(),
            source: addr(V4),
            source_name: "source".into(),
        }),
        Message::IndirectPing(IndirectPing {
            seq: u32::MAX,
            target: "target".into(),
            target_addr: addr(MAPPED),
            nack: true,
            source: addr(V6),
            source_name: "source".into(),
        }),
        Message::Ack(Ack {
            seq: 128,
            payload: b"payload",
        }),
        Message::Nack(Nack { seq: 0 }),
        Message::Suspect(accusation),
        Message::Alive(alive("member")),
        Message::Dead(accusation),
    ]
}

fn packet(messages: &[Message<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, usize::MAX);
    for message in messages {
        assert!(writer.push(message));
    }
    assert_eq!(writer.finish(), buf.len());
    buf
}

/// A packet with a valid checksum around arbitrary bytes.
fn envelope(messages: &[u8]) -> Vec<u8> {
    [&[FIRST_BYTE], &checksum(messages)[..], messages].concat()
}

fn read(packet: &[u8]) -> Vec<Result<Message<'_>, MessageError>> {
    read_packet(packet).expect("an intact packet").collect()
}

fn stream_frame(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&[FIRST_BYTE], &len[..], &checksum(body), body].concat()
}
