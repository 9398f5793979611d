//! The messages of Serf (wire-protocol reference, section 7).

use alloc::vec::Vec;
use core::time::Duration;

use super::error::MessageError;
use super::field::{append_ip, read_ip, read_name, read_str};
use super::filter::{append_filters, read_filters};
use super::serf_kind as kind;
use crate::message::{
    Filters, JoinIntent, LeaveIntent, Query, QueryResponse, RawName, Relay, SerfMessage, UserEvent,
};
use crate::serf::clock::LamportTime;
use crate::serf::query::QueryFlags;
use crate::wire::msgpack::{
    Reader, append_bool, append_bytes, append_map_len, append_text, append_uint, record,
};
use core::net::SocketAddr;

/// Reads a message of Serf as it is in a user message, or in a relay: its type and what follows. Bytes
/// after it are ignored, as the reference system does.
///
/// # Errors
/// See [`MessageError`].
pub fn read_serf_message(message: &[u8]) -> Result<SerfMessage<'_>, MessageError> {
    read_serf_message_from(&mut Reader::new(message))
}

/// The same; the reader then stands behind it.
pub(super) fn read_serf_message_from<'a>(
    reader: &mut Reader<'a>,
) -> Result<SerfMessage<'a>, MessageError> {
    let kind = reader.byte().map_err(|_| MessageError::Empty)?;
    match kind {
        kind::LEAVE_INTENT => read_leave_intent(reader).map(SerfMessage::LeaveIntent),
        kind::JOIN_INTENT => read_join_intent(reader).map(SerfMessage::JoinIntent),
        kind::USER_EVENT => read_user_event(reader).map(SerfMessage::UserEvent),
        kind::QUERY => read_query(reader).map(SerfMessage::Query),
        kind::QUERY_RESPONSE => read_query_response(reader).map(SerfMessage::QueryResponse),
        kind::RELAY => read_relay(reader).map(SerfMessage::Relay),
        _ => Err(MessageError::UnknownSerf { kind }),
    }
}

/// Appends a message of Serf as it is in a user message, or in a relay: its type and what follows.
pub fn append_serf_message(out: &mut Vec<u8>, message: &SerfMessage<'_>) {
    match message {
        SerfMessage::LeaveIntent(m) => append_leave_intent(out, m),
        SerfMessage::JoinIntent(m) => append_join_intent(out, m),
        SerfMessage::UserEvent(m) => append_user_event(out, m),
        SerfMessage::Query(m) => append_query(out, m),
        SerfMessage::QueryResponse(m) => append_query_response(out, m),
        SerfMessage::Relay(m) => append_relay(out, m),
    }
}

const NOBODY: RawName<'static> = RawName::new(b"");

pub(super) fn read_ltime(reader: &mut Reader<'_>) -> Result<LamportTime, MessageError> {
    Ok(LamportTime::new(reader.u64()?))
}

fn read_leave_intent<'a>(reader: &mut Reader<'a>) -> Result<LeaveIntent<'a>, MessageError> {
    let (mut ltime, mut node, mut prune) = (LamportTime::ZERO, NOBODY, false);
    record!(reader: MessageError, {
        b"LTime" => ltime = read_ltime(reader)?,
        b"Node" => node = read_name(reader)?,
        b"Prune" => prune = reader.bool()?,
    })
    .map(|()| LeaveIntent { ltime, node, prune })
}

fn append_leave_intent(out: &mut Vec<u8>, intent: &LeaveIntent<'_>) {
    out.push(kind::LEAVE_INTENT);
    append_map_len(out, 3);
    append_text(out, b"LTime");
    append_uint(out, intent.ltime.get());
    append_text(out, b"Node");
    append_text(out, intent.node.as_bytes());
    append_text(out, b"Prune");
    append_bool(out, intent.prune);
}

fn read_join_intent<'a>(reader: &mut Reader<'a>) -> Result<JoinIntent<'a>, MessageError> {
    let (mut ltime, mut node) = (LamportTime::ZERO, NOBODY);
    record!(reader: MessageError, {
        b"LTime" => ltime = read_ltime(reader)?,
        b"Node" => node = read_name(reader)?,
    })
    .map(|()| JoinIntent { ltime, node })
}

fn append_join_intent(out: &mut Vec<u8>, intent: &JoinIntent<'_>) {
    out.push(kind::JOIN_INTENT);
    append_map_len(out, 2);
    append_text(out, b"LTime");
    append_uint(out, intent.ltime.get());
    append_text(out, b"Node");
    append_text(out, intent.node.as_bytes());
}

fn read_user_event<'a>(reader: &mut Reader<'a>) -> Result<UserEvent<'a>, MessageError> {
    let (mut ltime, mut name) = (LamportTime::ZERO, "");
    let (mut payload, mut coalesce) = (&[][..], false);
    record!(reader: MessageError, {
        b"LTime" => ltime = read_ltime(reader)?,
        b"Name" => name = read_str(reader)?,
        b"Payload" => payload = reader.bytes()?,
        b"CC" => coalesce = reader.bool()?,
    })
    .map(|()| UserEvent {
        ltime,
        name,
        payload,
        coalesce,
    })
}

fn append_user_event(out: &mut Vec<u8>, event: &UserEvent<'_>) {
    out.push(kind::USER_EVENT);
    append_map_len(out, 4);
    append_text(out, b"CC");
    append_bool(out, event.coalesce);
    append_text(out, b"LTime");
    append_uint(out, event.ltime.get());
    append_text(out, b"Name");
    append_text(out, event.name.as_bytes());
    append_text(out, b"Payload");
    append_bytes(out, event.payload);
}

fn read_query<'a>(reader: &mut Reader<'a>) -> Result<Query<'a>, MessageError> {
    let (mut ltime, mut id) = (LamportTime::ZERO, 0);
    let (mut ip, mut port, mut source_name) = (&[][..], 0, NOBODY);
    let (mut filters, mut flags, mut relay_factor) = (Filters::default(), 0, 0);
    let (mut timeout, mut name, mut payload) = (0, "", &[][..]);
    record!(reader: MessageError, {
        b"LTime" => ltime = read_ltime(reader)?,
        b"ID" => id = reader.u32()?,
        b"Addr" => ip = reader.bytes()?,
        b"Port" => port = reader.u16()?,
        b"SourceNode" => source_name = read_name(reader)?,
        b"Filters" => filters = read_filters(reader)?,
        b"Flags" => flags = reader.u32()?,
        b"RelayFactor" => relay_factor = reader.u8()?,
        b"Timeout" => timeout = reader.u64()?,
        b"Name" => name = read_str(reader)?,
        b"Payload" => payload = reader.bytes()?,
    })?;
    Ok(Query {
        ltime,
        id,
        source: SocketAddr::new(read_ip(ip)?, port),
        source_name,
        filters,
        flags: QueryFlags::from_bits(flags),
        relay_factor,
        timeout: Duration::from_nanos(timeout),
        name,
        payload,
    })
}

fn append_query(out: &mut Vec<u8>, query: &Query<'_>) {
    out.push(kind::QUERY);
    append_map_len(out, 11);
    append_text(out, b"Addr");
    append_ip(out, query.source.ip());
    append_text(out, b"Filters");
    append_filters(out, query.filters);
    append_text(out, b"Flags");
    append_uint(out, query.flags.bits());
    append_text(out, b"ID");
    append_uint(out, query.id);
    append_text(out, b"LTime");
    append_uint(out, query.ltime.get());
    append_text(out, b"Name");
    append_text(out, query.name.as_bytes());
    append_text(out, b"Payload");
    append_bytes(out, query.payload);
    append_text(out, b"Port");
    append_uint(out, query.source.port());
    append_text(out, b"RelayFactor");
    append_uint(out, query.relay_factor);
    append_text(out, b"SourceNode");
    append_text(out, query.source_name.as_bytes());
    append_text(out, b"Timeout");
    // Peers have a signed number for it.
    append_uint(
        out,
        crate::time::nanos(query.timeout).min(i64::MAX.unsigned_abs()),
    );
}

fn read_query_response<'a>(reader: &mut Reader<'a>) -> Result<QueryResponse<'a>, MessageError> {
    let (mut ltime, mut id, mut from) = (LamportTime::ZERO, 0, NOBODY);
    let (mut flags, mut payload) = (0, &[][..]);
    record!(reader: MessageError, {
        b"LTime" => ltime = read_ltime(reader)?,
        b"ID" => id = reader.u32()?,
        b"From" => from = read_name(reader)?,
        b"Flags" => flags = reader.u32()?,
        b"Payload" => payload = reader.bytes()?,
    })
    .map(|()| QueryResponse {
        ltime,
        id,
        from,
        flags,
        payload,
    })
}

fn append_query_response(out: &mut Vec<u8>, response: &QueryResponse<'_>) {
    out.push(kind::QUERY_RESPONSE);
    append_map_len(out, 5);
    append_text(out, b"Flags");
    append_uint(out, response.flags);
    append_text(out, b"From");
    append_text(out, response.from.as_bytes());
    append_text(out, b"ID");
    append_uint(out, response.id);
    append_text(out, b"LTime");
    append_uint(out, response.ltime.get());
    append_text(out, b"Payload");
    append_bytes(out, response.payload);
}

fn read_relay<'a>(reader: &mut Reader<'a>) -> Result<Relay<'a>, MessageError> {
    let (mut ip, mut port, mut dest_name) = (&[][..], 0, NOBODY);
    record!(reader: MessageError, {
        b"DestAddr" => record!(reader: MessageError, {
            b"IP" => ip = reader.bytes()?,
            b"Port" => port = reader.u16()?,
            // Of interest to nobody but the machine that knows the zone.
            b"Zone" => reader.skip()?,
        })?,
        b"DestName" => dest_name = read_name(reader)?,
    })?;
    Ok(Relay {
        dest: SocketAddr::new(read_ip(ip)?, port),
        dest_name,
        message: reader.take(reader.rest().len() as u64)?,
    })
}

fn append_relay(out: &mut Vec<u8>, relay: &Relay<'_>) {
    out.push(kind::RELAY);
    append_map_len(out, 2);
    append_text(out, b"DestAddr");
    append_map_len(out, 3);
    append_text(out, b"IP");
    append_ip(out, relay.dest.ip());
    append_text(out, b"Port");
    append_uint(out, relay.dest.port());
    append_text(out, b"Zone");
    append_text(out, b"");
    append_text(out, b"DestName");
    append_text(out, relay.dest_name.as_bytes());
    out.extend_from_slice(relay.message);
}
