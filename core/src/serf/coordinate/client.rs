//! A node's own coordinate, moved by every round trip that it measures.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::peers::Peers;
use super::{Coordinate, MAX_ERROR, ZERO_THRESHOLD};

/// Longer round trips do not count.
const MAX_RTT: Duration = Duration::from_secs(10);
/// How strongly one measurement moves the error (Vivaldi's c_e).
const ERROR_GAIN: f64 = 0.25;
/// How strongly one measurement moves the position (Vivaldi's c_c).
const POSITION_GAIN: f64 = 0.25;
/// Over how many measurements the adjustment is averaged.
const WINDOW: usize = 20;
/// At this distance from the origin, in seconds, gravity pulls by one second.
const GRAVITY_RHO: f64 = 150.0;

/// Estimates where this node is, and remembers where its peers said they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CoordinateClient {
    own: Coordinate,
    /// What the model left unexplained of the last measurements, in seconds; zero where there was
    /// none yet.
    residuals: [f64; WINDOW],
    next_residual: u8,
    peers: Peers,
    resets: u32,
}

impl CoordinateClient {
    /// A node at the origin that remembers at most `max_peers` peers, those it met last. Each
    /// takes about 70 bytes from its first update on.
    pub(crate) fn new(max_peers: u32) -> Self {
        Self {
            own: Coordinate::ORIGIN,
            residuals: [0.0; WINDOW],
            next_residual: 0,
            peers: Peers::new(max_peers),
            resets: 0,
        }
    }

    /// Makes the index anew, which is not saved.
    pub(crate) fn reindex(&mut self) {
        self.peers.reindex();
    }

    /// This node's coordinate. Always valid.
    pub(crate) fn coordinate(&self) -> &Coordinate {
        &self.own
    }

    /// What a peer said in its last update, each number to within 2^-24 of it. `None` if it was
    /// never heard of, forgotten or displaced.
    pub(crate) fn peer(&self, peer: u32) -> Option<Coordinate> {
        self.peers.coordinate(peer)
    }

    /// How often this node lost its way and started over from the origin.
    pub(crate) fn resets(&self) -> u32 {
        self.resets
    }

    /// Learns from a round trip of `rtt` to a peer that says it is at `other`.
    ///
    /// `draw` gives random numbers; it is only asked when both are at the same place.
    ///
    /// # Errors
    /// An invalid coordinate, or a round trip longer than 10 s; nothing has changed.
    pub(crate) fn update(
        &mut self,
        peer: u32,
        other: &Coordinate,
        rtt: Duration,
        mut draw: impl FnMut() -> u64,
    ) -> Result<(), Rejected> {
        if !other.is_valid() {
            return Err(Rejected::Invalid);
        }
        if rtt > MAX_RTT {
            return Err(Rejected::RttTooLong { rtt });
        }
        let rtt = self.peers.observe(peer, rtt, other).as_secs_f64();
        self.spring(other, rtt, &mut draw);
        self.adjust(other, rtt);
        self.gravitate(&mut draw);
        if !self.own.is_valid() {
            self.own = Coordinate::ORIGIN;
            self.residuals = [0.0; WINDOW];
            self.resets = self.resets.saturating_add(1);
        }
        Ok(())
    }

    /// Forgets a peer that is no longer a member.
    pub(crate) fn forget(&mut self, peer: u32) {
        self.peers.forget(peer);
    }

    /// Vivaldi itself: a spring between the two nodes that is as long as the round trip.
    fn spring(&mut self, other: &Coordinate, rtt: f64, draw: impl FnMut() -> u64) {
        let distance = self.own.distance_to(other).as_secs_f64();
        let rtt = rtt.max(ZERO_THRESHOLD);
        let wrongness = (distance - rtt).abs() / rtt;
        let weight = self.own.error / (self.own.error + other.error).max(ZERO_THRESHOLD);
        let error = ERROR_GAIN * weight * wrongness + self.own.error * (1.0 - ERROR_GAIN * weight);
        self.own.error = error.min(MAX_ERROR);
        let force = POSITION_GAIN * weight * (rtt - distance);
        self.own = self.own.pushed(force, other, draw);
    }

    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        let next = usize::from(self.next_residual);
        self.residuals[next] = rtt - self.own.raw_distance_to(other);
        self.next_residual = ((next + 1) % WINDOW) as u8;
        let sum = self.residuals.iter().fold(0.0, |sum, x| sum + x);
        // Half of the average, as both ends of a distance add their share.
        self.own.adjustment = sum / (2.0 * WINDOW as f64);
    }

    /// Keeps the whole cloud of nodes from drifting away from the origin.
    fn gravitate(&mut self, draw: impl FnMut() -> u64) {
        let distance = Coordinate::ORIGIN.distance_to(&self.own).as_secs_f64();
        let pull = distance / GRAVITY_RHO;
        self.own = self.own.pushed(-(pull * pull), &Coordinate::ORIGIN, draw);
    }

    #[cfg(test)]
    pub(super) fn at(start: Coordinate, max_peers: u32) -> Self {
        Self {
            own: start,
            ..Self::new(max_peers)
        }
    }
}

/// A measurement that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The peer's coordinate is not [valid](Coordinate::is_valid).
    Invalid,
    /// The round trip took too long.
    RttTooLong {
        /// How long it took.
        rtt: Duration,
    },
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => write!(
                f,
                "a coordinate with a number that is not finite or beyond {} seconds",
                Coordinate::LIMIT
            ),
            Self::RttTooLong { rtt } => {
                write!(f, "a round trip of {rtt:?}, at most {MAX_RTT:?} counts")
            }
        }
    }
}

impl core::error::Error for Rejected {}
