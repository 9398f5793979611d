//! Nodes of a scenario that differ from the others.

use serde::{Deserialize, Serialize};
use serf_core::wire::Wires;
use serf_core::wire::label::Label;
use serf_core::{Config, Params, Versions};

use super::{Invalid, Nodes, keys};
use crate::world::World;

/// Which wires a node speaks and understands: see [`Wires`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is the one of that name")]
pub enum Speaks {
    Auto,
    Native,
    Memberlist,
}

/// Nodes that differ from the others. Of two groups with one node the later has its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Which.
    pub nodes: Nodes,
    /// Which wires they speak and understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wires: Option<Speaks>,
    /// The Serf protocol that they speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// The newest gossip protocol that they understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gossip_protocol: Option<u8>,
    /// The label of their cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Their keys; the first one encrypts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Whether they are a cluster of their own, that the other nodes must never know. They join
    /// through the first of them.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub apart: bool,
}

impl Group {
    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        let key = |field: &str| format!("{key}.{field}");
        self.nodes.validate(&key("nodes"), count)?;
        let oldest = Versions::CURRENT.delegate_min;
        if let Some(protocol) = self.protocol
            && Versions::speaking(protocol).is_none()
        {
            let accepted = format!("{oldest} to {}", Versions::CURRENT.delegate_max);
            return Err(Invalid::new(&key("protocol"), protocol, &accepted));
        }
        let newest = Versions::CURRENT.protocol_max;
        if let Some(protocol) = self.gossip_protocol
            && !(1..=newest).contains(&protocol)
        {
            let accepted = format!("1 to {newest}");
            return Err(Invalid::new(&key("gossip_protocol"), protocol, &accepted));
        }
        if let Some(label) = &self.label
            && Label::new(label).is_err()
        {
            let value = format!("{} bytes long", label.len());
            let accepted = format!("0 to {} bytes", Label::MAX_LEN);
            return Err(Invalid::new(&key("label"), value, &accepted));
        }
        match &self.keys {
            Some(words) => keys::validate_ring(&key("keys"), words),
            None => Ok(()),
        }
    }

    /// Makes these nodes, none of which has started, what they are. The settings are those of all.
    pub(super) fn apply(&self, world: &mut World, settings: &Config, nodes: Vec<usize>) {
        for &node in &nodes {
            if let Some(wires) = self.wires {
                let wires = match wires {
                    Speaks::Auto => Wires::Auto,
                    Speaks::Native => Wires::Native,
                    Speaks::Memberlist => Wires::Memberlist,
                };
                let config = Config {
                    wires,
                    ..settings.clone()
                };
                let params = Params::new(config).expect("they were valid but for the wires");
                world.set_params(node, params);
            }
            world.set_versions(node, self.versions());
            if let Some(Ok(label)) = self.label.as_deref().map(Label::new) {
                world.set_label(node, label);
            }
            if let Some(ring) = self.keys.as_deref().and_then(keys::ring) {
                world.set_keyring(node, ring);
            }
        }
        if self.apart {
            world.set_apart(nodes);
        }
    }

    fn versions(&self) -> Versions {
        let spoken = self.protocol.and_then(Versions::speaking);
        let mut versions = spoken.unwrap_or(Versions::CURRENT);
        if let Some(newest) = self.gossip_protocol {
            versions.protocol_max = newest;
            versions.protocol_cur = versions.protocol_cur.min(newest);
        }
        versions
    }
}
