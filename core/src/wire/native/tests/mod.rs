//! The native wire as a whole: what is written is read, and nothing else is.

mod packet;
mod properties;
mod serf;
mod stream;

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::packet::HEADER_LEN;
use super::*;
use crate::member::{VersionRange, Versions};
use crate::message::{
    Accusation, Ack, Alive, Filters, IndirectPing, JoinIntent, LeaveIntent, Message, Nack, Ping,
    Query, QueryResponse, Relay, SerfMessage, UserEvent,
};
use crate::serf::clock::LamportTime;
use crate::serf::query::QueryFlags;

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
        Message::Serf(SerfMessage::LeaveIntent(LeaveIntent {
            ltime: LamportTime::new(128),
            node: "leaver".into(),
            prune: true,
        })),
        Message::Serf(SerfMessage::JoinIntent(JoinIntent {
            ltime: LamportTime::new(u64::MAX),
            node: "joiner".into(),
        })),
        Message::Serf(SerfMessage::UserEvent(UserEvent {
            ltime: LamportTime::new(3),
            name: "deploy",
            payload: b"v1.2.3",
            coalesce: true,
        })),
        Message::Serf(SerfMessage::Query(Query {
            ltime: LamportTime::new(9),
            id: 77,
            source: addr(V4),
            source_name: "asker".into(),
            filters: Filters::Native(b"\x03\x00\x01a"),
            flags: QueryFlags::ACK,
            relay_factor: 2,
            timeout: Duration::from_millis(3200),
            name: "load",
            payload: b"15m",
        })),
        Message::Serf(SerfMessage::QueryResponse(QueryResponse {
            ltime: LamportTime::new(9),
            id: 77,
            from: "responder".into(),
            flags: 0,
            payload: b"0.42",
        })),
        Message::Serf(SerfMessage::Relay(Relay {
            dest: addr(V6),
            dest_name: "asker".into(),
            message: &[4, 0],
        })),
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
