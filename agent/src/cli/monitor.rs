//! `serf monitor`

use std::process::ExitCode;

use rmpv::Value;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};
use crate::rpc::codec::Decode;
use crate::rpc::protocol::LogRecord;

/// Shows the recent log of a running agent, then follows its log and its events. The level may be
/// lower than the agent's own.
#[derive(Debug, clap::Parser)]
#[command(name = "serf monitor")]
pub(super) struct Monitor {
    /// Lowest level to show: trace, debug, info, warn, err
    #[arg(long, default_value = "INFO")]
    log_level: String,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Monitor {
    async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.remote.connect().await?;
        let mut events = client
            .stream("*")
            .await
            .map_err(failed("Error starting stream"))?;
        let mut log = client
            .monitor(&self.log_level)
            .await
            .map_err(failed("Error starting monitor"))?;
        loop {
            let more = tokio::select! {
                record = log.next() => record.map(print_line),
                record = events.next() => record.map(|record| print_event(&record)),
                signal = tokio::signal::ctrl_c() => {
                    if signal.is_ok() {
                        // The agent notices the closed connection in any case.
                        let _ = client.stop(log.handle()).await;
                        let _ = client.stop(events.handle()).await;
                    }
                    return Ok(ExitCode::SUCCESS);
                }
            };
            if more.is_none() {
                let text = "\nRemote side ended the monitor! This usually means that the\n\
                            remote side has exited or crashed.";
                return Err(Failure::Message(text.to_owned()));
            }
        }
    }
}

fn print_line(record: Value) {
    if let Ok(LogRecord { log }) = LogRecord::decode(record) {
        say(log);
    }
}

fn print_event(record: &Value) {
    say("Event Info:");
    let Value::Map(pairs) = record else { return };
    let mut lines: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("\t{}: {}", key.as_str().unwrap_or("?"), Shown(value)))
        .collect();
    lines.sort();
    for line in lines {
        say(line);
    }
}

/// A value as a person reads it.
struct Shown<'a>(&'a Value);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "{:?}", String::from_utf8_lossy(text.as_bytes())),
            Value::Binary(bytes) => write!(f, "{bytes:?}"),
            Value::Array(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", Self(item))?;
                }
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{}: {}", Self(key), Self(value))?;
                }
                f.write_str("}")
            }
            other => write!(f, "{other}"),
        }
    }
}
