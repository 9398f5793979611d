//! `serf keys`

use std::collections::BTreeMap;
use std::mem;
use std::process::ExitCode;

use serde::Serialize;

use super::output::{Format, fail, json, say, table};
use super::remote::Remote;
use super::{Failure, Run};
use crate::rpc::client::KeyFailure;
use crate::rpc::protocol::KeyResponse;

/// Changes the encryption keys of all members. To rotate: install the new key, use it, remove the
/// old one, each when the step before has succeeded. Ends with 0 only if every member did what was
/// asked for.
#[derive(Debug, clap::Parser)]
#[command(name = "serf keys")]
pub(super) struct Keys {
    /// Install this key (from `serf keygen`) on all members, so that they can decrypt with it
    #[arg(long, value_name = "KEY")]
    install: Option<String>,
    /// Encrypt with this key, which must be installed
    #[arg(long = "use", value_name = "KEY")]
    use_key: Option<String>,
    /// Remove this key, which must not be the one that encrypts
    #[arg(long, value_name = "KEY")]
    remove: Option<String>,
    /// List the keys that are installed, and on how many members each
    #[arg(long)]
    list: bool,
    /// Output format: text or json
    #[arg(long, default_value = "text")]
    format: String,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

enum Operation {
    Install(String),
    Use(String),
    Remove(String),
    List,
}

impl Operation {
    fn begins(&self) -> &'static str {
        match self {
            Self::Install(_) => "Installing key on all members...",
            Self::Use(_) => "Changing primary key on all members...",
            Self::Remove(_) => "Removing key on all members...",
            Self::List => "Asking all members for installed keys...",
        }
    }

    fn succeeded(&self) -> &'static str {
        match self {
            Self::Install(_) => "Successfully installed key!",
            Self::Use(_) => "Successfully changed primary key!",
            Self::Remove(_) => "Successfully removed key!",
            Self::List => "Keys gathered, listing cluster keys...",
        }
    }

    fn failed(&self) -> &'static str {
        match self {
            Self::Install(_) => "Error installing key",
            Self::Use(_) => "Error changing primary key",
            Self::Remove(_) => "Error removing key",
            Self::List => "Failed to gather member keys",
        }
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report {
    /// What went wrong; empty if nothing did.
    error: String,
    /// What members had to say, above all those that failed or were silent.
    messages: BTreeMap<String, String>,
    members: i64,
    responses: i64,
    errors: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<BTreeMap<String, i64>>,
}

impl Run for Keys {
    async fn run(self) -> Result<ExitCode, Failure> {
        let given = |key: Option<String>| key.filter(|key| !key.is_empty());
        let mut operations: Vec<Operation> = [
            given(self.install).map(Operation::Install),
            given(self.use_key).map(Operation::Use),
            given(self.remove).map(Operation::Remove),
            self.list.then_some(Operation::List),
        ]
        .into_iter()
        .flatten()
        .collect();
        let operation = match (operations.pop(), operations.is_empty()) {
            (Some(operation), true) => operation,
            (Some(_), false) => {
                let text = "Only one of -install, -use, -remove, or -list allowed";
                return Err(Failure::Message(text.to_owned()));
            }
            (None, _) => return Err(Failure::Usage(String::new())),
        };
        let format = Format::parse(&self.format)?;
        let client = self.remote.connect().await?;
        if format == Format::Text {
            say(format_args!("==> {}", operation.begins()));
        }
        let outcome = match &operation {
            Operation::Install(key) => client.install_key(key).await,
            Operation::Use(key) => client.use_key(key).await,
            Operation::Remove(key) => client.remove_key(key).await,
            Operation::List => client.list_keys().await,
        };
        let (mut response, error) = match outcome {
            Ok(response) => (response, String::new()),
            Err(KeyFailure { error, response }) => (response, error.to_string()),
        };
        let succeeded = error.is_empty();
        match format {
            Format::Text => show(&operation, &response, &error),
            Format::Json => say(json(&Report {
                error,
                messages: mem::take(&mut response.messages),
                members: response.num_nodes,
                responses: response.num_resp,
                errors: response.num_err,
                keys: response.keys.take(),
            })),
        }
        Ok(match succeeded {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

fn show(operation: &Operation, response: &KeyResponse, error: &str) {
    if !error.is_empty() {
        let row = |(node, message): (&String, &String)| {
            vec!["failed: ".to_owned(), node.clone(), message.clone()]
        };
        let rows: Vec<_> = response.messages.iter().map(row).collect();
        if !rows.is_empty() {
            say(table(&rows));
        }
        say("");
        fail(format_args!("{}: {error}", operation.failed()));
        return;
    }
    say(format_args!("==> {}", operation.succeeded()));
    if let Some(keys) = &response.keys {
        say("");
        let of = response.num_nodes;
        let row = |(key, count): (&String, &i64)| vec![key.clone(), format!("[{count}/{of}]")];
        say(table(&keys.iter().map(row).collect::<Vec<_>>()));
    }
}
