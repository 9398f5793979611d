//! The messages of memberlist (wire-protocol reference, section 3).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::error::MessageError;
use super::field::{Origin, append_ip, append_versions, read_name, read_versions};
use super::kind;
use super::serf::{append_serf_message, read_serf_message_from};
use crate::member::Profile;
use crate::message::{Accusation, Ack, Alive, IndirectPing, Message, Nack, Ping, RawName};
use crate::wire::msgpack::{
    Reader, append_bool, append_bytes, append_map_len, append_text, append_uint, record,
};

/// Reads a message as it is in a packet, or in a compound: its type and what follows. Bytes after it
/// are ignored, as the reference system does.
///
/// # Errors
/// See [`MessageError`].
#[inline]
pub fn read_message(message: &[u8], origin: Origin) -> Result<Message<'_>, MessageError> {
    read_message_from(&mut Reader::new(message), origin)
}

/// The same; the reader then stands behind it.
#[inline]
pub(super) fn read_message_from<'a>(
    reader: &mut Reader<'a>,
    origin: Origin,
) -> Result<Message<'a>, MessageError> {
    let kind = reader.byte().map_err(|_| MessageError::Empty)?;
    match kind {
        kind::ALIVE => read_alive(reader, origin).map(Message::Alive),
        kind::USER => read_serf_message_from(reader).map(Message::Serf),
        kind::PING => read_ping(reader, origin).map(Message::Ping),
        kind::INDIRECT_PING => read_indirect_ping(reader, origin).map(Message::IndirectPing),
        kind::ACK => read_ack(reader).map(Message::Ack),
        kind::NACK => read_nack(reader).map(Message::Nack),
        kind::SUSPECT => read_accusation(reader).map(Message::Suspect),
        kind::DEAD => read_accusation(reader).map(Message::Dead),
        _ => Err(MessageError::Unknown { kind }),
    }
}

/// Appends a message as it is in a packet, or in a compound: its type and what follows.
#[inline]
pub fn append_message(out: &mut Vec<u8>, message: &Message<'_>) {
    match message {
        Message::Ping(m) => append_ping(out, m),
        Message::IndirectPing(m) => append_indirect_ping(out, m),
        Message::Ack(m) => append_ack(out, m),
        Message::Nack(m) => {
            out.push(kind::NACK);
            append_map_len(out, 1);
            append_text(out, b"SeqNo");
            append_uint(out, m.seq);
        }
        Message::Suspect(m) => append_accusation(out, kind::SUSPECT, m),
        Message::Alive(m) => append_alive(out, m),
        Message::Dead(m) => append_accusation(out, kind::DEAD, m),
        Message::Serf(m) => {
            out.push(kind::USER);
            append_serf_message(out, m);
        }
    }
}

const NOBODY: RawName<'static> = RawName::new(b"");

pub(super) fn read_ping<'a>(
    reader: &mut Reader<'a>,
    origin: Origin,
) -> Result<Ping<'a>, MessageError> {
    let (mut seq, mut target, mut source_name) = (0, NOBODY, NOBODY);
    let (mut ip, mut port) = (&[][..], 0);
    record!(reader: MessageError, {
        b"SeqNo" => seq = reader.u32()?,
        b"Node" => target = read_name(reader)?,
        b"SourceAddr" => ip = reader.bytes()?,
        b"SourcePort" => port = reader.u16()?,
        b"SourceNode" => source_name = read_name(reader)?,
    })?;
    let source = origin.source(ip, port)?;
    Ok(Ping {
        seq,
        target,
        source,
        source_name,
    })
}

pub(super) fn append_ping(out: &mut Vec<u8>, ping: &Ping<'_>) {
    let source = Source::new(ping.source, ping.source_name);
    out.push(kind::PING);
    append_map_len(out, 2 + source.fields());
    append_text(out, b"Node");
    append_text(out, ping.target.as_bytes());
    append_text(out, b"SeqNo");
    append_uint(out, ping.seq);
    source.append(out);
}

/// Where an answer is to go. What is not known is left out.
struct Source<'a> {
    ip: Option<IpAddr>,
    name: Option<RawName<'a>>,
    port: Option<u16>,
}

impl<'a> Source<'a> {
    fn new(addr: SocketAddr, name: RawName<'a>) -> Self {
        Self {
            ip: (!addr.ip().is_unspecified()).then_some(addr.ip()),
            name: (name != NOBODY).then_some(name),
            port: (addr.port() != 0).then_some(addr.port()),
        }
    }

    fn fields(&self) -> usize {
        let fields = [self.ip.is_some(), self.name.is_some(), self.port.is_some()];
        fields.map(usize::from).iter().sum()
    }

    /// The fields begin with `S`, and so come after all others.
    fn append(&self, out: &mut Vec<u8>) {
        if let Some(ip) = self.ip {
            append_text(out, b"SourceAddr");
            append_ip(out, ip);
        }
        if let Some(name) = self.name {
            append_text(out, b"SourceNode");
            append_text(out, name.as_bytes());
        }
        if let Some(port) = self.port {
            append_text(out, b"SourcePort");
            append_uint(out, port);
        }
    }
}

fn read_indirect_ping<'a>(
    reader: &mut Reader<'a>,
    origin: Origin,
) -> Result<IndirectPing<'a>, MessageError> {
    let (mut seq, mut target, mut source_name) = (0, NOBODY, NOBODY);
    let (mut target_ip, mut target_port, mut nack) = (&[][..], 0, false);
    let (mut ip, mut port) = (&[][..], 0);
    record!(reader: MessageError, {
        b"SeqNo" => seq = reader.u32()?,
        b"Target" => target_ip = reader.bytes()?,
        b"Port" => target_port = reader.u16()?,
        b"Node" => target = read_name(reader)?,
        b"Nack" => nack = reader.bool()?,
        b"SourceAddr" => ip = reader.bytes()?,
        b"SourcePort" => port = reader.u16()?,
        b"SourceNode" => source_name = read_name(reader)?,
    })?;
    Ok(IndirectPing {
        seq,
        target,
        target_addr: origin.member(target_ip, target_port)?,
        nack,
        source: origin.source(ip, port)?,
        source_name,
    })
}

fn append_indirect_ping(out: &mut Vec<u8>, ping: &IndirectPing<'_>) {
    let source = Source::new(ping.source, ping.source_name);
    out.push(kind::INDIRECT_PING);
    append_map_len(out, 5 + source.fields());
    append_text(out, b"Nack");
    append_bool(out, ping.nack);
    append_text(out, b"Node");
    append_text(out, ping.target.as_bytes());
    append_text(out, b"Port");
    append_uint(out, ping.target_addr.port());
    append_text(out, b"SeqNo");
    append_uint(out, ping.seq);
    source.append(out);
    append_text(out, b"Target");
    append_ip(out, ping.target_addr.ip());
}

pub(super) fn read_ack<'a>(reader: &mut Reader<'a>) -> Result<Ack<'a>, MessageError> {
    let (mut seq, mut payload) = (0, &[][..]);
    record!(reader: MessageError, {
        b"SeqNo" => seq = reader.u32()?,
        b"Payload" => payload = reader.bytes()?,
    })
    .map(|()| Ack { seq, payload })
}

pub(super) fn append_ack(out: &mut Vec<u8>, ack: &Ack<'_>) {
    out.push(kind::ACK);
    append_map_len(out, 2);
    append_text(out, b"Payload");
    append_bytes(out, ack.payload);
    append_text(out, b"SeqNo");
    append_uint(out, ack.seq);
}

fn read_nack(reader: &mut Reader<'_>) -> Result<Nack, MessageError> {
    let mut seq = 0;
    record!(reader: MessageError, {
        b"SeqNo" => seq = reader.u32()?,
    })
    .map(|()| Nack { seq })
}

fn read_accusation<'a>(reader: &mut Reader<'a>) -> Result<Accusation<'a>, MessageError> {
    let (mut incarnation, mut name, mut from) = (0, NOBODY, NOBODY);
    record!(reader: MessageError, {
        b"Incarnation" => incarnation = reader.u32()?,
        b"Node" => name = read_name(reader)?,
        b"From" => from = read_name(reader)?,
    })
    .map(|()| Accusation {
        incarnation,
        name,
        from,
    })
}

fn append_accusation(out: &mut Vec<u8>, kind: u8, accusation: &Accusation<'_>) {
    out.push(kind);
    append_map_len(out, 3);
    append_text(out, b"From");
    append_text(out, accusation.from.as_bytes());
    append_text(out, b"Incarnation");
    append_uint(out, accusation.incarnation);
    append_text(out, b"Node");
    append_text(out, accusation.name.as_bytes());
}

fn read_alive<'a>(reader: &mut Reader<'a>, origin: Origin) -> Result<Alive<'a>, MessageError> {
    match read_usual_alive(*reader, origin) {
        Some(alive) => Ok(alive),
        None => read_any_alive(reader, origin),
    }
}

/// An announcement as every release writes it. Nearly all messages are, and like this they are read
/// in a fraction of the time. `None` if it is written in another way or wrong.
#[inline]
fn read_usual_alive<'a>(mut reader: Reader<'a>, origin: Origin) -> Option<Alive<'a>> {
    reader.literal(b"\x86\xa4Addr")?;
    let ip = reader.bytes().ok()?;
    reader.literal(b"\xabIncarnation")?;
    let incarnation = reader.u32().ok()?;
    reader.literal(b"\xa4Meta")?;
    let meta = reader.bytes().ok()?;
    reader.literal(b"\xa4Node")?;
    let name = read_name(&mut reader).ok()?;
    reader.literal(b"\xa4Port")?;
    let port = reader.u16().ok()?;
    reader.literal(b"\xa3Vsn")?;
    Some(Alive {
        incarnation,
        name,
        addr: origin.member(ip, port).ok()?,
        versions: read_versions(reader.bytes().ok()?).ok()?,
        meta,
    })
}

#[inline(never)]
fn read_any_alive<'a>(reader: &mut Reader<'a>, origin: Origin) -> Result<Alive<'a>, MessageError> {
    let (mut incarnation, mut name) = (0, NOBODY);
    let (mut ip, mut port, mut meta, mut versions) = (&[][..], 0, &[][..], &[][..]);
    record!(reader: MessageError, {
        b"Incarnation" => incarnation = reader.u32()?,
        b"Node" => name = read_name(reader)?,
        b"Addr" => ip = reader.bytes()?,
        b"Port" => port = reader.u16()?,
        b"Meta" => meta = reader.bytes()?,
        b"Vsn" => versions = reader.bytes()?,
    })?;
    Ok(Alive {
        incarnation,
        name,
        addr: origin.member(ip, port)?,
        versions: read_versions(versions)?,
        meta,
    })
}

#[inline]
fn append_alive(out: &mut Vec<u8>, alive: &Alive<'_>) {
    out.push(kind::ALIVE);
    append_map_len(out, 6);
    append_text(out, b"Addr");
    append_ip(out, alive.addr.ip());
    append_text(out, b"Incarnation");
    append_uint(out, alive.incarnation);
    append_text(out, b"Meta");
    append_bytes(out, alive.meta);
    append_text(out, b"Node");
    append_text(out, alive.name.as_bytes());
    append_text(out, b"Port");
    append_uint(out, alive.addr.port());
    append_text(out, b"Vsn");
    append_versions(out, alive.versions);
}

/// A member's announcement, from what is kept of it.
pub(super) fn announcement(incarnation: u32, profile: &Profile) -> Alive<'_> {
    Alive {
        incarnation,
        name: (&profile.name).into(),
        addr: profile.addr,
        versions: profile.versions,
        meta: profile.meta(),
    }
}
