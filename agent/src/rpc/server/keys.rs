//! Key operations that a client asks for.

use std::collections::BTreeMap;
use std::mem;

use serf_core::KeyOperation;
use serf_core::keyring::{Key, KeyringError};
use serf_tokio::{Handle, KeyReport};

use crate::rpc::protocol::{KeyResponse, command};

/// What is said of a member that did not answer.
const SILENT: &str = "no answer in time";

/// The operation that a command stands for.
pub(super) fn operation(name: &str, key: &str) -> Result<KeyOperation, KeyringError> {
    let key = Key::from_base64(key)?;
    Ok(match name {
        command::INSTALL_KEY => KeyOperation::Install(key),
        command::USE_KEY => KeyOperation::Use(key),
        _ => KeyOperation::Remove(key),
    })
}

/// Carries an operation out. Answers the error, which is empty if there was none, and what follows
/// it in either case.
pub(super) async fn operate(handle: &Handle, operation: KeyOperation) -> (String, KeyResponse) {
    let lists = operation == KeyOperation::List;
    match handle.key_operation(operation).await {
        Ok(report) => (failure(&report), response(report, lists)),
        Err(error) => (error.to_string(), KeyResponse::default()),
    }
}

fn failure(report: &KeyReport) -> String {
    let (failed, expected) = (report.failed.len(), report.expected);
    match report.is_complete() {
        true => String::new(),
        false if failed > 0 => format!("{failed}/{expected} nodes reported failure"),
        false => format!("{}/{expected} nodes reported success", report.responses),
    }
}

/// With those that were silent among those with a message: so they are named.
fn response(mut report: KeyReport, lists: bool) -> KeyResponse {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let num_err = count(report.failed.len());
    let mut messages: BTreeMap<String, String> = BTreeMap::new();
    let failed = mem::take(&mut report.failed);
    for (node, message) in mem::take(&mut report.messages).into_iter().chain(failed) {
        messages.insert(node.to_string(), message);
    }
    for node in &report.silent {
        messages.insert(node.to_string(), SILENT.to_owned());
    }
    let keys = lists.then(|| mem::take(&mut report.keys));
    KeyResponse {
        messages,
        keys: keys.map(|keys| keys.into_iter().map(|(key, at)| (key, count(at))).collect()),
        num_nodes: count(report.expected),
        num_err,
        num_resp: count(report.responses),
    }
}

#[cfg(test)]
mod tests {
    use serf_core::Name;

    use super::*;

    fn report(expected: usize, responses: usize) -> KeyReport {
        let mut report = KeyReport::default();
        (report.expected, report.responses) = (expected, responses);
        report
    }

    #[test]
    fn who_failed_and_who_was_silent_is_named_and_the_words_tell_which() {
        assert_eq!(failure(&report(3, 3)), "");
        let mut silent = report(3, 2);
        silent.silent = vec![Name::new("c").unwrap()];
        assert_eq!(failure(&silent), "2/3 nodes reported success");
        let mut failed = silent.clone();
        failed
            .failed
            .insert(Name::new("b").unwrap(), "no".to_owned());
        assert_eq!(failure(&failed), "1/3 nodes reported failure");
        let response = response(failed, false);
        assert_eq!(response.messages["b"], "no");
        assert_eq!(response.messages["c"], SILENT);
        let numbers = (response.num_nodes, response.num_err, response.num_resp);
        assert_eq!((numbers, &response.keys), ((3, 1, 2), &None));
    }
}
