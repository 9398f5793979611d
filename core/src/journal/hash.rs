//! The hash that stands in a journal for an action.

use core::fmt::{self, Write as _};
use core::net::{IpAddr, SocketAddr};

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use crate::action::Action;

/// Bytes of the hash of an action.
pub const HASH_LEN: usize = 4;

/// The hash of an action and of the bytes that go with it. It says nothing about keys.
#[must_use]
pub fn hash_action(action: &Action, bytes: &[u8]) -> [u8; HASH_LEN] {
    let head = match action {
        Action::SendDatagram { to } => addressed(1, 0, *to),
        Action::OpenStream { id, to } => addressed(2, id.0, *to),
        Action::WriteStream { id } => numbered(3, id.0),
        Action::CloseStream { id, abort } => numbered(4 + u8::from(*abort), id.0),
        Action::Wait(None) => numbered(6, 0),
        Action::Wait(Some(deadline)) => numbered(7, deadline.as_nanos()),
        // The text of the rarer ones is as good as a field-by-field hash, and follows new fields.
        // That of a report about keys does not show them.
        Action::Event(_)
        | Action::Answer { .. }
        | Action::QueryEnded { .. }
        | Action::Done { .. } => text(action),
    };
    let hash = xxh3_64_with_seed(bytes, head).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn numbered(kind: u8, number: u64) -> u64 {
    let mut bytes = [kind; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    xxh3_64(&bytes)
}

fn addressed(kind: u8, number: u64, addr: SocketAddr) -> u64 {
    let mut bytes = [0; 18];
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&addr.port().to_le_bytes());
    xxh3_64_with_seed(&bytes, numbered(kind, number))
}

fn text(action: &Action) -> u64 {
    struct Hash(Xxh3);
    impl fmt::Write for Hash {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut hash = Hash(Xxh3::new());
    // Writing into a hash does not fail.
    let _ = write!(hash, "{action:?}");
    hash.0.digest()
}
