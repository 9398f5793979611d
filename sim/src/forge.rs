//! Messages that are not true, from somebody who may speak.

use std::time::Duration;

use serf_core::message::{
    Accusation, Filters, JoinIntent, LeaveIntent, Message, Query, RawName, SerfMessage, UserEvent,
};
use serf_core::wire::native::PacketWriter;
use serf_core::{LamportTime, QueryFlags};

use crate::check::NetworkDeed;
use crate::world::World;

/// What a forger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forgery {
    /// A user event, a query, and intents to join and to leave of the forger itself, all at this
    /// Lamport time.
    Time(u64),
    /// That the node of this index is dead, at its present incarnation.
    Dead(usize),
    /// That it is suspected.
    Suspect(usize),
}

impl World {
    /// Has a datagram sent from the address of one node to another that says what is not true. It
    /// is on the native wire and in clear, so that an encrypted cluster does not hear it. The node
    /// did not send it, so it does not count as traffic of that.
    pub fn forge(&mut self, by: usize, to: usize, forgery: Forgery) {
        let mut packet = self.pool.take();
        self.hosts[by].identity.label.append_header(&mut packet);
        self.write_forgery(&mut packet, by, forgery);
        self.note_network(NetworkDeed::Forge);
        self.network.faults.forged_datagrams += 1;
        self.transmit(by, self.address_of(to), packet);
    }

    fn write_forgery(&self, packet: &mut Vec<u8>, by: usize, forgery: Forgery) {
        let forger = RawName::from(self.name(by));
        let mut writer = PacketWriter::new(packet, self.params.packet_budget);
        let mut say = |message| {
            let fits = writer.push(&message);
            debug_assert!(fits, "a forgery is short");
        };
        let accusation = |node| Accusation {
            incarnation: self.highest_incarnation(node),
            name: self.name(node).into(),
            from: forger,
        };
        match forgery {
            Forgery::Dead(node) => say(Message::Dead(accusation(node))),
            Forgery::Suspect(node) => say(Message::Suspect(accusation(node))),
            Forgery::Time(time) => {
                let ltime = LamportTime::new(time);
                let event = UserEvent {
                    ltime,
                    name: "forged",
                    payload: b"",
                    coalesce: false,
                };
                let query = Query {
                    ltime,
                    id: 1,
                    source: self.address_of(by),
                    source_name: forger,
                    filters: Filters::default(),
                    flags: QueryFlags::default(),
                    relay_factor: 0,
                    timeout: Duration::from_secs(5),
                    name: "forged",
                    payload: b"",
                };
                let leave = LeaveIntent {
                    ltime,
                    node: forger,
                    prune: false,
                };
                let join = JoinIntent {
                    ltime,
                    node: forger,
                };
                for message in [
                    SerfMessage::UserEvent(event),
                    SerfMessage::Query(query),
                    SerfMessage::LeaveIntent(leave),
                    SerfMessage::JoinIntent(join),
                ] {
                    say(Message::Serf(message));
                }
            }
        }
        writer.finish();
    }
}
