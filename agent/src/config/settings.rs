//! Checked configuration.

use std::time::Duration;

use serf_core::{Config, Tags, Versions};

use super::RawConfig;
use crate::handler::{EventScript, InvalidScript};
use crate::log::{Level, UnknownLevel};

/// Keys whose features do not exist yet. Taking them in silence would be worse than refusing.
const NOT_SUPPORTED_YET: &[&str] = &[
    "tags_file",
    "interface",
    "discover",
    "encrypt_key",
    "keyring_file",
    "snapshot_path",
    "enable_syslog",
    "syslog_facility",
    "rejoin_after_leave",
    "statsite_addr",
    "statsd_addr",
    "query_response_size_limit",
    "query_size_limit",
    "mdns",
];

/// The shortest broadcast timeout and retry interval.
const SHORTEST: Duration = Duration::from_secs(1);

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
    /// The settings of the protocol.
    pub protocol: Config,
    /// Address of the RPC listener.
    pub rpc_addr: String,
    /// Token that RPC clients must show; empty for none.
    pub rpc_auth: String,
    /// Lowest level of printed log lines.
    pub log_level: Level,
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

/// A configuration that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// A feature that does not exist yet.
    #[error("'{0}' is not supported yet")]
    NotSupportedYet(&'static str),
    /// Another profile.
    #[error("Unknown profile: {0} (accepted are lan, wan and local)")]
    Profile(String),
    /// Another level.
    #[error("Invalid log level: {0}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]")]
    LogLevel(String),
    /// Another protocol version.
    #[error("Protocol version '{0}' is not supported yet: this agent speaks version {1}")]
    Protocol(i64, u8),
    /// An event handler that makes no sense.
    #[error(transparent)]
    EventHandler(#[from] InvalidScript),
    /// A size that no user event can have.
    #[error("Invalid user_event_size_limit: {0} (accepted are 1 to 9216 bytes)")]
    UserEventSizeLimit(i64),
    /// No address.
    #[error("Invalid {what} address: '{text}' (accepted are ip, ip:port, [v6] and [v6]:port)")]
    Address {
        /// Which.
        what: &'static str,
        /// As given.
        text: String,
    },
}

impl Settings {
    /// Checks a whole configuration and fills in the defaults. `host_name` names the node if
    /// nothing else does.
    ///
    /// # Errors
    /// As [`InvalidConfig`].
    pub fn new(raw: RawConfig, host_name: &str) -> Result<Self, InvalidConfig> {
        if let Some(key) = NOT_SUPPORTED_YET
            .iter()
            .find(|key| raw.set_keys().contains(key))
        {
            return Err(InvalidConfig::NotSupportedYet(key));
        }
        let newest = Versions::CURRENT.delegate_cur;
        if raw.protocol > 0 && raw.protocol != i64::from(newest) {
            return Err(InvalidConfig::Protocol(raw.protocol, newest));
        }
        let mut warnings = Vec::new();
        let mut tags = raw.tags;
        if !raw.role.is_empty() {
            warnings.push("Deprecation warning: 'Role' has been replaced with 'Tags'".to_owned());
            tags.insert("role".to_owned(), raw.role);
        }
        let mut at_least = |name: &str, value: Duration, default: Duration| match value {
            Duration::ZERO => default,
            value if value < SHORTEST => {
                warnings.push(format!("Warning: '{name}' is too low. Setting to 1s"));
                SHORTEST
            }
            value => value,
        };
        let retry_join = Join {
            addrs: raw.retry_join,
            interval: at_least(
                "RetryInterval",
                raw.retry_interval.0,
                Duration::from_secs(30),
            ),
            max_retries: u64::try_from(raw.retry_max_attempts)
                .ok()
                .filter(|max| *max > 0),
        };
        let profile = or(raw.profile, "lan");
        let mut protocol = match profile.as_str() {
            "lan" => Config::lan(),
            "wan" => Config::wan(),
            "local" => Config::local(),
            _ => return Err(InvalidConfig::Profile(profile)),
        };
        protocol.broadcast_timeout = at_least(
            "BroadcastTimeout",
            raw.broadcast_timeout.0,
            protocol.broadcast_timeout,
        );
        for (given, setting) in [
            (raw.reconnect_interval, &mut protocol.reconnect_interval),
            (raw.reconnect_timeout, &mut protocol.reconnect_timeout),
            (raw.tombstone_timeout, &mut protocol.tombstone_timeout),
        ] {
            if given.0 > Duration::ZERO {
                *setting = given.0;
            }
        }
        if raw.user_event_size_limit != 0 {
            protocol.user_event_size_limit = usize::try_from(raw.user_event_size_limit)
                .ok()
                .filter(|limit| *limit <= 9216)
                .ok_or(InvalidConfig::UserEventSizeLimit(raw.user_event_size_limit))?;
        }
        let mut event_handlers = Vec::new();
        for handler in &raw.event_handlers {
            event_handlers.extend(EventScript::parse(handler)?);
        }
        let advertise = (!raw.advertise.is_empty())
            .then(|| with_port("advertise", &raw.advertise))
            .transpose()?;
        Ok(Self {
            node_name: or(raw.node_name, host_name),
            tags,
            bind: with_port("bind", &or(raw.bind, "0.0.0.0"))?,
            advertise,
            profile,
            protocol,
            rpc_addr: or(raw.rpc_addr, "127.0.0.1:7373"),
            rpc_auth: raw.rpc_auth,
            log_level: or(raw.log_level, "INFO")
                .parse()
                .map_err(|UnknownLevel(text)| InvalidConfig::LogLevel(text))?,
            start_join: raw.start_join,
            retry_join,
            replay_on_join: raw.replay_on_join,
            event_handlers,
            leave_on_terminate: raw.leave_on_terminate,
            skip_leave_on_interrupt: raw.skip_leave_on_interrupt,
            warnings,
        })
    }
}

fn or(value: String, default: &str) -> String {
    if value.is_empty() {
        default.to_owned()
    } else {
        value
    }
}

/// Adds the usual port to an address that has none.
fn with_port(what: &'static str, text: &str) -> Result<String, InvalidConfig> {
    let invalid = || InvalidConfig::Address {
        what,
        text: text.to_owned(),
    };
    let (host, port) = match text.rsplit_once(':') {
        _ if text.ends_with(']') => (text, None),
        Some((host, port)) if host.starts_with('[') == host.ends_with(']') => (host, Some(port)),
        Some(_) => return Err(invalid()),
        None => (text, None),
    };
    // An IPv6 address needs brackets, as its parts look like ports.
    if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
        return Err(invalid());
    }
    let port: u16 = port.unwrap_or("7946").parse().map_err(|_| invalid())?;
    Ok(format!("{host}:{port}"))
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
    fn what_does_not_exist_yet_is_refused_unless_it_is_off() {
        assert_eq!(
            settings(r#"{"snapshot_path": "/x"}"#).unwrap_err(),
            "'snapshot_path' is not supported yet"
        );
        assert_eq!(
            settings(r#"{"mdns": {"interface": "lo"}}"#).unwrap_err(),
            "'mdns' is not supported yet"
        );
        assert!(settings(r#"{"encrypt_key": "", "enable_syslog": false, "mdns": {}}"#).is_ok());
    }

    #[test]
    fn short_times_are_raised_with_a_warning() {
        let settings = settings(r#"{"broadcast_timeout": "1ms", "role": "web"}"#).unwrap();
        assert_eq!(settings.protocol.broadcast_timeout, SHORTEST);
        assert_eq!(settings.tags["role"], "web");
        assert_eq!(settings.warnings.len(), 2);
    }

    #[test]
    fn addresses_get_the_usual_port() {
        let bind = |text: &str| settings(&format!(r#"{{"bind": "{text}"}}"#)).map(|s| s.bind);
        assert_eq!(bind("1.2.3.4").unwrap(), "1.2.3.4:7946");
        assert_eq!(bind("1.2.3.4:5").unwrap(), "1.2.3.4:5");
        assert_eq!(bind("[::1]").unwrap(), "[::1]:7946");
        assert_eq!(bind("[::1]:5").unwrap(), "[::1]:5");
        assert!(bind("::1").is_err());
        assert!(bind("1.2.3.4:99999").unwrap_err().contains("1.2.3.4:99999"));
    }

    #[test]
    fn wrong_choices_are_named_with_the_right_ones() {
        let error = |text: &str| settings(text).unwrap_err();
        assert!(error(r#"{"profile": "x"}"#).contains("Unknown profile: x"));
        assert!(error(r#"{"log_level": "x"}"#).starts_with("Invalid log level: X."));
        assert!(error(r#"{"protocol": 9}"#).contains("'9'"));
        assert!(error(r#"{"event_handlers": ["x=y"]}"#).contains("'x' invoking 'y'"));
        for limit in [-1, 9217] {
            let text = format!(r#"{{"user_event_size_limit": {limit}}}"#);
            assert!(error(&text).contains(&limit.to_string()));
        }
        assert!(settings(r#"{"protocol": -1}"#).is_ok());
    }
}
