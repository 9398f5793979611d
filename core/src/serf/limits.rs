//! How large events, queries and responses may be (wire-protocol reference, section 7.12).
//!
//! The limits are on the messages as the reference system encodes them, whichever wire they then
//! travel on: what one member may send, every member can pass on. The sizes are computed, nothing
//! is encoded. All of this is up to the sender; receivers have bounds of their own.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::message::{Filter, Query, QueryResponse, Relay, UserEvent};

/// Bytes that a user event may have, unless configured otherwise.
pub(crate) const DEFAULT_USER_EVENT: usize = 512;

/// The highest limit on user events that can be configured.
pub(crate) const MAX_USER_EVENT: usize = 9216;

/// Bytes that a query may have, unless configured otherwise.
pub(crate) const DEFAULT_QUERY: usize = 1024;

/// Bytes that a response may have, alone and in a relay, unless configured otherwise.
pub(crate) const DEFAULT_QUERY_RESPONSE: usize = 1024;

/// Something to be sent that is larger than allowed. All sizes and limits are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeError {
    /// Name and payload of a user event together pass the configured limit.
    UserEvent {
        /// Their size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Name and payload of a user event together pass what no configuration can allow.
    InsaneUserEvent {
        /// Their size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The encoded user event passes the configured limit.
    EncodedUserEvent {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The encoded query passes the limit.
    Query {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The encoded response passes the limit.
    Response {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The response passes the limit in the envelope in which it would be relayed.
    RelayedResponse {
        /// Its size with the envelope.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

/// The words are those of the reference system, as scripts may look for them.
impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserEvent { limit, .. } => write!(
                f,
                "user event exceeds configured limit of {limit} bytes before encoding"
            ),
            Self::InsaneUserEvent { limit, .. } => write!(
                f,
                "user event exceeds sane limit of {limit} bytes before encoding"
            ),
            Self::EncodedUserEvent { limit, .. } => write!(
                f,
                "encoded user event exceeds configured limit of {limit} bytes after encoding"
            ),
            Self::Query { limit, .. } => write!(f, "query exceeds limit of {limit} bytes"),
            Self::Response { limit, .. } => write!(f, "response exceeds limit of {limit} bytes"),
            Self::RelayedResponse { limit, .. } => {
                write!(f, "relayed response exceeds limit of {limit} bytes")
            }
        }
    }
}

impl core::error::Error for SizeError {}

/// Checks a user event that is to be sent.
pub(crate) fn check_user_event(event: &UserEvent<'_>, limit: usize) -> Result<(), SizeError> {
    let size = event.name.len() + event.payload.len();
    if size > limit {
        return Err(SizeError::UserEvent { size, limit });
    }
    if size > MAX_USER_EVENT {
        let limit = MAX_USER_EVENT;
        return Err(SizeError::InsaneUserEvent { size, limit });
    }
    let size = user_event_len(event);
    if size > limit {
        return Err(SizeError::EncodedUserEvent { size, limit });
    }
    Ok(())
}

/// Checks a query that is to be sent.
pub(crate) fn check_query(query: &Query<'_>, limit: usize) -> Result<(), SizeError> {
    let size = query_len(query);
    if size > limit {
        return Err(SizeError::Query { size, limit });
    }
    Ok(())
}

/// Checks a response that is to be sent.
pub(crate) fn check_response(response: &QueryResponse<'_>, limit: usize) -> Result<(), SizeError> {
    let size = response_len(response);
    if size > limit {
        return Err(SizeError::Response { size, limit });
    }
    Ok(())
}

/// Checks a response that is to be relayed to where `relay` says; what it says to be relayed does
/// not matter.
pub(crate) fn check_relayed_response(
    response: &QueryResponse<'_>,
    relay: &Relay<'_>,
    limit: usize,
) -> Result<(), SizeError> {
    let size = relay_header_len(relay) + response_len(response);
    if size > limit {
        return Err(SizeError::RelayedResponse { size, limit });
    }
    Ok(())
}

/// Every message begins with its type and with how many fields it has.
const HEADER: usize = 2;

fn user_event_len(event: &UserEvent<'_>) -> usize {
    HEADER
        + (key("LTime") + uint(event.ltime.get()))
        + (key("Name") + text(event.name.len()))
        + (key("Payload") + bytes(event.payload.len()))
        + (key("CC") + 1)
}

fn query_len(query: &Query<'_>) -> usize {
    HEADER
        + (key("LTime") + uint(query.ltime.get()))
        + (key("ID") + uint(query.id.into()))
        + (key("Addr") + ip(query.source))
        + (key("Port") + uint(query.source.port().into()))
        + (key("SourceNode") + text(query.source_name.as_bytes().len()))
        + (key("Filters") + filters_len(query))
        + (key("Flags") + uint(query.flags.bits().into()))
        + (key("RelayFactor") + uint(query.relay_factor.into()))
        + (key("Timeout") + uint(crate::time::nanos(query.timeout)))
        + (key("Name") + text(query.name.len()))
        + (key("Payload") + bytes(query.payload.len()))
}

fn filters_len(query: &Query<'_>) -> usize {
    let filters = || query.filters.iter().flatten();
    let content: usize = filters().map(|filter| bytes(filter_len(&filter))).sum();
    array(filters().count()) + content
}

fn filter_len(filter: &Filter<'_>) -> usize {
    match filter {
        Filter::Nodes(names) => {
            let content: usize = names.clone().map(|name| text(name.as_bytes().len())).sum();
            1 + array(names.clone().count()) + content
        }
        Filter::Tag { key: tag, pattern } => {
            HEADER + (key("Tag") + text(tag.len())) + (key("Expr") + text(pattern.len()))
        }
    }
}

fn response_len(response: &QueryResponse<'_>) -> usize {
    HEADER
        + (key("LTime") + uint(response.ltime.get()))
        + (key("ID") + uint(response.id.into()))
        + (key("From") + text(response.from.as_bytes().len()))
        + (key("Flags") + uint(response.flags.into()))
        + (key("Payload") + bytes(response.payload.len()))
}

fn relay_header_len(relay: &Relay<'_>) -> usize {
    let addr = 1
        + (key("IP") + ip(relay.dest))
        + (key("Port") + uint(relay.dest.port().into()))
        + (key("Zone") + text(0));
    HEADER + (key("DestAddr") + addr) + (key("DestName") + text(relay.dest_name.as_bytes().len()))
}

const fn key(name: &str) -> usize {
    1 + name.len()
}

const fn uint(value: u64) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

const fn text(len: usize) -> usize {
    match len {
        0..32 => 1 + len,
        32..0x1_0000 => 3 + len,
        _ => 5 + len,
    }
}

/// A byte string looks like a text, and an empty one, which is nil, is as long.
const fn bytes(len: usize) -> usize {
    text(len)
}

const fn array(len: usize) -> usize {
    match len {
        0..16 => 1,
        16..0x1_0000 => 3,
        _ => 5,
    }
}

const fn ip(addr: SocketAddr) -> usize {
    match addr.ip() {
        IpAddr::V4(_) => bytes(4),
        IpAddr::V6(_) => bytes(16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Filters;
    use crate::serf::clock::LamportTime;
    use crate::serf::query::QueryFlags;
    use crate::wire::native::{append_node_filter, append_tag_filter};
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::time::Duration;

    fn event<'a>(ltime: u64, name: &'a str, payload: &'a [u8]) -> UserEvent<'a> {
        UserEvent {
            ltime: LamportTime::new(ltime),
            name,
            payload,
            coalesce: true,
        }
    }

    fn query<'a>(filters: &'a [u8]) -> Query<'a> {
        Query {
            ltime: LamportTime::new(9),
            id: 123_456_789,
            source: "127.0.0.1:7946".parse().expect("an address"),
            source_name: "node-a".into(),
            filters: Filters::Native(filters),
            flags: QueryFlags::ACK,
            relay_factor: 2,
            timeout: Duration::from_secs(15),
            name: "load",
            payload: b"15m",
        }
    }

    fn response(payload: &[u8]) -> QueryResponse<'_> {
        QueryResponse {
            ltime: LamportTime::new(9),
            id: 123_456_789,
            from: "node-b".into(),
            flags: 0,
            payload,
        }
    }

    fn relay(dest: &str) -> Relay<'static> {
        Relay {
            dest: dest.parse().expect("an address"),
            dest_name: "node-a".into(),
            message: b"",
        }
    }

    /// The lengths of messages that the reference system encoded.
    #[test]
    fn sizes_are_those_of_the_reference_system() {
        assert_eq!(user_event_len(&event(3, "deploy", b"v1.2.3")), 40);
        assert_eq!(user_event_len(&event(4, "ping", b"")), 32);
        let mut filters = Vec::new();
        append_node_filter(&mut filters, ["node-a", "node-b"]);
        append_tag_filter(&mut filters, "role", "^web.*");
        assert_eq!(query_len(&query(&filters)), 162);
        let ping = Query {
            ltime: LamportTime::new(1),
            id: 1,
            flags: QueryFlags::ACK | QueryFlags::NO_BROADCAST,
            relay_factor: 0,
            timeout: Duration::from_millis(3200),
            name: "_serf_ping",
            payload: b"",
            ..query(b"")
        };
        assert_eq!(query_len(&ping), 116);
        assert_eq!(response_len(&response(b"0.42")), 49);
        assert_eq!(response_len(&response(b"")), 45);
        assert_eq!(relay_header_len(&relay("127.0.0.1:7946")) + 49, 99);
        assert_eq!(relay_header_len(&relay("[::1]:7946")) + 49, 111);
    }

    #[test]
    fn numbers_and_texts_grow_where_msgpack_does() {
        let len = |ltime, name: &str, payload: usize| {
            user_event_len(&event(ltime, name, &vec![0; payload])) - name.len() - payload
        };
        for (ltime, size) in [
            (0x7f, 1),
            (0x80, 2),
            (0xff, 2),
            (0x100, 3),
            (0xffff, 3),
            (0x1_0000, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
        ] {
            assert_eq!(len(ltime, "n", 0), 25 + size + 1 + 1, "{ltime}");
        }
        assert_eq!(len(1, &"n".repeat(31), 0), 25 + 1 + 1 + 1);
        assert_eq!(len(1, &"n".repeat(32), 0), 25 + 1 + 3 + 1);
        assert_eq!(len(1, "", 0xffff), 25 + 1 + 1 + 3);
        assert_eq!(len(1, "", 0x1_0000), 25 + 1 + 1 + 5);
    }

    #[test]
    fn user_events_are_checked_before_and_after_encoding() {
        let check = |payload: usize, limit| {
            check_user_event(&event(1, "n", &vec![0; payload]), limit)
                .map_err(|error| error.to_string())
        };
        // 25 bytes, the time, the header of the name and of the payload, the name.
        assert_eq!(check(512 - 25 - 1 - 1 - 3 - 1, 512), Ok(()));
        assert_eq!(
            check(512 - 25 - 1 - 1 - 3, 512),
            Err("encoded user event exceeds configured limit of 512 bytes after encoding".into())
        );
        assert_eq!(
            check(512, 512),
            Err("user event exceeds configured limit of 512 bytes before encoding".into())
        );
        assert_eq!(
            check(MAX_USER_EVENT, 10_000),
            Err("user event exceeds sane limit of 9216 bytes before encoding".into())
        );
    }

    #[test]
    fn queries_and_responses_are_checked_encoded() {
        let asked = query(b"");
        let size = query_len(&asked);
        assert_eq!(check_query(&asked, size), Ok(()));
        let error = check_query(&asked, size - 1).expect_err("it is refused");
        let limit = size - 1;
        assert_eq!(error, SizeError::Query { size, limit });
        assert_eq!(check_response(&response(b"0.42"), 49), Ok(()));
        assert_eq!(
            check_response(&response(b"0.42"), 48)
                .expect_err("it is refused")
                .to_string(),
            "response exceeds limit of 48 bytes"
        );
        let relay = relay("127.0.0.1:7946");
        assert_eq!(
            check_relayed_response(&response(b"0.42"), &relay, 99),
            Ok(())
        );
        assert_eq!(
            check_relayed_response(&response(b"0.42"), &relay, 98)
                .expect_err("it is refused")
                .to_string(),
            "relayed response exceeds limit of 98 bytes"
        );
        assert_eq!(
            SizeError::Query { size: 9, limit: 8 }.to_string(),
            "query exceeds limit of 8 bytes"
        );
    }
}
