//! Turning decisions into actions and bytes.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::outbox::Output;
use super::{Node, Phase};
use crate::action::Action;
use crate::member::Name;
use crate::message::{Accusation, Ack, Alive, IndirectPing, Message, Nack, Ping, StreamMessage};
use crate::message::{RawName, SyncEntry, SyncState};
use crate::swim::record::{Record, State};
use crate::swim::rumours::{Claim, Offer, Rumour, Rumours};
use crate::swim::table::Table;
use crate::time::Instant;
use crate::wire::native::{PacketWriter, SyncWriter, write_stream_message};

/// No rumour is shorter than this on the wire, so a packet with less room is full.
const SHORTEST_RUMOUR: usize = 8;

impl Node {
    /// The next thing to do. Bytes that go with it are appended to `buf`, which is never cleared
    /// here: a caller may collect several datagrams in one buffer.
    ///
    /// Call it after every input or batch of inputs, until it answers [`Action::Wait`].
    pub fn poll_action(&mut self, buf: &mut Vec<u8>) -> Action {
        while let Some(output) = self.outbox.pop() {
            if let Some(action) = self.render(output, buf) {
                return action;
            }
        }
        self.rumours.shrink_if_idle();
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
        let (source, source_name) = (self.own_record().profile.addr, RawName::from(&name));
        match output {
            Output::Ping {
                seq,
                target,
                to,
                suspected,
            } => {
                let ping = Message::Ping(Ping {
                    seq,
                    target: (&target).into(),
                    source,
                    source_name,
                });
                let accusation = suspected.map(|incarnation| {
                    Message::Suspect(Accusation {
                        incarnation,
                        name: (&target).into(),
                        from: source_name,
                    })
                });
                self.packet(to, buf, &[Some(ping), accusation])
            }
            Output::IndirectPing {
                seq,
                target,
                target_addr,
                helper,
                nack,
            } => {
                let target = (&target).into();
                let ping = IndirectPing {
                    seq,
                    target,
                    target_addr,
                    nack,
                    source,
                    source_name,
                };
                self.packet(helper, buf, &[Some(Message::IndirectPing(ping))])
            }
            Output::Ack { seq, to, told } => {
                let ack = Message::Ack(Ack { seq, payload: &[] });
                let accusation = told.as_ref().and_then(|dead| {
                    let record = self.table.get(self.table.find(dead.into())?)?;
                    let incarnation = record.incarnation;
                    let death = Accusation {
                        incarnation,
                        name: dead.into(),
                        from: source_name,
                    };
                    (record.state() == State::Dead).then_some(Message::Dead(death))
                });
                self.packet(to, buf, &[Some(ack), accusation])
            }
            Output::Nack { seq, to } => self.packet(to, buf, &[Some(Message::Nack(Nack { seq }))]),
            Output::Gossip { to } => self.packet(to, buf, &[]),
            Output::OpenStream { id, to } => Some(Action::OpenStream { id, to }),
            Output::WritePing { id, seq, target } => {
                let ping = Ping {
                    seq,
                    target: (&target).into(),
                    source,
                    source_name,
                };
                let len = write_stream_message(buf, &StreamMessage::Ping(ping));
                self.counters.stream_bytes_sent += len as u64;
                Some(Action::WriteStream { id })
            }
            Output::WriteAck { id, seq } => {
                let ack = StreamMessage::Ack(Ack { seq, payload: &[] });
                self.counters.stream_bytes_sent += write_stream_message(buf, &ack) as u64;
                Some(Action::WriteStream { id })
            }
            Output::WriteSync { id, join } => {
                let mut writer = SyncWriter::new(buf, join, self.params.max_stream_message);
                for (_, record) in self.table.iter() {
                    if !writer.push(&sync_entry(record)) {
                        self.counters.sync_entries_left_out += 1;
                    }
                }
                self.counters.stream_bytes_sent += writer.finish(&[]) as u64;
                Some(Action::WriteStream { id })
            }
            Output::CloseStream { id, abort } => Some(Action::CloseStream { id, abort }),
            Output::Event(event) => Some(Action::Event(*event)),
            Output::Done { id, outcome } => Some(Action::Done {
                id,
                outcome: *outcome,
            }),
        }
    }

    /// A packet of the given messages, filled up with rumours. Without any message it is a packet
    /// of gossip, and not sent if there is nothing to tell.
    fn packet(
        &mut self,
        to: SocketAddr,
        buf: &mut Vec<u8>,
        messages: &[Option<Message<'_>>],
    ) -> Option<Action> {
        let limit = self.transmit_limit();
        let mut writer = PacketWriter::new(buf, self.params.packet_budget);
        for message in messages.iter().flatten() {
            // Does not fit only when the budget is at its smallest and two names at their
            // longest; then the receiver has to do without it.
            let _ = writer.push(message);
        }
        fill(&mut writer, &mut self.rumours, &self.table, limit);
        let len = writer.finish();
        self.finish_spreads();
        if len == 0 {
            return None;
        }
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += len as u64;
        Some(Action::SendDatagram { to })
    }
}

fn fill(writer: &mut PacketWriter<'_>, rumours: &mut Rumours, table: &Table, limit: u32) {
    rumours.fill(limit, |rumour| {
        if writer.remaining() < SHORTEST_RUMOUR {
            return Offer::Full;
        }
        let Some(record) = table.get(rumour.subject) else {
            return Offer::TooLong;
        };
        if writer.push(&rumour_message(rumour, record)) {
            Offer::Packed
        } else {
            Offer::TooLong
        }
    });
}

fn rumour_message<'a>(rumour: &'a Rumour, record: &'a Record) -> Message<'a> {
    let accusation = |from: &'a Name| Accusation {
        incarnation: rumour.incarnation,
        name: (&record.profile.name).into(),
        from: from.into(),
    };
    match &rumour.claim {
        Claim::Alive => Message::Alive(announcement(record, rumour.incarnation)),
        Claim::Suspect(from) => Message::Suspect(accusation(from)),
        Claim::Dead(from) => Message::Dead(accusation(from)),
    }
}

fn announcement(record: &Record, incarnation: u32) -> Alive<'_> {
    let profile = &*record.profile;
    Alive {
        incarnation,
        name: (&profile.name).into(),
        addr: profile.addr,
        versions: profile.versions,
        meta: &profile.meta,
    }
}

fn sync_entry(record: &Record) -> SyncEntry<'_> {
    let state = match record.state() {
        State::Alive => SyncState::Alive,
        State::Suspect => SyncState::Suspect,
        State::Dead => SyncState::Dead,
        State::Left => SyncState::Left,
    };
    SyncEntry {
        state,
        alive: announcement(record, record.incarnation),
    }
}
