//! What a node has decided to do and has not been asked for yet.
//!
//! Kept as values: bytes are written when the action is polled, straight into the caller's
//! buffer, with the newest gossip on top.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::query::Response;
use super::wires::Dest;
use crate::action::{CommandId, Outcome, StreamId};
use crate::event::Event;
use crate::member::Name;
use crate::secret::Secret;
use crate::serf::collector::{Answer, QuerySummary};
use crate::serf::query::QueryKey;
use crate::serf::responder::ReplyTo;
use crate::swim::table::Slot;
use crate::wire::Wire;

/// One pending action. What is large and not frequent is boxed: each of them is moved twice.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// Probe a member; `suspected` is the incarnation to accuse it at in the same packet.
    Ping {
        seq: u32,
        target: Name,
        to: Dest,
        suspected: Option<u32>,
    },
    /// Ask a helper to probe a member.
    IndirectPing {
        seq: u32,
        target: Box<(Name, SocketAddr)>,
        helper: Dest,
        nack: bool,
    },
    /// Answer a ping, or pass on an answer; `told` is a member that is thought dead, or
    /// to be leaving, and should hear so.
    Ack {
        seq: u32,
        to: Dest,
        told: Option<Name>,
        forwarded: bool,
    },
    /// Report that a member did not answer.
    Nack { seq: u32, to: Dest },
    /// Tell somebody who thinks members dead that they are not.
    Correction { to: Dest, subjects: Box<[Slot]> },
    /// Send what there is to tell, if it counts as told then; first of all what is believed of
    /// `accused`, the receiver.
    Gossip {
        to: Dest,
        accused: Option<Slot>,
        counts: bool,
    },
    /// Dial.
    OpenStream { id: StreamId, to: SocketAddr },
    /// Write a probe.
    WritePing {
        id: StreamId,
        seq: u32,
        target: Name,
        wire: Wire,
    },
    /// Write the answer to a probe.
    WriteAck { id: StreamId, seq: u32, wire: Wire },
    /// Write everything known.
    WriteSync {
        id: StreamId,
        join: bool,
        dialled: bool,
        wire: Wire,
    },
    /// Say why a stream is refused.
    WriteRefusal {
        id: StreamId,
        reason: &'static str,
        wire: Wire,
    },
    /// Send an answer to the asker.
    Response { to: Dest, response: Box<Response> },
    /// Have an answer passed on to the asker.
    Relay {
        via: Dest,
        relayed: Box<(ReplyTo, Response)>,
    },
    /// Pass on an encoded message, which came on this wire.
    Forward {
        to: Dest,
        wire: Wire,
        message: Secret,
    },
    /// Tell the asker.
    Answer {
        query: QueryKey,
        answer: Box<Answer>,
    },
    /// Tell the asker that this is all.
    QueryEnded {
        query: QueryKey,
        summary: QuerySummary,
    },
    /// Close.
    CloseStream { id: StreamId, abort: bool },
    /// Tell the application.
    Event(Box<Event>),
    /// End a command.
    Done {
        id: CommandId,
        outcome: Box<Outcome>,
    },
}

const _: () = assert!(
    size_of::<Output>() <= 80,
    "an action is moved without a call"
);

impl Output {
    /// True for what the protocol does without: datagrams may get lost anyway, and events are
    /// counted when they are. Streams and commands are bounded by their own tables.
    const fn may_be_dropped(&self) -> bool {
        !matches!(
            self,
            Self::OpenStream { .. }
                | Self::WritePing { .. }
                | Self::WriteAck { .. }
                | Self::WriteSync { .. }
                | Self::WriteRefusal { .. }
                | Self::CloseStream { .. }
                | Self::QueryEnded { .. }
                | Self::Done { .. }
        )
    }
}

/// A bounded queue of pending actions. It is saved without them: a drained node has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outbox {
    #[serde(skip)]
    queue: VecDeque<Output>,
    limit: usize,
}

/// Capacity kept when the queue has run empty after a storm.
const KEEP: usize = 32;

impl Outbox {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            limit,
        }
    }

    /// Adds an action. False if it was dropped because the caller has not drained for long.
    #[inline(always)]
    pub(super) fn push(&mut self, output: Output) -> bool {
        if self.queue.len() >= self.limit && output.may_be_dropped() {
            return false;
        }
        self.queue.push_back(output);
        true
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Gets ready for the next input, when everything has been taken.
    #[inline]
    pub(super) fn rest(&mut self) {
        // The next one goes where the first one was: that is in the processor's cache.
        self.queue.clear();
        if self.queue.capacity() > KEEP {
            self.queue = VecDeque::new();
        }
    }
}
