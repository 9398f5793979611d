//! What the application is told: one typed stream, with the cause in it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use crate::member::{Member, Name};
use crate::serf::clock::LamportTime;
use crate::serf::event::UserEvent;
use crate::serf::query::Query;

/// Something the application may want to know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The membership changed.
    Member(MemberEvent),
    /// An application on some member, perhaps this one, sent an event to all.
    User(UserEvent),
    /// An application on some member, perhaps this one, asks something; answer with
    /// [`Node::respond`](crate::Node::respond).
    Query(Query),
    /// User events of these times are lost to this node: it has received none of them, and would
    /// refuse them now, as it does not remember so far back. It was away for too long, or they were
    /// lost on the way or came later than `event_buffer` others.
    ///
    /// Clocks move on only as events are sent, so that each of these times had one at least, unless
    /// a clock was forged. Each is named once, the earlier ones first. Not named are:
    ///
    /// - a time of which this node had an event, although others of the same time may be lost. Only
    ///   after it was restored does what it had until it was in touch not count.
    /// - what was before it was in the cluster: before its first state exchange, before the
    ///   snapshot that it went on from, or ignored by a join.
    EventsMissed {
        /// The first such time.
        from: LamportTime,
        /// The first time after them.
        until: LamportTime,
    },
    /// A member is suspected of having failed; it has the suspicion timeout to refute that.
    Suspected {
        /// The suspect.
        member: Member,
        /// Who accuses it: this node's own name if its own probe failed.
        by: Name,
    },
    /// Somebody accused this node of having failed, and it told them otherwise.
    Refuted {
        /// The accuser, where the message named one.
        accuser: Option<Name>,
        /// The incarnation that the refutation carries.
        incarnation: u32,
    },
    /// Two nodes claim the same name.
    NameConflict {
        /// The member that holds the name here.
        holder: Member,
        /// The address of the other claimant.
        claimant: SocketAddr,
    },
    /// A vote about this node's name is over, which another node claims, too. After it has lost
    /// one, the node stops: it cannot be in the cluster.
    NameVote {
        /// The address of the other claimant.
        rival: SocketAddr,
        /// Members that know this node by the name.
        for_me: usize,
        /// Members that know the other one.
        for_rival: usize,
        /// True if those are more than a half and a sixteenth of all.
        lost: bool,
    },
    /// Something came that no key of this node decrypts. Said at most every 30 seconds.
    Undecryptable {
        /// Where it came from.
        from: SocketAddr,
        /// True if nothing else could be decrypted of late either: this node is alone although
        /// there are others.
        all: bool,
    },
    /// After [`Undecryptable`](Self::Undecryptable) with `all`, something could be decrypted again.
    Decrypting,
    /// The keys of this node changed, see [`Node::keyring`](crate::Node::keyring): save them.
    KeyringChanged,
    /// A peer refused a stream of this node.
    Declined {
        /// The peer.
        peer: SocketAddr,
        /// Its words, cut to 200 bytes.
        reason: String,
    },
    /// A member answers over streams but not to datagrams: they are being lost or filtered.
    DatagramsLost {
        /// The member.
        member: Member,
    },
    /// The local health score changed (Lifeguard, section IV.A): 0 is healthy.
    HealthChanged {
        /// The new score.
        score: u8,
    },
}

/// A change of the membership.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberEvent {
    /// What changed.
    pub kind: MemberEventKind,
    /// The member after the change.
    pub member: Member,
    /// Why.
    pub cause: Cause,
}

/// What changed about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberEventKind {
    /// It joined, or came back.
    Join,
    /// It left of its own will, or was declared to have left.
    Leave,
    /// It failed.
    Failed,
    /// Its tags or its address changed.
    Update,
    /// It was failed or gone for so long that it is forgotten.
    Reap,
}

impl MemberEventKind {
    /// The name that event handlers and RPC clients know it by, such as `member-join`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "member-join",
            Self::Leave => "member-leave",
            Self::Failed => "member-failed",
            Self::Update => "member-update",
            Self::Reap => "member-reap",
        }
    }
}

impl fmt::Display for MemberEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a member's status changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It announced itself, directly or through others.
    Announced,
    /// It said that it leaves, or an operator somewhere else said so for it.
    Departed,
    /// It had failed and was taken to have left, but has joined again since that was said, and
    /// failed after that.
    LeaveWithdrawn,
    /// It was accused and did not refute within the suspicion timeout of this node.
    SuspicionExpired {
        /// The first accuser, then those who confirmed independently.
        accusers: Vec<Name>,
    },
    /// Another member had waited out its own suspicion and declared it failed.
    Declared {
        /// Who declared it.
        by: Name,
    },
    /// An operator asked for it to be treated as gone.
    ForceLeft {
        /// The member at which the operator asked.
        by: Name,
    },
    /// It stayed failed or gone past the configured time.
    Expired,
    /// The member table was full and the longest gone made room.
    Evicted,
}
