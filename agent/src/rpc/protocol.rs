//! The messages of the RPC protocol (wire-protocol reference, section 12).
//!
//! A connection carries bare msgpack values: a request is a [`RequestHeader`] and, for most
//! commands, a body; a response is a [`ResponseHeader`] and, for some, a body.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use rmpv::Value;
use zeroize::{Zeroize as _, Zeroizing};

use super::codec::{Bytes, Encode, Fields, Malformed, encode_record, records};

/// The version that a handshake asks for.
pub const VERSION: i32 = 1;

/// The names of the commands.
pub mod command {
    /// First command on every connection.
    pub const HANDSHAKE: &str = "handshake";
    /// Shows the token.
    pub const AUTH: &str = "auth";
    /// Sends a user event.
    pub const EVENT: &str = "event";
    /// Declares a failed member as left.
    pub const FORCE_LEAVE: &str = "force-leave";
    /// Joins a cluster.
    pub const JOIN: &str = "join";
    /// Lists the members.
    pub const MEMBERS: &str = "members";
    /// Lists some members.
    pub const MEMBERS_FILTERED: &str = "members-filtered";
    /// Subscribes to events.
    pub const STREAM: &str = "stream";
    /// Subscribes to the log.
    pub const MONITOR: &str = "monitor";
    /// Ends a subscription.
    pub const STOP: &str = "stop";
    /// Leaves the cluster and ends the agent.
    pub const LEAVE: &str = "leave";
    /// Installs an encryption key everywhere.
    pub const INSTALL_KEY: &str = "install-key";
    /// Makes an installed key the primary one everywhere.
    pub const USE_KEY: &str = "use-key";
    /// Removes a key everywhere.
    pub const REMOVE_KEY: &str = "remove-key";
    /// Lists the keys of all members.
    pub const LIST_KEYS: &str = "list-keys";
    /// Changes the agent's tags.
    pub const TAGS: &str = "tags";
    /// Sends a query.
    pub const QUERY: &str = "query";
    /// Answers a query.
    pub const RESPOND: &str = "respond";
    /// Asks for numbers about the agent.
    pub const STATS: &str = "stats";
    /// Asks for a member's network coordinate.
    pub const GET_COORDINATE: &str = "get-coordinate";
    /// Asks what happened to a member. Ours: agents of HashiCorp do not know it.
    pub const WHY: &str = "why";
}

/// Error texts that clients know.
pub mod error {
    /// The first command was not a handshake.
    pub const HANDSHAKE_REQUIRED: &str = "Handshake required";
    /// The handshake asked for another version.
    pub const UNSUPPORTED_VERSION: &str = "Unsupported IPC version";
    /// A second handshake.
    pub const DUPLICATE_HANDSHAKE: &str = "Handshake already performed";
    /// The agent wants a token.
    pub const AUTH_REQUIRED: &str = "Authentication required";
    /// The token is wrong.
    pub const INVALID_AUTH: &str = "Invalid authentication token";
    /// No such command.
    pub const UNSUPPORTED_COMMAND: &str = "Unsupported command";
    /// A subscription with this `Seq` is open.
    pub const STREAM_EXISTS: &str = "Stream with given sequence exists";
    /// An element of the filter list is not known.
    pub const INVALID_FILTER: &str = "Invalid event filter";
    /// One monitor per connection.
    pub const MONITOR_EXISTS: &str = "Monitor already exists";
    /// The query is not known, or its time is over.
    pub const INVALID_QUERY_ID: &str = "No pending queries matching ID";
    /// A query could not be answered; the reason follows.
    pub const RESPOND_FAILED: &str = "failed to respond to key query";
    /// The name of a query is one that Serf keeps for itself.
    pub const QUERY_PREFIX: &str = "Queries cannot contain the '_serf_' prefix";
}

/// Starts every request.
///
/// A decoder keeps its state: a header that lacks a key means the value of the one before. See
/// [`RequestHeader::update`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which command; see [`command`].
    pub command: String,
    /// Chosen by the client, echoed in all responses.
    pub seq: u64,
}

impl RequestHeader {
    /// Takes the next header off the wire.
    ///
    /// # Errors
    /// Not a record, or a field of the wrong type.
    pub fn update(&mut self, value: Value) -> Result<(), Malformed> {
        let mut fields = Fields::new(value, &["Command", "Seq"])?;
        if let Some(command) = fields.take_if_present("Command")? {
            self.command = command;
        }
        if let Some(seq) = fields.take_if_present("Seq")? {
            self.seq = seq;
        }
        Ok(())
    }
}

impl Drop for KeyResponse {
    fn drop(&mut self) {
        for (mut key, _) in self.keys.take().into_iter().flatten() {
            key.zeroize();
        }
    }
}

impl Encode for RequestHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_record(&mut [("Command", &self.command), ("Seq", &self.seq)], out);
    }
}

records! {
    /// Starts every response and every record of a subscription.
    pub struct ResponseHeader {
        /// That of the request.
        "Seq" => seq: u64,
        /// Empty if all went well.
        "Error" => error: String,
    }

    /// Body of `handshake`.
    pub struct HandshakeRequest {
        /// Must be [`VERSION`].
        "Version" => version: i32,
    }

    /// Body of `auth`.
    pub struct AuthRequest {
        /// The token.
        "AuthKey" => auth_key: String,
    }

    /// Body of `event`.
    pub struct EventRequest {
        /// Name of the event.
        "Name" => name: String,
        /// What it carries.
        "Payload" => payload: Option<Bytes>,
        /// Whether receivers may keep only the newest of this name.
        "Coalesce" => coalesce: bool,
    }

    /// Body of `force-leave`.
    pub struct ForceLeaveRequest {
        /// Name of the member.
        "Node" => node: String,
        /// Also forget it at once.
        "Prune" => prune: bool,
    }

    /// Body of `join`.
    pub struct JoinRequest {
        /// Addresses of members.
        "Existing" => existing: Vec<String>,
        /// Deliver user events of the past.
        "Replay" => replay: bool,
    }

    /// Answer to `join`; follows also an error.
    pub struct JoinResponse {
        /// How many of the addresses were reached.
        "Num" => num: i32,
    }

    /// Body of `members-filtered`. Patterns match whole values; an empty one matches all.
    pub struct MembersFilteredRequest {
        /// Pattern for each tag.
        "Tags" => tags: BTreeMap<String, String>,
        /// Pattern for the status.
        "Status" => status: String,
        /// Pattern for the name.
        "Name" => name: String,
    }

    /// Answer to `members` and `members-filtered`.
    pub struct MembersResponse {
        /// In no meaningful order.
        "Members" => members: Vec<Member>,
    }

    /// One member.
    pub struct Member {
        /// Its name.
        "Name" => name: String,
        /// Its IP address: 4 or 16 bytes.
        "Addr" => addr: Bytes,
        /// Its port.
        "Port" => port: u16,
        /// Its tags.
        "Tags" => tags: BTreeMap<String, String>,
        /// `alive`, `leaving`, `left`, `failed` or `none`.
        "Status" => status: String,
        /// Oldest gossip protocol understood.
        "ProtocolMin" => protocol_min: u8,
        /// Newest gossip protocol understood.
        "ProtocolMax" => protocol_max: u8,
        /// Gossip protocol spoken.
        "ProtocolCur" => protocol_cur: u8,
        /// Oldest Serf protocol understood.
        "DelegateMin" => delegate_min: u8,
        /// Newest Serf protocol understood.
        "DelegateMax" => delegate_max: u8,
        /// Serf protocol spoken.
        "DelegateCur" => delegate_cur: u8,
    }

    /// Body of `stream`.
    pub struct StreamRequest {
        /// Comma-separated filters; empty means all.
        "Type" => filter: String,
    }

    /// Body of `monitor`.
    pub struct MonitorRequest {
        /// The lowest level wanted.
        "LogLevel" => log_level: String,
    }

    /// Record of `monitor`.
    pub struct LogRecord {
        /// One line, without its end.
        "Log" => log: String,
    }

    /// Record of `stream` for member events.
    pub struct MemberEventRecord {
        /// Such as `member-join`.
        "Event" => event: String,
        /// Whom it concerns.
        "Members" => members: Vec<Member>,
    }

    /// Record of `stream` for user events.
    pub struct UserEventRecord {
        /// `user`.
        "Event" => event: String,
        /// Its Lamport time.
        "LTime" => ltime: u64,
        /// Its name.
        "Name" => name: String,
        /// What it carries.
        "Payload" => payload: Option<Bytes>,
        /// Whether receivers may keep only the newest of this name.
        "Coalesce" => coalesce: bool,
    }

    /// Record of `stream` for queries.
    pub struct QueryEventRecord {
        /// `query`.
        "Event" => event: String,
        /// Its number on this connection, to be given with the answer.
        "ID" => id: u64,
        /// Its Lamport time.
        "LTime" => ltime: u64,
        /// Its name.
        "Name" => name: String,
        /// What it carries.
        "Payload" => payload: Option<Bytes>,
    }

    /// Record of `query`.
    pub struct QueryRecord {
        /// `ack`, `response` or, as the last one, `done`.
        "Type" => kind: String,
        /// Whose; empty in the last one.
        "From" => from: String,
        /// What a response says.
        "Payload" => payload: Option<Bytes>,
    }

    /// Body of `stop`.
    pub struct StopRequest {
        /// The `Seq` of the subscription.
        "Stop" => stop: u64,
    }

    /// Body of `install-key`, `use-key` and `remove-key`.
    pub struct KeyRequest {
        /// The key in base64; overwritten in memory when dropped.
        "Key" => key: Zeroizing<String>,
    }

    /// Answer to the key commands; follows also an error. Keys are overwritten in memory when it is
    /// dropped.
    pub struct KeyResponse {
        /// Node to message.
        "Messages" => messages: BTreeMap<String, String>,
        /// Key to number of nodes; `None` except for `list-keys`.
        "Keys" => keys: Option<BTreeMap<String, i64>>,
        /// Members asked.
        "NumNodes" => num_nodes: i64,
        /// Members that failed.
        "NumErr" => num_err: i64,
        /// Members that answered.
        "NumResp" => num_resp: i64,
    }

    /// Body of `tags`. Deletion comes first.
    pub struct TagsRequest {
        /// Tags to set.
        "Tags" => tags: BTreeMap<String, String>,
        /// Tags to remove.
        "DeleteTags" => delete_tags: Option<Vec<String>>,
    }

    /// Body of `query`.
    pub struct QueryRequest {
        /// Names of the nodes asked; none means all.
        "FilterNodes" => filter_nodes: Option<Vec<String>>,
        /// Pattern for each tag of the nodes asked.
        "FilterTags" => filter_tags: Option<BTreeMap<String, String>>,
        /// Ask for an acknowledgement from each.
        "RequestAck" => request_ack: bool,
        /// Copies of each answer sent through other members.
        "RelayFactor" => relay_factor: u8,
        /// Nanoseconds; 0 means the agent's default.
        "Timeout" => timeout: i64,
        /// Name of the query.
        "Name" => name: String,
        /// What it carries.
        "Payload" => payload: Option<Bytes>,
    }

    /// Body of `respond`.
    pub struct RespondRequest {
        /// The number of the query on this connection's stream.
        "ID" => id: u64,
        /// The answer.
        "Payload" => payload: Option<Bytes>,
    }

    /// Body of `why`.
    pub struct WhyRequest {
        /// Name of the member.
        "Node" => node: String,
    }

    /// Answer to `why`.
    pub struct WhyResponse {
        /// Its present status; empty if it is not known any more, or never was.
        "Status" => status: String,
        /// What happened to it, oldest first.
        "History" => history: Vec<StoryEntry>,
    }

    /// Something that happened to a member.
    pub struct StoryEntry {
        /// When, in milliseconds since 1970 by the agent's clock.
        "Time" => time: i64,
        /// What, such as `member-failed` or `suspected`.
        "Event" => event: String,
        /// Why, for people to read.
        "Cause" => cause: String,
    }

    /// Body of `get-coordinate`.
    pub struct CoordinateRequest {
        /// Name of the member.
        "Node" => node: String,
    }

    /// Answer to `get-coordinate`.
    pub struct CoordinateResponse {
        /// The coordinate; all zero if it is not known.
        "Coord" => coord: Coordinate,
        /// Whether it is known.
        "Ok" => ok: bool,
    }

    /// A point of the network coordinate system, in seconds.
    pub struct Coordinate {
        /// The position; `None` in the zero coordinate.
        "Vec" => vec: Option<Vec<f64>>,
        /// How much it can be trusted; small is good.
        "Error" => error: f64,
        /// Offset learnt from recent differences between estimate and measurement.
        "Adjustment" => adjustment: f64,
        /// Delay of the access link, which no position can express.
        "Height" => height: f64,
    }
}

/// The values of [`QueryRecord::kind`].
pub mod query {
    /// A member has received the query.
    pub const ACK: &str = "ack";
    /// A member answers.
    pub const RESPONSE: &str = "response";
    /// The time of the query is over.
    pub const DONE: &str = "done";
}

/// Answer to `stats`: section to key to value.
pub type Stats = BTreeMap<String, BTreeMap<String, String>>;

impl Member {
    /// Its IP address, if the bytes are one; IPv4-mapped IPv6 is shown as IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let bytes = &self.addr.0;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
            return Some(IpAddr::from(v4));
        }
        let v6 = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
        Some(Ipv6Addr::from(v6).to_canonical())
    }
}

impl From<&serf_core::Member> for Member {
    fn from(member: &serf_core::Member) -> Self {
        let addr = member.addr();
        let versions = member.versions();
        Self {
            name: member.name().to_string(),
            addr: Bytes(match addr.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            }),
            port: addr.port(),
            tags: member.tags(),
            status: member.status().to_string(),
            protocol_min: versions.protocol_min,
            protocol_max: versions.protocol_max,
            protocol_cur: versions.protocol_cur,
            delegate_min: versions.delegate_min,
            delegate_max: versions.delegate_max,
            delegate_cur: versions.delegate_cur,
        }
    }
}

impl From<&serf_core::Coordinate> for Coordinate {
    fn from(coordinate: &serf_core::Coordinate) -> Self {
        Self {
            vec: Some(coordinate.vec.to_vec()),
            error: coordinate.error,
            adjustment: coordinate.adjustment,
            height: coordinate.height,
        }
    }
}

impl Coordinate {
    /// The estimated round-trip time between two points in seconds, or `None` if they are not of
    /// the same number of dimensions.
    #[must_use]
    pub fn round_trip_to(&self, other: &Self) -> Option<f64> {
        let (a, b) = (self.vec.as_deref()?, other.vec.as_deref()?);
        if a.len() != b.len() {
            return None;
        }
        let squares: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
        let distance = squares.sqrt() + self.height + other.height;
        let adjusted = distance + self.adjustment + other.adjustment;
        Some(if adjusted > 0.0 { adjusted } else { distance })
    }
}

/// The encoding of a response header and, if there is one, its body.
#[must_use]
pub fn response(seq: u64, error: &str, body: Option<&dyn Encode>) -> Vec<u8> {
    // Room for a list of keys: a buffer that is moved as it grows leaves a copy behind.
    let mut out = Vec::with_capacity(4096);
    let header = ResponseHeader {
        seq,
        error: error.to_owned(),
    };
    header.encode(&mut out);
    if let Some(body) = body {
        body.encode(&mut out);
    }
    out
}
