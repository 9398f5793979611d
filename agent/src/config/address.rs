//! Addresses as operators write them, and the network interfaces that they may stand for.

use std::io;
use std::net::IpAddr;

use super::InvalidConfig;

/// A network interface and one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// One of its addresses.
    pub ip: IpAddr,
}

/// The interfaces of this machine that are up, one entry for each address.
///
/// # Errors
/// The system's.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut found = if_addrs::get_if_addrs()?;
    found.retain(if_addrs::Interface::is_oper_up);
    found.sort_by_key(|interface| interface.index);
    let entry = |found: if_addrs::Interface| Interface {
        ip: found.ip(),
        name: found.name,
    };
    Ok(found.into_iter().map(entry).collect())
}

/// The address to bind on the interface of this name: `bind` if the interface has it, or, if
/// `bind` stands for every address of the machine, the first that is not link-local.
pub(super) fn on_interface(
    bind: &str,
    name: &str,
    interfaces: &[Interface],
) -> Result<String, InvalidConfig> {
    let of_it: Vec<IpAddr> = interfaces
        .iter()
        .filter(|interface| interface.name == name)
        .map(|interface| interface.ip)
        .collect();
    if of_it.is_empty() {
        let mut names: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
        names.dedup();
        return Err(InvalidConfig::Interface {
            name: name.to_owned(),
            known: names.join(", "),
        });
    }
    let (host, port) = bind.rsplit_once(':').unwrap_or((bind, "7946"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let missing = |ip: String| InvalidConfig::NotOnInterface {
        name: name.to_owned(),
        ip,
        known: of_it
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let wanted: IpAddr = host.parse().map_err(|_| missing(host.to_owned()))?;
    let ip = if wanted.is_unspecified() {
        let usable = |ip: &&IpAddr| ip.is_ipv4() == wanted.is_ipv4() && !is_link_local(**ip);
        let first = of_it.iter().find(usable);
        *first.ok_or_else(|| missing(format!("usable {}", family(wanted))))?
    } else if of_it.contains(&wanted) {
        wanted
    } else {
        return Err(missing(host.to_owned()));
    };
    Ok(match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    })
}

fn family(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Adds the usual port to an address that has none.
pub(super) fn with_port(what: &'static str, text: &str) -> Result<String, InvalidConfig> {
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

    #[test]
    fn addresses_get_the_usual_port() {
        let bind = |text: &str| with_port("bind", text);
        assert_eq!(bind("1.2.3.4").unwrap(), "1.2.3.4:7946");
        assert_eq!(bind("1.2.3.4:5").unwrap(), "1.2.3.4:5");
        assert_eq!(bind("[::1]").unwrap(), "[::1]:7946");
        assert_eq!(bind("[::1]:5").unwrap(), "[::1]:5");
        assert!(bind("::1").is_err());
        let error = bind("1.2.3.4:99999").unwrap_err().to_string();
        assert!(error.contains("1.2.3.4:99999"));
    }

    #[test]
    fn an_interface_gives_its_first_usable_address_or_confirms_the_one_that_is_bound() {
        let interface = |name: &str, ip: &str| Interface {
            name: name.to_owned(),
            ip: ip.parse().unwrap(),
        };
        let machine = [
            interface("lo", "127.0.0.1"),
            interface("eth0", "169.254.1.1"),
            interface("eth0", "10.0.0.7"),
            interface("eth0", "fe80::1"),
            interface("eth0", "fd00::7"),
        ];
        let on = |bind, name| on_interface(bind, name, &machine).map_err(|e| e.to_string());
        assert_eq!(on("0.0.0.0:7946", "eth0").unwrap(), "10.0.0.7:7946");
        assert_eq!(on("[::]:1", "eth0").unwrap(), "[fd00::7]:1");
        assert_eq!(on("10.0.0.7:5", "eth0").unwrap(), "10.0.0.7:5");
        let error = on("10.0.0.8:5", "eth0").unwrap_err();
        assert!(error.starts_with("Interface 'eth0' has no '10.0.0.8' address"));
        assert!(error.contains("fd00::7"), "{error}");
        let error = on("0.0.0.0:7946", "eth7").unwrap_err();
        assert_eq!(
            error,
            "Invalid network interface: there is no 'eth7' that is up (accepted are lo, eth0)"
        );
        assert!(on("[::]:1", "lo").unwrap_err().contains("IPv6"));
    }
}
