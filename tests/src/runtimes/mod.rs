//! The runtimes that nodes are tested on, alone and together.
//!
//! Where a runtime can tell its tasks, [`Runtime::run`] also sees to it that none is left when the
//! test has let go of its nodes.

#[cfg(target_os = "linux")]
mod glommio;
mod mixed;
mod smol;
mod tokio;

use std::io::Write as _;
use std::time::{Duration, Instant};

pub use mixed::Mixed;
pub use smol::Smol;
pub use tokio::{ManyThreads, OneThread};

#[cfg(target_os = "linux")]
pub use glommio::{Glommio, glommio_runs};

use crate::Runtime;

/// Waits until no task is left, and panics if some are there to stay.
async fn no_task_left<R: Runtime>(tasks: impl Fn() -> usize) {
    let patience = Instant::now() + Duration::from_secs(30);
    while tasks() > 0 {
        assert!(Instant::now() < patience, "{} tasks are left", tasks());
        R::sleep(Duration::from_millis(2)).await;
    }
}

/// Says why a test was passed over, past the capture of tests that pass.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
