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
    /// How long that thread was ready to run and others had the CPU.
    pub(crate) waited: Duration,
}

/// The difference of two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) wall: Duration,
    pub(crate) process: Duration,
    pub(crate) thread: Duration,
    pub(crate) waited: Duration,
}

impl Usage {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            process: cpu_time(ClockId::ProcessCPUTime),
            thread: thread_time(),
            waited: waited(),
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
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// CPU time of the thread that asks.
pub(crate) fn thread_time() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (secs, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
}

/// Nothing, where the kernel does not keep account of it.
fn waited() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = account.split_whitespace().nth(1);
    Duration::from_nanos(waited.and_then(|n| n.parse().ok()).unwrap_or(0))
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
