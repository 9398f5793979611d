//! Queries as applications see them (wire-protocol reference, sections 7.5 and 8.5).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::BitOr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::message;
use crate::serf::clock::LamportTime;
use crate::wire::native::{append_node_filter, append_tag_filter};

/// What tells queries apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryKey {
    /// When it was asked, by the query clock of the cluster.
    pub ltime: LamportTime,
    /// Drawn by the asker.
    pub id: u32,
}

/// A set of wishes of an asker. Bits that are not known travel along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QueryFlags(u32);

impl QueryFlags {
    /// Everybody who receives the query and passes its filters is to say so at once.
    pub const ACK: Self = Self(1);
    /// The query is not to be passed on.
    pub const NO_BROADCAST: Self = Self(2);
    /// The asker understands the native wire, for those who do not know it: there is a checksum on
    /// that one. The reference system takes no notice of it, and passes it on.
    pub const NATIVE: Self = Self(1 << 6);

    /// The flags that these bits are.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Their bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// True if all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for QueryFlags {
    type Output = Self;

    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

/// How a query is to be asked. The default: everybody, no acks, no relays, the default timeout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryParams {
    /// The members asked, by name; empty for all.
    pub filter_nodes: Vec<Name>,
    /// Only members are asked whose tag of this key has a value that this regular expression
    /// matches, for each of these. It need not match the whole value; a member without the tag
    /// counts as having it with an empty value.
    pub filter_tags: BTreeMap<String, String>,
    /// Whether those who receive the query are to say so at once.
    pub request_ack: bool,
    /// Through how many other members each ack and each response also travels: raising it makes
    /// it likelier that they arrive where direct packets are lost, and sends more.
    pub relay_factor: u8,
    /// For how long to listen; `None` for a time that grows with the cluster.
    pub timeout: Option<Duration>,
}

impl QueryParams {
    /// Appends the filters in encoded form, for [`message::Filters`].
    pub(crate) fn append_filters(&self, out: &mut Vec<u8>) {
        if !self.filter_nodes.is_empty() {
            append_node_filter(out, self.filter_nodes.iter().map(Name::as_str));
        }
        for (key, pattern) in &self.filter_tags {
            append_tag_filter(out, key, pattern);
        }
    }

    pub(crate) const fn flags(&self) -> QueryFlags {
        if self.request_ack {
            QueryFlags::ACK
        } else {
            QueryFlags(0)
        }
    }
}

/// A question that an application on some member asked, as those who are asked see it; cheap to
/// clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Query {
    /// What tells it apart; to be given with the answer.
    pub key: QueryKey,
    /// Its name.
    pub name: Arc<str>,
    /// What the application asks.
    pub payload: Arc<[u8]>,
    /// Where the answer goes.
    pub source: SocketAddr,
    /// Who asks; `None` if the asker is too old to tell.
    pub source_name: Option<Name>,
    /// For how long the asker listens, from the arrival of the query on.
    pub timeout: Duration,
}

impl From<&message::Query<'_>> for Query {
    fn from(query: &message::Query<'_>) -> Self {
        Self {
            key: query.key(),
            name: Arc::from(query.name),
            payload: Arc::from(query.payload),
            source: query.source,
            source_name: Name::try_from(query.source_name).ok(),
            timeout: query.timeout,
        }
    }
}

/// The beginning of names that applications cannot use: Serf answers such queries itself.
pub(crate) const INTERNAL_PREFIX: &str = "_serf_";

/// How often gossip is to go round before an asker stops listening.
pub(crate) const TIMEOUT_MULT: u32 = 16;

/// For how long an asker listens if it does not say: `gossip_interval * mult * ceil(log10(n + 1))`
/// for `members` that are alive or suspected, the asker included.
///
/// The logarithm of an integer rounded up is its number of decimal digits.
pub(crate) fn default_timeout(gossip_interval: Duration, mult: u32, members: usize) -> Duration {
    let digits = members.checked_ilog10().map_or(1, |log| log + 1);
    gossip_interval.saturating_mul(mult.saturating_mul(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Filter, Filters, RawName};

    #[test]
    fn the_default_timeout_follows_the_reference() {
        let interval = Duration::from_millis(200);
        for (members, millis) in [
            (0, 3200),
            (1, 3200),
            (9, 3200),
            (10, 6400),
            (99, 6400),
            (100, 9600),
            (1000, 12_800),
        ] {
            let expected = Duration::from_millis(millis);
            assert_eq!(default_timeout(interval, TIMEOUT_MULT, members), expected);
        }
        assert_eq!(default_timeout(Duration::MAX, u32::MAX, 10), Duration::MAX);
    }

    #[test]
    fn one_filter_of_names_and_one_for_each_tag() {
        let mut bytes = Vec::new();
        QueryParams::default().append_filters(&mut bytes);
        assert!(bytes.is_empty());
        let params = QueryParams {
            filter_nodes: ["a", "b"]
                .map(|name| Name::new(name).expect("a valid name"))
                .into(),
            filter_tags: [("k".into(), "v.*".into()), ("l".into(), String::new())].into(),
            ..QueryParams::default()
        };
        params.append_filters(&mut bytes);
        let mut filters = Filters::Native(&bytes)
            .iter()
            .map(|filter| filter.expect("a known filter"));
        let Some(Filter::Nodes(names)) = filters.next() else {
            panic!("the names come first");
        };
        assert!(names.eq([RawName::from("a"), "b".into()]));
        let tag = |key, pattern| Filter::Tag { key, pattern };
        assert!(filters.eq([tag("k", "v.*"), tag("l", "")]));
    }

    #[test]
    fn flags_are_a_set_that_keeps_what_it_does_not_know() {
        let params = QueryParams {
            request_ack: true,
            ..QueryParams::default()
        };
        assert_eq!(params.flags(), QueryFlags::ACK);
        assert_eq!(QueryParams::default().flags().bits(), 0);
        let flags = QueryFlags::ACK | QueryFlags::from_bits(0x10);
        assert!(flags.contains(QueryFlags::ACK));
        assert!(!flags.contains(QueryFlags::ACK | QueryFlags::NO_BROADCAST));
        assert_eq!(flags.bits(), 0x11);
    }
}
