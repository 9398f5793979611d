//! Where a journal begins that goes on from another.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyMark, MissingKey};
use crate::node::Node;
use crate::rng::Rng;
use crate::serf::keyring::{Key, Keyring};
use crate::time::Instant;
use crate::wire::label::Label;
use crate::wire::seal::{NONCE_LEN, Sealer};

/// A whole node at one instant.
///
/// It is good for the version of this crate that wrote it. What an encrypted node has in its queues
/// may be secret, even a new key on its way to the others, so all of it is sealed with the node's
/// primary key; the keys themselves are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint<'a> {
    /// When that was, in nanoseconds of the node's own time.
    pub at: u64,
    /// The marks of the keys that it had, the primary first; none if it did not encrypt.
    pub keys: Vec<KeyMark>,
    /// The node; sealed if it had keys.
    node: Cow<'a, [u8]>,
}

impl Checkpoint<'_> {
    /// `nonces` must be good for nothing else: a node that is run again has to draw the same numbers
    /// as it did.
    pub(super) fn new(
        at: Instant,
        mut node: Vec<u8>,
        keys: Option<&Keyring>,
        nonces: &mut Rng,
    ) -> Self {
        if let Some(keys) = keys {
            let mut nonce = [0; NONCE_LEN];
            nonce[..8].copy_from_slice(&nonces.next_u64().to_le_bytes());
            nonce[8..].copy_from_slice(&nonces.next_u32().to_le_bytes());
            Sealer::new(keys).seal_packet(&mut node, 0, nonce, &Label::none());
        }
        Self {
            at: at.as_nanos(),
            keys: keys.map(KeyMark::all).unwrap_or_default(),
            node: Cow::Owned(node),
        }
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> Instant {
        Instant::from_nanos(self.at)
    }

    /// The node as it was. It records nothing.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn build(&self, keys: &[Key]) -> Result<Node, CheckpointError> {
        if self.keys.is_empty() {
            return Node::resume(&self.node, None).ok_or(CheckpointError::Unknown);
        }
        let found: Result<Vec<Key>, _> = self.keys.iter().map(|mark| mark.find(keys)).collect();
        let found = found.map_err(CheckpointError::MissingKey)?;
        let ring = Keyring::from_keys(found).map_err(|_| CheckpointError::Unknown)?;
        let mut sealed = Zeroizing::new(self.node.to_vec());
        let opened = Sealer::new(&ring);
        let opened = opened.open_packet(&mut sealed, &Label::none());
        let node = opened
            .ok()
            .and_then(|node| Node::resume(node, Some(ring.clone())));
        node.ok_or(CheckpointError::Unknown)
    }
}

/// Why a node cannot go on from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointError {
    /// None of the keys given has the mark of one that is needed.
    MissingKey(MissingKey),
    /// It was written by another version of this crate.
    Unknown,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingKey(missing) => missing.fmt(f),
            Self::Unknown => f.write_str("the node in it was written by another version of Serf"),
        }
    }
}

impl core::error::Error for CheckpointError {}
