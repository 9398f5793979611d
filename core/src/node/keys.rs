//! Key operations: queries that every member answers by itself (wire-protocol reference, section
//! 8.7).

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::Node;
use crate::action::{CommandId, Outcome};
use crate::error::CommandError;
use crate::event::Event;
use crate::journal::{Input, KeyMark};
use crate::member::Name;
use crate::message;
use crate::serf::collector::Answer;
use crate::serf::key_report::{KeyOperation, KeyReport};
use crate::serf::keyring::{Key, Keyring, KeyringError};
use crate::serf::query::{QueryKey, QueryParams};
use crate::time::Instant;
use crate::wire::memberlist::{
    KeyRequest, read_key_request, read_key_response, write_key_request, write_key_response,
};

/// The longest message of a member that is kept, in bytes.
const MAX_MESSAGE: usize = 256;

/// The most different keys that are counted.
const MAX_KEYS: usize = 256;

/// A key takes about this many bytes in an answer.
const BYTES_PER_KEY: usize = 25;

/// More bytes than a request has, and than an answer with all keys of a ring: buffers that hold keys
/// must not be moved, as that would leave a copy behind.
const MAX_REQUEST: usize = 16 + Key::MAX_LEN;
const MAX_ANSWER: usize = MAX_MESSAGE + (Keyring::MAX_KEYS + 1) * 48;

/// Through how many others each answer travels besides: an operator who reads that somebody was
/// silent has work to do, which a lost packet should not cause.
const RELAYS: u8 = 3;

/// A key operation of this node under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyTask {
    id: CommandId,
    /// Those that have not answered yet.
    silent: BTreeSet<Name>,
    report: KeyReport,
}

/// The key operations of this node.
pub(super) type KeyTasks = BTreeMap<QueryKey, KeyTask>;

impl Node {
    /// Has every member, this one included, do something with a key. Ends with
    /// [`Outcome::Keys`] when all have answered, or when the time is over.
    ///
    /// To rotate: install the new key, use it, remove the old one, each when the step before is
    /// complete. A member that was down meanwhile has to be given the new key by hand.
    ///
    /// # Errors
    /// Those of [`query`](Self::query).
    pub fn key_operation(
        &mut self,
        operation: &KeyOperation,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.tape
            .input(Some(now), || Input::key_operation(operation));
        self.advance(now);
        let members = self.table.iter().map(|(_, record)| record);
        let live = members.filter(|record| record.state().is_live());
        let silent: BTreeSet<Name> = live.map(|record| record.profile.name.clone()).collect();
        let expected = silent.len();
        let mut payload = Zeroizing::new(Vec::with_capacity(MAX_REQUEST));
        let key = operation.key();
        write_key_request(&mut payload, &KeyRequest { key });
        let name = operation.query_name();
        let id = self.take_command();
        let mut report = KeyReport::default();
        report.expected = expected;
        let task = KeyTask { id, silent, report };
        // The answer of this node itself comes before the query returns.
        let params = QueryParams {
            relay_factor: RELAYS,
            ..QueryParams::default()
        };
        self.begin_query(name, &payload, &params, |node, key| {
            node.key_tasks.insert(key, task);
        })?;
        Ok(id)
    }

    /// Takes an answer to a key operation of this node. Gives it back if it is none.
    pub(super) fn take_key_answer(&mut self, query: QueryKey, answer: Answer) -> Option<Answer> {
        let Some(task) = self.key_tasks.get_mut(&query) else {
            return Some(answer);
        };
        if let Answer::Response { from, mut payload } = answer {
            task.silent.remove(&from);
            task.report.take(from, &payload);
            // It may list keys. Nobody else has it.
            if let Some(payload) = Arc::get_mut(&mut payload) {
                payload.zeroize();
            }
            if task.report.responses >= task.report.expected {
                self.collectors.close(query);
                self.end_key_task(query);
            }
        }
        None
    }

    /// The time for a key operation is over. False if it is no key operation.
    pub(super) fn end_key_task(&mut self, query: QueryKey) -> bool {
        let Some(KeyTask {
            id,
            silent,
            mut report,
        }) = self.key_tasks.remove(&query)
        else {
            return false;
        };
        report.silent = silent.into_iter().collect();
        self.done(id, Outcome::Keys(report));
        true
    }

    /// Does what a key query asks for, and says how it went.
    pub(super) fn answer_key_query(
        &mut self,
        name: &str,
        query: &message::Query<'_>,
    ) -> Zeroizing<Vec<u8>> {
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        if name == "list-keys" {
            self.list_keys(&mut answer);
            return answer;
        }
        let none = None::<core::iter::Empty<&str>>;
        match self.change_keys(name, query.payload) {
            Ok(()) => write_key_response(&mut answer, true, "", none, ""),
            Err(reason) => write_key_response(&mut answer, false, &reason, none, ""),
        }
        answer
    }

    fn change_keys(&mut self, name: &str, payload: &[u8]) -> Result<(), String> {
        let Ok(KeyRequest { key }) = read_key_request(payload) else {
            return Err("the key request cannot be read".to_owned());
        };
        let Some(ring) = self.keyring() else {
            return Err("No keyring to modify (encryption not enabled)".to_owned());
        };
        let mut ring = ring.clone();
        let changed = match name {
            "install-key" => ring.install(key),
            "use-key" => ring.use_key(key),
            _ => ring.remove(key),
        };
        if changed.map_err(|error: KeyringError| error.to_string())? {
            self.envelope.set_keys(ring);
            self.event(Event::KeyringChanged);
        }
        Ok(())
    }

    /// As many keys as fit in an answer.
    fn list_keys(&self, answer: &mut Vec<u8>) {
        let Some(ring) = self.keyring() else {
            let none = None::<core::iter::Empty<&str>>;
            let reason = "Keyring is empty (encryption not enabled)";
            return write_key_response(answer, false, reason, none, "");
        };
        let limit = self.params.query_response_size_limit;
        let keys: Vec<_> = ring.keys().iter().map(|key| key.to_base64()).collect();
        let all = keys.len();
        for shown in (0..=all.min(limit / BYTES_PER_KEY)).rev() {
            let message = match shown == all {
                true => String::new(),
                false => {
                    format!("truncated key list response, showing first {shown} of {all} keys")
                }
            };
            answer.clear();
            let list = keys[..shown].iter().map(|key| key.as_str());
            write_key_response(answer, true, &message, Some(list), &keys[0]);
            if self.response_fits(answer) {
                return;
            }
        }
    }

    /// Replaces the keys of this node alone, where the cluster cannot be asked.
    pub fn set_keyring(&mut self, keys: Keyring, now: Instant) {
        self.tape
            .input(Some(now), || Input::SetKeyring(KeyMark::all(&keys)));
        self.advance(now);
        self.envelope.set_keys(keys);
        self.event(Event::KeyringChanged);
    }
}

impl KeyReport {
    fn take(&mut self, from: Name, payload: &[u8]) {
        self.responses += 1;
        let Ok(response) = read_key_response(payload) else {
            self.failed
                .insert(from, "the answer cannot be read".to_owned());
            return;
        };
        let message: String = response.message.chars().take(MAX_MESSAGE).collect();
        if !response.done {
            self.failed.insert(from, message);
            return;
        }
        if !message.is_empty() {
            self.messages.insert(from, message);
        }
        for key in response.keys {
            count(&mut self.keys, key);
        }
        if !response.primary.is_empty() {
            count(&mut self.primary_keys, response.primary);
        }
    }
}

fn count(counts: &mut BTreeMap<String, usize>, key: &str) {
    // No copy of a key is made that is not kept.
    if let Some(count) = counts.get_mut(key) {
        *count += 1;
    } else if counts.len() < MAX_KEYS {
        counts.insert(key.to_owned(), 1);
    }
}
