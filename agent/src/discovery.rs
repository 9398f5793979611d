//! Finding other agents of the same cluster on the local network, by multicast DNS.
//!
//! Every agent announces the service `_serf_CLUSTER._tcp.local.` with its node name and address,
//! and joins whoever announces it, too. This is how agents of the reference system find each
//! other.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};

use crate::agent::{Agent, describe_join_error};
use crate::config::Discover;

/// How long to wait for more agents before joining those that were found.
const QUIET: Duration = Duration::from_millis(100);

/// Agents that are remembered as found, so that each is joined once.
const MAX_FOUND: usize = 4096;

/// What may be in front of the cluster's name in the name of the service.
const MAX_SERVICE_NAME: u8 = 30;

/// Announces the agent and joins others until the agent stops.
///
/// # Errors
/// The sockets cannot be opened.
pub(crate) fn start(
    agent: Arc<Agent>,
    discover: Discover,
    replay: bool,
) -> Result<(), mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_service_name_len_max(MAX_SERVICE_NAME)?;
    if let Some(interface) = &discover.interface {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Name(interface.clone()))?;
    }
    if !discover.ipv4 {
        daemon.disable_interface(IfKind::IPv4)?;
    }
    if !discover.ipv6 {
        daemon.disable_interface(IfKind::IPv6)?;
    }
    let service = format!("_serf_{}._tcp.local.", discover.cluster);
    let found = daemon.browse(&service)?;
    daemon.register(announcement(&agent, &discover.cluster, &service)?)?;
    tokio::spawn(async move {
        tokio::select! {
            () = follow(&agent, &found, replay) => {}
            () = agent.handle.stopped() => {}
        }
        // Says goodbye. If there is no time for that, others find out by themselves.
        let _ = daemon.shutdown();
    });
    Ok(())
}

fn announcement(
    agent: &Agent,
    cluster: &str,
    service: &str,
) -> Result<ServiceInfo, mdns_sd::Error> {
    let name = agent.handle.name().as_str();
    // Not the name of the machine: that would have the addresses of all its agents.
    let host: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let host = format!("{host}.local.");
    let addr = agent.handle.advertise_addr();
    let text = format!("Serf '{cluster}' cluster");
    let properties: &[(&str, &str)] = &[(&text, "")];
    let mut info = ServiceInfo::new(service, name, &host, addr.ip(), addr.port(), properties)?;
    // Several agents may run on one machine, each at an address of its own.
    info.set_requires_probe(false);
    Ok(info)
}

/// Joins those who are found, in bursts.
async fn follow(agent: &Agent, found: &Receiver<ServiceEvent>, replay: bool) {
    let own = agent.handle.advertise_addr();
    let mut seen = BTreeSet::from([own]);
    let mut waiting: Vec<String> = Vec::new();
    loop {
        let quiet = async {
            match waiting.is_empty() {
                true => std::future::pending().await,
                false => tokio::time::sleep(QUIET).await,
            }
        };
        tokio::select! {
            event = found.recv_async() => match event {
                Ok(ServiceEvent::ServiceResolved(service)) => {
                    let addr = address(&service).filter(|_| seen.len() < MAX_FOUND);
                    if let Some(addr) = addr.filter(|addr| seen.insert(*addr)) {
                        waiting.push(addr.to_string());
                    }
                }
                Ok(_) => {}
                // The daemon has ended.
                Err(_) => return,
            },
            () = quiet => {
                let addrs = std::mem::take(&mut waiting);
                tracing::debug!(target: "agent.mdns", "Found {}", addrs.join(", "));
                match agent.join(&addrs, replay).await {
                    Ok(joined) => {
                        let count = joined.contacted.len();
                        tracing::info!(target: "agent.mdns", "Joined {count} hosts");
                    }
                    Err(error) => {
                        let text = describe_join_error(&error);
                        tracing::error!(target: "agent.mdns", "Failed to join: {text}");
                    }
                }
            }
        }
    }
}

/// The address to join an agent at: IPv4 if it has one, as a link-local one would need a zone.
fn address(service: &ResolvedService) -> Option<SocketAddr> {
    let mut ips: Vec<IpAddr> = service
        .addresses
        .iter()
        .map(mdns_sd::ScopedIp::to_ip_addr)
        .filter(|ip| match ip {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        })
        .collect();
    ips.sort();
    Some(SocketAddr::new(*ips.first()?, service.port))
}
