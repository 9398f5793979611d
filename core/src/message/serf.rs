//! The messages of Serf: intents, user events and queries (wire-protocol reference, section 7).

use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::RawName;
use crate::serf::clock::LamportTime;
use crate::serf::query::{QueryFlags, QueryKey};
use crate::wire::{memberlist, native};

/// A message of the layer above the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerfMessage<'a> {
    /// A member is about to leave, or is to be treated as having left.
    LeaveIntent(LeaveIntent<'a>),
    /// A member has joined, or has come to stay after all.
    JoinIntent(JoinIntent<'a>),
    /// An event of an application, for everybody.
    UserEvent(UserEvent<'a>),
    /// A question of an application, for everybody or for some.
    Query(Query<'a>),
    /// An answer to a query, or an acknowledgement that the query was received.
    QueryResponse(QueryResponse<'a>),
    /// A message to be passed on to somebody else.
    Relay(Relay<'a>),
}

/// The news that a member leaves: says the member itself, or an operator for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveIntent<'a> {
    /// When, by the member clock.
    pub ltime: LamportTime,
    /// Who.
    #[serde(borrow)]
    pub node: RawName<'a>,
    /// True if it is to be forgotten at once, and not only after the tombstone timeout.
    pub prune: bool,
}

/// The news that a member is there to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinIntent<'a> {
    /// When, by the member clock.
    pub ltime: LamportTime,
    /// Who.
    #[serde(borrow)]
    pub node: RawName<'a>,
}

/// An event of an application.
///
/// Time, name and payload together are its identity: a second one like it is the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEvent<'a> {
    /// When, by the event clock.
    pub ltime: LamportTime,
    /// Its name.
    pub name: &'a str,
    /// What the application says with it.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub payload: &'a [u8],
    /// True if of several events of this name in quick succession only the latest matters.
    pub coalesce: bool,
}

/// A question to the members that pass its filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query<'a> {
    /// When, by the query clock.
    pub ltime: LamportTime,
    /// Tells queries of the same time apart.
    pub id: u32,
    /// Where acks and responses go: the asker's advertised address.
    #[serde(with = "crate::wire::native::field::addr")]
    pub source: SocketAddr,
    /// The asker's name; empty from askers that are too old to tell it.
    #[serde(borrow)]
    pub source_name: RawName<'a>,
    /// Who is asked.
    #[serde(borrow, with = "crate::wire::native::field::filters")]
    pub filters: Filters<'a>,
    /// Whether acks are wanted, and whether the query is passed on.
    pub flags: QueryFlags,
    /// Through how many other members each ack and each response also travels.
    pub relay_factor: u8,
    /// For how long the asker listens.
    #[serde(with = "crate::wire::native::field::nanos")]
    pub timeout: Duration,
    /// Its name.
    pub name: &'a str,
    /// What the application asks.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub payload: &'a [u8],
}

impl Query<'_> {
    /// What tells it apart from other queries.
    #[must_use]
    pub const fn key(&self) -> QueryKey {
        QueryKey {
            ltime: self.ltime,
            id: self.id,
        }
    }
}

/// The filters of a query in encoded form. All of them must pass; none means everybody.
///
/// They stay in the form of the wire on which they came, and each wire writes both forms.
/// [`append_node_filter`](crate::wire::native::append_node_filter) and
/// [`append_tag_filter`](crate::wire::native::append_tag_filter) build the native form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters<'a> {
    /// As on the native wire.
    Native(&'a [u8]),
    /// As on the memberlist wire: a list of byte strings in msgpack.
    Memberlist(&'a [u8]),
}

impl Default for Filters<'_> {
    fn default() -> Self {
        Self::Native(&[])
    }
}

impl<'a> Filters<'a> {
    /// The filters one by one. `None` stands for one that cannot be read or is of an unknown
    /// kind; nobody passes that. There are never more items than bytes.
    pub fn iter(self) -> impl Iterator<Item = Option<Filter<'a>>> + Clone {
        let (native, memberlist) = match self {
            Self::Native(bytes) => (bytes, &[][..]),
            Self::Memberlist(list) => (&[][..], list),
        };
        let memberlist = memberlist::FilterEntries::new(memberlist);
        native::FilterEntries::new(native)
            .map(Result::ok)
            .chain(memberlist.map(Result::ok))
    }
}

/// One condition on the members that a query is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter<'a> {
    /// Passes the members of these names.
    Nodes(Names<'a>),
    /// Passes the members with a tag whose value the expression matches.
    Tag {
        /// The key of the tag. A member without it counts as having it with an empty value.
        key: &'a str,
        /// A regular expression; it need not match the whole value.
        pattern: &'a str,
    },
}

/// The names in a filter. It ends early where they cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names<'a> {
    /// As on the native wire.
    Native(native::Names<'a>),
    /// As on the memberlist wire.
    Memberlist(memberlist::Names<'a>),
}

impl<'a> Iterator for Names<'a> {
    type Item = RawName<'a>;

    fn next(&mut self) -> Option<RawName<'a>> {
        match self {
            Self::Native(names) => names.next(),
            Self::Memberlist(names) => names.next(),
        }
    }
}

impl core::iter::FusedIterator for Names<'_> {}

/// An answer to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryResponse<'a> {
    /// The time of the query.
    pub ltime: LamportTime,
    /// The id of the query.
    pub id: u32,
    /// Who answers.
    #[serde(borrow)]
    pub from: RawName<'a>,
    /// [`QueryResponse::ACK`] and [`QueryResponse::NATIVE`], if they apply. Other bits are not
    /// assigned.
    pub flags: u32,
    /// The answer; empty in an ack.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub payload: &'a [u8],
}

impl QueryResponse<'_> {
    /// The flag of an ack: it only says that the query was received.
    pub const ACK: u32 = 1;
    /// The bit that says that the asker understands the native wire, for members that pass it on
    /// and do not know the asker.
    pub const NATIVE: u32 = 1 << 6;

    /// The query that it answers.
    #[must_use]
    pub const fn key(&self) -> QueryKey {
        QueryKey {
            ltime: self.ltime,
            id: self.id,
        }
    }

    /// True if this only says that the query was received.
    #[must_use]
    pub const fn is_ack(&self) -> bool {
        self.flags & Self::ACK != 0
    }
}

/// A message in an envelope, to be passed on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay<'a> {
    /// Where it is to be sent.
    #[serde(with = "crate::wire::native::field::addr")]
    pub dest: SocketAddr,
    /// Who is there; empty from senders that are too old to tell it.
    #[serde(borrow)]
    pub dest_name: RawName<'a>,
    /// The encoded message, in the form of the wire on which the envelope travels. It can be
    /// passed on as it is to whoever speaks that wire, with `push_encoded` of the native or
    /// `push_relayed` of the memberlist packet writer.
    #[serde(serialize_with = "crate::wire::native::field::bytes")]
    pub message: &'a [u8],
}

/// One thing that Serf adds to a state exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateEntry<'a> {
    /// The sender's clocks. They come before everything else.
    Clocks(Clocks),
    /// When a member was last heard to join or leave.
    Member(MemberTime<'a>),
    /// A recent event.
    Event(UserEvent<'a>),
}

/// The three clocks of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The clock of joins and leaves.
    pub member: LamportTime,
    /// The clock of user events.
    pub event: LamportTime,
    /// The clock of queries.
    pub query: LamportTime,
}

/// What is known of the joins and leaves of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberTime<'a> {
    /// The member.
    #[serde(borrow)]
    pub name: RawName<'a>,
    /// The time of the latest intent about it.
    pub ltime: LamportTime,
    /// True if it left.
    pub left: bool,
}
