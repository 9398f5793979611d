//! `serf agent`

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{complain, say};
use super::remote::tag;
use super::{Failure, Run};
use crate::agent::{Source, run};
use crate::config::RawConfig;
use crate::duration::GoDuration;

/// Runs an agent: one node of a cluster. It runs until it is interrupted, which makes it leave.
#[derive(Debug, clap::Parser)]
#[command(name = "serf agent")]
pub(super) struct Agent {
    /// Address to bind for gossip: ip, ip:port, [v6] or [v6]:port [default: 0.0.0.0:7946]
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,
    /// Address to tell other members [default: the bound one, or the first private one]
    #[arg(long, value_name = "ADDR")]
    advertise: Option<String>,
    /// JSON file, or directory of *.json files, to read configuration from; repeat for more
    #[arg(long, value_name = "PATH", visible_alias = "config-dir")]
    config_file: Vec<PathBuf>,
    /// Address of a member to join; repeat for more. Fails if none can be reached
    #[arg(long, value_name = "ADDR")]
    join: Vec<String>,
    /// Address of a member to join in the background until it works; repeat for more
    #[arg(long, value_name = "ADDR")]
    retry_join: Vec<String>,
    /// Time between two attempts to join [default: 30s]
    #[arg(long, value_name = "DURATION")]
    retry_interval: Option<GoDuration>,
    /// Attempts to join after the first, then fail [default: 0, without end]
    #[arg(long, value_name = "COUNT")]
    retry_max: Option<i64>,
    /// Also deliver user events of the past on joins at the start and in the background
    #[arg(long)]
    replay: bool,
    /// Command to run on events, with the events in front: user:deploy=./deploy.sh; repeat for
    /// more
    #[arg(long, value_name = "[FILTERS=]COMMAND")]
    event_handler: Vec<String>,
    /// Lowest level of log lines to print: trace, debug, info, warn, err [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Name of this node, unique in the cluster [default: the host name]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Timing: lan, wan or local [default: lan]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Serf protocol version to speak [default: the newest]
    #[arg(long, value_name = "VERSION")]
    protocol: Option<i64>,
    /// Longest wait for a message to have been spread [default: 5s]
    #[arg(long, value_name = "DURATION")]
    broadcast_timeout: Option<GoDuration>,
    /// Tag of this node; repeat for more
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// Role of this node (deprecated: use -tag role=NAME)
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Address of the RPC listener [default: 127.0.0.1:7373]
    #[arg(long, value_name = "ADDR")]
    rpc_addr: Option<String>,
    /// Address for metrics (/metrics) and health (/healthz) over HTTP [default: none]
    #[arg(long, value_name = "ADDR")]
    http_addr: Option<String>,
    /// How log lines are printed: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Also log to the system's logger
    #[arg(long)]
    syslog: bool,
    /// Network interface to bind to, and for -discover; with -bind it must have that address
    #[arg(long, value_name = "NAME")]
    iface: Option<String>,
    /// Find and join the members with the same cluster name on the local network, by mDNS
    #[arg(long, value_name = "CLUSTER")]
    discover: Option<String>,
    /// Network interface for -discover [default: that of -iface, or all]
    #[arg(long, value_name = "NAME")]
    mdns_iface: Option<String>,
    /// Do not discover over IPv4
    #[arg(long)]
    mdns_disable_ipv4: bool,
    /// Do not discover over IPv6
    #[arg(long)]
    mdns_disable_ipv6: bool,
    /// Key to encrypt gossip with, in base64: 16, 24 or 32 bytes (see `serf keygen`)
    #[arg(long, value_name = "KEY")]
    encrypt: Option<String>,
    /// File with the keys to encrypt gossip with, kept up to date when `serf keys` changes them;
    /// excludes -encrypt
    #[arg(long, value_name = "FILE")]
    keyring_file: Option<String>,
    /// File in which the node remembers the others and what it has seen, to find back after a
    /// restart
    #[arg(long, value_name = "FILE")]
    snapshot: Option<String>,
    /// Find back with -snapshot also after a leave
    #[arg(long)]
    rejoin: bool,
    /// Label of the cluster; members with another one are not heard [default: none]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// File in which tags are kept that are changed while the agent runs; excludes -tag
    #[arg(long, value_name = "FILE")]
    tags_file: Option<String>,
    /// Which wires to speak: auto (to each member the best that both know), native or memberlist
    /// [default: auto]
    #[arg(long, value_name = "WIRE")]
    wire: Option<String>,
    /// Do not compress messages of the memberlist wire
    #[arg(long)]
    disable_compression: bool,
    /// With a key, also accept what is not encrypted: while a running cluster gets its first key
    #[arg(long)]
    accept_unencrypted: bool,
    /// With a key, still send what is not encrypted: while a running cluster gets its first key
    #[arg(long)]
    send_unencrypted: bool,
    /// File in which to journal everything that goes into the node, for `serf-sim replay`; keys are
    /// left out
    #[arg(long, value_name = "FILE")]
    record: Option<String>,
    /// Bytes that a file of -record may have before the next one begins [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    record_size: Option<i64>,
    /// Files of -record that are kept, the newest included [default: 4]
    #[arg(long, value_name = "COUNT")]
    record_files: Option<i64>,
    /// What the node runs on: tokio, or smol or glommio if they are in this build [default: tokio]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// Only check the configuration and print all of it as JSON, defaults included
    #[arg(long)]
    check_config: bool,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Run for Agent {
    async fn run(self) -> Result<ExitCode, Failure> {
        let tags = self
            .tag
            .iter()
            .map(|text| tag(text))
            .collect::<Result<_, _>>();
        let tags = tags.map_err(|failure| match failure {
            Failure::Message(text) => Failure::Message(format!("==> {text}")),
            usage => usage,
        })?;
        let mut flags = RawConfig {
            node_name: self.node.unwrap_or_default(),
            role: self.role.unwrap_or_default(),
            tags,
            tags_file: self.tags_file.unwrap_or_default(),
            bind: self.bind.unwrap_or_default(),
            interface: self.iface.unwrap_or_default(),
            advertise: self.advertise.unwrap_or_default(),
            discover: self.discover.unwrap_or_default(),
            encrypt_key: self.encrypt.unwrap_or_default().into(),
            keyring_file: self.keyring_file.unwrap_or_default(),
            log_level: self.log_level.unwrap_or_default(),
            profile: self.profile.unwrap_or_default(),
            protocol: self.protocol.unwrap_or_default(),
            rpc_addr: self.rpc_addr.unwrap_or_default(),
            event_handlers: self.event_handler,
            start_join: self.join,
            replay_on_join: self.replay,
            snapshot_path: self.snapshot.unwrap_or_default(),
            enable_syslog: self.syslog,
            retry_join: self.retry_join,
            retry_max_attempts: self.retry_max.unwrap_or_default(),
            retry_interval: self.retry_interval.unwrap_or_default(),
            rejoin_after_leave: self.rejoin,
            broadcast_timeout: self.broadcast_timeout.unwrap_or_default(),
            label: self.label.unwrap_or_default(),
            wire: self.wire.unwrap_or_default(),
            disable_compression: self.disable_compression,
            accept_unencrypted: self.accept_unencrypted,
            send_unencrypted: self.send_unencrypted,
            http_addr: self.http_addr.unwrap_or_default(),
            log_format: self.log_format.unwrap_or_default(),
            record: self.record.unwrap_or_default(),
            record_size: self.record_size.unwrap_or_default(),
            record_files: self.record_files.unwrap_or_default(),
            runtime: self.runtime.unwrap_or_default(),
            ..RawConfig::default()
        };
        flags.mdns.interface = self.mdns_iface.unwrap_or_default();
        flags.mdns.disable_ipv4 = self.mdns_disable_ipv4;
        flags.mdns.disable_ipv6 = self.mdns_disable_ipv6;
        let source = Source {
            paths: self.config_file,
            flags,
        };
        if self.check_config {
            let checked = source.check().map_err(Failure::Message)?;
            for warning in checked.warnings {
                complain(warning);
            }
            say(checked.effective);
            return Ok(ExitCode::SUCCESS);
        }
        Ok(run(source).await)
    }
}
