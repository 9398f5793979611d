//! The keys of a scenario, and what operators do with them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serf_core::KeyOperation;
use serf_core::keyring::{Key, Keyring};
use xxhash_rust::xxh3::xxh3_128;

use super::{Invalid, Node, Nodes};
use crate::event::Op;
use crate::world::World;

/// The key that a word stands for: the same in every scenario.
pub(super) fn key(word: &str) -> Key {
    let bytes = xxh3_128(word.as_bytes()).to_le_bytes();
    Key::new(&bytes).expect("a key may have 16 bytes")
}

/// The keys of a node; the first one encrypts. None if there are no words.
pub(super) fn ring(words: &[String]) -> Option<Keyring> {
    Keyring::from_keys(words.iter().map(|word| key(word))).ok()
}

/// Nodes are given keys by hand, in the place of those that they had: the first one encrypts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GiveKeys {
    /// Which.
    pub nodes: Nodes,
    /// Any words, each of which stands for a key.
    pub ring: Vec<String>,
}

/// A node sees to it that all do something with a key: exactly one of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The node that is told.
    pub by: Node,
    /// The key to be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// The key to encrypt with from now on.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_key: Option<String>,
    /// The key to be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<String>,
}

impl RotateKey {
    fn operation(&self) -> Result<KeyOperation, &'static str> {
        match (&self.install, &self.use_key, &self.remove) {
            (Some(word), None, None) => Ok(KeyOperation::Install(key(word))),
            (None, Some(word), None) => Ok(KeyOperation::Use(key(word))),
            (None, None, Some(word)) => Ok(KeyOperation::Remove(key(word))),
            (None, None, None) => Err("nothing"),
            _ => Err("several of them"),
        }
    }

    /// Such as "install k2", as the key of a scenario says it.
    pub(super) fn label(&self) -> String {
        let done = [
            ("install", &self.install),
            ("use", &self.use_key),
            ("remove", &self.remove),
        ];
        let said = done.iter().filter_map(|(what, key)| {
            let key = key.as_ref()?;
            Some(format!("{what} {key}"))
        });
        said.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), Invalid> {
        let wrong = |value| Invalid::new(key, value, "one of install, use, remove");
        self.operation().map(drop).map_err(wrong)
    }

    pub(super) fn plan(&self, world: &mut World, at: Duration) {
        if let (Ok(operation), Some(node)) = (self.operation(), self.by.index(world.len())) {
            world.schedule(at, Op::Keys { node, operation });
        }
    }
}

/// Judges words that stand for keys.
pub(super) fn validate_ring(key: &str, words: &[String]) -> Result<(), Invalid> {
    let accepted = format!("1 to {} words", Keyring::MAX_KEYS);
    match words.len() {
        1..=Keyring::MAX_KEYS => Ok(()),
        0 => Err(Invalid::new(key, "empty", &accepted)),
        count => Err(Invalid::new(key, format!("{count} words"), &accepted)),
    }
}
