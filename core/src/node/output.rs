//! Turning decisions into actions and bytes.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use zeroize::Zeroizing;

use super::fill::accusation;
use super::outbox::Output;
use super::packet::Fill;
use super::query::relayed;
use super::{Node, Phase};
use crate::action::{Action, StreamId};
use crate::member::VersionRange;
use crate::message::{Ack, IndirectPing, Message, Nack, Ping, StreamMessage};
use crate::message::{RawName, Relay, SerfMessage, SyncState};
use crate::swim::record::{Record, State};
use crate::time::Instant;
use crate::wire::memberlist::Compressor;
use crate::wire::{Wire, memberlist, native};

/// What a state exchange has besides its entries and the state, at the most: headers, seal, label.
const FRAME_ROOM: usize = 512;

impl Node {
    /// The next thing to do. Bytes that go with it are appended to `buf`, which is never cleared
    /// here: a caller may collect several datagrams in one buffer.
    ///
    /// Call it after every input or batch of inputs, until it answers [`Action::Wait`].
    // A simulator asks this several times for each input, mostly to hear that it has to wait.
    #[inline(always)]
    pub fn poll_action(&mut self, buf: &mut Vec<u8>) -> Action {
        if !self.tape.is_recording() {
            return match self.outbox.is_empty() {
                true => self.wait(),
                false => self.next_action(buf),
            };
        }
        let start = buf.len();
        let action = self.next_action(buf);
        self.tape.action(&action, &buf[start..]);
        action
    }

    #[inline(never)]
    fn next_action(&mut self, buf: &mut Vec<u8>) -> Action {
        loop {
            // Pings and acks are most of it, and go by themselves: other actions are as large as the
            // largest of them.
            let sent = match self.outbox.pop() {
                Some(Output::Ping {
                    seq,
                    target,
                    to,
                    suspected,
                }) => self.write_ping(seq, &target, to, suspected, buf),
                Some(Output::Ack {
                    seq,
                    to,
                    told,
                    forwarded,
                }) => self.write_ack(seq, to, told.as_ref(), forwarded, buf),
                Some(other) => match self.render(other, buf) {
                    Some(action) => return action,
                    None => continue,
                },
                None => return self.wait(),
            };
            if let Some(to) = sent {
                return Action::SendDatagram { to };
            }
        }
    }

    #[inline(always)]
    fn wait(&mut self) -> Action {
        self.outbox.rest();
        if self.phase == Phase::Stopped {
            return Action::Wait(None);
        }
        // What an input made overdue waits for the tick, as inputs fire no timers.
        let deadline = self.deadline().max(self.now + Duration::from_nanos(1));
        Action::Wait((deadline != Instant::FAR_FUTURE).then_some(deadline))
    }

    /// `None` if there turned out to be nothing to say.
    fn render(&mut self, output: Output, buf: &mut Vec<u8>) -> Option<Action> {
        let name = self.name.clone();
        let (source, source_name) = (self.addr, RawName::from(&name));
        match output {
            Output::IndirectPing {
                seq,
                target,
                helper,
                nack,
            } => {
                let (target, target_addr) = *target;
                let target = (&target).into();
                let ping = IndirectPing {
                    seq,
                    target,
                    target_addr,
                    nack,
                    source,
                    source_name,
                };
                sent(self.packet(helper, buf, Message::IndirectPing(ping)))
            }
            Output::Nack { seq, to } => sent(self.packet(to, buf, Message::Nack(Nack { seq }))),
            Output::Correction { to, subjects } => sent(self.write_corrections(to, &subjects, buf)),
            Output::Gossip {
                to,
                accused,
                counts,
            } => {
                let fill = if counts { Fill::Told } else { Fill::Untold };
                let by = accused.and_then(|slot| self.rumours.by(slot));
                let by = by.and_then(|by| self.strangers.name(by, &self.table).cloned());
                let by = by.as_ref().unwrap_or(&name);
                let accused = accused.and_then(|slot| self.table.get(slot).cloned());
                let accusation = accused.as_ref().and_then(|it| accusation(it, || by));
                sent(self.filled_packet(to, buf, accusation, &[], fill))
            }
            Output::Response { to, response } => {
                let response = response.message(source_name);
                let message = Message::Serf(SerfMessage::QueryResponse(response));
                sent(self.lone_packet(to, buf, message))
            }
            Output::Relay { via, relayed } => {
                let (reply_to, response) = *relayed;
                let response = SerfMessage::QueryResponse(response.message(source_name));
                let mut encoded = Zeroizing::new(Vec::with_capacity(self.params.packet_budget));
                match via.wire {
                    Wire::Native => {
                        native::append_message(&mut encoded, &Message::Serf(response));
                    }
                    Wire::Memberlist => {
                        memberlist::append_serf_message(&mut encoded, &response);
                    }
                }
                let relay = Relay {
                    dest: reply_to.addr,
                    dest_name: reply_to.name.as_ref().map_or("".into(), RawName::from),
                    message: &encoded,
                };
                let message = Message::Serf(SerfMessage::Relay(relay));
                sent(self.lone_packet(via, buf, message))
            }
            Output::Forward { to, wire, message } => {
                let response = relayed(wire, &message)?;
                let message = Message::Serf(SerfMessage::QueryResponse(response));
                sent(self.lone_packet(to, buf, message))
            }
            Output::Answer { query, answer } => Some(Action::Answer {
                query,
                answer: *answer,
            }),
            Output::QueryEnded { query, summary } => Some(Action::QueryEnded { query, summary }),
            Output::OpenStream { id, to } => Some(Action::OpenStream { id, to }),
            Output::WritePing {
                id,
                seq,
                target,
                wire,
            } => {
                let ping = Ping {
                    seq,
                    target: (&target).into(),
                    source,
                    source_name,
                };
                Some(self.write_message(id, wire, buf, &StreamMessage::Ping(ping), true))
            }
            Output::WriteAck { id, seq, wire } => {
                let ack = StreamMessage::Ack(Ack { seq, payload: &[] });
                Some(self.write_message(id, wire, buf, &ack, false))
            }
            Output::WriteRefusal { id, reason, wire } => {
                // In clear: the peer may have no key that it could be read with.
                let refusal = StreamMessage::Refusal(reason);
                let len = match wire {
                    Wire::Native => native::write_stream_message(buf, &refusal),
                    Wire::Memberlist => memberlist::write_stream_message(buf, &refusal, None),
                };
                self.counters.stream_bytes_sent += len as u64;
                Some(Action::WriteStream { id })
            }
            Output::WriteSync {
                id,
                join,
                dialled,
                wire,
            } => {
                let start = buf.len();
                match wire {
                    Wire::Native => self.write_sync(buf, join),
                    Wire::Memberlist => self.write_memberlist_sync(buf, join),
                }
                Some(self.write_stream(id, wire, buf, start, dialled))
            }
            Output::CloseStream { id, abort } => Some(Action::CloseStream { id, abort }),
            // Written before.
            Output::Ping { .. } | Output::Ack { .. } => None,
            Output::Event(event) => Some(Action::Event(*event)),
            Output::Done { id, outcome } => Some(Action::Done {
                id,
                outcome: *outcome,
            }),
        }
    }

    fn write_sync(&mut self, buf: &mut Vec<u8>, join: bool) {
        let mut versions = VersionRange::EMPTY;
        self.table.census().survey(&mut versions);
        let state = self.write_state();
        let budget = self
            .params
            .max_stream_message
            .saturating_sub(state.len() + FRAME_ROOM);
        // About what members take with short names and few tags; it saves growing step by step.
        buf.reserve((self.table.len() * 64).min(budget));
        let mut writer = native::SyncWriter::new(buf, join, versions, budget);
        for (_, record) in self.table.iter() {
            let Record {
                profile,
                intent,
                incarnation,
                ..
            } = record;
            let state = sync_state(record.state());
            if !writer.push_encoded(state, *intent, *incarnation, &profile.announced) {
                self.counters.sync_entries_left_out += 1;
            }
        }
        writer.finish(&state);
    }

    fn write_memberlist_sync(&mut self, buf: &mut Vec<u8>, join: bool) {
        let state = self.write_memberlist_state();
        let budget = self
            .params
            .max_stream_message
            .saturating_sub(state.len() + FRAME_ROOM);
        let mut writer = memberlist::SyncWriter::new(buf, join, budget);
        for (_, record) in self.table.iter() {
            let state = sync_state(record.state());
            if !writer.push_profile(state, record.incarnation, &record.profile) {
                self.counters.sync_entries_left_out += 1;
            }
        }
        let mut compressor = Compressor::new();
        let compressor = self.params.compress_streams.then_some(&mut compressor);
        writer.finish(&state, compressor);
    }

    fn write_message(
        &mut self,
        id: StreamId,
        wire: Wire,
        buf: &mut Vec<u8>,
        message: &StreamMessage<'_>,
        dialled: bool,
    ) -> Action {
        let start = buf.len();
        match wire {
            Wire::Native => native::write_stream_message(buf, message),
            Wire::Memberlist => {
                let mut compressor = Compressor::new();
                let compressor = self.params.compress_streams.then_some(&mut compressor);
                memberlist::write_stream_message(buf, message, compressor)
            }
        };
        self.write_stream(id, wire, buf, start, dialled)
    }

    /// Has the frame written that begins at `start`, in its envelope.
    fn write_stream(
        &mut self,
        id: StreamId,
        wire: Wire,
        buf: &mut Vec<u8>,
        start: usize,
        dialled: bool,
    ) -> Action {
        self.wrap_frame(buf, start, dialled);
        let len = (buf.len() - start) as u64;
        self.counters.stream_bytes_sent += len;
        if wire == Wire::Memberlist {
            self.counters.memberlist_stream_bytes_sent += len;
        }
        Action::WriteStream { id }
    }
}

/// The action for a packet, if there is one.
fn sent(to: Option<SocketAddr>) -> Option<Action> {
    to.map(|to| Action::SendDatagram { to })
}

const fn sync_state(state: State) -> SyncState {
    match state {
        State::Alive => SyncState::Alive,
        State::Suspect => SyncState::Suspect,
        State::Dead => SyncState::Dead,
        State::Left => SyncState::Left,
    }
}
