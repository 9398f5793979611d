//! What can be had of fuzzing without a nightly compiler: no guidance, but the same every time.

use std::panic::catch_unwind;

use super::{TARGETS, vectors};

/// How many mutations of each vector each target gets. `SERF_FUZZ_ROUNDS` says otherwise.
const ROUNDS: usize = 100;

/// Marsaglia's xorshift64*: enough to choose what to spoil.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize;
        high % sides.max(1)
    }

    fn byte(&mut self) -> u8 {
        // Those that mean something in one of the formats are as likely as all others together.
        const TELLING: &[u8] =
            b"\0\x01\x07\x08\x09\x0a\x0c\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc4\xc6\
                                 \xcf\xd3\xd9\xda\xdb\xdc\xdd\xde\xdf\xf4\xff";
        match self.roll(2) {
            0 => TELLING[self.roll(TELLING.len())],
            _ => self.roll(256) as u8,
        }
    }

    fn spoil(&mut self, data: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 + self.roll(4) {
            let at = self.roll(data.len());
            match self.roll(7) {
                0 | 1 if !data.is_empty() => data[at] = self.byte(),
                2 if !data.is_empty() => data[at] ^= 1 << self.roll(8),
                3 => data.insert(at, self.byte()),
                4 => data.truncate(at),
                5 => {
                    let end = at + self.roll(data.len() - at);
                    drop(data.drain(at..end));
                }
                _ => {
                    let from = self.roll(other.len());
                    let piece = other[from..].iter().take(1 + self.roll(40)).copied();
                    drop(data.splice(at..at, piece));
                }
            }
        }
    }
}

#[test]
fn no_target_fails_on_the_vectors_or_on_mutations_of_them() {
    let rounds = std::env::var("SERF_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| {
        rounds.parse().expect("SERF_FUZZ_ROUNDS is a number")
    });
    let vectors = vectors();
    assert!(vectors.len() > 200, "{}", vectors.len());
    for (name, target) in TARGETS {
        let mut dice = Dice(0x5eed);
        for vector in &vectors {
            check(name, target, vector);
            for _ in 0..rounds {
                let mut data = vector.clone();
                let other = &vectors[dice.roll(vectors.len())];
                dice.spoil(&mut data, other);
                check(name, target, &data);
            }
        }
    }
}

fn check(name: &str, target: fn(&[u8]), data: &[u8]) {
    let caught = catch_unwind(|| target(data));
    assert!(caught.is_ok(), "{name} fails on {}", data.escape_ascii());
}
