//! All randomness: ChaCha generators split from one seed, one per purpose.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use serde::{Deserialize, Serialize};

/// What a generator is used for. Each has a stream of its own, so that one more draw for one
/// purpose does not shift the numbers that another gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Order of probing and choice of helpers.
    Probe = 1,
    /// Choice of gossip targets.
    Gossip = 2,
    /// Partners of state exchanges and reconnects.
    Sync = 3,
    /// First phase of periodic timers, starting numbers, hash keys.
    Setup = 4,
    /// Ids of queries and the choice of relays.
    Query = 5,
    /// Directions in which nodes at the same place are pushed apart.
    Coordinate = 6,
    /// Nonces of encrypted messages.
    Nonce = 7,
    Journal = 8,
}

/// A generator for one purpose.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Position", into = "Position")]
pub(crate) struct Rng(ChaCha8Rng);

/// Seed, stream, and how many words have been drawn.
type Position = ([u8; 32], u64, u128);

impl From<Position> for Rng {
    fn from((seed, stream, word): Position) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(stream);
        rng.set_word_pos(word);
        Self(rng)
    }
}

impl From<Rng> for Position {
    fn from(Rng(rng): Rng) -> Self {
        (rng.get_seed(), rng.get_stream(), rng.get_word_pos())
    }
}

impl Rng {
    pub(crate) fn new(seed: [u8; 32], purpose: Purpose) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(purpose as u64);
        Self(rng)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `0..bound`, without bias worth speaking of (2^-32 at the most here, as all
    /// bounds are below 2^32). A bound of zero gives zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_purpose_give_the_same_numbers_and_other_purposes_do_not() {
        let draw = |purpose| {
            let mut rng = Rng::new([7; 32], purpose);
            [rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(Purpose::Probe), draw(Purpose::Probe));
        assert_ne!(draw(Purpose::Probe), draw(Purpose::Gossip));
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut rng = Rng::new([1; 32], Purpose::Setup);
        let draws: alloc::vec::Vec<u64> = (0..200).map(|_| rng.below(5)).collect();
        assert!(draws.iter().all(|&n| n < 5));
        assert!((0..5).all(|n| draws.contains(&n)));
    }
}
