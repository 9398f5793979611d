//! How often each fault really happened: a run in which none did has shown nothing.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts of what went wrong in a world, on purpose, since its start. Each only grows.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Faults {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Faults {
            /// Every count with its name, in the order of declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

faults! {
    /// Datagrams lost at random.
    lost_datagrams,
    /// Datagrams lost while their link was in a bad state.
    burst_losses,
    /// Datagrams that arrived twice.
    duplicated_datagrams,
    /// Datagrams that were held back, so that later ones overtook them.
    reordered_datagrams,
    /// Datagrams in which bits were flipped.
    flipped_datagrams,
    /// Datagrams that lost their end.
    truncated_datagrams,
    /// Old datagrams that were delivered again.
    replayed_datagrams,
    /// Datagrams lost because they were longer than the link carries.
    oversized_datagrams,
    /// Datagrams stopped by a cut.
    cut_datagrams,
    /// Datagrams lost because the uplink of their sender had no room to queue them.
    uplink_overflows,
    /// Datagrams and segments that waited in the uplink of their sender.
    uplink_waits,
    /// Datagrams lost because the socket buffer of their receiver was full.
    socket_overflows,
    /// Segments of streams that were lost and sent again later.
    retransmitted_segments,
    /// Segments of streams that a cut held up.
    stalled_segments,
    /// Streams that a cut or a down node refused.
    refused_streams,
    /// Streams that broke in the middle of a message.
    severed_streams,
    /// Nodes that ended without a word.
    crashes,
    /// Nodes that were not there from the beginning.
    late_starts,
    /// Nodes started again with an empty memory.
    restarts,
    /// Nodes started again that remembered whom they knew.
    restores,
    /// Nodes started again with what was in their snapshot.
    snapshots,
    /// Nodes that stopped in mid-air.
    pauses,
    /// Nodes whose messages were held up.
    blocks,
    /// Messages that such nodes had sent, and that left late.
    held_sends,
    /// Inputs that a node got late, as it was paused or blocked.
    late_inputs,
    /// Inputs that waited for a slow processor.
    slow_inputs,
    /// Times that a node's clock began to run at another rate.
    clock_drifts,
    /// Nodes that came back at another address.
    moves,
    /// Nodes that came back under another name.
    renames,
    /// Nodes that took a name which another one has.
    shared_names,
    /// Nodes that came back at the address of another one.
    taken_addresses,
    /// Datagrams with messages that are not true.
    forged_datagrams,
}
