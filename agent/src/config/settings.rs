//! Checked configuration.

use std::path::PathBuf;
use std::time::Duration;

use serf_core::keyring::{Key, Keyring};
use serf_core::wire::label::Label;
use serf_core::{Config, Tags, Versions, Wires};
use serf_tokio::JournalLimits;

use super::address::{Interface, on_interface, with_port};
use super::{InvalidConfig, RawConfig, Runtime};
use crate::handler::EventScript;
use crate::log::{Format, Level, UnknownLevel};
use crate::syslog::Facility;

/// Keys that can be set and change nothing.
const WITHOUT_EFFECT: &[&str] = &["enable_compression", "validate_node_names"];

/// The shortest broadcast timeout and retry interval.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// The longest duration for anything: the protocol measures no longer ones.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most bytes that a user event, a query or a response can be allowed to have.
const MAX_SIZE: i64 = 9216;

/// The bytes that a file of the journal can be allowed to have: 1 MiB to 1 TiB.
const JOURNAL_SIZES: [i64; 2] = [1 << 20, 1 << 40];

/// The most files of the journal that can be kept: all are renamed whenever one is full.
const MAX_JOURNALS: i64 = 1000;

/// What an agent runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the node.
    pub node_name: String,
    /// Tags of the node.
    pub tags: Tags,
    /// Address to bind for gossip, with its port.
    pub bind: String,
    /// Address to tell others, with its port.
    pub advertise: Option<String>,
    /// The name of the timing profile.
    pub profile: String,
    /// The version of Serf's protocol that is spoken.
    pub protocol_version: u8,
    /// The settings of the protocol.
    pub protocol: Config,
    /// Address of the RPC listener.
    pub rpc_addr: String,
    /// Token that RPC clients must show; empty for none.
    pub rpc_auth: String,
    /// Address for metrics and health over HTTP.
    pub http_addr: Option<String>,
    /// Lowest level of printed log lines.
    pub log_level: Level,
    /// How log lines are printed.
    pub log_format: Format,
    /// Also log to syslog, as this facility.
    pub syslog: Option<Facility>,
    /// Where to send metrics as statsd takes them.
    pub statsd_addr: Option<String>,
    /// Where to send metrics as statsite takes them.
    pub statsite_addr: Option<String>,
    /// The key to encrypt gossip with, which is not kept anywhere else.
    pub keyring: Option<Keyring>,
    /// Where the keys are kept to encrypt gossip with. Never together with `keyring`.
    pub keyring_file: Option<PathBuf>,
    /// Where it is kept what a restart needs.
    pub snapshot: Option<PathBuf>,
    /// Find back into the cluster also after a leave.
    pub rejoin_after_leave: bool,
    /// The label of the cluster.
    pub label: Label,
    /// Where tags are kept that are set while the agent runs.
    pub tags_file: Option<PathBuf>,
    /// The network interface to bind to: see [`Settings::bind_on`].
    pub interface: Option<String>,
    /// Finding others by multicast.
    pub discover: Option<Discover>,
    /// Addresses to join at the start, or fail.
    pub start_join: Vec<String>,
    /// What to join in the background.
    pub retry_join: Join,
    /// Deliver user events of the past on joins at the start and in the background.
    pub replay_on_join: bool,
    /// Commands to run on events, in the order in which they run.
    pub event_handlers: Vec<EventScript>,
    /// Leave on SIGTERM.
    pub leave_on_terminate: bool,
    /// Do not leave on SIGINT.
    pub skip_leave_on_interrupt: bool,
    /// Where everything that goes into the node is journalled, and how much of that is kept.
    pub record: Option<(PathBuf, JournalLimits)>,
    /// What the node runs on.
    pub runtime: Runtime,
    /// What the operator should know about the configuration.
    pub warnings: Vec<String>,
}

/// Joining in the background.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    /// Addresses; one that works is enough.
    pub addrs: Vec<String>,
    /// Time between two attempts.
    pub interval: Duration,
    /// Attempts after the first; `None` means for ever.
    pub max_retries: Option<u64>,
}

/// Finding members on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// Who shares this name, joins.
    pub cluster: String,
    /// The network interface to use; all, if none is given.
    pub interface: Option<String>,
    /// Over IPv4.
    pub ipv4: bool,
    /// Over IPv6.
    pub ipv6: bool,
}

impl Settings {
    /// Checks a whole configuration and fills in the defaults. `host_name` names the node if
    /// nothing else does.
    ///
    /// # Errors
    /// As [`InvalidConfig`].
    pub fn new(raw: RawConfig, host_name: &str) -> Result<Self, InvalidConfig> {
        let mut warnings = Vec::new();
        exclude_each_other(&raw)?;
        warn(&raw, &mut warnings);
        let discover = discover(&raw, &mut warnings)?;
        let raw = raw.with_defaults(host_name);
        let journal = journal(&raw)?;
        let protocol_version = u8::try_from(raw.protocol)
            .ok()
            .filter(|version| Versions::speaking(*version).is_some())
            .ok_or_else(|| InvalidConfig::protocol(raw.protocol))?;
        let mut tags = raw.tags;
        if !raw.role.is_empty() {
            warnings.push("Deprecation warning: 'Role' has been replaced with 'Tags'".to_owned());
            tags.insert("role".to_owned(), raw.role);
        }
        let mut at_least = |name: &str, value: Duration| match value {
            value if value < SHORTEST => {
                warnings.push(format!("Warning: '{name}' is too low. Setting to 1s"));
                SHORTEST
            }
            value => value,
        };
        let retry_join = Join {
            addrs: raw.retry_join,
            interval: at_least("RetryInterval", raw.retry_interval.0),
            max_retries: u64::try_from(raw.retry_max_attempts)
                .ok()
                .filter(|max| *max > 0),
        };
        let mut protocol = match raw.profile.as_str() {
            "lan" => Config::lan(),
            "wan" => Config::wan(),
            "local" => Config::local(),
            _ => return Err(InvalidConfig::Profile(raw.profile)),
        };
        protocol.broadcast_timeout = at_least("BroadcastTimeout", raw.broadcast_timeout.0);
        for (key, given) in [
            ("broadcast_timeout", raw.broadcast_timeout),
            ("retry_interval", raw.retry_interval),
            ("reconnect_interval", raw.reconnect_interval),
            ("reconnect_timeout", raw.reconnect_timeout),
            ("tombstone_timeout", raw.tombstone_timeout),
        ] {
            if given.0 > LONGEST {
                return Err(InvalidConfig::Duration { key, value: given });
            }
        }
        protocol.reconnect_interval = raw.reconnect_interval.0;
        protocol.reconnect_timeout = raw.reconnect_timeout.0;
        protocol.tombstone_timeout = raw.tombstone_timeout.0;
        protocol.user_event_size_limit = size("user_event_size_limit", raw.user_event_size_limit)?;
        protocol.query_size_limit = size("query_size_limit", raw.query_size_limit)?;
        protocol.query_response_size_limit =
            size("query_response_size_limit", raw.query_response_size_limit)?;
        protocol.coordinates = !raw.disable_coordinates;
        protocol.resolve_conflicts = !raw.disable_name_resolution;
        protocol.wires = raw
            .wire
            .parse()
            .map_err(|_| InvalidConfig::Wire(raw.wire.clone()))?;
        // A role alone has no room to say that a node understands the native wire.
        if protocol_version < 3 {
            if protocol.wires == Wires::Native {
                return Err(InvalidConfig::Conflict(
                    "wire and protocol: protocol 2 cannot be spoken on the native wire",
                ));
            }
            protocol.wires = Wires::Memberlist;
        }
        protocol.compress_streams = !raw.disable_compression;
        protocol.verify_incoming = !raw.accept_unencrypted;
        protocol.verify_outgoing = !raw.send_unencrypted;
        let runtime = raw.runtime.parse();
        let runtime =
            runtime.map_err(|()| InvalidConfig::Runtime(Runtime::refusal(&raw.runtime)))?;
        let keyring = match raw.encrypt_key.as_str() {
            "" => None,
            text => Some(Keyring::new(Key::from_base64(text)?)),
        };
        let label = Label::new(&raw.label).map_err(|_| InvalidConfig::Label(raw.label.len()))?;
        let mut event_handlers = Vec::new();
        for handler in &raw.event_handlers {
            event_handlers.extend(EventScript::parse(handler)?);
        }
        let advertise = given(raw.advertise)
            .map(|text| with_port("advertise", &text))
            .transpose()?;
        let facility: Facility = raw
            .syslog_facility
            .parse()
            .map_err(|()| InvalidConfig::SyslogFacility(raw.syslog_facility.clone()))?;
        Ok(Self {
            node_name: raw.node_name,
            tags,
            bind: with_port("bind", &raw.bind)?,
            advertise,
            profile: raw.profile,
            protocol_version,
            protocol,
            rpc_addr: raw.rpc_addr,
            rpc_auth: raw.rpc_auth,
            http_addr: given(raw.http_addr),
            log_level: raw
                .log_level
                .parse()
                .map_err(|UnknownLevel(text)| InvalidConfig::LogLevel(text))?,
            log_format: match raw.log_format.as_str() {
                "text" => Format::Text,
                "json" => Format::Json,
                _ => return Err(InvalidConfig::LogFormat(raw.log_format)),
            },
            syslog: raw.enable_syslog.then_some(facility),
            statsd_addr: given(raw.statsd_addr),
            statsite_addr: given(raw.statsite_addr),
            keyring,
            keyring_file: given(raw.keyring_file).map(PathBuf::from),
            snapshot: given(raw.snapshot_path).map(PathBuf::from),
            rejoin_after_leave: raw.rejoin_after_leave,
            label,
            tags_file: given(raw.tags_file).map(PathBuf::from),
            interface: given(raw.interface),
            discover,
            start_join: raw.start_join,
            retry_join,
            replay_on_join: raw.replay_on_join,
            event_handlers,
            leave_on_terminate: raw.leave_on_terminate,
            skip_leave_on_interrupt: raw.skip_leave_on_interrupt,
            record: given(raw.record).map(|path| (path.into(), journal)),
            runtime,
            warnings,
        })
    }

    /// The address to bind, once it is known which addresses the interfaces of this machine have.
    ///
    /// # Errors
    /// There is no such interface, or it does not have the address.
    pub fn bind_on(&self, interfaces: &[Interface]) -> Result<String, InvalidConfig> {
        match &self.interface {
            Some(name) => on_interface(&self.bind, name, interfaces),
            None => Ok(self.bind.clone()),
        }
    }
}

fn exclude_each_other(raw: &RawConfig) -> Result<(), InvalidConfig> {
    let has_tags = !raw.tags.is_empty() || !raw.role.is_empty();
    if has_tags && !raw.tags_file.is_empty() {
        return Err(InvalidConfig::Conflict(
            "Tags config not allowed while using tag files (tags, role and tags_file)",
        ));
    }
    if !raw.encrypt_key.is_empty() && !raw.keyring_file.is_empty() {
        return Err(InvalidConfig::Conflict(
            "Encryption key not allowed while using a keyring (encrypt_key and keyring_file)",
        ));
    }
    if raw.mdns.disable_ipv4 && raw.mdns.disable_ipv6 {
        return Err(InvalidConfig::Conflict(
            "mdns.disable_ipv4 and mdns.disable_ipv6 leave nothing to discover with",
        ));
    }
    Ok(())
}

/// Warns of what can be set and changes nothing.
fn warn(raw: &RawConfig, warnings: &mut Vec<String>) {
    let set = raw.set_keys();
    if raw.rejoin_after_leave && raw.snapshot_path.is_empty() {
        let text = "Warning: 'RejoinAfterLeave' enabled without snapshot file";
        warnings.push(text.to_owned());
    }
    let keys = !raw.encrypt_key.is_empty() || !raw.keyring_file.is_empty();
    for (key, given) in [
        ("accept_unencrypted", raw.accept_unencrypted),
        ("send_unencrypted", raw.send_unencrypted),
    ] {
        if given && !keys {
            warnings.push(format!("Warning: '{key}' has no effect without a key"));
        }
    }
    let limits = JournalLimits::default();
    for (key, given, default) in [
        (
            "record_size",
            raw.record_size,
            limits.file_bytes.cast_signed(),
        ),
        ("record_files", raw.record_files, limits.files.into()),
    ] {
        if raw.record.is_empty() && given != 0 && given != default {
            warnings.push(format!("Warning: '{key}' has no effect without 'record'"));
        }
    }
    for key in WITHOUT_EFFECT.iter().filter(|key| set.contains(key)) {
        warnings.push(format!("Warning: '{key}' has no effect"));
    }
}

fn discover(
    raw: &RawConfig,
    warnings: &mut Vec<String>,
) -> Result<Option<Discover>, InvalidConfig> {
    let cluster = raw.discover.clone();
    if cluster.is_empty() {
        if raw.mdns != super::Mdns::default() {
            warnings.push("Warning: 'mdns' has no effect without 'discover'".to_owned());
        }
        return Ok(None);
    }
    // With what goes in front, as much as a service name may have.
    if cluster.len() > 25 || cluster.contains('.') {
        return Err(InvalidConfig::Discover(cluster));
    }
    let interface = given(raw.mdns.interface.clone()).or_else(|| given(raw.interface.clone()));
    Ok(Some(Discover {
        cluster,
        interface,
        ipv4: !raw.mdns.disable_ipv4,
        ipv6: !raw.mdns.disable_ipv6,
    }))
}

fn size(key: &'static str, value: i64) -> Result<usize, InvalidConfig> {
    within(key, value, [1, MAX_SIZE], "bytes")
}

fn journal(raw: &RawConfig) -> Result<JournalLimits, InvalidConfig> {
    let files = [1, MAX_JOURNALS];
    Ok(JournalLimits {
        file_bytes: within("record_size", raw.record_size, JOURNAL_SIZES, "bytes")?,
        files: within("record_files", raw.record_files, files, "files")?,
    })
}

/// The value, if it is from `min` to `max`.
fn within<T: TryFrom<i64>>(
    key: &'static str,
    value: i64,
    [min, max]: [i64; 2],
    unit: &'static str,
) -> Result<T, InvalidConfig> {
    let inside = (min..=max).contains(&value).then_some(value);
    let inside = inside.and_then(|value| T::try_from(value).ok());
    inside.ok_or(InvalidConfig::OutOfBounds {
        key,
        value,
        min,
        max,
        unit,
    })
}

/// A text that is not empty.
fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let raw = RawConfig::from_json(text).unwrap();
        Settings::new(raw, "host").map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let settings = settings("{}").unwrap();
        assert_eq!(settings.node_name, "host");
        assert_eq!(settings.bind, "0.0.0.0:7946");
        assert_eq!(settings.rpc_addr, "127.0.0.1:7373");
        assert_eq!(settings.protocol, Config::lan());
        assert_eq!(settings.log_level, Level::Info);
        assert_eq!(settings.retry_join.interval, Duration::from_secs(30));
        assert_eq!(settings.retry_join.max_retries, None);
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn settings_of_the_serf_layer_reach_the_protocol() {
        let all = settings(
            r#"{"encrypt_key": "AAAAAAAAAAAAAAAAAAAAAA==", "snapshot_path": "/s",
                "rejoin_after_leave": true, "disable_coordinates": true,
                "disable_name_resolution": true, "query_size_limit": 100,
                "query_response_size_limit": 200, "label": "test", "wire": "memberlist",
                "disable_compression": true, "accept_unencrypted": true, "send_unencrypted": true}"#,
        )
        .unwrap();
        assert_eq!(all.keyring.unwrap().primary().as_bytes(), [0; 16]);
        assert!(all.warnings.is_empty() && all.rejoin_after_leave);
        assert_eq!(all.snapshot, Some(PathBuf::from("/s")));
        let protocol = all.protocol;
        assert!(!protocol.coordinates && !protocol.resolve_conflicts);
        assert_eq!(protocol.query_size_limit, 100);
        assert_eq!(protocol.query_response_size_limit, 200);
        assert_eq!(protocol.wires, Wires::Memberlist);
        assert!(!protocol.compress_streams && !protocol.verify_incoming);
        assert!(!protocol.verify_outgoing);
        assert_eq!(all.label.as_bytes(), b"test");
        let file = settings(r#"{"keyring_file": "/k"}"#).unwrap();
        assert_eq!((file.keyring, file.keyring_file), (None, Some("/k".into())));
    }

    #[test]
    fn what_does_nothing_is_warned_of() {
        for (text, word) in [
            (r#"{"rejoin_after_leave": true}"#, "RejoinAfterLeave"),
            (r#"{"enable_compression": true}"#, "enable_compression"),
            (r#"{"accept_unencrypted": true}"#, "accept_unencrypted"),
            (r#"{"mdns": {"interface": "lo"}}"#, "mdns"),
            (r#"{"record_size": 1048576}"#, "record_size"),
            (r#"{"record_files": 2}"#, "record_files"),
        ] {
            let warnings = settings(text).unwrap().warnings;
            assert!(warnings.len() == 1 && warnings[0].contains(word), "{text}");
        }
        let off = r#"{"encrypt_key": "", "enable_syslog": false, "mdns": {}}"#;
        assert!(settings(off).unwrap().warnings.is_empty());
    }

    #[test]
    fn settings_that_exclude_each_other_are_both_named() {
        for (text, words) in [
            (
                r#"{"tags_file": "x", "tags": {"a": "b"}}"#,
                ["tags", "tags_file"],
            ),
            (r#"{"tags_file": "x", "role": "b"}"#, ["role", "tags_file"]),
            (
                r#"{"encrypt_key": "x", "keyring_file": "y"}"#,
                ["encrypt_key", "keyring_file"],
            ),
            (
                r#"{"discover": "x", "mdns": {"disable_ipv4": true, "disable_ipv6": true}}"#,
                ["disable_ipv4", "disable_ipv6"],
            ),
        ] {
            let error = settings(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn short_times_are_raised_with_a_warning() {
        let settings = settings(r#"{"broadcast_timeout": "1ms", "role": "web"}"#).unwrap();
        assert_eq!(settings.protocol.broadcast_timeout, SHORTEST);
        assert_eq!(settings.tags["role"], "web");
        assert_eq!(settings.warnings.len(), 2);
    }

    #[test]
    fn wrong_choices_are_named_with_the_right_ones() {
        let error = |text: &str| settings(text).unwrap_err();
        assert!(error(r#"{"profile": "x"}"#).contains("Unknown profile: x"));
        assert!(error(r#"{"log_level": "x"}"#).starts_with("Invalid log level: X."));
        assert!(error(r#"{"protocol": 9}"#).contains("'9'"));
        assert!(error(r#"{"event_handlers": ["x=y"]}"#).contains("'x' invoking 'y'"));
        for limit in [-1, 9217] {
            for key in ["user_event_size_limit", "query_size_limit"] {
                let error = error(&format!(r#"{{"{key}": {limit}}}"#));
                assert_eq!(
                    error,
                    format!("Invalid {key}: {limit} (accepted are 1 to 9216 bytes)")
                );
            }
        }
        for (key, wrong, accepted) in [
            ("record_size", -1, "1048576 to 1099511627776 bytes"),
            ("record_size", 1_048_575, "1048576 to 1099511627776 bytes"),
            ("record_files", -1, "1 to 1000 files"),
            ("record_files", 1001, "1 to 1000 files"),
        ] {
            let error = error(&format!(r#"{{"record": "/j", "{key}": {wrong}}}"#));
            let words = format!("Invalid {key}: {wrong} (accepted are {accepted})");
            assert_eq!(error, words);
        }
        assert!(error(r#"{"reconnect_timeout": "721h"}"#).contains("reconnect_timeout: 721h"));
        assert!(error(r#"{"log_format": "xml"}"#).contains("text and json"));
        assert!(error(r#"{"syslog_facility": "x"}"#).contains("LOCAL7"));
        assert!(
            error(r#"{"encrypt_key": "AAAA"}"#).contains("key size must be 16, 24 or 32 bytes")
        );
        assert!(error(r#"{"discover": "a.b"}"#).contains("'a.b'"));
        assert!(settings(r#"{"protocol": -1}"#).is_ok());
    }
}
