//! Streams: opening, reading, their deadlines, and how they end; and what the messages on them are
//! for: full state exchange, pings and user messages (wire-protocol reference, section 4).
//!
//! An exchange is one message each way. The side that was dialled merges what it got *before* it
//! answers, so its answer already holds what it learnt, such as its own refutation.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::outbox::Output;
use super::{Node, Phase};
use crate::action::{CommandId, StreamFailure, StreamId, StreamInput};
use crate::event::Event;
use crate::journal::Input;
use crate::member::{Name, Profile};
use crate::message::StreamMessage;
use crate::secret;
use crate::time::Instant;
use crate::wire::memberlist::{self, Framing, Unpacker};
use crate::wire::native::{self, Frame};
use crate::wire::{Wire, Wires};

/// How many messages of the largest size may be under way to this node at once, in pieces.
const HELD_MESSAGES: usize = 4;

/// The streams that are open, by id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Streams {
    open: BTreeMap<u64, Stream>,
    by_deadline: BTreeSet<(Instant, u64)>,
    next: u64,
    inbound: usize,
    /// Bytes of unfinished messages in all streams.
    held: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stream {
    role: Role,
    peer: SocketAddr,
    received: Vec<u8>,
    /// How far the end of a message of the memberlist wire has been looked for.
    framing: Framing,
    deadline: Instant,
}

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    /// A peer dialled and has yet to say what it wants.
    Inbound,
    /// This node dialled to exchange state.
    Sync { purpose: Purpose, wire: Wire },
    /// This node dialled to ping a member that does not answer datagrams.
    Ping { seq: u32, target: Name, wire: Wire },
}

/// Why state is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// A command asked for it.
    Join(CommandId),
    /// Repairing what gossip missed.
    Periodic,
    /// Trying to reach a failed member again.
    Reconnect,
}

impl Purpose {
    const fn is_join(self) -> bool {
        !matches!(self, Self::Periodic)
    }
}

impl Streams {
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    fn add(&mut self, role: Role, peer: SocketAddr, deadline: Instant) -> StreamId {
        let id = self.next;
        self.next += 1;
        self.inbound += usize::from(role == Role::Inbound);
        self.by_deadline.insert((deadline, id));
        self.open.insert(
            id,
            Stream {
                role,
                peer,
                received: Vec::new(),
                framing: Framing::new(),
                deadline,
            },
        );
        StreamId(id)
    }

    fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&id.0)?;
        self.by_deadline.remove(&(stream.deadline, id.0));
        self.inbound -= usize::from(stream.role == Role::Inbound);
        self.held -= stream.received.len();
        Some(stream)
    }

    /// Another phase of an exchange begins.
    fn renew(&mut self, id: StreamId, deadline: Instant) {
        if let Some(stream) = self.open.get_mut(&id.0) {
            self.by_deadline.remove(&(stream.deadline, id.0));
            self.by_deadline.insert((deadline, id.0));
            stream.deadline = deadline;
        }
    }

    /// Whether one is open for this.
    pub(super) fn any(&self, purpose: Purpose) -> bool {
        self.open.values().any(
            |stream| matches!(stream.role, Role::Sync { purpose: other, .. } if other == purpose),
        )
    }
}

/// Why a stream did not end well.
pub(super) type Fault = StreamFailure;

impl Node {
    /// Takes in a connection that a peer made. `None` means that it is refused: close it.
    ///
    /// Otherwise report what happens on it under the id, until [`CloseStream`] is polled for it.
    ///
    /// [`CloseStream`]: crate::Action::CloseStream
    pub fn accept_stream(&mut self, from: SocketAddr, now: Instant) -> Option<StreamId> {
        self.tape.input(Some(now), || Input::Accept { from });
        self.advance(now);
        if self.phase == Phase::Stopped {
            return None;
        }
        if self.streams.inbound >= self.params.max_inbound_streams {
            self.counters.refused_streams += 1;
            return None;
        }
        Some(
            self.streams
                .add(Role::Inbound, from, self.now + self.params.stream_timeout),
        )
    }

    /// Takes in what happened on a stream. Inputs for a stream that is closed are ignored. Never
    /// fires a timer.
    pub fn handle_stream(&mut self, id: StreamId, input: StreamInput<'_>, now: Instant) {
        self.tape.input(Some(now), || Input::stream(id, input));
        self.advance(now);
        let Some(stream) = self.streams.open.get(&id.0) else {
            return;
        };
        let dialled = stream.role != Role::Inbound;
        match input {
            StreamInput::Opened if dialled => {
                let role = stream.role.clone();
                self.begin_phase(id);
                self.ask(id, role);
            }
            StreamInput::Opened => {}
            StreamInput::Data(bytes) => {
                if dialled && stream.received.is_empty() {
                    self.begin_phase(id);
                }
                self.counters.stream_bytes_received += bytes.len() as u64;
                self.handle_stream_bytes(id, bytes);
            }
            StreamInput::Finished => self.fail_stream(id, StreamFailure::Reset),
            StreamInput::Failed(failure) => self.fail_stream(id, failure),
        }
    }

    /// Dialling, asking and the answer have their time each: a large state that went out slowly
    /// leaves no less of it for the answer, which begins when all of that has arrived.
    fn begin_phase(&mut self, id: StreamId) {
        let deadline = self.now + self.params.stream_timeout;
        self.streams.renew(id, deadline);
    }

    /// Says what this node has dialled for.
    fn ask(&mut self, id: StreamId, role: Role) {
        match role {
            Role::Inbound => {}
            Role::Sync { purpose, wire } => self.push(Output::WriteSync {
                id,
                join: purpose.is_join(),
                dialled: true,
                wire,
            }),
            Role::Ping { seq, target, wire } => self.push(Output::WritePing {
                id,
                seq,
                target,
                wire,
            }),
        }
    }

    fn handle_stream_bytes(&mut self, id: StreamId, bytes: &[u8]) {
        let cap = self.params.max_stream_message;
        let Streams { open, held, .. } = &mut self.streams;
        let Some(stream) = open.get_mut(&id.0) else {
            return;
        };
        let dialled = stream.role != Role::Inbound;
        // A message that came in one piece and in clear is read where it lies.
        if stream.received.is_empty()
            && !self.envelope.is_used()
            && let Ok(Frame::Complete { len }) = native::frame(bytes, cap)
        {
            self.counters.dropped_trailing += u64::from(len < bytes.len());
            return self.handle_stream_message(id, &bytes[..len], false);
        }
        stream.received.extend_from_slice(bytes);
        *held += bytes.len();
        let too_much = *held > cap.saturating_mul(HELD_MESSAGES);
        let mut received = core::mem::take(&mut stream.received);
        let mut framing = stream.framing;
        match self.frame_in(&received, &mut framing, dialled) {
            Ok(Frame::Complete { len }) => {
                self.streams.held -= received.len();
                self.counters.dropped_trailing += u64::from(len < received.len());
                self.handle_frame(id, &mut received[..len], dialled);
                if self.envelope.keys().is_some() {
                    secret::truncate(&mut received, 0);
                }
            }
            Ok(Frame::Partial) => {
                if let Some(stream) = self.streams.open.get_mut(&id.0) {
                    stream.received = received;
                    stream.framing = framing;
                }
                if too_much {
                    self.fail_stream(id, StreamFailure::Busy);
                }
            }
            Err(fault) => {
                self.streams.held -= received.len();
                self.refuse_stream(id, fault);
            }
        }
    }

    fn handle_frame(&mut self, id: StreamId, frame: &mut [u8], dialled: bool) {
        match self.unwrap_frame(frame, dialled) {
            Ok((message, exposed)) => self.handle_stream_message(id, message, exposed),
            Err(fault) => self.refuse_stream(id, fault),
        }
    }

    /// `exposed` is true if the message came in clear although everything should be encrypted.
    fn handle_stream_message(&mut self, id: StreamId, bytes: &[u8], exposed: bool) {
        let Some(stream) = self.streams.open.get(&id.0) else {
            return;
        };
        let (role, peer) = (stream.role.clone(), stream.peer);
        let wire = self.wire_of(bytes);
        let cap = self.params.max_stream_message;
        let mut unpacker = Unpacker::new();
        let message = match wire {
            Some(Wire::Native) => native::read_stream_message(bytes).map_err(|_| Fault::Protocol),
            Some(Wire::Memberlist) => {
                self.counters.memberlist_stream_bytes_received += bytes.len() as u64;
                let origin = self.origin(peer);
                memberlist::read_stream_message(bytes, origin, &mut unpacker, cap).map_err(
                    |error| {
                        self.count_stream_error(error);
                        Fault::Protocol
                    },
                )
            }
            None => Err(Fault::Protocol),
        };
        let wire = wire.unwrap_or(self.params.wires.best(false));
        if exposed && !matches!(message, Ok(StreamMessage::Refusal(_))) {
            return self.refuse_stream(id, StreamFailure::Undecryptable);
        }
        let ended = match (&role, message) {
            (_, Err(fault)) => Err(fault),
            (Role::Inbound, Ok(StreamMessage::Ping(ping))) if ping.target == self.name => {
                let seq = ping.seq;
                self.push(Output::WriteAck { id, seq, wire });
                Ok(())
            }
            (Role::Inbound, Ok(StreamMessage::Serf(message))) => {
                self.handle_serf_message(wire, &message);
                Ok(())
            }
            (Role::Inbound, Ok(StreamMessage::Sync(sync))) => {
                self.merge(&sync, peer, wire, false).map(|()| {
                    self.counters.syncs_answered += 1;
                    self.push(Output::WriteSync {
                        id,
                        join: sync.join,
                        dialled: false,
                        wire,
                    });
                })
            }
            (Role::Sync { .. }, Ok(StreamMessage::Sync(sync))) => {
                self.merge(&sync, peer, wire, true)
            }
            (Role::Ping { seq, .. }, Ok(StreamMessage::Ack(ack))) if ack.seq == *seq => Ok(()),
            (Role::Sync { .. } | Role::Ping { .. }, Ok(StreamMessage::Refusal(reason))) => {
                let reason = shortened(reason).into();
                self.event(Event::Declined { peer, reason });
                Err(StreamFailure::Declined)
            }
            (_, Ok(_)) => Err(StreamFailure::Protocol),
        };
        match ended {
            Ok(()) => self.close_stream(id, Ok(())),
            Err(fault) => self.refuse_stream_in(wire, id, fault),
        }
    }

    fn count_stream_error(&mut self, error: memberlist::StreamError) {
        match error {
            memberlist::StreamError::Message(error) => self.count_refused(error),
            memberlist::StreamError::Inflate(_) => self.counters.dropped_compressed += 1,
            _ => {}
        }
    }

    /// Refuses what may be of either wire, in a way that everybody understands.
    fn refuse_stream(&mut self, id: StreamId, fault: Fault) {
        self.refuse_stream_in(self.params.wires.best(false), id, fault);
    }

    /// Ends a stream that brought what it should not. A peer that dialled is told why, if there is
    /// something that its operator can do about it.
    fn refuse_stream_in(&mut self, wire: Wire, id: StreamId, fault: Fault) {
        let stream = self.streams.open.get(&id.0);
        let (inbound, peer) = match stream {
            Some(stream) => (stream.role == Role::Inbound, stream.peer),
            None => return,
        };
        if fault == StreamFailure::Undecryptable {
            self.not_decrypted(peer);
        }
        let reason = match fault {
            StreamFailure::Undecryptable => Some("cannot decrypt: no key in common"),
            StreamFailure::Incompatible => Some("incompatible protocol versions"),
            _ => None,
        };
        match reason.filter(|_| inbound) {
            Some(reason) => {
                self.count_fault(fault);
                self.push(Output::WriteRefusal { id, reason, wire });
                self.close_stream(id, Ok(()));
            }
            None => self.fail_stream(id, fault),
        }
    }

    fn fail_stream(&mut self, id: StreamId, fault: Fault) {
        self.count_fault(fault);
        self.close_stream(id, Err(fault));
    }

    fn count_fault(&mut self, fault: Fault) {
        let counter = match fault {
            StreamFailure::TimedOut => &mut self.counters.timed_out_streams,
            StreamFailure::Incompatible => &mut self.counters.refused_incompatible,
            StreamFailure::Busy => &mut self.counters.refused_streams,
            StreamFailure::TooLarge => &mut self.counters.oversized_streams,
            _ => &mut self.counters.failed_streams,
        };
        *counter += 1;
    }

    /// Ends a stream and tells whoever waits for it.
    fn close_stream(&mut self, id: StreamId, result: Result<(), Fault>) {
        let Some(stream) = self.streams.remove(id) else {
            return;
        };
        self.push(Output::CloseStream {
            id,
            abort: result.is_err(),
        });
        match stream.role {
            Role::Sync {
                purpose,
                wire: Wire::Native,
            } if self.may_redial(result) => {
                self.counters.redials += 1;
                self.open_sync(purpose, stream.peer, Wire::Memberlist);
            }
            Role::Sync {
                purpose: Purpose::Join(command),
                ..
            } => self.on_seed_done(command, stream.peer, result),
            Role::Ping { seq, .. } if result.is_ok() => self.on_stream_ack(seq),
            Role::Ping { seq, .. } => self.on_stream_ping_failed(seq),
            Role::Inbound | Role::Sync { .. } => {}
        }
    }

    /// True if a peer was dialled in the native wire and may not understand that. An agent of the
    /// reference system closes such a stream without a word, at its first byte.
    fn may_redial(&self, result: Result<(), Fault>) -> bool {
        let misunderstood = matches!(result, Err(Fault::Reset | Fault::Protocol));
        misunderstood && self.params.wires == Wires::Auto && self.phase != Phase::Stopped
    }

    /// Closes a stream whose answer is of no interest any more.
    pub(super) fn abandon_stream(&mut self, id: StreamId) {
        if self.streams.remove(id).is_some() {
            self.push(Output::CloseStream { id, abort: true });
        }
    }

    pub(super) fn expire_streams(&mut self) {
        while let Some(&(deadline, id)) = self.streams.by_deadline.first() {
            if deadline > self.now {
                break;
            }
            self.fail_stream(StreamId(id), StreamFailure::TimedOut);
        }
    }

    pub(super) fn close_all_streams(&mut self) {
        while let Some((&id, _)) = self.streams.open.first_key_value() {
            self.abandon_stream(StreamId(id));
        }
    }

    pub(super) fn open_sync(&mut self, purpose: Purpose, to: SocketAddr, wire: Wire) {
        let deadline = self.now + self.params.stream_timeout;
        let role = Role::Sync { purpose, wire };
        let id = self.streams.add(role, to, deadline);
        self.counters.syncs_started += 1;
        self.push(Output::OpenStream { id, to });
    }

    pub(super) fn open_stream_ping(&mut self, seq: u32, member: &Profile) -> Option<StreamId> {
        let deadline = self.now + self.params.stream_timeout;
        let to = member.addr;
        let role = Role::Ping {
            seq,
            target: member.name.clone(),
            wire: self.wire_to(member),
        };
        let id = self.streams.add(role, to, deadline);
        self.push(Output::OpenStream { id, to });
        Some(id)
    }
}

/// A peer's words, of which people need no more than this.
fn shortened(text: &str) -> &str {
    const MAX: usize = 200;
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = end.take_while(|&end| end <= MAX).last();
    &text[..end.unwrap_or(0)]
}
