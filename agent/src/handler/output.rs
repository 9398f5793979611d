//! What a handler prints, of which the end is kept.

use std::collections::VecDeque;

/// The bytes of a handler's output that are kept.
const KEPT: usize = 8 * 1024;

/// The last [`KEPT`] bytes of an output, and how long all of it was.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: VecDeque<u8>,
    written: u64,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (self.kept.len() + bytes.len()).saturating_sub(KEPT);
        self.kept.drain(..excess);
        self.kept.extend(bytes);
    }

    /// The length of all of it, if more was written than is kept.
    pub(super) fn truncated(&self) -> Option<(u64, usize)> {
        (self.written > KEPT as u64).then_some((self.written, KEPT))
    }

    /// What is kept.
    pub(super) fn bytes(&mut self) -> &[u8] {
        self.kept.make_contiguous()
    }

    /// What is kept, as far as it is text.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut tail = Tail::default();
        tail.push(b"first");
        tail.push(&[b'.'; KEPT - 10]);
        assert_eq!(tail.truncated(), None);
        tail.push(b"the end");
        assert_eq!(tail.truncated(), Some((KEPT as u64 + 2, KEPT)));
        tail.push(&[b'x'; 3 * KEPT]);
        tail.push(b"end");
        let text = tail.text();
        assert_eq!(text.len(), KEPT);
        assert!(text.starts_with('x') && text.ends_with("xend"));
    }
}
