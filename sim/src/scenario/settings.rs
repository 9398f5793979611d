//! The settings of the nodes of a scenario.

use serde::{Deserialize, Serialize};
use serf_core::{Config, Lifeguard, Params};

use super::{Invalid, Span};
use crate::builder::MAX_COORDINATES;

/// Settings that others start from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// [`Config::lan`].
    #[default]
    Lan,
    /// [`Config::wan`].
    Wan,
    /// [`Config::local`].
    Local,
}

/// Defines [`Settings`], each of which bears the name of a field of [`Config`].
macro_rules! settings {
    (times: $($time:ident),*; numbers: $($number:ident: $type:ty),*;) => {
        /// The settings of nodes: a profile with [`MAX_COORDINATES`], and what differs from it. Each
        /// field but the first and the last three is the field of that name of [`Config`].
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "the documentation is that of `Config`")]
        pub struct Settings {
            #[serde(default, skip_serializing_if = "super::is_default")]
            pub profile: Profile,
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $time: Option<Span>,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $number: Option<$type>,)*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub lifeguard_probe: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            pub lifeguard_suspicion: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            pub lifeguard_buddy: Option<bool>,
        }

        impl Settings {
            fn config(&self) -> Config {
                let mut config = match self.profile {
                    Profile::Lan => Config::lan(),
                    Profile::Wan => Config::wan(),
                    Profile::Local => Config::local(),
                };
                config.max_coordinates = MAX_COORDINATES;
                $(if let Some(Span(time)) = self.$time {
                    config.$time = time;
                })*
                $(if let Some(number) = self.$number {
                    config.$number = number;
                })*
                let on = config.lifeguard;
                config.lifeguard = Lifeguard {
                    probe: self.lifeguard_probe.unwrap_or(on.probe),
                    suspicion: self.lifeguard_suspicion.unwrap_or(on.suspicion),
                    buddy: self.lifeguard_buddy.unwrap_or(on.buddy),
                };
                config
            }
        }
    };
}

settings! {
    times: probe_interval, probe_timeout, gossip_interval, gossip_to_dead, push_pull_interval,
        stream_timeout, dead_reclaim, broadcast_timeout, leave_propagate_delay,
        reconnect_interval, reconnect_timeout, tombstone_timeout, reap_interval;
    numbers: indirect_checks: u8, stream_ping: bool, suspicion_mult: u32, suspicion_max_mult: u32,
        awareness_max: u8, gossip_nodes: u8, retransmit_mult: u32, user_event_size_limit: usize,
        event_buffer: u64, query_buffer: u64, coordinates: bool, max_coordinates: u32,
        resolve_conflicts: bool,
        packet_budget: usize, max_stream_message: usize,
        max_inbound_streams: usize, max_members: u32, max_helper_probes: usize,
        max_pending_actions: usize;
}

impl Settings {
    /// The settings as a node takes them.
    ///
    /// # Errors
    /// Names the key that is out of bounds, its value and what is accepted.
    pub fn params(&self) -> Result<Params, Invalid> {
        Params::new(self.config()).map_err(|error| Invalid(format!("config.{error}")))
    }
}
