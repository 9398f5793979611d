//! Counting the tasks of nodes.

use std::sync::atomic::{AtomicUsize, Ordering};

static TASKS: AtomicUsize = AtomicUsize::new(0);

/// How many tasks the nodes of this process have: event loops and stream tasks that have neither
/// ended nor been dropped. Zero when all nodes have stopped, which tests of an adapter can ask on
/// a runtime that cannot tell its tasks.
#[must_use]
pub fn tasks() -> usize {
    TASKS.load(Ordering::Acquire)
}

/// A task, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(());

impl Counted {
    pub(crate) fn new() -> Self {
        TASKS.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::AcqRel);
    }
}
