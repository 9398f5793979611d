//! What one event costs in the queue: the timing wheel against a binary heap, at several sizes.
//!
//! The load is that of a cluster at rest: of three entries, two are packets due within
//! milliseconds and one is a timer due within a second.
//!
//! ```text
//! cargo run --release -p serf-sim --example queue
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use serf_sim::Queue;

/// As large as the event of a world.
type Payload = [u64; 4];

fn main() {
    println!("pending      wheel      heap   (nanoseconds to take one and add one)");
    for pending in [100, 1_000, 10_000, 100_000, 1_000_000] {
        println!(
            "{pending:>7} {:>10.1} {:>9.1}",
            wheel(pending),
            heap(pending)
        );
    }
}

fn ahead(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let span = if random.is_multiple_of(3) {
        1_000_000_000
    } else {
        4_000_000
    };
    1 + *random % span
}

fn wheel(pending: usize) -> f64 {
    let mut random = 88_172_645_463_325_252;
    let mut queue = Queue::new();
    for _ in 0..pending {
        queue.push(ahead(&mut random), Payload::default());
    }
    per_event(pending, || {
        let (at, payload) = queue.pop_until(u64::MAX).expect("the size stays the same");
        queue.push(at + ahead(&mut random), payload);
    })
}

fn heap(pending: usize) -> f64 {
    let mut random = 88_172_645_463_325_252;
    let mut sequence = 0;
    let mut queue = BinaryHeap::new();
    for _ in 0..pending {
        sequence += 1;
        queue.push(Reverse((ahead(&mut random), sequence, Payload::default())));
    }
    per_event(pending, || {
        let Reverse((at, _, payload)) = queue.pop().expect("the size stays the same");
        sequence += 1;
        queue.push(Reverse((at + ahead(&mut random), sequence, payload)));
    })
}

fn per_event(pending: usize, mut step: impl FnMut()) -> f64 {
    let rounds = (4 * pending).max(1_000_000);
    for _ in 0..rounds {
        step();
    }
    let start = Instant::now();
    for _ in 0..rounds {
        step();
    }
    start.elapsed().as_nanos() as f64 / rounds as f64
}
