//! All randomness of a world, derived from its one seed.
//!
//! Each consumer hashes (seed, domain, id) into numbers of its own, so that another node, link or
//! draw does not shift what the others get.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What numbers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// The seed handed to a node, once per start.
    Node = 1,
    /// What happens to a packet on a link.
    Link = 2,
    /// When the operator gets round to something.
    Operator = 3,
    /// How the state of a link changes.
    Burst = 4,
    /// Which old packets come back.
    Replay = 5,
    /// Whom a fault or a piece of work of a scenario is about.
    Scenario = 6,
    /// What a world that nobody described looks like.
    Swarm = 7,
    /// The node whose knowledge all of a cluster share that is there from the start.
    Setup = 8,
}

/// 32 bytes that belong to one consumer alone.
pub(crate) fn derive(seed: u64, domain: Domain, id: u64, nth: u64) -> [u8; 32] {
    let mut out = [0; 32];
    for (lane, chunk) in (0u64..).zip(out.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&derive_word(seed, domain, [id, nth, lane]).to_le_bytes());
    }
    out
}

/// The generator of one consumer.
pub(crate) fn generator(seed: u64, domain: Domain, id: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(derive(seed, domain, id, 0))
}

/// A number in `0..bound`; zero if `bound` is zero.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    scale(rng.next_u64(), bound)
}

/// Maps a uniform `u64` to `0..bound`, with a bias below `bound / 2^64`.
pub(crate) fn scale(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

fn derive_word(seed: u64, domain: Domain, words: [u64; 3]) -> u64 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(domain as u64).to_le_bytes());
    for (word, chunk) in words.iter().zip(bytes[8..].chunks_exact_mut(8)) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    xxh3_64_with_seed(&bytes, seed)
}

/// The few numbers that decide the fate of one packet, a function of its link, the instant and
/// its place among what the sender sent at that instant.
///
/// A generator per link would have to be kept for each of n² links (a gigabyte for 10,000 nodes),
/// and setting one up per packet costs more than all the rest of the network. This is a SplitMix64
/// sequence started from a hash; it keeps no state at all.
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64, from: u32, to: u32, now: u64, nth: u32) -> Self {
        let link = u64::from(from) << 32 | u64::from(to);
        Self(derive_word(seed, Domain::Link, [link, now, u64::from(nth)]))
    }

    /// The same for what happens on the occasion of a packet but not to it.
    pub(crate) fn other(seed: u64, from: u32, to: u32, now: u64, nth: u32) -> Self {
        let link = u64::from(from) << 32 | u64::from(to);
        Self(derive_word(
            seed,
            Domain::Replay,
            [link, now, u64::from(nth)],
        ))
    }

    /// The numbers that decide when a link changes its state next.
    pub(crate) fn burst(seed: u64, from: u32, to: u32, since: u64) -> Self {
        let link = u64::from(from) << 32 | u64::from(to);
        Self(derive_word(seed, Domain::Burst, [link, since, 0]))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_consumer_gets_numbers_of_its_own() {
        let base = derive(1, Domain::Node, 2, 3);
        assert_eq!(base, derive(1, Domain::Node, 2, 3));
        assert_ne!(base, derive(0, Domain::Node, 2, 3));
        assert_ne!(base, derive(1, Domain::Operator, 2, 3));
        assert_ne!(base, derive(1, Domain::Node, 0, 3));
        assert_ne!(base, derive(1, Domain::Node, 2, 0));
    }

    #[test]
    fn packets_on_one_link_at_one_instant_differ_by_their_place() {
        let draw = |from, to, now, nth| Draws::new(9, from, to, now, nth).next();
        assert_eq!(draw(1, 2, 3, 0), draw(1, 2, 3, 0));
        for other in [draw(2, 1, 3, 0), draw(1, 2, 4, 0), draw(1, 2, 3, 1)] {
            assert_ne!(draw(1, 2, 3, 0), other);
        }
    }

    #[test]
    fn scaled_words_cover_the_range_evenly() {
        let mut draws = Draws::new(0, 0, 0, 0, 0);
        let mut counts = [0; 8];
        for _ in 0..80_000 {
            counts[scale(draws.next(), 8) as usize] += 1;
        }
        // Five standard deviations of a binomial with n = 80,000, p = 1/8.
        assert!(
            counts.iter().all(|n: &i32| (n - 10_000).abs() < 470),
            "{counts:?}"
        );
    }
}
