//! Configuration as it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::duration::GoDuration;

/// How a later value joins an earlier one.
trait Merge {
    fn merge(&mut self, later: Self);
}

macro_rules! merge_scalars {
    ($($type:ty),*) => {$(
        /// A value other than the zero one wins; nothing can be set back to it.
        impl Merge for $type {
            fn merge(&mut self, later: Self) {
                if later != Self::default() {
                    *self = later;
                }
            }
        }
    )*};
}

merge_scalars!(String, Zeroizing<String>, bool, i64, GoDuration);

impl Merge for Vec<String> {
    fn merge(&mut self, later: Self) {
        self.extend(later);
    }
}

impl Merge for BTreeMap<String, String> {
    fn merge(&mut self, later: Self) {
        self.extend(later);
    }
}

macro_rules! config {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Lets a later configuration add to this one: its scalars win unless they are
            /// empty, zero or false, its tags win key by key, its lists are appended.
            #[must_use]
            pub fn merge(mut self, later: Self) -> Self {
                $(Merge::merge(&mut self.$field, later.$field);)*
                self
            }

            /// The keys that are set to something other than their zero value.
            #[must_use]
            pub fn set_keys(&self) -> Vec<&'static str> {
                let zero = Self::default();
                let mut keys = Vec::new();
                $(if self.$field != zero.$field {
                    keys.push(stringify!($field));
                })*
                keys
            }
        }
    };
}

config! {
    /// What one source of configuration says: a file, or all flags together. Absent keys are
    /// empty, zero or false, which counts as not set.
    RawConfig {
        /// Name of the node.
        node_name: String,
        /// Old form of the tag `role`.
        role: String,
        /// Tags of the node.
        tags: BTreeMap<String, String>,
        /// Where to keep tags.
        tags_file: String,
        /// Address to bind for gossip.
        bind: String,
        /// Network interface to bind to.
        interface: String,
        /// Address to tell others.
        advertise: String,
        /// Cluster name for mDNS.
        discover: String,
        /// Key for gossip.
        encrypt_key: Zeroizing<String>,
        /// Where to keep keys.
        keyring_file: String,
        /// Lowest level of printed log lines.
        log_level: String,
        /// Timing: lan, wan or local.
        profile: String,
        /// Serf protocol to speak; 0 or less means the newest.
        protocol: i64,
        /// Address of the RPC listener.
        rpc_addr: String,
        /// Token that RPC clients must show.
        rpc_auth: String,
        /// Scripts to run on events.
        event_handlers: Vec<String>,
        /// Addresses to join at the start, or fail.
        start_join: Vec<String>,
        /// Deliver user events of the past on joins.
        replay_on_join: bool,
        /// Where to keep what a restart needs.
        snapshot_path: String,
        /// Leave on SIGTERM.
        leave_on_terminate: bool,
        /// Do not leave on SIGINT.
        skip_leave_on_interrupt: bool,
        /// Time between two attempts to reach a failed member.
        reconnect_interval: GoDuration,
        /// How long a failed member is remembered.
        reconnect_timeout: GoDuration,
        /// How long a member that left is remembered.
        tombstone_timeout: GoDuration,
        /// Do not settle by vote who holds a name that two claim.
        disable_name_resolution: bool,
        /// Also log to syslog.
        enable_syslog: bool,
        /// Facility for syslog.
        syslog_facility: String,
        /// Addresses to join, again and again until it works.
        retry_join: Vec<String>,
        /// How often to try again; 0 or less means for ever.
        retry_max_attempts: i64,
        /// Time between two attempts.
        retry_interval: GoDuration,
        /// Rejoin after a leave.
        rejoin_after_leave: bool,
        /// Without effect, as in the reference system.
        enable_compression: bool,
        /// Address of a statsite server.
        statsite_addr: String,
        /// Address of a statsd server.
        statsd_addr: String,
        /// Bytes a query response may have.
        query_response_size_limit: i64,
        /// Bytes a query may have.
        query_size_limit: i64,
        /// Bytes a user event may have.
        user_event_size_limit: i64,
        /// Longest wait for a message to have been spread.
        broadcast_timeout: GoDuration,
        /// Keep no network coordinates. In the reference system this has no effect.
        disable_coordinates: bool,
        /// Without effect, as in the reference system.
        validate_node_names: bool,
        /// Details of mDNS.
        mdns: Mdns,
        /// Label of the cluster; whoever has another one is not heard. Ours, as are those below.
        label: String,
        /// Which wires to speak: auto, native or memberlist.
        wire: String,
        /// Send everything as it is: nothing is compressed.
        disable_compression: bool,
        /// With a key, also accept what is not encrypted.
        accept_unencrypted: bool,
        /// With a key, still send what is not encrypted.
        send_unencrypted: bool,
        /// Address for metrics and health over HTTP.
        http_addr: String,
        /// How log lines are printed: text or json.
        log_format: String,
        /// Where to journal everything that goes into the node.
        record: String,
        /// Bytes that a file of the journal may have.
        record_size: i64,
        /// Files of the journal that are kept.
        record_files: i64,
        /// What the node runs on: tokio, smol or glommio.
        runtime: String,
    }
}

config! {
    /// Details of mDNS.
    Mdns {
        /// Network interface to use.
        interface: String,
        /// Not over IPv4.
        disable_ipv4: bool,
        /// Not over IPv6.
        disable_ipv6: bool,
    }
}

impl Merge for Mdns {
    fn merge(&mut self, later: Self) {
        *self = std::mem::take(self).merge(later);
    }
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The system gave no content.
    #[error("Error reading '{path}': {source}")]
    Read {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is wrong.
    #[error("Error decoding '{path}': {source}")]
    Decode {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what is accepted.
        source: serde_json::Error,
    },
}

impl RawConfig {
    /// Reads one JSON object. Keys are taken in any case; `null` stands for a key that is not set.
    ///
    /// # Errors
    /// No JSON object, an unknown key, or a value of the wrong type: the key is named.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        let mut given: Map<String, Value> = serde_json::from_str(text)?;
        tidy(&mut given);
        if let Some(Value::Object(mdns)) = given.get_mut("mdns") {
            tidy(mdns);
        }
        let mut config = Self::default();
        // One by one, as an error in a value does not tell of which key.
        for (key, value) in given {
            let alone = Map::from_iter([(key.clone(), value)]);
            let read: Self = serde_json::from_value(Value::Object(alone))
                .map_err(|error| serde_json::Error::custom(format!("'{key}': {error}")))?;
            config = config.merge(read);
        }
        Ok(config)
    }

    /// Reads a file, or all `*.json` files of a directory in alphabetical order.
    ///
    /// # Errors
    /// As [`ConfigFileError`].
    pub fn from_path(path: &Path) -> Result<Self, ConfigFileError> {
        let read_error = |source| ConfigFileError::Read {
            path: path.to_owned(),
            source,
        };
        if !std::fs::metadata(path).map_err(read_error)?.is_dir() {
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(read_error)?);
            return Self::from_json(&text).map_err(|source| ConfigFileError::Decode {
                path: path.to_owned(),
                source,
            });
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(read_error)? {
            let file = entry.map_err(read_error)?.path();
            if file.extension().is_some_and(|ext| ext == "json") && !file.is_dir() {
                files.push(file);
            }
        }
        files.sort();
        files.iter().try_fold(Self::default(), |merged, file| {
            Ok(merged.merge(Self::from_path(file)?))
        })
    }
}

/// Makes keys lower-case, and leaves out what is `null`.
fn tidy(map: &mut Map<String, Value>) {
    *map = std::mem::take(map)
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_lowercase(), value))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> RawConfig {
        RawConfig::from_json(text).unwrap()
    }

    #[test]
    fn later_scalars_win_unless_empty_and_lists_and_tags_add_up() {
        let first = config(
            r#"{"node_name": "a", "profile": "wan", "leave_on_terminate": true,
                "tags": {"x": "1", "y": "1"}, "start_join": ["p"]}"#,
        );
        let second = config(
            r#"{"Node_Name": "b", "profile": "", "leave_on_terminate": false,
                "tags": {"y": "2"}, "start_join": ["q"], "retry_interval": "5s"}"#,
        );
        let merged = first.merge(second);
        assert_eq!(merged.node_name, "b");
        assert_eq!(merged.profile, "wan");
        assert!(merged.leave_on_terminate);
        assert_eq!(merged.tags["x"], "1");
        assert_eq!(merged.tags["y"], "2");
        assert_eq!(merged.start_join, ["p", "q"]);
        assert_eq!(merged.retry_interval.0.as_secs(), 5);
    }

    #[test]
    fn null_is_as_if_the_key_were_not_there() {
        let text =
            r#"{"node_name": null, "Tags": null, "start_join": null, "mdns": {"interface": null}}"#;
        assert_eq!(config(text), RawConfig::default());
    }

    #[test]
    fn names_unknown_keys_and_wrong_types() {
        let error = |text| RawConfig::from_json(text).unwrap_err().to_string();
        assert!(error(r#"{"nope": 1}"#).contains("`nope`"));
        assert!(error(r#"{"mdns": {"nope": 1}}"#).contains("`nope`"));
        let text = error(r#"{"node_name": 1}"#);
        assert!(
            text.contains("'node_name'") && text.contains("expected a string"),
            "{text}"
        );
        assert!(error("[]").contains("expected a map"));
        assert!(error(r#"{"retry_interval": "5"}"#).contains("invalid duration \"5\""));
        assert!(error("{").contains("EOF"));
    }
}
