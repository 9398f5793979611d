//! Writing a journal.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{
    Checkpoint, Entry, HASH_LEN, HEADER, Input, RECORD_HEADER, Start, hash_action, record_header,
};
use crate::action::Action;
use crate::rng::{Purpose, Rng};
use crate::serf::keyring::Keyring;
use crate::time::Instant;

/// How many bytes may wait to be collected. A node that is driven as it should be has a few
/// kilobytes; one that nobody collects from stops recording.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// What a node writes its journal on; nothing at all for most nodes.
#[derive(Debug, Default)]
pub(crate) struct Tape(Option<Box<Recording>>);

#[derive(Debug)]
struct Recording {
    /// Written and not collected yet.
    written: Vec<u8>,
    /// The time of the last input.
    last: Instant,
    /// Hashes of actions that were polled since the last input.
    actions: Vec<u8>,
    overrun: bool,
    /// For what is sealed.
    nonces: Rng,
}

/// A copy of a node is another node: it records nothing.
impl Clone for Tape {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Tape {
    pub(crate) fn begin(start: Start) -> Self {
        let mut recording = Recording {
            written: HEADER.to_vec(),
            last: start.at(),
            actions: Vec::new(),
            overrun: false,
            nonces: Rng::new(start.seed, Purpose::Journal),
        };
        recording.append(&Entry::Start(Box::new(start)));
        Self(Some(Box::new(recording)))
    }

    pub(crate) const fn records(&self) -> bool {
        self.0.is_some()
    }

    /// Begins another journal with a node that was saved at `now`.
    pub(crate) fn restart(&mut self, now: Instant, node: Vec<u8>, keys: Option<&Keyring>) {
        if let Some(recording) = &mut self.0 {
            let checkpoint = Checkpoint::new(now, node, keys, &mut recording.nonces);
            recording.last = now;
            recording.actions.clear();
            recording.written.clear();
            recording.written.extend_from_slice(&HEADER);
            recording.append(&Entry::Checkpoint(checkpoint));
        }
    }

    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Writes down an input, before it is taken in: also the one that a node does not survive.
    #[inline]
    pub(crate) fn input<'a>(&mut self, now: Option<Instant>, input: impl FnOnce() -> Input<'a>) {
        if let Some(recording) = &mut self.0 {
            recording.input(now, input());
        }
    }

    /// Writes down an action as it is polled.
    #[inline]
    pub(crate) fn action(&mut self, action: &Action, bytes: &[u8]) {
        if let Some(recording) = &mut self.0 {
            let hash = hash_action(action, bytes);
            recording.actions.extend_from_slice(&hash);
            if matches!(action, Action::Wait(_)) {
                recording.finish_actions();
            }
        }
    }

    /// Appends what has been written to `out`. False if nothing is recorded, or not any more.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(recording) = &mut self.0 else {
            return false;
        };
        recording.finish_actions();
        out.append(&mut recording.written);
        let goes_on = !recording.overrun;
        if !goes_on {
            self.0 = None;
        }
        goes_on
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |recording| recording.written.len())
    }
}

impl Recording {
    fn input(&mut self, now: Option<Instant>, input: Input<'_>) {
        self.finish_actions();
        let now = now.unwrap_or(self.last);
        // In two's complement the difference is right in either direction.
        let after = now.as_nanos().wrapping_sub(self.last.as_nanos());
        self.last = now;
        self.append(&Entry::Input(after.cast_signed(), input));
    }

    fn finish_actions(&mut self) {
        if !self.actions.is_empty() {
            let mut actions = core::mem::take(&mut self.actions);
            debug_assert!(actions.len().is_multiple_of(HASH_LEN));
            self.append(&Entry::Actions(&actions));
            actions.clear();
            self.actions = actions;
        }
    }

    fn append(&mut self, entry: &Entry<'_>) {
        if self.overrun {
            return;
        }
        let start = self.written.len();
        let mut written = core::mem::take(&mut self.written);
        written.extend_from_slice(&[0; RECORD_HEADER]);
        self.written =
            postcard::to_extend(entry, written).expect("what a node takes in can be written down");
        let (header, entry) = self.written[start..].split_at_mut(RECORD_HEADER);
        match record_header(entry) {
            Some(known) if start + entry.len() <= MAX_WAITING => header.copy_from_slice(&known),
            _ => {
                self.written.truncate(start);
                self.overrun = true;
            }
        }
    }
}
