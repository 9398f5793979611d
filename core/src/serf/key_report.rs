//! What became of a key operation in the whole cluster (wire-protocol reference, section 8.7).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::member::Name;

/// Something to be done with a key by every member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOperation {
    /// Add it, so that what is encrypted with it can be read.
    Install(super::keyring::Key),
    /// Encrypt with it from now on. It has to be installed.
    Use(super::keyring::Key),
    /// Forget it. It must not be the one in use.
    Remove(super::keyring::Key),
    /// Say which keys there are.
    List,
}

const INSTALL: &str = "_serf_install-key";
const USE: &str = "_serf_use-key";
const REMOVE: &str = "_serf_remove-key";
const LIST: &str = "_serf_list-keys";

impl KeyOperation {
    /// The name of the query that asks for it.
    pub(crate) const fn query_name(&self) -> &'static str {
        match self {
            Self::Install(_) => INSTALL,
            Self::Use(_) => USE,
            Self::Remove(_) => REMOVE,
            Self::List => LIST,
        }
    }

    /// Whether a query of this name asks for one. Such are told twice as often as others: otherwise
    /// one of 20 members does not hear of every 350th, although no packet is lost, and who has not
    /// heard of a new key is cut off when the others use it.
    pub(crate) fn is_asked_by(name: &str) -> bool {
        [INSTALL, USE, REMOVE, LIST].contains(&name)
    }

    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Install(key) | Self::Use(key) | Self::Remove(key) => key.as_bytes(),
            Self::List => &[],
        }
    }
}

/// Who did what was asked for, who could not, and who never said.
///
/// It holds keys in base64 after [`KeyOperation::List`]; do not log it. They are overwritten in memory
/// when it is dropped; what is taken out of it is up to whoever takes it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyReport {
    /// Members that were expected to answer: those alive, suspected ones and the asker included.
    pub expected: usize,
    /// Members that answered.
    pub responses: usize,
    /// Members that could not do it, and what they said.
    pub failed: BTreeMap<Name, String>,
    /// What members that did it had to say besides, such as that their list was cut.
    pub messages: BTreeMap<Name, String>,
    /// Members that were alive when the operation began and did not answer in time.
    pub silent: Vec<Name>,
    /// The keys that are installed, in base64, and at how many members.
    pub keys: BTreeMap<String, usize>,
    /// The keys that encrypt, in base64, and at how many members.
    pub primary_keys: BTreeMap<String, usize>,
}

impl KeyReport {
    /// True if every member that was alive did it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.responses >= self.expected
    }
}

impl Drop for KeyReport {
    fn drop(&mut self) {
        for keys in [&mut self.keys, &mut self.primary_keys] {
            for (mut key, _) in core::mem::take(keys) {
                key.zeroize();
            }
        }
    }
}

impl core::fmt::Debug for KeyReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyReport")
            .field("expected", &self.expected)
            .field("responses", &self.responses)
            .field("failed", &self.failed)
            .field("messages", &self.messages)
            .field("silent", &self.silent)
            .finish_non_exhaustive()
    }
}
