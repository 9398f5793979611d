//! Fields that occur in several messages.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::error::MessageError;
use crate::member::Versions;
use crate::message::RawName;
use crate::wire::msgpack::{Reader, append_text};

/// What stands in for what a message leaves out.
///
/// Older releases do not say where an answer is to go: then it is where the message came from.
/// Nor do the oldest name the port of a member: then it is the one that everybody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Where the bytes came from.
    pub from: SocketAddr,
    /// The port at which this node itself listens.
    pub own_port: u16,
}

impl Origin {
    /// The address of a member, whose port 0 means the usual one.
    #[inline]
    pub(super) fn member(&self, ip: &[u8], port: u16) -> Result<SocketAddr, MessageError> {
        let port = if port == 0 { self.own_port } else { port };
        Ok(SocketAddr::new(read_ip(ip)?, port))
    }

    /// Where an answer is to go, from fields of which both must be there to count.
    pub(super) fn source(&self, ip: &[u8], port: u16) -> Result<SocketAddr, MessageError> {
        if ip.is_empty() || port == 0 {
            return Ok(self.from);
        }
        Ok(SocketAddr::new(read_ip(ip)?, port))
    }
}

/// IPv4-mapped addresses stay what they are: the reference system compares addresses by their
/// bytes.
#[inline]
pub(super) fn read_ip(bytes: &[u8]) -> Result<IpAddr, MessageError> {
    if let Ok(ip) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(ip));
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(ip) => Ok(IpAddr::from(ip)),
        Err(_) => Err(MessageError::Address { len: bytes.len() }),
    }
}

#[inline]
pub(super) fn append_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => append_text(out, &ip.octets()),
        IpAddr::V6(ip) => append_text(out, &ip.octets()),
    }
}

#[inline]
pub(super) fn read_versions(bytes: &[u8]) -> Result<Versions, MessageError> {
    let Ok(
        [
            protocol_min,
            protocol_max,
            protocol_cur,
            delegate_min,
            delegate_max,
            delegate_cur,
        ],
    ) = <[u8; 6]>::try_from(bytes)
    else {
        return Err(MessageError::Versions { len: bytes.len() });
    };
    Ok(Versions {
        protocol_min,
        protocol_max,
        protocol_cur,
        delegate_min,
        delegate_max,
        delegate_cur,
    })
}

#[inline]
pub(super) fn append_versions(out: &mut Vec<u8>, v: Versions) {
    let bytes = [
        v.protocol_min,
        v.protocol_max,
        v.protocol_cur,
        v.delegate_min,
        v.delegate_max,
        v.delegate_cur,
    ];
    append_text(out, &bytes);
}

#[inline]
pub(super) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<RawName<'a>, MessageError> {
    Ok(RawName::new(reader.text()?))
}

pub(super) fn read_str<'a>(reader: &mut Reader<'a>) -> Result<&'a str, MessageError> {
    str::from_utf8(reader.text()?).map_err(|_| MessageError::Malformed)
}
