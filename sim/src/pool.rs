//! Buffers that go round: from a node's action through the queue to the receiver and back.

/// Unused buffers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Vec<Vec<u8>>);

impl Pool {
    /// Buffers kept at most; a burst returns the rest to the allocator.
    const KEPT: usize = 65_536;
    /// A buffer that grew past this held a state exchange, which is rare; it is not kept.
    const KEPT_CAPACITY: usize = 4_096;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < Self::KEPT && (1..=Self::KEPT_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
