//! `serf members`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use serde::Serialize;

use super::output::{Format, json, say, table};
use super::remote::{Remote, failed, tag};
use super::{Failure, Run};
use crate::rpc::protocol::{Member, MembersFilteredRequest};

/// Lists the members of the cluster, as a running agent knows it.
#[derive(Debug, clap::Parser)]
#[command(name = "serf members")]
pub(super) struct Members {
    /// Also show the protocol versions, and which wire the agent speaks to each member (text only)
    #[arg(long)]
    detailed: bool,
    /// Output format: text or json
    #[arg(long, default_value = "text")]
    format: String,
    /// Only members whose whole name matches
    #[arg(
        long,
        value_name = "REGEX",
        default_value = "",
        hide_default_value = true
    )]
    name: String,
    /// Only members of this role (deprecated: use -tag role=REGEX)
    #[arg(
        long,
        value_name = "REGEX",
        default_value = "",
        hide_default_value = true
    )]
    role: String,
    /// Only members whose status matches: alive, leaving, left, failed
    #[arg(
        long,
        value_name = "REGEX",
        default_value = "",
        hide_default_value = true
    )]
    status: String,
    /// Only members with a matching tag; repeat for more
    #[arg(long, value_name = "KEY=REGEX")]
    tag: Vec<String>,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

#[derive(Serialize)]
struct Listing {
    /// Null rather than an empty list: scripts know it so.
    members: Option<Vec<Entry>>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    addr: String,
    port: u16,
    tags: BTreeMap<String, String>,
    status: String,
    protocol: BTreeMap<&'static str, u8>,
}

impl From<Member> for Entry {
    fn from(member: Member) -> Self {
        let addr = match member.ip() {
            Some(ip) => SocketAddr::new(ip, member.port).to_string(),
            None => format!(":{}", member.port),
        };
        Self {
            addr,
            port: member.port,
            name: member.name,
            tags: member.tags,
            status: member.status,
            protocol: BTreeMap::from([
                ("min", member.delegate_min),
                ("max", member.delegate_max),
                ("version", member.delegate_cur),
            ]),
        }
    }
}

impl Entry {
    /// A line of the table; `wires` tells which wire is spoken to whom, if the agent knows.
    fn row(&self, detailed: bool, wires: &BTreeMap<String, String>) -> Vec<String> {
        let tags: Vec<String> = self.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut row = vec![
            self.name.clone(),
            self.addr.clone(),
            self.status.clone(),
            tags.join(","),
        ];
        if detailed {
            let protocol = |key| self.protocol.get(key).copied().unwrap_or_default();
            row.push(format!("Protocol Version: {}", protocol("version")));
            row.push(format!(
                "Available Protocol Range: [{}, {}]",
                protocol("min"),
                protocol("max")
            ));
            if let Some(wire) = wires.get(&self.name) {
                row.push(format!("Wire: {wire}"));
            }
        }
        row
    }
}

impl Run for Members {
    async fn run(self) -> Result<ExitCode, Failure> {
        let mut tags = BTreeMap::new();
        for text in &self.tag {
            let (key, pattern) = tag(text)?;
            tags.insert(key, pattern);
        }
        if !self.role.is_empty() {
            say("Deprecation warning: 'Role' has been replaced with 'Tags'");
            tags.insert("role".to_owned(), self.role);
        }
        let client = self.remote.connect().await?;
        let filter = MembersFilteredRequest {
            tags,
            status: self.status,
            name: self.name,
        };
        let members = client
            .members_filtered(&filter)
            .await
            .map_err(failed("Error retrieving members"))?;
        let mut entries: Vec<Entry> = members.into_iter().map(Entry::from).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        match Format::parse(&self.format)? {
            Format::Text => {
                // The records of members are as HashiCorp's agents send them, so this is not there.
                let wires = match self.detailed {
                    true => client.stats().await.map(|mut all| all.remove("wire")),
                    false => Ok(None),
                };
                let wires = wires
                    .map_err(failed("Error retrieving members"))?
                    .unwrap_or_default();
                let rows: Vec<_> = entries
                    .iter()
                    .map(|entry| entry.row(self.detailed, &wires))
                    .collect();
                say(table(&rows));
            }
            Format::Json => say(json(&Listing {
                members: (!entries.is_empty()).then_some(entries),
            })),
        }
        Ok(ExitCode::SUCCESS)
    }
}
