//! Two nodes that find each other in a program without a standard library.
//!
//! That it builds is the proof: a crate anywhere below `serf-core` that pulls in `std` brings a
//! second panic handler and a second allocator, and the compiler refuses both. That it ends with
//! status 0 shows that nothing is missing either.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::net::{Ipv4Addr, SocketAddr};
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, StreamId, StreamInput};

/// Hands out memory from one block, from the front to the back, and takes none back.
struct Bump {
    memory: UnsafeCell<[u8; Bump::SIZE]>,
    used: AtomicUsize,
}

impl Bump {
    const SIZE: usize = 1 << 24;
}

// SAFETY: `memory` is only reached through `alloc`, which gives each byte to one caller.
unsafe impl Sync for Bump {}

// SAFETY: an allocator cannot be written without `unsafe`, and without one there is no `alloc`.
// Every block lies inside `memory`, is aligned as asked, and shares no byte with another one, as
// `used` only grows and is moved past a block before the block is handed out.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let memory = self.memory.get().cast::<u8>();
        let mut start = 0;
        let claimed = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let free = memory.addr().checked_add(used)?;
                start = free.checked_next_multiple_of(layout.align())? - memory.addr();
                start
                    .checked_add(layout.size())
                    .filter(|&end| end <= Self::SIZE)
            });
        match claimed {
            // SAFETY: `start` is at most `SIZE`, checked above.
            Ok(_) => unsafe { memory.add(start) },
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump {
    memory: UnsafeCell::new([0; Bump::SIZE]),
    used: AtomicUsize::new(0),
};

// The C library starts the program and copies memory. `std` would link it, too.
#[link(name = "c")]
unsafe extern "C" {
    safe fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}

// The precompiled `core` and `alloc` refer to the two entry points of unwinding, as they were built
// for programs that can unwind. This one aborts, so nothing calls them.

// SAFETY: the name is otherwise defined by `std`, which is not here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// SAFETY: the name is otherwise defined by the unwinder that `std` links, which is not here.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    abort()
}

// SAFETY: the name and the signature that the C library expects.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    i32::from(!two_nodes_find_each_other())
}

/// Joins one node to another and lets virtual time pass until each knows the other.
fn two_nodes_find_each_other() -> bool {
    let mut now = Instant::ZERO;
    let mut pair = Pair {
        nodes: [new_node("one", 0, now), new_node("two", 1, now)],
        streams: Vec::new(),
    };
    if pair.nodes[0].join(&[addr(1)], now).is_err() {
        return false;
    }
    for _ in 0..1000 {
        let next = loop {
            let wake = [pair.carry_out(0, now), pair.carry_out(1, now)];
            if let [Some(a), Some(b)] = wake {
                break a.min(b);
            }
        };
        if pair.nodes.iter().all(|node| node.alive_count() == 2) {
            return true;
        }
        now = next.max(now + Duration::from_millis(1));
        for node in &mut pair.nodes {
            node.handle_tick(now);
        }
    }
    false
}

fn addr(n: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, n + 1), 7946).into()
}

fn new_node(name: &str, n: u8, now: Instant) -> Node {
    let name = Name::new(name).expect("a short name");
    let params = Params::new(Config::local()).expect("a valid profile");
    Node::new(Identity::new(name, addr(n)), params, [n; 32], now).expect("no tags")
}

struct Pair {
    nodes: [Node; 2],
    /// For each stream its id at the first node and at the second.
    streams: Vec<[StreamId; 2]>,
}

impl Pair {
    /// Carries out one action of a node; when there is none, says when the node is due.
    fn carry_out(&mut self, n: usize, now: Instant) -> Option<Instant> {
        let other = 1 - n;
        let from = addr(n as u8);
        let mut bytes = Vec::new();
        match self.nodes[n].poll_action(&mut bytes) {
            Action::SendDatagram { .. } => {
                self.nodes[other].handle_datagram(from, &bytes, now);
            }
            Action::OpenStream { id, .. } => {
                if let Some(accepted) = self.nodes[other].accept_stream(from, now) {
                    self.streams.push(if n == 0 {
                        [id, accepted]
                    } else {
                        [accepted, id]
                    });
                    self.nodes[n].handle_stream(id, StreamInput::Opened, now);
                }
            }
            Action::WriteStream { id } => self.pass_on(n, id, StreamInput::Data(&bytes), now),
            Action::CloseStream { id, .. } => self.pass_on(n, id, StreamInput::Finished, now),
            Action::Event(_) | Action::Done { .. } => {}
            Action::Answer { .. } | Action::QueryEnded { .. } => {}
            Action::Wait(due) => return Some(due.unwrap_or(Instant::FAR_FUTURE)),
        }
        None
    }

    fn pass_on(&mut self, n: usize, id: StreamId, input: StreamInput<'_>, now: Instant) {
        let other = 1 - n;
        if let Some(stream) = self.streams.iter().find(|stream| stream[n] == id) {
            self.nodes[other].handle_stream(stream[other], input, now);
        }
    }
}
