//! Datagrams: what one is sent for, filled up with what there is to tell.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Node;
use super::wires::{Dest, Writer};
use crate::member::Name;
use crate::message::{Accusation, Ack, Alive, Message, Ping};
use crate::swim::record::State;
use crate::swim::table::Slot;
use crate::wire::{Wire, memberlist, native};

impl Node {
    /// A ping, with an accusation of whom it goes to if it is suspected. Like the others it answers
    /// where to send it.
    pub(super) fn write_ping(
        &mut self,
        seq: u32,
        target: &Name,
        to: Dest,
        suspected: Option<u32>,
        buf: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let (source, name) = (self.addr, self.name.clone());
        let (target, source_name) = (target.into(), (&name).into());
        let ping = Message::Ping(Ping {
            seq,
            target,
            source,
            source_name,
        });
        let accusation = suspected.map(|incarnation| {
            Message::Suspect(Accusation {
                incarnation,
                name: target,
                from: source_name,
            })
        });
        let leaving = self.said_to_leave(target);
        self.filled_packet(to, buf, Some(ping), &[accusation, leaving], Fill::Told)
    }

    /// An ack, with this node's coordinate if it is its own; `told` hears what is believed of it.
    pub(super) fn write_ack(
        &mut self,
        seq: u32,
        to: Dest,
        told: Option<&Name>,
        forwarded: bool,
        buf: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let mut own = Vec::new();
        if !forwarded && let Some(coordinates) = &self.coordinates {
            own = core::mem::take(&mut self.scratch);
            own.clear();
            let coordinate = coordinates.coordinate();
            match to.wire {
                Wire::Native => native::write_coordinate(&mut own, coordinate),
                Wire::Memberlist => memberlist::write_coordinate(&mut own, coordinate),
            }
        }
        let ack = Message::Ack(Ack { seq, payload: &own });
        let name = told.map(|_| self.name.clone());
        let told = told.zip(name.as_ref());
        let accusation = told.and_then(|(told, name)| {
            let record = self.table.get(self.table.find(told.into())?)?;
            if record.state() != State::Dead {
                return self.said_to_leave(told.into());
            }
            Some(Message::Dead(Accusation {
                incarnation: record.incarnation,
                name: told.into(),
                from: name.into(),
            }))
        });
        let sent = self.filled_packet(to, buf, Some(ack), &[accusation], Fill::Ack);
        if !own.is_empty() {
            self.scratch = own;
        }
        sent
    }

    /// True once in a gossip interval: so many acks are filled up. There are as many of them as pings that
    /// come, which may be from anybody, and ten thousand at once if as many want to know whether this
    /// node is there.
    #[cold]
    fn fills_ack(&mut self) -> bool {
        let due = self.now >= self.next_filled_ack;
        if due {
            self.next_filled_ack = self.now + self.params.gossip_interval;
        }
        due
    }

    /// A packet that says of these members, as far as that is so, that they are alive.
    #[inline(never)]
    pub(super) fn write_corrections(
        &mut self,
        to: Dest,
        subjects: &[Slot],
        buf: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let records = subjects.iter().filter_map(|&slot| self.table.get(slot));
        let alive: Vec<_> = records
            .filter(|record| record.state() == State::Alive)
            .map(|record| (Arc::clone(&record.profile), record.incarnation))
            .collect();
        let alive = alive.iter().map(|(profile, incarnation)| {
            Some(Message::Alive(Alive {
                incarnation: *incarnation,
                name: (&profile.name).into(),
                addr: profile.addr,
                versions: profile.versions,
                meta: profile.meta(),
            }))
        });
        let alive: Vec<_> = alive.collect();
        if alive.is_empty() {
            return None;
        }
        self.filled_packet(to, buf, None, &alive, Fill::Told)
    }

    /// A packet of a message, filled up with rumours.
    pub(super) fn packet(
        &mut self,
        to: Dest,
        buf: &mut Vec<u8>,
        message: Message<'_>,
    ) -> Option<SocketAddr> {
        self.filled_packet(to, buf, Some(message), &[], Fill::Told)
    }

    /// A packet of one message and nothing else: an answer, which goes to the one who knows the
    /// query already. Filled up, it would use up the times that others are to be told of that.
    pub(super) fn lone_packet(
        &mut self,
        to: Dest,
        buf: &mut Vec<u8>,
        message: Message<'_>,
    ) -> Option<SocketAddr> {
        self.filled_packet(to, buf, Some(message), &[], Fill::Not)
    }

    /// A packet of messages and what it is filled up with. Without any message it is a packet of
    /// gossip, and not sent if there is nothing to tell.
    // Always inlined, with the messages known: a ping takes half as long then.
    #[inline(always)]
    pub(super) fn filled_packet(
        &mut self,
        to: Dest,
        buf: &mut Vec<u8>,
        first: Option<Message<'_>>,
        more: &[Option<Message<'_>>],
        fill: Fill,
    ) -> Option<SocketAddr> {
        let begin = buf.len();
        self.envelope.open_packet(buf, self.params.packet_budget);
        let start = buf.len();
        let room = self.packet_room();
        let fill = if to.news { fill } else { Fill::Not };
        let len = match to.wire {
            Wire::Native => {
                let mut writer = native::PacketWriter::new(buf, room);
                self.fill_packet(&mut writer, first.as_ref(), more, fill);
                writer.finish()
            }
            Wire::Memberlist => self.write_memberlist(to, buf, room, first, more, fill),
        };
        if self.to_tell {
            self.finish_spreads();
        }
        if len == 0 {
            buf.truncate(begin);
            return None;
        }
        if self.params.verify_outgoing {
            self.envelope.seal_packet(buf, start);
        }
        let len = (buf.len() - begin) as u64;
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += len;
        if to.wire == Wire::Memberlist {
            self.counters.memberlist_datagrams_sent += 1;
            self.counters.memberlist_datagram_bytes_sent += len;
        }
        Some(to.addr)
    }

    /// Writes a packet of memberlist's wire; answers its length.
    #[inline(never)]
    fn write_memberlist(
        &mut self,
        to: Dest,
        buf: &mut Vec<u8>,
        room: usize,
        first: Option<Message<'_>>,
        more: &[Option<Message<'_>>],
        fill: Fill,
    ) -> usize {
        let mut writer = memberlist::PacketWriter::new(buf, room, to.checksum);
        self.fill_packet(&mut writer, first.as_ref(), more, fill);
        let compress = self.params.compress_packets;
        writer.finish(compress.then_some(&mut self.compressor))
    }

    #[inline(always)]
    fn fill_packet(
        &mut self,
        writer: &mut impl Writer,
        first: Option<&Message<'_>>,
        more: &[Option<Message<'_>>],
        fill: Fill,
    ) {
        // One does not fit only when the budget is at its smallest and two names at their longest;
        // then the receiver has to do without it.
        if let Some(message) = first {
            let _ = writer.push(message);
        }
        for message in more.iter().flatten() {
            let _ = push(writer, message);
        }
        match fill {
            Fill::Told => self.fill(writer, true),
            Fill::Ack if self.to_tell && self.fills_ack() => self.fill(writer, true),
            Fill::Untold => self.fill(writer, false),
            Fill::Ack | Fill::Not => {}
        }
    }
}

/// Adds a message of any kind.
#[inline(never)]
fn push(writer: &mut impl Writer, message: &Message<'_>) -> bool {
    writer.push(message)
}

/// What a packet is filled up with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// What there is to tell, which counts as told then.
    Told,
    /// The same, unless it is so with too many of late.
    Ack,
    /// What there is to tell, to be told as often afterwards.
    Untold,
    /// Nothing.
    Not,
}
