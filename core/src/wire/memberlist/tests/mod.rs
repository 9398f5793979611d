//! The memberlist wire as a whole: byte for byte what the reference system writes, and bounded in
//! what it accepts.

mod bounds;
mod messages;
mod properties;
mod vectors;

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::*;
use crate::member::Versions;
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

/// Where messages of the tests come from: nowhere, so that what they leave out stays out.
const NOWHERE: Origin = Origin {
    from: SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0),
    own_port: 7946,
};

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
            filters: Filters::Memberlist(b"\x91\xa4\x00\x91\xa1a"),
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

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    append_message(&mut out, message);
    out
}

fn packet(messages: &[Message<'_>], compressor: Option<&mut Compressor>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = PacketWriter::new(&mut buf, usize::MAX, true);
    for message in messages {
        assert!(writer.push(message));
    }
    assert_eq!(writer.finish(compressor), buf.len());
    buf
}

/// The body of a compressed message.
fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    Compressor::new().compress(&mut buf, 0, true);
    buf
}

fn compound(parts: &[&[u8]]) -> Vec<u8> {
    let count = u8::try_from(parts.len()).expect("at most 255 parts");
    let mut packet = vec![kind::COMPOUND, count];
    for part in parts {
        let len = u16::try_from(part.len()).expect("a short part");
        packet.extend(len.to_be_bytes());
    }
    packet.extend(parts.concat());
    packet
}
