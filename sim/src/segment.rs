//! The streams of machines: pieces that are sent, arrive, stall and break.

use std::net::SocketAddr;

use serf_core::{StreamFailure, StreamId, StreamInput};

use crate::blocked::Held;
use crate::event::Occurrence;
use crate::network::Passage;
use crate::stream::{ConnectionId, Segment, Side};
use crate::trace::Entry;
use crate::world::World;

impl World {
    pub(crate) fn open_stream(&mut self, node: usize, id: StreamId, to: SocketAddr) {
        self.hosts[node].usage.streams_opened += 1;
        let Some(target) = self.node_at(to) else {
            self.tell(node, id, StreamInput::Failed(StreamFailure::Unreachable));
            return;
        };
        let connection = self.streams.open(node, id, target);
        self.hosts[node]
            .streams
            .insert(id, (connection, Side::Dialer));
        self.send_segment(connection, Side::Target, Segment::Dial);
    }

    pub(crate) fn write_stream(&mut self, node: usize, id: StreamId, payload: Vec<u8>) {
        let host = &mut self.hosts[node];
        let Some(&(connection, side)) = host.streams.get(&id) else {
            return self.pool.give(payload);
        };
        host.usage.stream_bytes_sent += payload.len() as u64;
        self.send_segment(connection, side.other(), Segment::Data(payload));
    }

    pub(crate) fn close_stream(&mut self, node: usize, id: StreamId, abort: bool) {
        let Some((connection, side)) = self.hosts[node].streams.remove(&id) else {
            return;
        };
        self.streams.close(connection, side, abort);
        let last = if abort {
            Segment::Reset
        } else {
            Segment::Finish
        };
        self.send_segment(connection, side.other(), last);
    }

    pub(crate) fn send_segment(&mut self, connection: ConnectionId, to: Side, segment: Segment) {
        let Some(receiver) = self.streams.node(connection, to) else {
            return;
        };
        let Some(sender) = self.streams.node(connection, to.other()) else {
            return;
        };
        if self.hosts[sender].blocked {
            return self.hosts[sender].held.push(Held::Segment {
                connection,
                to,
                segment,
            });
        }
        let now = self.now.as_nanos();
        let nth = self.hosts[sender].nth_sent(self.now);
        let len = match &segment {
            Segment::Data(payload) => payload.len(),
            _ => 0,
        };
        let (delay, severed) = self.network.segment((sender, receiver), len, now, nth);
        let at = now.saturating_add(delay);
        if severed && let Segment::Data(mut payload) = segment {
            // Half of it arrives; then both sides find the connection broken.
            payload.truncate(len / 2);
            self.queue_segment(connection, to, Segment::Data(payload), at);
            self.queue_segment(connection, to, Segment::Reset, at);
            return self.queue_segment(connection, to.other(), Segment::Reset, at);
        }
        self.queue_segment(connection, to, segment, at);
    }

    fn queue_segment(&mut self, connection: ConnectionId, to: Side, segment: Segment, at: u64) {
        if let Some(at) = self.streams.send(connection, to, segment, at) {
            self.queue.push(at, Occurrence::Segment { connection, to });
        }
    }

    /// The event of a lane has come: hands over its head, unless that cannot get through now.
    pub(crate) fn segment(
        &mut self,
        connection: ConnectionId,
        to: Side,
        waited: bool,
    ) -> Option<usize> {
        let receiver = self.streams.node(connection, to)?;
        let sender = self.streams.node(connection, to.other())?;
        if self.hosts[receiver].holds_back(waited) {
            self.put_aside(receiver, Occurrence::Segment { connection, to });
            return None;
        }
        let way = self.network.stream(sender, receiver);
        // A firewall lets its own refusals through.
        let refusal = matches!(
            self.streams.head(connection, to),
            Some((_, Segment::Refused))
        );
        let passes = way == Passage::Passes || refusal && way == Passage::Refused;
        let touched = match self.streams.head(connection, to) {
            None => false,
            Some((at, _)) if at > self.now.as_nanos() => false,
            Some((_, Segment::Dial)) if way == Passage::Refused => {
                self.streams.take(connection, to);
                self.send_refusal(connection);
                false
            }
            // Nobody sends a reset again.
            Some((_, Segment::Reset)) if !passes => {
                self.streams.take(connection, to);
                false
            }
            Some(_) if !passes => {
                self.network.faults.stalled_segments += 1;
                let pause = self.streams.stall(connection, to)?;
                let at = self.now.as_nanos().saturating_add(pause);
                self.queue.push(at, Occurrence::Segment { connection, to });
                return None;
            }
            Some(_) => {
                let segment = self.streams.take(connection, to)?;
                self.arrive(connection, to, receiver, segment)
            }
        };
        if let Some(at) = self.streams.next(connection, to) {
            self.queue.push(at, Occurrence::Segment { connection, to });
        }
        self.streams.release_if_done(connection);
        touched.then_some(receiver)
    }

    /// A segment arrives. Answers whether the node was told something.
    fn arrive(
        &mut self,
        connection: ConnectionId,
        to: Side,
        receiver: usize,
        segment: Segment,
    ) -> bool {
        let end = self.streams.end(connection, to);
        match (segment, end) {
            (Segment::Dial, _) => self.accept(connection, receiver),
            (Segment::Accepted, Some(id)) => self.tell(receiver, id, StreamInput::Opened),
            (Segment::Finish, Some(id)) => self.tell(receiver, id, StreamInput::Finished),
            (Segment::Refused, Some(id)) => {
                self.broken(connection, to, receiver, id, StreamFailure::Refused)
            }
            (Segment::Reset, Some(id)) => {
                self.broken(connection, to, receiver, id, StreamFailure::Reset)
            }
            (Segment::Data(payload), Some(id)) => {
                for chunk in payload.chunks(self.stream_chunk) {
                    self.tell(receiver, id, StreamInput::Data(chunk));
                }
                self.hosts[receiver].usage.stream_bytes_received += payload.len() as u64;
                self.pool.give(payload);
                true
            }
            // Data for an end that is closed: the machine answers in its place.
            (Segment::Data(payload), None) => {
                self.pool.give(payload);
                if self.streams.end(connection, to.other()).is_some() {
                    self.send_segment(connection, to.other(), Segment::Reset);
                }
                false
            }
            (Segment::Accepted | Segment::Finish | Segment::Refused | Segment::Reset, None) => {
                false
            }
        }
    }

    fn accept(&mut self, connection: ConnectionId, target: usize) -> bool {
        let now = self.now;
        let dialer = self
            .streams
            .node(connection, Side::Dialer)
            .unwrap_or_default();
        // Some port of the dialer other than the one it listens on.
        let from = SocketAddr::new(
            self.address_of(dialer).ip(),
            49_152 + (now.as_nanos() % 16_384) as u16,
        );
        let local = self.local(target);
        let Some(node) = self.hosts[target].running() else {
            self.send_refusal(connection);
            return false;
        };
        let accepted = node.accept_stream(from, local);
        let number = accepted.map_or(u64::MAX, StreamId::as_u64);
        self.trace
            .add(Entry::Accept, now.as_nanos(), target, number);
        self.send_segment(connection, Side::Dialer, Segment::Accepted);
        if let Some(id) = accepted {
            self.streams.accept(connection, id);
            self.hosts[target]
                .streams
                .insert(id, (connection, Side::Target));
        } else {
            // The operating system took it, and the node closes it unread.
            self.send_segment(connection, Side::Dialer, Segment::Reset);
        }
        true
    }

    fn send_refusal(&mut self, connection: ConnectionId) {
        self.network.faults.refused_streams += 1;
        self.send_segment(connection, Side::Dialer, Segment::Refused);
    }

    fn broken(
        &mut self,
        connection: ConnectionId,
        side: Side,
        node: usize,
        id: StreamId,
        why: StreamFailure,
    ) -> bool {
        self.hosts[node].streams.remove(&id);
        self.streams.close(connection, side, true);
        self.tell(node, id, StreamInput::Failed(why))
    }

    fn tell(&mut self, node: usize, id: StreamId, input: StreamInput<'_>) -> bool {
        let now = self.now;
        let local = self.local(node);
        self.trace
            .add(Entry::Stream, now.as_nanos(), node, id.as_u64());
        match input {
            // They are in the hash since they were written.
            StreamInput::Data(bytes) => self.trace.number(bytes.len() as u64),
            other => self.trace.bytes(format!("{other:?}").as_bytes()),
        }
        if let Some(it) = self.hosts[node].running() {
            it.handle_stream(id, input, local);
        }
        true
    }
}
