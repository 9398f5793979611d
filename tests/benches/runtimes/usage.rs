//! What this process has used.

use std::ops::Sub;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Time, on the wall and of the CPU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    /// Of all threads.
    pub(crate) process: Duration,
    /// Of the thread that asks.
    pub(crate) thread: Duration,
}

/// The difference of two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) wall: Duration,
    pub(crate) process: Duration,
    pub(crate) thread: Duration,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let cpu = |clock| {
            let time = clock_gettime(clock);
            let (secs, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
            Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
        };
        Self {
            at: Instant::now(),
            process: cpu(ClockId::ProcessCPUTime),
            thread: cpu(ClockId::ThreadCPUTime),
        }
    }
}

impl Sub for Usage {
    type Output = Used;

    fn sub(self, earlier: Self) -> Used {
        Used {
            wall: self.at - earlier.at,
            process: self.process - earlier.process,
            thread: self.thread - earlier.thread,
        }
    }
}

/// Kibibytes of memory that are resident now, and that ever were at once.
pub(crate) fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).expect("a number of kB")
    };
    (field("VmRSS:"), field("VmHWM:"))
}
