//! Numbers about a running node.

use serf_core::{Counters, LamportTime, QueueReport};

/// A node at a moment, in numbers. From [`Handle::stats`](crate::Handle::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// What the protocol did, and what it dropped and why.
    pub counters: Counters,
    /// What the sockets did.
    pub sockets: SocketCounters,
    /// Lifeguard's local health score: 0 is healthy.
    pub health_score: u8,
    /// Members of any status, this node included.
    pub members: usize,
    /// Members that take part, suspected ones and this node included.
    pub alive: usize,
    /// Members that failed.
    pub failed: usize,
    /// Members that left or are leaving.
    pub left: usize,
    /// What waits to be spread.
    pub queues: QueueReport,
    /// The time that the next join or leave will have.
    pub member_time: LamportTime,
    /// The time that the next user event will have.
    pub event_time: LamportTime,
    /// The time that the next query will have.
    pub query_time: LamportTime,
    /// How often this node's coordinate became invalid and started over.
    pub coordinate_resets: u32,
    /// Subscriptions to events.
    pub subscribers: usize,
}

/// Counts of what an adapter's sockets did since the start. Each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCounters {
    /// Times the driver woke up. A node at rest wakes a few times per gossip interval.
    pub wakes: u64,
    /// Datagrams that the system refused to send: no route, too large, filtered.
    pub send_errors: u64,
    /// Datagrams dropped because the socket's send buffer was full.
    pub send_buffer_full: u64,
    /// Errors reported on receiving, most of them news that an earlier datagram bounced.
    pub receive_errors: u64,
    /// Streams that this node dialled.
    pub streams_dialled: u64,
    /// Streams that peers opened and this node took.
    pub streams_accepted: u64,
    /// Connections that could not be accepted, for example for want of file descriptors.
    pub accept_errors: u64,
    /// Connections closed at once because too many were open.
    pub refused_connections: u64,
    /// Streams cut because the node wrote more to them than a message may have.
    pub overflowed_streams: u64,
}
