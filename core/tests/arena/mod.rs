//! Memory in which a key is looked for, by tests that are alone in their program.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory that is never used twice, so that whatever was once written and not wiped stays there.
struct Arena {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

const SIZE: usize = 512 << 20;

// SAFETY: each byte is handed out once; `traces` reads while no other thread writes.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl Sync for Arena {}

// SAFETY: all blocks are apart from each other, aligned, and there for ever.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let room = layout.size() + layout.align();
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start + room > SIZE {
            return std::ptr::null_mut();
        }
        let block = self.bytes.get().cast::<u8>().wrapping_add(start);
        block.wrapping_add(block.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ARENA: Arena = Arena {
    bytes: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
};

/// The key that comes and goes, and what operators know it by.
pub(crate) const SECRET: [u8; 32] = *b"7d!kQ0.zR2#vX9@pL4%mB6&cT8*yN1+w";
pub(crate) const SECRET_TEXT: &str = "N2Qha1EwLnpSMiN2WDlAcEw0JW1CNiZjVDgqeU4xK3c=";

/// A piece of this length is found. Shorter ones are in what no program can wipe: bytes between the
/// fields of a value, where there is whatever the stack had.
const PIECE: usize = 24;

/// How often a piece of the key, or of its text, is somewhere in memory.
#[allow(
    unsafe_code,
    reason = "memory that was freed cannot be looked at without"
)]
pub(crate) fn traces() -> usize {
    let used = ARENA.used.load(Ordering::Relaxed).min(SIZE);
    // SAFETY: the arena is initialised, and nobody writes to it when a test looks.
    let bytes = unsafe { std::slice::from_raw_parts(ARENA.bytes.get().cast::<u8>(), used) };
    let secrets = [&SECRET[..], SECRET_TEXT.as_bytes()];
    let pieces = secrets.map(|secret| secret.windows(PIECE).step_by(8));
    let pieces: Vec<&[u8]> = pieces.into_iter().flatten().collect();
    let found = bytes.windows(PIECE).filter(|&window| {
        // Most of it is zero.
        window[0] != 0 && pieces.contains(&window)
    });
    found.count()
}
