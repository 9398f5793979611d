//! `serf why`

use std::process::ExitCode;

use serde::Serialize;

use super::output::{Format, json, say, table};
use super::remote::{Remote, failed};
use super::{Failure, Run};
use crate::rpc::ClientError;
use crate::rpc::protocol::{StoryEntry, error};

/// Tells what a running agent has seen happen to a member, and why: the latest changes, oldest
/// first. Every agent tells the story from its own point of view, and forgets it when it ends.
#[derive(Debug, clap::Parser)]
#[command(name = "serf why")]
pub(super) struct Why {
    /// Output format: text or json
    #[arg(long, default_value = "text")]
    format: String,
    #[command(flatten)]
    remote: Remote,
    /// Name of the member
    node: Vec<String>,
}

#[derive(Serialize)]
struct Story {
    node: String,
    status: String,
    history: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    time: String,
    event: String,
    cause: String,
}

impl From<StoryEntry> for Entry {
    fn from(entry: StoryEntry) -> Self {
        let time = jiff::Timestamp::from_millisecond(entry.time).unwrap_or_default();
        Self {
            time: format!("{time:.3}"),
            event: entry.event,
            cause: entry.cause,
        }
    }
}

impl Run for Why {
    async fn run(self) -> Result<ExitCode, Failure> {
        let [node] = self.node.as_slice() else {
            return Err(Failure::Usage(
                "Exactly one member must be named".to_owned(),
            ));
        };
        let format = Format::parse(&self.format)?;
        let client = self.remote.connect().await?;
        let answer = client.why(node).await.map_err(|failure| match failure {
            ClientError::Server(text) if text == error::UNSUPPORTED_COMMAND => Failure::Message(
                "Error asking why: this agent does not know the command (HashiCorp's does not)"
                    .to_owned(),
            ),
            failure => failed("Error asking why")(failure),
        })?;
        let story = Story {
            node: node.clone(),
            status: answer.status,
            history: answer.history.into_iter().map(Entry::from).collect(),
        };
        if story.status.is_empty() && story.history.is_empty() {
            return Err(Failure::Message(format!(
                "There is no member '{node}', and nothing is remembered of one"
            )));
        }
        match format {
            Format::Json => say(json(&story)),
            Format::Text => {
                let status = match story.status.as_str() {
                    "" => "not a member any more",
                    status => status,
                };
                say(format_args!("{node} is {status}"));
                let rows: Vec<_> = story
                    .history
                    .into_iter()
                    .map(|entry| vec![entry.time, entry.event, entry.cause])
                    .collect();
                say(table(&rows));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
