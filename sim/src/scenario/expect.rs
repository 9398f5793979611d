//! What a scenario expects.

use serde::{Deserialize, Serialize};

use super::Span;
use crate::check;

/// What must hold in a scenario, beyond what the [checks](crate::check) see to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// All nodes hold the true view within this time of the end of the last fault, and of when what
    /// waited for a narrow uplink has been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged_within: Option<Span>,
    /// No healthy node takes another one for failed that is healthy and can be reached.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub no_false_failure: bool,
    /// There are user events whose sender is in touch, and each reaches all healthy connected nodes
    /// within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_to_all_within: Option<Span>,
    /// There are nodes that come back with a snapshot or join and ask for the past, and each is
    /// told of all user events that it missed, or that it missed them, within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caught_up_within: Option<Span>,
    /// There are queries, and each is answered by all healthy connected nodes within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by_all_within: Option<Span>,
    /// There are key operations, and each is done by all members that are alive when it begins.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub keys_done_by_all: bool,
    /// So many nodes do not run at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_at_end: Option<usize>,
    /// There are nodes that crash, and each is known to have failed, at each node that finds it out
    /// at all, within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_within: Option<Span>,
    /// What a node sends on average, in datagrams and streams, once all have joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_node_per_second: Option<u64>,
    /// What it may send beyond that for each node of the cluster, as state exchanges are about all
    /// of them; nothing if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_member_per_second: Option<f64>,
    /// Checks that are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<Standard>,
}

impl Expect {
    /// What a node of a cluster of so many may send in a second, if anything is said about that.
    pub(super) fn most_bytes(&self, nodes: usize) -> Option<f64> {
        let each = self.bytes_per_member_per_second.map(|it| it * nodes as f64);
        match (self.bytes_per_node_per_second, each) {
            (None, None) => None,
            (own, each) => Some(own.unwrap_or(0) as f64 + each.unwrap_or(0.0)),
        }
    }
}

macro_rules! standard {
    ($($name:ident),*) => {
        /// One of the [checks](crate::check) that watch every world, by the name of its type in
        /// lower case, such as `false-failures`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(missing_docs, reason = "each is the type of that name")]
        pub enum Standard {
            $($name,)*
        }

        impl Standard {
            /// The few words that the check calls itself.
            #[must_use]
            pub fn name(self) -> &'static str {
                use check::Check;
                match self {
                    $(Self::$name => check::$name::default().name(),)*
                }
            }

            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

standard!(
    Agreement,
    Bounds,
    Clocks,
    Deadlines,
    Delivery,
    FalseFailures,
    Incarnations,
    Packets,
    Queries,
    Returns,
    Traffic
);
