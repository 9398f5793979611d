//! Counters: what a node did, and what it dropped and why.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start of a node. Each only grows.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
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
    /// Bytes handed to the caller for streams.
    stream_bytes_sent,
    /// Bytes handed in from streams.
    stream_bytes_received,
    /// Datagrams dropped: not of this protocol, or a version of it that is not understood.
    dropped_foreign,
    /// Datagrams dropped: the checksum does not match.
    dropped_corrupt,
    /// Messages dropped: cut short or malformed inside an intact packet.
    dropped_malformed,
    /// Messages skipped: of a kind that a newer version may know.
    skipped_unknown,
    /// Pings dropped: meant for another name (an address was reused).
    dropped_misdirected,
    /// Acks and nacks dropped: nothing waits for them any more.
    dropped_stale_acks,
    /// News dropped: about a member that is not known.
    dropped_unknown_member,
    /// Announcements dropped: no room in the member table.
    dropped_table_full,
    /// Announcements dropped: versions or metadata out of bounds.
    dropped_invalid_member,
    /// News dropped: an incarnation so far ahead that it must be damaged or forged.
    dropped_implausible,
    /// Claims of a name that another member holds.
    name_conflicts,
    /// Requests to probe for somebody else that were refused, as too many were under way.
    refused_helper_probes,
    /// Streams refused, as too many were open, or given up, as they held too much in all.
    refused_streams,
    /// Streams closed: malformed, too large, or not of this protocol.
    failed_streams,
    /// Streams closed: not finished in time.
    timed_out_streams,
    /// State exchanges refused: incompatible protocol versions.
    refused_incompatible,
    /// Actions dropped: the caller did not drain.
    dropped_actions,
    /// Probes started.
    probes,
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
