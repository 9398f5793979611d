//! Settings: what the user chooses ([`Config`]) and what the protocol runs on ([`Params`]).

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::{Name, Versions};
use crate::serf::limits;
use crate::tags::Tags;
use crate::wire::Wires;
use crate::wire::label::Label;

/// Who a node is: what it announces about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name, unique in the cluster.
    pub name: Name,
    /// The address others reach it at, for datagrams and streams alike. Never unspecified.
    pub addr: SocketAddr,
    /// Its tags.
    pub tags: Tags,
    /// The protocol versions it announces.
    pub versions: Versions,
    /// The label of its cluster: whoever has another one is not heard. None by default.
    pub label: Label,
}

impl Identity {
    /// An identity without tags, speaking the current protocol versions.
    #[must_use]
    pub fn new(name: Name, addr: SocketAddr) -> Self {
        Self {
            name,
            addr,
            tags: Tags::new(),
            versions: Versions::CURRENT,
            label: Label::none(),
        }
    }
}

/// Lifeguard's three parts (arXiv 1707.00788, section IV), each of which can be switched off to
/// measure what it does. All on by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifeguard {
    /// Local-health-aware probe: a node that sees signs of being slow itself probes less often,
    /// waits longer, and asks its helpers for nacks. Off: fixed interval and timeout.
    pub probe: bool,
    /// Local-health-aware suspicion: the suspicion timeout starts long and shrinks as others
    /// confirm, and time for which this whole process stood still does not count. Off: always the
    /// shortest.
    pub suspicion: bool,
    /// Buddy system: a probe of a suspected member tells it of the suspicion first of all.
    /// Off: it learns by ordinary gossip.
    pub buddy: bool,
}

impl Lifeguard {
    /// All parts on.
    pub const ON: Self = Self {
        probe: true,
        suspicion: true,
        buddy: true,
    };
    /// All parts off: plain SWIM.
    pub const OFF: Self = Self {
        probe: false,
        suspicion: false,
        buddy: false,
    };
}

/// The settings of a node. Start from a profile ([`Config::lan`], [`Config::wan`],
/// [`Config::local`]), change fields, then check them with [`Params::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Time between two probes. Lower detects failures sooner and sends more; the suspicion
    /// timeout scales with it.
    pub probe_interval: Duration,
    /// How long to wait for a direct ack before asking helpers. Lower reacts sooner but asks
    /// for help needlessly on slow links; should be the 99th percentile of round-trip time.
    pub probe_timeout: Duration,
    /// How many helpers probe indirectly. More mask packet loss better and send more.
    pub indirect_checks: u8,
    /// Also try a stream when a direct probe fails. Off saves connections where datagrams are
    /// known to work; on keeps members alive whose datagrams are filtered.
    pub stream_ping: bool,
    /// Suspicion timeout, as a multiple of `log10(members) * probe_interval`. Raising it gives
    /// slow members longer to refute and delays detection.
    pub suspicion_mult: u32,
    /// The longest suspicion timeout, as a multiple of the shortest. Raising it protects healthy
    /// members better from accusers that are themselves slow.
    pub suspicion_max_mult: u32,
    /// Ceiling of the local health score, exclusive. Raising it lets a sick node slow its
    /// probing further; 1 disables it.
    pub awareness_max: u8,
    /// Which parts of Lifeguard are on.
    pub lifeguard: Lifeguard,
    /// Time between two rounds of gossip while there is something to say. Lower spreads news
    /// faster in more packets.
    pub gossip_interval: Duration,
    /// How many members each round of gossip is sent to. More spreads faster and sends more.
    pub gossip_nodes: u8,
    /// How long after its death a member is still sent gossip, so that it can refute. Raising it
    /// mends false deaths for longer, and sends more to those that are really gone.
    pub gossip_to_dead: Duration,
    /// How often a message is sent, as a multiple of `log10(members)`. Raising it makes it
    /// likelier that everybody hears by gossip alone and sends more.
    pub retransmit_mult: u32,
    /// Time between two full state exchanges with a random member; grows with the cluster.
    /// Lower repairs missed gossip sooner at the cost of bandwidth; zero turns them off.
    pub push_pull_interval: Duration,
    /// Longest time that each phase of a stream exchange may take: for the one who dials, until there
    /// is a connection, until the answer begins, and until its last byte; for the other, until all is
    /// read, and until all is written.
    pub stream_timeout: Duration,
    /// A failed member's name may be claimed from another address after this time; zero means
    /// only when it left.
    pub dead_reclaim: Duration,
    /// Longest wait for a message to have been spread, in `leave`, `force_leave` and `set_tags`.
    pub broadcast_timeout: Duration,
    /// How long to linger after a leave has been spread, so that others can pass it on.
    pub leave_propagate_delay: Duration,
    /// Time between two attempts to reach a random failed member again, or a seed of a former join at
    /// whose address no member is known. Lower heals partitions sooner and dials dead addresses more
    /// often; zero turns them off.
    pub reconnect_interval: Duration,
    /// How long a failed member is remembered and retried. At most 30 days. Raising it lets longer
    /// partitions heal without a seed; lowering it frees memory, and names, sooner.
    pub reconnect_timeout: Duration,
    /// How long a member that left is remembered, so that stale news cannot revive it. At most
    /// 30 days.
    pub tombstone_timeout: Duration,
    /// Time between two searches for members to forget.
    pub reap_interval: Duration,
    /// Bytes a user event may have, encoded. Raising it lets applications say more at once, at the
    /// expense of everything else in the packet; at most 9,216, and no event that does not fit in
    /// a packet is accepted.
    pub user_event_size_limit: usize,
    /// How many times of the event clock are remembered, to deliver each event once and to tell
    /// newcomers. Raising it bridges longer absences and takes memory.
    pub event_buffer: u64,
    /// Bytes a query may have, encoded; otherwise as for user events. At most 9,216.
    pub query_size_limit: usize,
    /// Bytes an answer to a query may have, encoded, alone and in the envelope in which it is
    /// relayed. Raising it lets answers say more; those that do not fit in a packet are refused.
    pub query_response_size_limit: usize,
    /// How many times of the query clock are remembered, to deliver each query once.
    pub query_buffer: u64,
    /// A member that comes back within this time of having failed counts as flapping.
    pub flap_timeout: Duration,
    /// Whether members measure how far apart they are: each ack then says where its sender is.
    /// Off saves some 50 bytes per ack and the arithmetic.
    pub coordinates: bool,
    /// Of how many members the coordinates are kept, those met last. Raising it takes about 70
    /// bytes each.
    pub max_coordinates: u32,
    /// Which wires the node speaks and understands.
    pub wires: Wires,
    /// Whether to compress packets of the memberlist wire, where that makes them shorter. On saves
    /// bytes and takes ten times the time. The native wire has no compression.
    pub compress_packets: bool,
    /// The same for what goes over streams of the memberlist wire.
    pub compress_streams: bool,
    /// Whether to refuse what is not encrypted, where there are keys. Off is for moving a running
    /// cluster to encryption, one node at a time: first accept both, then encrypt, then verify.
    pub verify_incoming: bool,
    /// Whether to encrypt, where there are keys.
    pub verify_outgoing: bool,
    /// Whether to ask the others who keeps the name when two nodes claim this node's, and to stop
    /// if it is the other one. Off leaves both as they are.
    pub resolve_conflicts: bool,
    /// Bytes a datagram may have. Raising it packs more news in a packet and risks
    /// fragmentation; 508 to 65,507.
    pub packet_budget: usize,
    /// Bytes a received stream message may have; larger ones are refused before they are read.
    pub max_stream_message: usize,
    /// Streams that peers may have open to this node at once; more are refused. What they have
    /// sent of unfinished messages may take four times `max_stream_message` in all; a stream that
    /// would take more is given up.
    pub max_inbound_streams: usize,
    /// Members remembered at once, of any status. When full, those longest gone make room; live
    /// ones are refused and counted.
    pub max_members: u32,
    /// Indirect probes made for others at once; more are refused.
    pub max_helper_probes: usize,
    /// Actions that may wait to be polled. A caller that drains as it should never comes near.
    pub max_pending_actions: usize,
}

impl Config {
    /// For nodes in one data centre.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_checks: 3,
            stream_ping: true,
            suspicion_mult: 4,
            suspicion_max_mult: 6,
            awareness_max: 8,
            lifeguard: Lifeguard::ON,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_dead: Duration::from_secs(30),
            retransmit_mult: 4,
            push_pull_interval: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(10),
            dead_reclaim: Duration::ZERO,
            broadcast_timeout: Duration::from_secs(5),
            leave_propagate_delay: Duration::from_secs(1),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(24 * 3600),
            tombstone_timeout: Duration::from_secs(24 * 3600),
            reap_interval: Duration::from_secs(15),
            user_event_size_limit: limits::DEFAULT_USER_EVENT,
            event_buffer: 512,
            query_size_limit: limits::DEFAULT_QUERY,
            query_response_size_limit: limits::DEFAULT_QUERY_RESPONSE,
            query_buffer: 512,
            flap_timeout: Duration::from_secs(60),
            coordinates: true,
            max_coordinates: 16_384,
            wires: Wires::Auto,
            compress_packets: false,
            compress_streams: true,
            verify_incoming: true,
            verify_outgoing: true,
            resolve_conflicts: true,
            packet_budget: 1400,
            max_stream_message: 20 * 1024 * 1024,
            max_inbound_streams: 128,
            max_members: 131_072,
            max_helper_probes: 1024,
            max_pending_actions: 65_536,
        }
    }

    /// For nodes in several data centres.
    #[must_use]
    pub const fn wan() -> Self {
        Self {
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            suspicion_mult: 6,
            gossip_interval: Duration::from_millis(500),
            gossip_nodes: 4,
            gossip_to_dead: Duration::from_secs(60),
            push_pull_interval: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(30),
            ..Self::lan()
        }
    }

    /// For nodes on one machine.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            probe_timeout: Duration::from_millis(200),
            indirect_checks: 1,
            suspicion_mult: 3,
            gossip_interval: Duration::from_millis(100),
            gossip_to_dead: Duration::from_secs(15),
            retransmit_mult: 2,
            push_pull_interval: Duration::from_secs(15),
            stream_timeout: Duration::from_secs(1),
            ..Self::lan()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::lan()
    }
}

/// Checked settings, shared by clones: ten thousand simulated nodes hold one copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Config", into = "Config")]
pub struct Params(Arc<Config>);

impl TryFrom<Config> for Params {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        Self::new(config)
    }
}

impl From<Params> for Config {
    fn from(params: Params) -> Self {
        (*params).clone()
    }
}

impl Params {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the field that is out of bounds, its value and what is accepted.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
        const MS: Duration = Duration::from_millis(1);
        let c = &config;
        within("probe_interval", c.probe_interval, MS, MONTH)?;
        within("probe_timeout", c.probe_timeout, MS, c.probe_interval)?;
        within("gossip_interval", c.gossip_interval, MS, MONTH)?;
        within("gossip_to_dead", c.gossip_to_dead, Duration::ZERO, MONTH)?;
        within(
            "push_pull_interval",
            c.push_pull_interval,
            Duration::ZERO,
            MONTH,
        )?;
        within("stream_timeout", c.stream_timeout, MS, MONTH)?;
        within("dead_reclaim", c.dead_reclaim, Duration::ZERO, MONTH)?;
        within("broadcast_timeout", c.broadcast_timeout, MS, MONTH)?;
        within(
            "leave_propagate_delay",
            c.leave_propagate_delay,
            Duration::ZERO,
            MONTH,
        )?;
        within(
            "reconnect_interval",
            c.reconnect_interval,
            Duration::ZERO,
            MONTH,
        )?;
        within(
            "reconnect_timeout",
            c.reconnect_timeout,
            Duration::ZERO,
            MONTH,
        )?;
        within(
            "tombstone_timeout",
            c.tombstone_timeout,
            Duration::ZERO,
            MONTH,
        )?;
        within("reap_interval", c.reap_interval, MS, MONTH)?;
        within("indirect_checks", c.indirect_checks, 0, 32)?;
        within("suspicion_mult", c.suspicion_mult, 1, 1000)?;
        within("suspicion_max_mult", c.suspicion_max_mult, 1, 1000)?;
        within("awareness_max", c.awareness_max, 1, 64)?;
        within("gossip_nodes", c.gossip_nodes, 1, 64)?;
        within("retransmit_mult", c.retransmit_mult, 1, 36)?;
        within(
            "user_event_size_limit",
            c.user_event_size_limit,
            1,
            limits::MAX_USER_EVENT,
        )?;
        within("event_buffer", c.event_buffer, 1, 1 << 20)?;
        within("query_size_limit", c.query_size_limit, 1, 9216)?;
        within(
            "query_response_size_limit",
            c.query_response_size_limit,
            1,
            9216,
        )?;
        within("query_buffer", c.query_buffer, 1, 1 << 20)?;
        within("flap_timeout", c.flap_timeout, Duration::ZERO, MONTH)?;
        within("max_coordinates", c.max_coordinates, 1, 1 << 24)?;
        within("packet_budget", c.packet_budget, 508, 65_507)?;
        within("max_stream_message", c.max_stream_message, 65_536, 1 << 30)?;
        within("max_inbound_streams", c.max_inbound_streams, 1, 65_536)?;
        within("max_members", c.max_members, 2, 1 << 24)?;
        within("max_helper_probes", c.max_helper_probes, 1, 1 << 20)?;
        within("max_pending_actions", c.max_pending_actions, 64, 1 << 24)?;
        Ok(Self(Arc::new(config)))
    }
}

impl Deref for Params {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

fn within<T: PartialOrd + fmt::Debug>(
    field: &'static str,
    value: T,
    min: T,
    max: T,
) -> Result<(), ConfigError> {
    if min <= value && value <= max {
        return Ok(());
    }
    Err(ConfigError {
        field,
        message: alloc::format!("is {value:?}, accepted is {min:?} to {max:?}"),
    })
}

/// A setting out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    message: alloc::string::String,
}

impl ConfigError {
    /// The field of [`Config`] that is wrong.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

impl core::error::Error for ConfigError {}
