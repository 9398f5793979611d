//! Which address a node tells others to reach it at (wire-protocol reference, section 6.15).

use std::net::{IpAddr, SocketAddr};

use crate::error::BindError;

/// The address to advertise for a socket bound to `bound`: the explicit one; else, if bound to
/// every address of the machine, its first private one, or failing that a public one, or one that
/// only this machine reaches; else the bound one.
pub(crate) fn choose(
    explicit: Option<SocketAddr>,
    bound: SocketAddr,
    interfaces: impl FnOnce() -> std::io::Result<Vec<IpAddr>>,
) -> Result<SocketAddr, BindError> {
    if let Some(explicit) = explicit {
        return Ok(explicit);
    }
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    let found = interfaces().map_err(|source| BindError::Interfaces { bound, source })?;
    // A socket bound to `[::]` reaches both families, one bound to `0.0.0.0` only its own.
    let reachable = found
        .iter()
        .filter(|ip| bound.is_ipv6() || ip.is_ipv4())
        .min_by_key(|&&ip| (rank(ip), ip.is_ipv6() != bound.is_ipv6()));
    reachable
        .map(|&ip| SocketAddr::new(ip, bound.port()))
        .ok_or(BindError::NoAddress { bound })
}

/// The lower, the better an address is to be reached at. Of equals the first one is taken.
///
/// The reference system knows only the first rank, and refuses to start without one. A machine
/// with nothing but a public address should be told apart from one that is misconfigured by its
/// operator, who sees the address at the start, not by an error.
fn rank(ip: IpAddr) -> u8 {
    match ip {
        _ if is_private(ip) => 0,
        _ if ip.is_loopback() => 2,
        IpAddr::V4(ip) if ip.is_link_local() => 3,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 3,
        _ => 1,
    }
}

/// The addresses of the machine's interfaces that are up, in the order of the system.
pub(crate) fn interfaces() -> std::io::Result<Vec<IpAddr>> {
    let mut found = if_addrs::get_if_addrs()?;
    found.sort_by_key(|interface| interface.index);
    let up = found.into_iter().filter(|i| i.is_oper_up());
    Ok(up.map(|interface| interface.ip()).collect())
}

/// The blocks of RFC 6890 that are forwarded between networks but not globally reachable.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // 100.64.0.0/10 is shared address space, 198.18.0.0/15 for benchmarks.
            ip.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn chosen(explicit: Option<&str>, bound: &str, interfaces: &[&str]) -> Option<SocketAddr> {
        let interfaces = interfaces.iter().map(|ip| ip.parse().unwrap()).collect();
        choose(explicit.map(addr), addr(bound), || Ok(interfaces)).ok()
    }

    #[test]
    fn an_explicit_address_wins() {
        let got = chosen(Some("192.0.2.1:80"), "0.0.0.0:7946", &["10.0.0.1"]);
        assert_eq!(got, Some(addr("192.0.2.1:80")));
    }

    #[test]
    fn a_bound_address_is_advertised_as_it_is() {
        let got = chosen(None, "203.0.113.7:7946", &["10.0.0.1"]);
        assert_eq!(got, Some(addr("203.0.113.7:7946")));
    }

    #[test]
    fn bound_to_everything_the_first_private_address_is_advertised() {
        let machine = [
            "127.0.0.1",
            "203.0.113.7",
            "fd00::1",
            "100.64.1.1",
            "10.0.0.1",
        ];
        assert_eq!(
            chosen(None, "0.0.0.0:7946", &machine),
            Some(addr("100.64.1.1:7946"))
        );
        assert_eq!(
            chosen(None, "[::]:7946", &machine),
            Some(addr("[fd00::1]:7946"))
        );
        assert_eq!(
            chosen(None, "[::]:7946", &["::1", "172.31.0.1"]),
            Some(addr("172.31.0.1:7946"))
        );
    }

    #[test]
    fn without_a_private_address_a_public_one_is_taken_and_at_last_the_loopback() {
        let machine = ["127.0.0.1", "169.254.3.3", "203.0.113.7", "fd00::1"];
        assert_eq!(
            chosen(None, "0.0.0.0:7946", &machine),
            Some(addr("203.0.113.7:7946"))
        );
        assert_eq!(
            chosen(None, "0.0.0.0:7946", &["127.0.0.1", "::1"]),
            Some(addr("127.0.0.1:7946"))
        );
    }

    #[test]
    fn without_any_address_the_error_names_the_bound_one() {
        let error = choose(None, addr("0.0.0.0:7946"), || Ok(vec![])).unwrap_err();
        assert!(error.to_string().contains("0.0.0.0:7946"), "{error}");
    }

    #[test]
    fn the_machines_interfaces_can_be_read() {
        assert!(interfaces().unwrap().iter().any(IpAddr::is_loopback));
    }
}
