//! How many instructions and heap allocations a node takes for what it does most.
//!
//! `cargo bench -p serf-core --bench instructions`, with valgrind installed. Unlike wall time
//! the counts do not depend on what else the machine is doing. Each operation runs under
//! callgrind twice, a few times and many times, and the difference is divided: what setting up
//! costs falls out.
//!
//! With `--test` each operation runs once, without valgrind and without measuring.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement of this program starts it anew under valgrind"
)]

mod wires;
mod work;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};

use serf_core::Node;

use wires::{Members, Wire};

const FEW: u64 = 10;
const MANY: u64 = 60;

/// An operation and what it is run on.
type Operation = (&'static str, fn(u64));

const OPERATIONS: &[Operation] = &[
    ("answer a ping, 100 members", |n| pings(100, n)),
    ("answer a ping, 1,000 members", |n| pings(1_000, n)),
    ("answer a ping, 10,000 members", |n| pings(10_000, n)),
    ("... recorded, 1,000 members", |n| recorded_pings(1_000, n)),
    ("10 known alives, 100 members", |n| known(100, n)),
    ("10 known alives, 1,000 members", |n| known(1_000, n)),
    ("10 known alives, 10,000 members", |n| known(10_000, n)),
    ("10 alives that are news, 100 members", |n| news(100, n)),
    ("10 alives that are news, 1,000 members", |n| news(1_000, n)),
    ("10 alives that are news, 10,000 members", |n| {
        news(10_000, n)
    }),
    ("10 new members, 1,000 members", |n| strangers(1_000, n)),
    ("10 new members, 10,000 members", |n| strangers(10_000, n)),
    ("full packet from a queue of 200", full_packets),
    ("... recorded", recorded_full_packets),
    ("merge 1,000 known members", |n| merges(n, false)),
    ("merge 1,000 known members and answer", |n| merges(n, true)),
    ("write 10 alives, native", |n| write_packets(0, n)),
    ("write 10 alives, memberlist", |n| write_packets(1, n)),
    ("write 10 alives, memberlist compressed", |n| {
        write_packets(2, n)
    }),
    ("read 10 alives, native", |n| read_packets(0, n)),
    ("read 10 alives, memberlist", |n| read_packets(1, n)),
    ("read 10 alives, memberlist compressed", |n| {
        read_packets(2, n)
    }),
    ("write an exchange of 1,000, native", |n| write_syncs(0, n)),
    ("write an exchange of 1,000, memberlist", |n| {
        write_syncs(1, n)
    }),
    ("... memberlist compressed", |n| write_syncs(2, n)),
    ("read an exchange of 1,000, native", |n| read_syncs(0, n)),
    ("read an exchange of 1,000, memberlist", |n| {
        read_syncs(1, n)
    }),
    ("... memberlist compressed", |n| read_syncs(2, n)),
];

/// The wires by number.
const WIRES: [&str; 3] = ["native", "memberlist", "memberlist compressed"];

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system allocator.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let mut args = env::args().skip(1).filter(|arg| arg != "--bench");
    match (args.next(), args.next()) {
        (Some(flag), None) if flag == "--test" => {
            for (name, operation) in OPERATIONS {
                operation(1);
                println!("{name}: ok");
            }
            sizes();
            ExitCode::SUCCESS
        }
        (Some(operation), Some(count)) => {
            let (Ok(operation), Ok(count)) = (operation.parse::<usize>(), count.parse()) else {
                eprintln!("usage: instructions [OPERATION COUNT], both numbers");
                return ExitCode::from(2);
            };
            OPERATIONS[operation].1(count);
            println!("{}", ALLOCATIONS.load(Ordering::Relaxed));
            ExitCode::SUCCESS
        }
        _ => table(),
    }
}

fn table() -> ExitCode {
    println!(
        "{:<42} {:>12} {:>12}",
        "per operation", "instructions", "allocations"
    );
    for (index, (name, _)) in OPERATIONS.iter().enumerate() {
        let (Some(few), Some(many)) = (count(index, FEW), count(index, MANY)) else {
            eprintln!("valgrind is not installed, or could not run this program");
            return ExitCode::FAILURE;
        };
        let per = |few: u64, many: u64| (many - few) as f64 / (MANY - FEW) as f64;
        println!(
            "{name:<42} {:>12.0} {:>12.1}",
            per(few.0, many.0),
            per(few.1, many.1)
        );
    }
    sizes();
    ExitCode::SUCCESS
}

/// Instructions and allocations of one run.
fn count(operation: usize, times: u64) -> Option<(u64, u64)> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args([operation.to_string(), times.to_string()])
        .output()
        .ok()?;
    let stderr = String::from_utf8_lossy(&out.stderr);
    let line = stderr.lines().find(|line| line.contains("Collected"))?;
    let instructions = line.split(':').nth(1)?.trim().parse().ok()?;
    let allocations = String::from_utf8_lossy(&out.stdout).trim().parse().ok()?;
    Some((instructions, allocations))
}

fn wire(number: usize) -> Wire {
    match number {
        0 => Wire::Native,
        1 => Wire::memberlist(false),
        _ => Wire::memberlist(true),
    }
}

fn write_packets(number: usize, times: u64) {
    let (mut wire, members) = (wire(number), Members::new(10));
    let mut buf = Vec::with_capacity(4096);
    for _ in 0..times {
        assert_eq!(wire.write_packet(black_box(&mut buf), &members), 10);
    }
}

fn read_packets(number: usize, times: u64) {
    let (mut wire, members) = (wire(number), Members::new(10));
    let mut buf = Vec::new();
    wire.write_packet(&mut buf, &members);
    for _ in 0..times {
        assert_eq!(wire.read_packet(black_box(&buf)), 10);
    }
}

fn write_syncs(number: usize, times: u64) {
    let (mut wire, members) = (wire(number), Members::new(1_000));
    let mut buf = Vec::with_capacity(1 << 20);
    for _ in 0..times {
        wire.write_sync(black_box(&mut buf), &members);
    }
}

fn read_syncs(number: usize, times: u64) {
    let (mut wire, members) = (wire(number), Members::new(1_000));
    let mut buf = Vec::new();
    wire.write_sync(&mut buf, &members);
    for _ in 0..times {
        assert_eq!(wire.read_sync(black_box(&buf)), 1_000);
    }
}

/// How long the same messages are on each wire.
fn sizes() {
    println!(
        "\n{:<42} {:>12} {:>12} {:>12}",
        "bytes", "10 alives", "per 1,400", "1,000 synced"
    );
    for (number, name) in WIRES.iter().enumerate() {
        let (mut wire, mut buf) = (wire(number), Vec::new());
        wire.write_packet(&mut buf, &Members::new(10));
        let packet = buf.len();
        let fitting = wire.write_packet(&mut buf, &Members::new(100));
        wire.write_sync(&mut buf, &Members::new(1_000));
        println!("{name:<42} {packet:>12} {fitting:>12} {:>12}", buf.len());
    }
}

fn pings(members: usize, times: u64) {
    let mut node = work::quiet_node(members);
    let (ping, mut buf) = (work::ping(), Vec::with_capacity(2048));
    for _ in 0..times {
        node.handle_datagram(work::addr(1), black_box(&ping), work::NOW);
        black_box(work::drain(&mut node, &mut buf));
    }
}

/// The journal is taken each time, as the runtime does at its leisure.
fn recorded_pings(members: usize, times: u64) {
    recorded(work::quiet(recorded_node(members)), times);
}

fn recorded_full_packets(times: u64) {
    recorded(recorded_node(200), times);
}

fn recorded_node(members: usize) -> Node {
    let (identity, params) = (work::identity(), work::params());
    let node = Node::recorded(identity, params, [7; 32], work::NOW);
    work::filled(node.expect("a valid identity"), members)
}

fn recorded(mut node: Node, times: u64) {
    let (ping, mut buf) = (work::ping(), Vec::with_capacity(2048));
    let mut journal = Vec::with_capacity(1 << 20);
    node.take_journal(&mut journal);
    for _ in 0..times {
        node.handle_datagram(work::addr(1), black_box(&ping), work::NOW);
        black_box(work::drain(&mut node, &mut buf));
        journal.clear();
        assert!(node.take_journal(black_box(&mut journal)));
    }
}

/// Known news changes nothing, so one node will do.
fn known(members: usize, times: u64) {
    let mut node = work::quiet_node(members);
    let packet = work::announcements(50..60, 1);
    for _ in 0..times {
        node.handle_datagram(work::addr(1), black_box(&packet), work::NOW);
    }
}

/// The same members are announced with rising incarnations. As all packets are made whatever the
/// count, that costs the same in both runs.
fn news(members: usize, times: u64) {
    let mut node = work::quiet_node(members);
    let packets: Vec<_> = (2..)
        .map(|n| work::announcements(50..60, n))
        .take(MANY as usize)
        .collect();
    for packet in packets.iter().take(times as usize) {
        node.handle_datagram(work::addr(1), black_box(packet), work::NOW);
    }
}

/// Every packet announces others; the application hears of them.
fn strangers(members: usize, times: u64) {
    let mut node = work::quiet_node(members);
    let (packets, mut buf) = (work::strangers(MANY as usize), Vec::with_capacity(2048));
    for packet in packets.iter().take(times as usize) {
        node.handle_datagram(work::addr(1), black_box(packet), work::NOW);
        black_box(work::drain(&mut node, &mut buf));
    }
}

/// The queue lasts for hundreds of packets, so one node will do.
fn full_packets(times: u64) {
    let mut node = work::busy_node(200);
    let (ping, mut buf) = (work::ping(), Vec::with_capacity(2048));
    for _ in 0..times {
        node.handle_datagram(work::addr(1), black_box(&ping), work::NOW);
        black_box(work::drain(&mut node, &mut buf));
    }
    assert_eq!(
        node.queued_broadcasts(),
        200,
        "the queue was full throughout"
    );
}

fn merges(times: u64, answer: bool) {
    let mut nodes = copies(&work::quiet_node(1_000), times);
    let (bytes, mut buf) = (work::exchange(1_000), Vec::with_capacity(1 << 20));
    let streams: Vec<_> = nodes.iter_mut().map(work::accept).collect();
    for (node, stream) in nodes.iter_mut().zip(streams).take(times as usize) {
        work::merge(node, stream, black_box(&bytes));
        if answer {
            black_box(work::drain(node, &mut buf));
        }
    }
    std::mem::forget(nodes);
}

/// As many copies whatever the count, so that making them costs the same in both runs. Each
/// drains once, so that its buffers are there.
fn copies(node: &Node, _times: u64) -> Vec<Node> {
    (0..MANY).map(|_| node.clone()).collect()
}
