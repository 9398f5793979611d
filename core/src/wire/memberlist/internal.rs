//! The payloads of the queries that Serf asks and answers itself (wire-protocol reference, sections
//! 7.8, 7.9 and 8.6).
//!
//! They travel inside queries, which pass through members of all kinds, and so look like this on
//! every wire.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use super::error::MessageError;
use super::field::{append_ip, read_ip, read_name, read_str};
use super::serf_kind as kind;
use crate::member::Versions;
use crate::message::RawName;
use crate::tags::{Tags, append_tags, read_tags};
use crate::wire::msgpack::{
    Reader, append_array_len, append_bool, append_map_len, append_nil, append_text, append_uint,
    record,
};

/// What is asked to be done with a key. Not printed: it holds a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyRequest<'a> {
    /// The key itself; empty where all keys are to be listed.
    pub key: &'a [u8],
}

impl fmt::Debug for KeyRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRequest({} bytes)", self.key.len())
    }
}

/// What became of it. Not printed in full: it may hold secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyResponse<'a> {
    /// True if it was done.
    pub done: bool,
    /// Why not, or what else there is to say.
    pub message: &'a str,
    /// The keys that were to be listed, in base64 and in the order of the ring.
    pub keys: Keys<'a>,
    /// The primary key, in base64; empty where keys were not to be listed, and from members that
    /// are too old to tell it.
    pub primary: &'a str,
}

impl fmt::Debug for KeyResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyResponse")
            .field("done", &self.done)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// Keys in base64, readable one at a time; it ends early where they cannot be read.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.left)
    }
}

impl PartialEq for Keys<'_> {
    fn eq(&self, other: &Self) -> bool {
        (*self).eq(*other)
    }
}

impl Eq for Keys<'_> {}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        let key = read_str(&mut self.reader).ok();
        if key.is_none() {
            self.left = 0;
        }
        key
    }
}

impl core::iter::FusedIterator for Keys<'_> {}

/// Appends the payload of a query that does something with a key.
pub fn write_key_request(out: &mut Vec<u8>, request: &KeyRequest<'_>) {
    out.push(kind::KEY_REQUEST);
    append_map_len(out, 1);
    append_text(out, b"Key");
    append_text(out, request.key);
}

/// Reads the payload of a query that does something with a key.
///
/// # Errors
/// See [`MessageError`].
pub fn read_key_request(payload: &[u8]) -> Result<KeyRequest<'_>, MessageError> {
    let reader = &mut begin(payload, kind::KEY_REQUEST)?;
    let mut key = &[][..];
    record!(reader: MessageError, {
        b"Key" => key = reader.bytes()?,
    })
    .map(|()| KeyRequest { key })
}

/// Appends the payload of a response to [`KeyRequest`]. `keys` are those that were to be listed, if
/// they were; [`KeyResponse`] says what the rest means.
pub fn write_key_response<'k>(
    out: &mut Vec<u8>,
    done: bool,
    message: &str,
    keys: Option<impl ExactSizeIterator<Item = &'k str>>,
    primary: &str,
) {
    out.push(kind::KEY_RESPONSE);
    append_map_len(out, 4);
    append_text(out, b"Keys");
    match keys {
        None => append_nil(out),
        Some(keys) => {
            append_array_len(out, keys.len());
            for key in keys {
                append_text(out, key.as_bytes());
            }
        }
    }
    append_text(out, b"Message");
    append_text(out, message.as_bytes());
    append_text(out, b"PrimaryKey");
    append_text(out, primary.as_bytes());
    append_text(out, b"Result");
    append_bool(out, done);
}

/// Reads the payload of a response to [`KeyRequest`].
///
/// # Errors
/// See [`MessageError`].
pub fn read_key_response(payload: &[u8]) -> Result<KeyResponse<'_>, MessageError> {
    let reader = &mut begin(payload, kind::KEY_RESPONSE)?;
    let (mut done, mut message, mut primary) = (false, "", "");
    let mut keys = Keys {
        reader: Reader::new(&[]),
        left: 0,
    };
    record!(reader: MessageError, {
        b"Result" => done = reader.bool()?,
        b"Message" => message = read_str(reader)?,
        b"Keys" => {
            let mut list = Reader::new(reader.raw()?);
            keys.left = list.array_len()?;
            keys.reader = list;
        },
        b"PrimaryKey" => primary = read_str(reader)?,
    })
    .map(|()| KeyResponse {
        done,
        message,
        keys,
        primary,
    })
}

/// What a member knows of another one, whose name two claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord<'a> {
    /// The name.
    pub name: RawName<'a>,
    /// The address.
    pub addr: SocketAddr,
    /// The tags.
    pub tags: Tags,
    /// 0 none, 1 alive, 2 leaving, 3 left, 4 failed.
    pub status: u8,
    /// The protocol versions.
    pub versions: Versions,
}

/// Appends the payload of a response to the question who has a name; `None` if the responder knows
/// no such member.
pub fn write_conflict_response(out: &mut Vec<u8>, member: Option<&MemberRecord<'_>>) {
    out.push(kind::CONFLICT_RESPONSE);
    let Some(member) = member else {
        append_nil(out);
        return;
    };
    append_map_len(out, 11);
    append_text(out, b"Addr");
    append_ip(out, member.addr.ip());
    let versions = member.versions;
    for (key, version) in [
        (&b"DelegateCur"[..], versions.delegate_cur),
        (b"DelegateMax", versions.delegate_max),
        (b"DelegateMin", versions.delegate_min),
    ] {
        append_text(out, key);
        append_uint(out, version);
    }
    append_text(out, b"Name");
    append_text(out, member.name.as_bytes());
    append_text(out, b"Port");
    append_uint(out, member.addr.port());
    for (key, version) in [
        (&b"ProtocolCur"[..], versions.protocol_cur),
        (b"ProtocolMax", versions.protocol_max),
        (b"ProtocolMin", versions.protocol_min),
    ] {
        append_text(out, key);
        append_uint(out, version);
    }
    append_text(out, b"Status");
    append_uint(out, member.status);
    append_text(out, b"Tags");
    append_tags(out, &member.tags);
}

/// Reads the payload of a response to the question who has a name; `None` if the responder knows
/// no such member. The tags take memory: a few times as much as the payload has bytes.
///
/// # Errors
/// See [`MessageError`].
pub fn read_conflict_response(payload: &[u8]) -> Result<Option<MemberRecord<'_>>, MessageError> {
    let reader = &mut begin(payload, kind::CONFLICT_RESPONSE)?;
    if reader.is_nil() {
        return Ok(None);
    }
    let (mut name, mut ip, mut port) = (RawName::new(b""), &[][..], 0);
    let (mut tags, mut status, mut v) = (&[][..], 0, [0; 6]);
    record!(reader: MessageError, {
        b"Name" => name = read_name(reader)?,
        b"Addr" => ip = reader.bytes()?,
        b"Port" => port = reader.u16()?,
        b"Tags" => tags = reader.raw()?,
        b"Status" => status = reader.u8()?,
        b"ProtocolMin" => v[0] = reader.u8()?,
        b"ProtocolMax" => v[1] = reader.u8()?,
        b"ProtocolCur" => v[2] = reader.u8()?,
        b"DelegateMin" => v[3] = reader.u8()?,
        b"DelegateMax" => v[4] = reader.u8()?,
        b"DelegateCur" => v[5] = reader.u8()?,
    })?;
    Ok(Some(MemberRecord {
        name,
        addr: SocketAddr::new(read_ip(ip)?, port),
        tags: read_tags(tags),
        status,
        versions: super::field::read_versions(&v)?,
    }))
}

fn begin(payload: &[u8], expected: u8) -> Result<Reader<'_>, MessageError> {
    match payload.split_first() {
        Some((&kind, body)) if kind == expected => Ok(Reader::new(body)),
        Some((&kind, _)) => Err(MessageError::UnknownSerf { kind }),
        None => Err(MessageError::Empty),
    }
}
