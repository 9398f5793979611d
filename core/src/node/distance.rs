//! How far away the others are: network coordinates (wire-protocol reference, section 9.3).

use core::time::Duration;

use super::Node;
use crate::serf::coordinate::Coordinate;
use crate::swim::table::Slot;
use crate::time::Instant;
use crate::wire::{Wire, memberlist, native};

impl Node {
    /// A member answered a ping and perhaps says where it is.
    #[inline]
    pub(super) fn hear_distance(&mut self, slot: Slot, sent: Instant, wire: Wire, payload: &[u8]) {
        if self.coordinates.is_some() && !payload.is_empty() {
            self.learn_distance(slot, sent, wire, payload);
        }
    }

    fn learn_distance(&mut self, slot: Slot, sent: Instant, wire: Wire, payload: &[u8]) {
        let Some(coordinates) = &mut self.coordinates else {
            return;
        };
        let rtt = self.now.since(sent);
        self.counters.round_trips += 1;
        self.counters.round_trip_micros += u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        self.counters.zero_round_trips += u64::from(rtt.is_zero());
        let rng = &mut self.coordinate_rng;
        let theirs = match wire {
            Wire::Native => native::read_coordinate(payload),
            Wire::Memberlist => memberlist::read_coordinate(payload),
        };
        let learnt = theirs.ok().and_then(|theirs| {
            let update = coordinates.update(slot, &theirs, rtt, || rng.next_u64());
            update.ok()
        });
        if learnt.is_none() {
            self.counters.dropped_coordinates += 1;
        }
    }

    pub(super) fn forget_distance(&mut self, slot: Slot) {
        if let Some(coordinates) = &mut self.coordinates {
            coordinates.forget(slot);
        }
    }

    /// Where a member is, this node included; `None` if it is not known, has not been heard of
    /// yet or for long, or if coordinates are off.
    #[must_use]
    pub fn coordinate(&self, name: &str) -> Option<Coordinate> {
        let coordinates = self.coordinates.as_ref()?;
        match self.table.find(name.into())? {
            slot if slot == self.me => Some(*coordinates.coordinate()),
            slot => coordinates.peer(slot),
        }
    }

    /// The estimated round trip between two members. `None` if the coordinate of either is not
    /// known.
    #[must_use]
    pub fn rtt(&self, one: &str, other: &str) -> Option<Duration> {
        Some(self.coordinate(one)?.distance_to(&self.coordinate(other)?))
    }

    /// How often this node's own coordinate became invalid and started over from the origin.
    #[must_use]
    pub fn coordinate_resets(&self) -> u32 {
        self.coordinates
            .as_ref()
            .map_or(0, |client| client.resets())
    }
}
