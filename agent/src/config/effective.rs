//! The configuration that counts, once every default is filled in.

use std::time::Duration;

use super::RawConfig;
use super::settings::SHORTEST;
use crate::duration::GoDuration;
use serf_core::{Config, Versions, Wires};
use serf_tokio::JournalLimits;

/// What a secret is shown as.
const HIDDEN: &str = "(hidden)";

impl RawConfig {
    /// Fills in what nobody has set. `host_name` names the node.
    pub(super) fn with_defaults(mut self, host_name: &str) -> Self {
        let text = |value: &mut String, default: &str| {
            if value.is_empty() {
                default.clone_into(value);
            }
        };
        text(&mut self.node_name, host_name);
        text(&mut self.bind, "0.0.0.0");
        text(&mut self.log_level, "INFO");
        text(&mut self.log_format, "text");
        text(&mut self.profile, "lan");
        text(&mut self.wire, Wires::Auto.as_str());
        text(&mut self.runtime, "tokio");
        text(&mut self.rpc_addr, "127.0.0.1:7373");
        text(&mut self.syslog_facility, "LOCAL0");
        if self.protocol <= 0 {
            self.protocol = i64::from(Versions::CURRENT.delegate_cur);
        }
        if !self.discover.is_empty() {
            text(&mut self.mdns.interface, &self.interface);
        }
        let config = Config::lan();
        for (value, default) in [
            (&mut self.reconnect_interval, config.reconnect_interval),
            (&mut self.reconnect_timeout, config.reconnect_timeout),
            (&mut self.tombstone_timeout, config.tombstone_timeout),
            (&mut self.broadcast_timeout, config.broadcast_timeout),
            (&mut self.retry_interval, Duration::from_secs(30)),
        ] {
            if value.0.is_zero() {
                *value = GoDuration(default);
            }
        }
        let journal = JournalLimits::default();
        for (value, default) in [
            (&mut self.user_event_size_limit, 512),
            (&mut self.query_size_limit, 1024),
            (&mut self.query_response_size_limit, 1024),
            (&mut self.record_size, journal.file_bytes.cast_signed()),
            (&mut self.record_files, journal.files.into()),
        ] {
            if *value == 0 {
                *value = default;
            }
        }
        self
    }

    /// The whole configuration as JSON, defaults included and secrets left out.
    #[must_use]
    pub fn effective(&self, host_name: &str) -> String {
        let mut shown = self.clone().with_defaults(host_name);
        for raised in [&mut shown.retry_interval, &mut shown.broadcast_timeout] {
            raised.0 = raised.0.max(SHORTEST);
        }
        for secret in [&mut shown.rpc_auth, &mut *shown.encrypt_key] {
            if !secret.is_empty() {
                HIDDEN.clone_into(secret);
            }
        }
        serde_json::to_string_pretty(&shown).expect("plain data has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_configuration_is_complete_readable_and_has_no_secrets() {
        let raw = r#"{"rpc_auth": "s3cr3t", "tags": {"a": "b"}, "retry_interval": "90s",
            "broadcast_timeout": "1ms"}"#;
        let text = RawConfig::from_json(raw).unwrap().effective("host");
        assert!(!text.contains("s3cr3t"), "{text}");
        let read = RawConfig::from_json(&text).unwrap();
        assert_eq!(read.node_name, "host");
        assert_eq!(read.tags["a"], "b");
        assert_eq!(read.retry_interval.0, Duration::from_secs(90));
        assert_eq!(read.tombstone_timeout.0, Duration::from_secs(24 * 3600));
        assert_eq!(read.broadcast_timeout.0, SHORTEST);
        assert!(text.contains(r#""tombstone_timeout": "24h0m0s""#), "{text}");
    }
}
