//! `serf query`

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::output::{Format, json, say};
use super::remote::{Remote, failed, tag};
use super::{Failure, Run};
use crate::duration::GoDuration;
use crate::rpc::codec::Bytes;
use crate::rpc::protocol::{QueryRecord, QueryRequest, query};

/// Asks the members of the cluster something and shows their answers. Ends when the time of the
/// query is over.
#[derive(Debug, clap::Parser)]
#[command(name = "serf query")]
pub(super) struct Query {
    /// Output format: text, as the answers come, or json, at the end
    #[arg(long, default_value = "text")]
    format: String,
    /// Ask only this member; repeat for more
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Ask only members with a matching tag; repeat for more
    #[arg(long, value_name = "KEY=REGEX")]
    tag: Vec<String>,
    /// How long to wait for answers [default: a time that grows with the cluster]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<GoDuration>,
    /// Do not ask for acknowledgements
    #[arg(long)]
    no_ack: bool,
    /// Through how many other members each answer also travels, 0 to 255
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    relay_factor: i64,
    #[command(flatten)]
    remote: Remote,
    /// Name of the query and, if it has one, its payload
    #[arg(value_names = ["NAME", "PAYLOAD"], num_args = 0..)]
    args: Vec<String>,
}

/// What came back, for the end.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answers {
    /// Null rather than an empty list: scripts know it so.
    acks: Option<Vec<String>>,
    responses: BTreeMap<String, String>,
}

impl Run for Query {
    async fn run(self) -> Result<ExitCode, Failure> {
        let (name, payload) = match self.args.as_slice() {
            [] => {
                let text = "A query name must be specified.";
                return Err(Failure::Usage(text.to_owned()));
            }
            [name] => (name, ""),
            [name, payload] => (name, payload.as_str()),
            _ => {
                let text = "Too many command line arguments. \
                            Only a name and payload must be specified.";
                return Err(Failure::Usage(text.to_owned()));
            }
        };
        let relay_factor = u8::try_from(self.relay_factor)
            .map_err(|_| "Relay factor must be between 0 and 255".to_owned())?;
        let format =
            Format::parse(&self.format).map_err(|_| format!("Invalid format: {}", self.format))?;
        let mut tags = BTreeMap::new();
        for text in &self.tag {
            let (key, pattern) = tag(text)?;
            tags.insert(key, pattern);
        }
        let timeout = self.timeout.unwrap_or_default().0.as_nanos();
        let request = QueryRequest {
            filter_nodes: (!self.node.is_empty()).then(|| self.node.clone()),
            filter_tags: (!tags.is_empty()).then_some(tags),
            request_ack: !self.no_ack,
            relay_factor,
            timeout: i64::try_from(timeout).unwrap_or(i64::MAX),
            name: name.clone(),
            payload: Some(Bytes(payload.as_bytes().to_vec())),
        };
        let client = self.remote.connect().await?;
        let asked = client.query(&request).await;
        let mut replies = asked.map_err(failed("Error sending query"))?;
        if format == Format::Text {
            say(format_args!("Query '{name}' dispatched"));
        }
        let (mut answers, mut acks) = (Answers::default(), 0);
        let collecting = async {
            while let Some(record) = replies.next().await {
                let record = record.map_err(failed("Error receiving answers"))?;
                match format {
                    Format::Text => show(&record),
                    Format::Json if record.kind == query::ACK => {
                        let acks = answers.acks.get_or_insert_default();
                        acks.push(record.from.clone());
                    }
                    Format::Json => {}
                }
                if record.kind == query::ACK {
                    acks += 1;
                } else {
                    let payload = text(&record);
                    answers.responses.insert(record.from, payload);
                }
            }
            Ok::<_, Failure>(())
        };
        tokio::select! {
            over = collecting => over?,
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::FAILURE),
        }
        match format {
            Format::Json => say(json(&answers)),
            Format::Text => {
                if !self.no_ack {
                    say(format_args!("Total Acks: {acks}"));
                }
                say(format_args!("Total Responses: {}", answers.responses.len()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(record: &QueryRecord) -> String {
    let payload = record.payload.as_ref().map_or(&[][..], |bytes| &bytes.0);
    String::from_utf8_lossy(payload).into_owned()
}

fn show(record: &QueryRecord) {
    let from = &record.from;
    match record.kind.as_str() {
        query::ACK => say(format_args!("Ack from '{from}'")),
        _ => {
            let text = text(record);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            say(format_args!("Response from '{from}': {text}"));
        }
    }
}
