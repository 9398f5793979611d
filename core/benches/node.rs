//! How long a node takes for what it does most. Wall time is noisy: compare within one run.
//!
//! `cargo bench -p serf-core --bench node`

#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock"
)]

mod work;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn pings(c: &mut Criterion) {
    let mut buf = Vec::with_capacity(2048);
    for members in SIZES {
        let mut node = work::quiet_node(members);
        let ping = work::ping();
        c.bench_function(&format!("answer a ping/{members} members"), |b| {
            b.iter(|| {
                node.handle_datagram(work::addr(1), black_box(&ping), work::NOW);
                black_box(work::drain(&mut node, &mut buf))
            });
        });
    }
}

fn gossip(c: &mut Criterion) {
    for members in SIZES {
        let mut node = work::quiet_node(members);
        let known = work::announcements(50..60, 1);
        c.bench_function(&format!("10 alives already known/{members} members"), |b| {
            b.iter(|| node.handle_datagram(work::addr(1), black_box(&known), work::NOW));
        });
        // Rising incarnations make the same members news again and again, for one warm node: a
        // clone would copy its share of the table at the first write.
        let mut incarnation = 1;
        c.bench_function(&format!("10 alives that are news/{members} members"), |b| {
            b.iter_batched(
                || {
                    incarnation += 1;
                    work::announcements(50..60, incarnation)
                },
                |news| node.handle_datagram(work::addr(1), black_box(&news), work::NOW),
                BatchSize::SmallInput,
            );
        });
        strangers(c, members);
    }
}

/// New members cannot be new twice, so there are clones here, each for as many packets as make it
/// grow by a tenth. A first stranger, unmeasured, makes it write to all that it shares and grows.
fn strangers(c: &mut Criterion, members: usize) {
    let node = work::quiet_node(members);
    let packets = work::strangers(members / 100 + 1);
    let (first, packets) = packets.split_first().expect("at least one");
    let mut buf = Vec::with_capacity(2048);
    c.bench_function(&format!("10 new members/{members} members"), |b| {
        b.iter_custom(|times| {
            let (mut took, mut left) = (Duration::ZERO, times as usize);
            while left > 0 {
                let mut node = node.clone();
                node.handle_datagram(work::addr(1), first, work::NOW);
                work::drain(&mut node, &mut buf);
                let now = left.min(packets.len());
                let start = Instant::now();
                for packet in &packets[..now] {
                    node.handle_datagram(work::addr(1), black_box(packet), work::NOW);
                    black_box(work::drain(&mut node, &mut buf));
                }
                took += start.elapsed();
                left -= now;
            }
            took
        });
    });
}

fn packets(c: &mut Criterion) {
    let busy = work::busy_node(200);
    let ping = work::ping();
    let mut buf = Vec::with_capacity(2048);
    c.bench_function("answer a ping with a full packet/200 queued", |b| {
        b.iter_batched_ref(
            || busy.clone(),
            |node| {
                node.handle_datagram(work::addr(1), black_box(&ping), work::NOW);
                black_box(work::drain(node, &mut buf))
            },
            BatchSize::SmallInput,
        );
    });
}

fn exchanges(c: &mut Criterion) {
    let quiet = work::quiet_node(1_000);
    let bytes = work::exchange(1_000);
    c.bench_function("merge a state exchange of 1,000 known members", |b| {
        b.iter_batched_ref(
            || {
                let mut node = quiet.clone();
                let stream = work::accept(&mut node);
                (node, stream)
            },
            |(node, stream)| work::merge(node, *stream, black_box(&bytes)),
            BatchSize::SmallInput,
        );
    });
    let mut buf = Vec::with_capacity(1 << 20);
    c.bench_function(
        "merge and answer a state exchange of 1,000 known members",
        |b| {
            b.iter_batched_ref(
                || {
                    let mut node = quiet.clone();
                    let stream = work::accept(&mut node);
                    (node, stream)
                },
                |(node, stream)| {
                    work::merge(node, *stream, black_box(&bytes));
                    black_box(work::drain(node, &mut buf))
                },
                BatchSize::SmallInput,
            );
        },
    );
}

criterion_group!(benches, pings, gossip, packets, exchanges);
criterion_main!(benches);
