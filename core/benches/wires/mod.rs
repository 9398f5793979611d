//! The same messages on both wires, written and read through the public calls.

use std::hint::black_box;

use serf_core::message::{
    Alive, Clocks, MemberTime, Message, StateEntry, StreamMessage, SyncEntry, SyncState,
};
use serf_core::wire::memberlist::{self, Compressor, Origin, Unpacker};
use serf_core::wire::native;
use serf_core::{Intent, LamportTime, VersionRange, Versions};

use crate::work::{META, addr, name};

/// What a node plans for one packet.
const BUDGET: usize = 1400;
const CAP: usize = 16 << 20;

/// The names of members; everything else about them follows from their number.
pub(crate) struct Members(Vec<String>);

impl Members {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(name).collect())
    }

    fn alives(&self) -> impl Iterator<Item = Alive<'_>> {
        self.0.iter().enumerate().map(|(n, name)| Alive {
            incarnation: 1,
            name: (&**name).into(),
            addr: addr(n),
            versions: Versions::CURRENT,
            meta: META,
        })
    }

    fn times(&self) -> impl Iterator<Item = MemberTime<'_>> {
        self.0.iter().map(|name| MemberTime {
            name: (&**name).into(),
            ltime: LamportTime::new(7),
            left: false,
        })
    }
}

/// The memberlist wire compresses, if there is a compressor.
pub(crate) enum Wire {
    Native,
    Memberlist(Option<Compressor>, Unpacker),
}

impl Wire {
    pub(crate) fn memberlist(compress: bool) -> Self {
        Self::Memberlist(compress.then(Compressor::new), Unpacker::new())
    }

    /// A packet of announcements; also says how many found room.
    pub(crate) fn write_packet(&mut self, buf: &mut Vec<u8>, members: &Members) -> usize {
        buf.clear();
        let alives = members.alives().map(Message::Alive);
        match self {
            Self::Native => {
                let mut writer = native::PacketWriter::new(buf, BUDGET);
                let count = alives.take_while(|alive| writer.push(alive)).count();
                writer.finish();
                count
            }
            Self::Memberlist(compressor, _) => {
                let mut writer = memberlist::PacketWriter::new(buf, BUDGET, true);
                let count = alives.take_while(|alive| writer.push(alive)).count();
                writer.finish(compressor.as_mut());
                count
            }
        }
    }

    pub(crate) fn read_packet(&mut self, packet: &[u8]) -> usize {
        let mut count = 0;
        match self {
            Self::Native => {
                for message in native::read_packet(packet).expect("a packet") {
                    black_box(message.expect("a message"));
                    count += 1;
                }
            }
            Self::Memberlist(_, unpacker) => {
                let messages = memberlist::read_packet(packet, origin(), unpacker);
                for message in messages.expect("a packet") {
                    black_box(message.expect("a message"));
                    count += 1;
                }
            }
        }
        count
    }

    /// A state exchange with Serf's part of it.
    pub(crate) fn write_sync(&mut self, buf: &mut Vec<u8>, members: &Members) {
        buf.clear();
        let entries = members.alives().map(|alive| SyncEntry {
            state: SyncState::Alive,
            intent: Intent::join(LamportTime::new(7)),
            alive,
        });
        let mut state = Vec::new();
        match self {
            Self::Native => {
                // The intents are in the entries.
                native::StateWriter::new(&mut state, &Clocks::default(), CAP);
                let mut writer = native::SyncWriter::new(buf, false, VersionRange::EMPTY, CAP);
                assert!(entries.into_iter().all(|entry| writer.push(&entry)));
                writer.finish(&state);
            }
            Self::Memberlist(compressor, _) => {
                let mut writer = memberlist::StateWriter::new(&Clocks::default(), CAP);
                assert!(members.times().all(|time| writer.push_member(&time)));
                writer.finish(&mut state);
                let mut writer = memberlist::SyncWriter::new(buf, false, CAP);
                assert!(entries.into_iter().all(|entry| writer.push(&entry)));
                writer.finish(&state, compressor.as_mut());
            }
        }
    }

    /// Finds the end of a state exchange and reads all of it.
    pub(crate) fn read_sync(&mut self, frame: &[u8]) -> usize {
        let mut count = 0;
        let mut add = |entry: SyncEntry<'_>| {
            black_box(entry);
            count += 1;
        };
        let see = |entry: StateEntry<'_>| {
            black_box(entry);
        };
        match self {
            Self::Native => {
                black_box(native::frame(frame, CAP)).expect("a frame");
                let Ok(StreamMessage::Sync(sync)) = native::read_stream_message(frame) else {
                    panic!("a state exchange");
                };
                native::SyncEntries::new(&sync).flatten().for_each(&mut add);
                native::StateEntries::new(sync.user_state)
                    .flatten()
                    .for_each(see);
            }
            Self::Memberlist(_, unpacker) => {
                let mut framing = memberlist::Framing::new();
                black_box(framing.advance(frame, CAP)).expect("a frame");
                let message = memberlist::read_stream_message(frame, origin(), unpacker, CAP);
                let Ok(StreamMessage::Sync(sync)) = message else {
                    panic!("a state exchange");
                };
                let entries = memberlist::SyncEntries::new(&sync, origin());
                entries.flatten().for_each(&mut add);
                let state = memberlist::StateEntries::new(sync.user_state).expect("a state");
                state.flatten().for_each(see);
            }
        }
        count
    }
}

fn origin() -> Origin {
    Origin {
        from: addr(1),
        own_port: 7946,
    }
}
