//! Streams: connections with an end at either side and ordered bytes in both directions.
//!
//! Everything that travels on a connection, the handshake included, is a [`Segment`] in the lane
//! toward one of its ends. A lane keeps its order: a segment never arrives before the one ahead of
//! it. Per lane one event at most is in the queue, for the segment at its head.

use std::collections::VecDeque;

use serf_core::StreamId;

use crate::link::{FIRST_RETRANSMIT, LAST_RETRANSMIT};

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialer = 0,
    Target = 1,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Target,
            Self::Target => Self::Dialer,
        }
    }
}

/// Names a connection; an outdated one is recognised by its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    index: u32,
    generation: u32,
}

/// What travels in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Asks for a connection.
    Dial,
    /// The answer: it stands.
    Accepted,
    /// The answer: nobody listens.
    Refused,
    Data(Vec<u8>),
    /// Orderly end of this direction.
    Finish,
    /// The sender has given up on the connection or does not know it.
    Reset,
}

#[derive(Debug, Clone)]
struct Connection {
    generation: u32,
    nodes: [usize; 2],
    ids: [Option<StreamId>; 2],
    /// Whether the node at that end still wants to hear of it.
    open: [bool; 2],
    /// Toward each end.
    lanes: [Lane; 2],
}

#[derive(Debug, Clone, Default)]
struct Lane {
    segments: VecDeque<(u64, Segment)>,
    /// When the last one arrives; later ones do not arrive before.
    last: u64,
    /// How long to wait before the next attempt while the network is cut.
    pause: u64,
    /// Whether an event for the head is in the queue.
    scheduled: bool,
}

/// All connections of a world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    slots: Vec<Connection>,
    free: Vec<u32>,
}

impl Streams {
    /// Starts a connection; its target end has no id until it is accepted.
    pub(crate) fn open(&mut self, dialer: usize, id: StreamId, target: usize) -> ConnectionId {
        let fresh = |generation| Connection {
            generation,
            nodes: [dialer, target],
            ids: [Some(id), None],
            open: [true, false],
            lanes: [Lane::default(), Lane::default()],
        };
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            *slot = fresh(slot.generation);
            return ConnectionId {
                index,
                generation: slot.generation,
            };
        }
        let index = u32::try_from(self.slots.len()).expect("memory ends before the index does");
        self.slots.push(fresh(0));
        ConnectionId {
            index,
            generation: 0,
        }
    }

    /// The node at one end.
    pub(crate) fn node(&self, id: ConnectionId, side: Side) -> Option<usize> {
        Some(self.get(id)?.nodes[side as usize])
    }

    /// The node's id for its end, while the node wants to hear of it.
    pub(crate) fn end(&self, id: ConnectionId, side: Side) -> Option<StreamId> {
        let connection = self.get(id)?;
        connection.ids[side as usize].filter(|_| connection.open[side as usize])
    }

    /// The target took the connection under this id.
    pub(crate) fn accept(&mut self, id: ConnectionId, stream: StreamId) {
        if let Some(connection) = self.get_mut(id) {
            connection.ids[Side::Target as usize] = Some(stream);
            connection.open[Side::Target as usize] = true;
        }
    }

    /// Puts a segment in the lane toward `to`, to arrive at `at` or when what is ahead of it has
    /// arrived. Answers when an event is to be queued, if one is.
    pub(crate) fn send(
        &mut self,
        id: ConnectionId,
        to: Side,
        segment: Segment,
        at: u64,
    ) -> Option<u64> {
        let lane = &mut self.get_mut(id)?.lanes[to as usize];
        lane.last = lane.last.max(at);
        lane.segments.push_back((lane.last, segment));
        let first = !std::mem::replace(&mut lane.scheduled, true);
        first.then_some(lane.last)
    }

    /// The next segment, and when it arrives. That may be later than the event of the lane, if
    /// the one that the event was for has been withdrawn.
    pub(crate) fn head(&self, id: ConnectionId, to: Side) -> Option<(u64, &Segment)> {
        let (at, segment) = self.get(id)?.lanes[to as usize].segments.front()?;
        Some((*at, segment))
    }

    /// Takes the next segment.
    pub(crate) fn take(&mut self, id: ConnectionId, to: Side) -> Option<Segment> {
        let lane = &mut self.get_mut(id)?.lanes[to as usize];
        lane.pause = 0;
        lane.segments.pop_front().map(|(_, segment)| segment)
    }

    /// When the event for the next segment is to be queued; none if the lane is empty.
    pub(crate) fn next(&mut self, id: ConnectionId, to: Side) -> Option<u64> {
        let lane = &mut self.get_mut(id)?.lanes[to as usize];
        let next = lane.segments.front().map(|(at, _)| *at);
        lane.scheduled = next.is_some();
        next
    }

    /// The head did not get through; answers how long to wait before the next attempt.
    pub(crate) fn stall(&mut self, id: ConnectionId, to: Side) -> Option<u64> {
        let lane = &mut self.get_mut(id)?.lanes[to as usize];
        lane.pause = (lane.pause * 2).clamp(FIRST_RETRANSMIT, LAST_RETRANSMIT);
        Some(lane.pause)
    }

    /// The node at this end has no more interest. What is under way from it still arrives, unless
    /// `abort`.
    pub(crate) fn close(&mut self, id: ConnectionId, side: Side, abort: bool) {
        if let Some(connection) = self.get_mut(id) {
            connection.open[side as usize] = false;
            if abort {
                connection.lanes[side.other() as usize].segments.clear();
            }
        }
    }

    /// Forgets the connection if neither end has any interest and nothing is under way.
    pub(crate) fn release_if_done(&mut self, id: ConnectionId) {
        let Some(connection) = self.get_mut(id) else {
            return;
        };
        let idle = connection.lanes.iter().all(|lane| lane.segments.is_empty());
        if idle && connection.open == [false, false] {
            connection.generation += 1;
            self.free.push(id.index);
        }
    }

    /// Connections that are not forgotten yet.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
    }
}

#[cfg(test)]
mod tests {
    use serf_core::{Config, Identity, Instant, Name, Node, Params};

    use super::*;

    /// Ids come from nodes alone.
    fn stream_id() -> StreamId {
        let name = Name::new("a").expect("short enough");
        let identity = Identity::new(name, ([10, 0, 0, 1], 1).into());
        let params = Params::new(Config::lan()).expect("within bounds");
        let node = Node::new(identity, params, [0; 32], Instant::ZERO);
        let mut node = node.expect("a proper identity");
        let stream = node.accept_stream(([10, 0, 0, 2], 2).into(), Instant::ZERO);
        stream.expect("the first stream is taken")
    }

    fn opened() -> (Streams, ConnectionId, StreamId) {
        let (mut streams, id) = (Streams::default(), stream_id());
        let connection = streams.open(3, id, 4);
        (streams, connection, id)
    }

    fn data(byte: u8) -> Segment {
        Segment::Data(vec![byte])
    }

    #[test]
    fn segments_keep_their_order_though_later_ones_are_faster() {
        let (mut streams, it, _) = opened();
        assert_eq!(streams.send(it, Side::Target, data(1), 50), Some(50));
        assert_eq!(
            streams.send(it, Side::Target, data(2), 20),
            None,
            "one event per lane"
        );
        assert_eq!(streams.head(it, Side::Target), Some((50, &data(1))));
        assert_eq!(streams.take(it, Side::Target), Some(data(1)));
        assert_eq!(streams.next(it, Side::Target), Some(50));
        assert_eq!(streams.take(it, Side::Target), Some(data(2)));
        assert_eq!(streams.next(it, Side::Target), None);
        assert_eq!(
            streams.send(it, Side::Target, data(3), 60),
            Some(60),
            "the lane had rested"
        );
    }

    #[test]
    fn the_target_has_no_end_until_it_accepts() {
        let (mut streams, it, id) = opened();
        assert_eq!(streams.end(it, Side::Dialer), Some(id));
        assert_eq!(streams.end(it, Side::Target), None);
        streams.accept(it, id);
        assert_eq!(streams.end(it, Side::Target), Some(id));
        assert_eq!(
            [Side::Dialer, Side::Target].map(|side| streams.node(it, side)),
            [Some(3), Some(4)]
        );
    }

    #[test]
    fn an_orderly_close_lets_what_was_written_arrive_and_an_abort_does_not() {
        let (mut streams, it, _) = opened();
        streams.send(it, Side::Target, data(1), 10);
        streams.close(it, Side::Dialer, false);
        assert!(streams.head(it, Side::Target).is_some());
        streams.close(it, Side::Dialer, true);
        assert!(streams.head(it, Side::Target).is_none());
    }

    #[test]
    fn a_connection_is_forgotten_once_both_ends_are_closed_and_nothing_is_under_way() {
        let (mut streams, it, id) = opened();
        streams.accept(it, id);
        streams.send(it, Side::Target, Segment::Finish, 10);
        streams.close(it, Side::Dialer, false);
        streams.close(it, Side::Target, false);
        streams.release_if_done(it);
        assert_eq!(streams.len(), 1, "the end of the stream is under way");
        streams.take(it, Side::Target);
        streams.release_if_done(it);
        assert_eq!(streams.len(), 0);
        let next = streams.open(5, id, 6);
        assert_eq!(next.index, it.index, "the place is used again");
        assert_eq!(streams.node(it, Side::Dialer), None, "the old name is void");
        assert_eq!(streams.node(next, Side::Dialer), Some(5));
    }

    #[test]
    fn attempts_to_get_through_a_cut_become_rarer_up_to_a_limit() {
        let (mut streams, it, _) = opened();
        streams.send(it, Side::Target, data(1), 10);
        let pauses: Vec<u64> = (0..8)
            .filter_map(|_| streams.stall(it, Side::Target))
            .collect();
        assert_eq!(pauses[..3], [200_000_000, 400_000_000, 800_000_000]);
        assert_eq!(pauses[7], 10_000_000_000);
    }
}
