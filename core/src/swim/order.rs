//! A random order of visiting slots that takes no memory.
//!
//! SWIM probes members in a shuffled ring (section 4.3 of the paper) and picks gossip targets and
//! helpers at random. Both want "each of these slots once, in an order nobody can guess". A keyed
//! permutation of the slot numbers gives that without a stored list: nothing to insert into when
//! a member joins, nothing to search when one goes, nothing to copy when a node is cloned. A new
//! member's slot lies at a random place of the running round, as the paper asks.

use serde::{Deserialize, Serialize};

/// Rounds of the Feistel network: as many as it takes to mix the smallest domain evenly (see the
/// test).
const ROUNDS: u32 = 10;

/// Smallest domain, in bits: below this, too few permutations can be told apart.
const MIN_BITS: u32 = 4;

/// Visits every number of a range once, in pseudo-random order.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Order {
    key: u64,
    cursor: u64,
    bits: u32,
}

impl Order {
    /// An order over all slots below `len`, chosen by `key`.
    ///
    /// The range visited is rounded up to a power of two, so that slots added later may lie in
    /// it; the caller skips numbers that are no slot.
    pub(crate) fn new(key: u64, len: u32) -> Self {
        let bits = (u32::BITS - len.saturating_sub(1).leading_zeros()).max(MIN_BITS);
        Self {
            key,
            cursor: 0,
            bits,
        }
    }

    /// An order that is already at its end.
    pub(crate) const fn finished() -> Self {
        Self {
            key: 0,
            cursor: 1 << MIN_BITS,
            bits: MIN_BITS,
        }
    }

    /// An alternating Feistel network: each round adds to one half a function of the other, which
    /// can be undone and therefore maps no two numbers to the same one.
    #[inline]
    fn permute(&self, n: u64) -> u32 {
        let low_bits = self.bits / 2;
        let low_mask = (1 << low_bits) - 1;
        let high_mask = (1 << (self.bits - low_bits)) - 1;
        let (mut high, mut low) = (n >> low_bits, n & low_mask);
        let mut key = self.key;
        for _ in 0..ROUNDS / 2 {
            high ^= mix(low, key) & high_mask;
            key = key.rotate_left(21).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            low ^= mix(high, key) & low_mask;
            key = key.rotate_left(21).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        ((high << low_bits) | low) as u32
    }
}

fn mix(half: u64, key: u64) -> u64 {
    let mixed = (half ^ key).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ (mixed >> 32)) >> 7
}

impl Iterator for Order {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.cursor >> self.bits != 0 {
            return None;
        }
        let n = self.permute(self.cursor);
        self.cursor += 1;
        Some(n)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::rng::{Purpose, Rng};

    proptest! {
        #[test]
        fn every_slot_is_visited_exactly_once(key: u64, len in 1u32..5000) {
            let mut seen = vec![0u8; len as usize];
            for slot in Order::new(key, len) {
                if let Some(count) = seen.get_mut(slot as usize) {
                    *count += 1;
                }
            }
            prop_assert!(seen.iter().all(|&count| count == 1));
        }
    }

    #[test]
    fn a_finished_order_yields_nothing() {
        assert_eq!(Order::finished().next(), None);
    }

    /// Chi-squared over where a slot stands in the order and who follows whom: what helpers and
    /// gossip targets depend on.
    #[test]
    fn first_places_and_successors_are_even() {
        const DRAWS: u32 = 40_000;
        for len in [3u32, 5, 12, 16, 40] {
            let mut rng = Rng::new([3; 32], Purpose::Probe);
            let mut pairs = vec![0u32; (len * len) as usize];
            for _ in 0..DRAWS {
                let two: Vec<u32> = Order::new(rng.next_u64(), len)
                    .filter(|&s| s < len)
                    .take(2)
                    .collect();
                pairs[(two[0] * len + two[1]) as usize] += 1;
            }
            let cells = len * (len - 1);
            let expected = f64::from(DRAWS) / f64::from(cells);
            let chi: f64 = (0..len * len)
                .filter(|i| i / len != i % len)
                .map(|i| (f64::from(pairs[i as usize]) - expected).powi(2) / expected)
                .sum();
            let freedom = f64::from(cells - 1);
            // Mean `freedom`, standard deviation sqrt(2 * freedom): five of those is no chance.
            let limit = freedom + 5.0 * libm::sqrt(2.0 * freedom);
            assert!(
                chi < limit,
                "len {len}: chi-squared {chi:.0} above {limit:.0}"
            );
        }
    }
}
