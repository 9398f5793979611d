//! Ctrl-C: the first one ends the work with what there is, a second one ends the program.

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of programs that Ctrl-C ended, as shells tell it.
pub(crate) const EXIT: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Watches for it from now on.
pub(crate) fn watch() {
    // Without a handler Ctrl-C ends the program at once, which is no reason not to run.
    let _without = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT.into());
        }
        eprintln!("stopping; once more to stop at once");
    });
}

/// True once it came.
pub(crate) fn came() -> bool {
    STOP.load(Ordering::Relaxed)
}
