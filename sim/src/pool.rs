//! Buffers that go round: from a node's action through the queue to the receiver and back.

/// Unused buffers, and the one that is written next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    /// What a node writes its next action into; empty before.
    pub(crate) next: Vec<u8>,
    unused: Vec<Vec<u8>>,
}

impl Pool {
    /// Buffers kept at most; a burst returns the rest to the allocator.
    const KEPT: usize = 65_536;
    /// A buffer that grew past this held a state exchange, which is rare; it is not kept.
    const KEPT_CAPACITY: usize = 4_096;

    /// Takes what has been written, and puts an empty buffer in its place.
    #[inline]
    pub(crate) fn take_written(&mut self) -> Vec<u8> {
        let unused = self.take();
        std::mem::replace(&mut self.next, unused)
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.unused.pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        let kept = self.unused.len() < Self::KEPT;
        if kept && (1..=Self::KEPT_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.unused.push(buffer);
        }
    }
}
