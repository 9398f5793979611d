//! What a [`Node`](crate::Node) asks of its caller, and what it is told about streams.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::serf::collector::{Answer, QuerySummary};
use crate::serf::key_report::KeyReport;
use crate::serf::query::QueryKey;
use crate::time::Instant;

/// One thing the caller has to do, as answered by [`Node::poll_action`](crate::Node::poll_action).
///
/// Bytes that go with an action have been appended to the buffer given to `poll_action`.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Action {
    /// Send the appended bytes as one datagram from the node's gossip socket. Loss is expected
    /// and handled; a send error need not be reported.
    SendDatagram {
        /// Where to.
        to: SocketAddr,
    },
    /// Dial `to` and report [`StreamInput::Opened`] or [`StreamInput::Failed`] under this id.
    OpenStream {
        /// The id under which everything about this stream is reported.
        id: StreamId,
        /// Where to.
        to: SocketAddr,
    },
    /// Write the appended bytes to the stream, after what was written before.
    WriteStream {
        /// Which stream.
        id: StreamId,
    },
    /// Write out what is still buffered, then close. The id is not used again by the node, and
    /// inputs for it are ignored from now on.
    CloseStream {
        /// Which stream.
        id: StreamId,
        /// True if the exchange failed or took too long: close at once, flush nothing.
        abort: bool,
    },
    /// Hand this event to the application.
    Event(Event),
    /// Hand this answer to whoever asked the query.
    Answer {
        /// Which query.
        query: QueryKey,
        /// What came back, from whom.
        answer: Answer,
    },
    /// A query of this node is over: nothing comes back any more.
    QueryEnded {
        /// Which query.
        query: QueryKey,
        /// What came back in all.
        summary: QuerySummary,
    },
    /// A command that was accepted earlier has ended.
    Done {
        /// The id that the command returned.
        id: CommandId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Nothing more to do. Call [`Node::handle_tick`](crate::Node::handle_tick) at this instant,
    /// or feed other inputs before; `None` when the node has stopped and waits for nothing.
    Wait(Option<Instant>),
}

/// Names a stream between the node and its caller; never reused within a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

impl StreamId {
    /// The number behind the id, for tables and traces.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream-{}", self.0)
    }
}

/// Names a command that ends later with [`Action::Done`]; never reused within a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(crate) u64);

impl CommandId {
    /// The number behind the id, for tables and traces.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command-{}", self.0)
    }
}

/// What happened on a stream, for [`Node::handle_stream`](crate::Node::handle_stream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamInput<'a> {
    /// A stream asked for by [`Action::OpenStream`] is connected.
    Opened,
    /// Bytes arrived, cut anywhere.
    Data(&'a [u8]),
    /// The other side closed its direction in an orderly way.
    Finished,
    /// The stream could not be opened or broke.
    Failed(StreamFailure),
}

/// Why a stream exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StreamFailure {
    /// Nobody listens there.
    Refused,
    /// No route to the address.
    Unreachable,
    /// Not finished within `stream_timeout`.
    TimedOut,
    /// The other side closed or reset the connection before the exchange was complete.
    Reset,
    /// The other side answered with something that is not of this protocol.
    Protocol,
    /// The other side sent a message of more than `max_stream_message` bytes, or said that it would.
    TooLarge,
    /// The two sides speak incompatible protocol versions.
    Incompatible,
    /// The two sides have no key in common, or only one of them encrypts.
    Undecryptable,
    /// The two sides have different cluster labels.
    OtherCluster,
    /// The other side refused, and said why; see [`Event::Declined`](crate::Event::Declined).
    Declined,
    /// Streams together held more unfinished messages than this node has room for.
    Busy,
    /// Any other failure of the operating system.
    Other,
}

impl fmt::Display for StreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "address unreachable",
            Self::TimedOut => "timed out",
            Self::Reset => "connection closed before the exchange was complete",
            Self::Protocol => "the answer is not of this protocol",
            Self::TooLarge => "the answer is larger than accepted",
            Self::Incompatible => "incompatible protocol versions",
            Self::Undecryptable => "the two sides have no encryption key in common",
            Self::OtherCluster => "the other side belongs to another cluster (its label differs)",
            Self::Declined => "the other side refused",
            Self::Busy => "too many large messages under way at once",
            Self::Other => "connection failed",
        })
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// End of [`Node::join`](crate::Node::join): every address was tried.
    Join {
        /// The addresses with which state was exchanged.
        contacted: Vec<SocketAddr>,
        /// The others, and why not.
        failed: Vec<(SocketAddr, StreamFailure)>,
    },
    /// End of a command that spreads a message: leave, force-leave, a change of tags.
    Spread {
        /// True if the message was sent as often as the retransmit limit asks, or if there was
        /// nobody to tell; false if `broadcast_timeout` passed first.
        complete: bool,
        /// In how many packets it has been sent so far.
        packets: u32,
    },
    /// End of [`Node::key_operation`](crate::Node::key_operation).
    Keys(KeyReport),
}
