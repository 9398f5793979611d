//! Network coordinates: estimating the round trip between nodes that never spoke to each other.
//!
//! Vivaldi (Dabek et al., SIGCOMM 2004) with height, an adjustment term and gravity; wire-protocol
//! reference, section 9. [`client`] moves a node's own coordinate with every round trip measured.
//!
//! Everything is computed in `f64` with operations that IEEE 754 defines to the last bit, in a
//! fixed order, so that the results are the same on every platform.

pub(crate) mod client;
mod peers;
#[cfg(test)]
mod tests;

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Positions closer than this, in seconds, count as the same, as do smaller round trips and errors.
const ZERO_THRESHOLD: f64 = 1e-6;
/// The least height, in seconds.
const MIN_HEIGHT: f64 = 1e-5;
/// The largest error that a node admits to; also where it starts.
const MAX_ERROR: f64 = 1.5;

/// Where a node is in the space of round trips. All fields but `error` are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// The position among well-connected nodes.
    pub vec: [f64; Self::DIMENSIONS],
    /// How far the node trusts its coordinate: 0 is certain, 1.5 is where it starts.
    pub error: f64,
    /// A correction of distances by what the model could not explain.
    pub adjustment: f64,
    /// The way from the node to where `vec` is: its access link.
    pub height: f64,
}

impl Coordinate {
    /// Dimensions of the position.
    pub const DIMENSIONS: usize = 8;

    /// No number in a valid coordinate is further from zero than this: ten times the longest round
    /// trip that counts.
    pub const LIMIT: f64 = 100.0;

    /// Where every node starts.
    pub const ORIGIN: Self = Self {
        vec: [0.0; Self::DIMENSIONS],
        error: MAX_ERROR,
        adjustment: 0.0,
        height: MIN_HEIGHT,
    };

    /// True if no number is NaN, infinite or beyond [`LIMIT`](Self::LIMIT), and neither the error
    /// nor the height is negative.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        // A range does not contain NaN.
        let signed = -Self::LIMIT..=Self::LIMIT;
        let unsigned = 0.0..=Self::LIMIT;
        self.vec.iter().all(|x| signed.contains(x))
            && signed.contains(&self.adjustment)
            && unsigned.contains(&self.error)
            && unsigned.contains(&self.height)
    }

    /// The estimated round trip between two nodes, in whole nanoseconds. The same in both
    /// directions up to rounding; zero if a coordinate has a NaN.
    #[must_use]
    pub fn distance_to(&self, other: &Self) -> Duration {
        let raw = self.raw_distance_to(other);
        let adjusted = raw + self.adjustment + other.adjustment;
        let seconds = if adjusted > 0.0 { adjusted } else { raw };
        Duration::from_nanos((seconds * 1e9) as u64)
    }

    /// The distance in seconds, without adjustments.
    fn raw_distance_to(&self, other: &Self) -> f64 {
        magnitude(&difference(&self.vec, &other.vec)) + self.height + other.height
    }

    /// This coordinate after a push away from `other`, or towards it if `force` (in seconds) is
    /// negative. If both are at the same place the push is in a random direction.
    fn pushed(&self, force: f64, other: &Self, draw: impl FnMut() -> u64) -> Self {
        let away = difference(&self.vec, &other.vec);
        let distance = magnitude(&away);
        let apart = distance > ZERO_THRESHOLD;
        let unit = if apart {
            scaled(&away, 1.0 / distance)
        } else {
            random_direction(draw)
        };
        let mut pushed = *self;
        for (x, u) in pushed.vec.iter_mut().zip(unit) {
            *x += u * force;
        }
        if apart {
            let height = (self.height + other.height) * force / distance + self.height;
            pushed.height = height.max(MIN_HEIGHT);
        }
        pushed
    }
}

impl Default for Coordinate {
    fn default() -> Self {
        Self::ORIGIN
    }
}

type Vector = [f64; Coordinate::DIMENSIONS];

fn difference(a: &Vector, b: &Vector) -> Vector {
    core::array::from_fn(|i| a[i] - b[i])
}

fn scaled(v: &Vector, factor: f64) -> Vector {
    v.map(|x| x * factor)
}

fn magnitude(v: &Vector) -> f64 {
    libm::sqrt(v.iter().fold(0.0, |sum, x| sum + x * x))
}

fn random_direction(mut draw: impl FnMut() -> u64) -> Vector {
    // The upper 53 bits as a fraction, which is exact; in [-0.5, 0.5).
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    let v: Vector = core::array::from_fn(|_| (draw() >> 11) as f64 * STEP - 0.5);
    let length = magnitude(&v);
    if length > ZERO_THRESHOLD {
        scaled(&v, 1.0 / length)
    } else {
        let mut axis = [0.0; Coordinate::DIMENSIONS];
        axis[0] = 1.0;
        axis
    }
}

/// A coordinate in half the space, to be kept for many peers and sent along with acks.
///
/// Rounding to `f32` changes each number by at most 2^-24 of it: 6 ns in 0.1 s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CompactCoordinate {
    vec: [f32; Coordinate::DIMENSIONS],
    error: f32,
    adjustment: f32,
    height: f32,
}

impl From<&Coordinate> for CompactCoordinate {
    fn from(coordinate: &Coordinate) -> Self {
        Self {
            vec: coordinate.vec.map(|x| x as f32),
            error: coordinate.error as f32,
            adjustment: coordinate.adjustment as f32,
            height: coordinate.height as f32,
        }
    }
}

impl From<&CompactCoordinate> for Coordinate {
    fn from(compact: &CompactCoordinate) -> Self {
        Self {
            vec: compact.vec.map(f64::from),
            error: compact.error.into(),
            adjustment: compact.adjustment.into(),
            height: compact.height.into(),
        }
    }
}
