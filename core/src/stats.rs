//! Counters: what a node did, and what it dropped and why; and how its queues are doing.

use core::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start of a node. Each only grows.
        // In memory as declared: what a node at rest counts shares a cache line.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        #[repr(C)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Every counter with its name, in declaration order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams handed to the caller.
    datagrams_sent,
    /// Bytes in them.
    datagram_bytes_sent,
    /// Datagrams handed in by the caller.
    datagrams_received,
    /// Bytes in them.
    datagram_bytes_received,
    /// Probes started.
    probes,
    /// Bytes handed to the caller for streams.
    stream_bytes_sent,
    /// Bytes handed in from streams.
    stream_bytes_received,
    /// Of the datagrams sent, those of the memberlist wire; the others are native.
    memberlist_datagrams_sent,
    /// Bytes in them.
    memberlist_datagram_bytes_sent,
    /// Of the datagrams received, those of the memberlist wire.
    memberlist_datagrams_received,
    /// Bytes in them, label and seal removed.
    memberlist_datagram_bytes_received,
    /// Of the bytes sent over streams, those of the memberlist wire.
    memberlist_stream_bytes_sent,
    /// Of the bytes received from streams, those in messages of the memberlist wire, seal removed.
    memberlist_stream_bytes_received,
    /// Streams that were dialled anew in memberlist's wire, as the peer did not take the native one.
    redials,
    /// Datagrams dropped: not of this protocol, or a version of it that is not understood.
    dropped_foreign,
    /// Datagrams dropped: no key decrypts them.
    dropped_undecryptable,
    /// Datagrams dropped: the label of the cluster is missing, or another one.
    dropped_other_cluster,
    /// Datagrams dropped: the checksum does not match.
    dropped_corrupt,
    /// Packets and messages dropped: with nothing in them.
    dropped_empty,
    /// Messages dropped: cut short, or with a length inside that runs past their end. (On the native
    /// wire these are malformed.)
    dropped_truncated,
    /// Bytes behind a message or behind the last of several, or behind what a stream is for, that
    /// belong to nothing and are dropped: how often there were such. (On the native wire, what stands
    /// behind the fields of a message is a later version's, and not counted.)
    dropped_trailing,
    /// Messages dropped: malformed inside an intact packet.
    dropped_malformed,
    /// Packets and messages dropped: compressed, and cannot be decompressed, or are too large then.
    dropped_compressed,
    /// Messages dropped: containers in containers deeper, or with more in them, than accepted.
    dropped_nested,
    /// Messages skipped: of a kind that a newer version may know.
    skipped_unknown,
    /// Pings dropped: meant for another name (an address was reused).
    dropped_misdirected,
    /// Acks and nacks dropped: nothing waits for them any more.
    dropped_stale_acks,
    /// News dropped: about a member that is not known; or by an accuser that is not, when there are more
    /// such than are remembered.
    dropped_unknown_member,
    /// Announcements dropped: no room in the member table.
    dropped_table_full,
    /// Announcements dropped: versions or metadata out of bounds.
    dropped_invalid_member,
    /// News dropped: an incarnation so far ahead that it must be damaged or forged.
    dropped_implausible,
    /// User events delivered, this node's own included.
    user_events,
    /// User events that were known already.
    duplicate_events,
    /// User events dropped: older than what is remembered, or from before the join.
    dropped_old_events,
    /// User events dropped: more of one time than are remembered.
    dropped_flooding_events,
    /// Exchanges of state begun early, as gossip had missed a user event.
    event_gaps,
    /// Queries received that were meant for this node, its own included.
    queries,
    /// Queries that were known already.
    duplicate_queries,
    /// Queries dropped: older than what is remembered.
    dropped_old_queries,
    /// Queries dropped: more of one time than are remembered.
    dropped_flooding_queries,
    /// Acks of queries that this node asked.
    query_acks,
    /// Responses to queries that this node asked.
    query_responses,
    /// Acks and responses that were known already, as relayed ones are.
    duplicate_responses,
    /// Acks and responses dropped: more than there are members.
    dropped_responses,
    /// Acks and responses dropped: the query is over, or there never was one.
    dropped_late_responses,
    /// Acks and responses passed on for others.
    relayed,
    /// Coordinates of peers refused: damaged, not finite, absurd, or after too long a round trip.
    dropped_coordinates,
    /// Round trips of probes that were answered directly, if coordinates are on.
    round_trips,
    /// Microseconds that they took, all together.
    round_trip_micros,
    /// Round trips of no time at all: a sign of a clock that is too coarse.
    zero_round_trips,
    /// Members that came back within `flap_timeout` of having failed.
    flaps,
    /// Claims of a name that another member holds.
    name_conflicts,
    /// Requests to probe for somebody else that were refused, as too many were under way.
    refused_helper_probes,
    /// Streams refused, as too many were open, or given up, as they held too much in all.
    refused_streams,
    /// Streams closed: malformed, or not of this protocol.
    failed_streams,
    /// Streams closed: with a message that is larger than accepted, or says that it will be.
    oversized_streams,
    /// Streams closed: not finished in time.
    timed_out_streams,
    /// State exchanges refused: incompatible protocol versions.
    refused_incompatible,
    /// Actions dropped: the caller did not drain.
    dropped_actions,
    /// Announcements of others that were news, and taken.
    announcements,
    /// Members that were taken for dead or left, by this node or by its belief in others.
    burials,
    /// Probes that nobody answered in time.
    failed_probes,
    /// Probes answered only through helpers.
    probes_saved_by_helpers,
    /// Probes answered only over a stream.
    probes_saved_by_stream,
    /// Suspicions started.
    suspicions,
    /// Suspicions that ended in a declaration of failure by this node.
    suspicions_expired,
    /// Accusations against this node that it refuted.
    refutations,
    /// Deaths declared by others that were refuted already, and told to them so.
    corrections,
    /// Rounds of gossip that had something to say.
    gossip_rounds,
    /// State exchanges begun by this node.
    syncs_started,
    /// Members left out of state exchanges, as the message had its full size.
    sync_entries_left_out,
    /// State exchanges answered for others.
    syncs_answered,
    /// Times the whole process stood still for longer than a probe interval.
    stalls,
    /// Times the clock handed in ran backwards (it was taken as standing still).
    clock_went_back,
}

/// How a queue is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Messages that wait.
    pub depth: usize,
    /// For how long the one has waited that has waited longest, to 17 ms and up to 39 hours: after
    /// these it begins again at none.
    pub age: Duration,
    /// Messages, since the start, that made room for others before everybody had been told.
    pub displaced: u64,
}

/// How the queues are doing of what is to be spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueReport {
    /// News about members. A later one about a member takes the place of the earlier, so nothing is
    /// ever displaced.
    pub members: QueueStats,
    /// Join and leave intents.
    pub intents: QueueStats,
    /// Queries.
    pub queries: QueueStats,
    /// User events.
    pub events: QueueStats,
}
