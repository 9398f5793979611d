//! A node that keeps a journal of all that goes in and comes out.

use alloc::vec::Vec;

use super::Node;
use crate::config::{Identity, Params};
use crate::error::CommandError;
use crate::journal::{Start, Tape};
use crate::time::Instant;
use crate::wire::seal::PACKET_OVERHEAD;

impl Node {
    /// A node as [`new`](Self::new) makes it that keeps a [journal](crate::journal) of all that
    /// goes in and comes out. Whoever drives it owes it a [`take_journal`](Self::take_journal) after
    /// each drain. A clone of it keeps none.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn recorded(
        identity: Identity,
        params: Params,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, CommandError> {
        let start = Start::new(&identity, &params, seed, now);
        let mut node = Self::new(identity, params, seed, now)?;
        node.tape = Tape::begin(start);
        Ok(node)
    }

    /// Appends to `out` what was journalled since the last time; nothing, unless the node was made
    /// by [`recorded`](Self::recorded). Answers false if nothing is recorded, or not any more, which
    /// happens when 64 MiB have not been taken.
    pub fn take_journal(&mut self, out: &mut Vec<u8>) -> bool {
        self.tape.take(out)
    }

    /// Begins another journal with the node as it is now, to be called when the node has been drained
    /// and [`take_journal`](Self::take_journal) has taken what there is: so a journal need not grow
    /// for ever. Its beginning is with what is taken next. False if nothing is recorded, or actions
    /// wait to be polled.
    pub fn restart_journal(&mut self) -> bool {
        if !self.outbox.is_empty() || !self.tape.records() {
            return false;
        }
        let mut node = Vec::with_capacity(self.saved_len() + PACKET_OVERHEAD);
        self.save(&mut node);
        self.tape.restart(self.now, node, self.envelope.keys());
        true
    }

    /// Ends the journal; nothing is recorded any more.
    pub fn end_journal(&mut self) {
        self.tape = Tape::default();
    }

    /// How many bytes [`take_journal`](Self::take_journal) would append, or a few less.
    #[must_use]
    pub fn journal_len(&self) -> usize {
        self.tape.waiting()
    }
}
