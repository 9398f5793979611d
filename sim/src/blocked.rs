//! Nodes whose messages wait, in both directions, while they themselves go on: the anomaly of the
//! Lifeguard paper.

use std::net::SocketAddr;

use crate::check::Deed;
use crate::host::State;
use crate::stream::{ConnectionId, Segment, Side};
use crate::world::World;

/// What a blocked node has sent.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Datagram {
        to: SocketAddr,
        payload: Vec<u8>,
    },
    Segment {
        connection: ConnectionId,
        to: Side,
        segment: Segment,
    },
}

impl World {
    /// Holds up all messages of a running or paused node, those that it sends just before they
    /// leave and those that it receives just after they have arrived, as far as a socket buffer
    /// holds. Unlike one that is paused it goes on: its timers fire, and it takes the silence for
    /// that of others.
    pub fn block(&mut self, node: usize) {
        let up = matches!(self.state(node), State::Running | State::Paused);
        if up && !self.hosts[node].blocked {
            self.note_op(node, Deed::Block);
            self.network.faults.blocks += 1;
            self.hosts[node].blocked = true;
        }
    }

    /// Lets the messages of a blocked node through, first those that it has sent.
    pub fn unblock(&mut self, node: usize) {
        if !self.hosts[node].blocked {
            return;
        }
        self.note_op(node, Deed::Unblock);
        self.release(node);
        if self.state(node) == State::Running {
            self.work_off_backlog(node);
        }
    }

    /// Sends what was held up, and holds nothing up any more.
    pub(crate) fn release(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.blocked = false;
        for held in std::mem::take(&mut host.held) {
            self.network.faults.held_sends += 1;
            match held {
                Held::Datagram { to, payload } => self.transmit(node, to, payload),
                Held::Segment {
                    connection,
                    to,
                    segment,
                } => self.send_segment(connection, to, segment),
            }
        }
    }
}
