//! Addresses as people write them: `host`, `host:port`, `ip`, `[v6]`, `[v6]:port`, bare v6.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A host and perhaps a port, as written (wire-protocol reference, section 6.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    /// To be resolved.
    Name(String),
}

impl Address {
    /// Parses a seed: an address that may have the name of the node and a slash in front. The
    /// name is for transports that address nodes by name; over IP it does not matter.
    pub(crate) fn parse_seed(text: &str) -> Result<Self, AddressError> {
        match text.split_once('/') {
            Some(("", _)) => Err(AddressError::EmptyNodeName),
            Some((_name, address)) => address.parse(),
            None => text.parse(),
        }
    }

    /// The socket address, if the host needs no resolving.
    pub(crate) fn literal(&self, default_port: u16) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port.unwrap_or(default_port))),
            Host::Name(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.rsplit_once(']').ok_or(AddressError::OpenBracket)?;
            let ip = host.parse::<Ipv6Addr>();
            let host = match ip {
                Ok(ip) => Host::Ip(ip.into()),
                // With a zone (`fe80::1%eth0`), only the system's resolver understands it.
                Err(_) if host.contains(':') && host.contains('%') => Host::Name(host.to_owned()),
                Err(_) => return Err(AddressError::NotV6),
            };
            let port = match port.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if port.is_empty() => None,
                None => return Err(AddressError::AfterBracket),
            };
            return Ok(Self { host, port });
        }
        // Exactly one colon separates a port; more are a bare IPv6 address.
        let (host, port) = match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(parse_port(port)?)),
            _ => (text, None),
        };
        if host.is_empty() {
            return Err(AddressError::EmptyHost);
        }
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Name(host.to_owned()),
        };
        Ok(Self { host, port })
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    // `u16::from_str` would take a sign.
    match text.parse() {
        Ok(port) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(AddressError::Port {
            text: text.to_owned(),
        }),
    }
}

/// Text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// No host.
    EmptyHost,
    /// A slash with no node name in front of it.
    EmptyNodeName,
    /// A `[` without a `]`.
    OpenBracket,
    /// Something other than an IPv6 address in brackets.
    NotV6,
    /// Something other than a colon and a port after the `]`.
    AfterBracket,
    /// Not a port number.
    Port {
        /// What stands in its place.
        text: String,
    },
    /// A name where only an IP address is accepted.
    NotIp,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyHost => f.write_str("empty host"),
            Self::EmptyNodeName => f.write_str("empty node name provided"),
            Self::OpenBracket => f.write_str("'[' without ']'"),
            Self::NotV6 => f.write_str("what stands in brackets is not an IPv6 address"),
            Self::AfterBracket => f.write_str("after ']' only a colon and a port may follow"),
            Self::Port { text } => write!(f, "'{text}' is not a port, accepted is 0 to 65535"),
            Self::NotIp => f.write_str("not an IP address"),
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(host: &str, port: Option<u16>) -> Result<Address, AddressError> {
        let host = Host::Ip(host.parse().unwrap());
        Ok(Address { host, port })
    }

    fn name(host: &str, port: Option<u16>) -> Result<Address, AddressError> {
        let host = Host::Name(host.to_owned());
        Ok(Address { host, port })
    }

    #[test]
    fn every_way_to_write_a_seed_is_understood() {
        for (text, want) in [
            ("10.0.0.1", ip("10.0.0.1", None)),
            ("10.0.0.1:80", ip("10.0.0.1", Some(80))),
            ("::1", ip("::1", None)),
            ("fe80::1:7946", ip("fe80::1:7946", None)),
            ("[::1]", ip("::1", None)),
            ("[::1]:0", ip("::1", Some(0))),
            (
                "[::ffff:10.0.0.1]:65535",
                ip("::ffff:10.0.0.1", Some(65535)),
            ),
            ("[fe80::1%eth0]:80", name("fe80::1%eth0", Some(80))),
            ("localhost", name("localhost", None)),
            ("db.example.org:7946", name("db.example.org", Some(7946))),
            ("node/10.0.0.1:80", ip("10.0.0.1", Some(80))),
            ("a:b/[::1]:80", ip("::1", Some(80))),
            ("node/host", name("host", None)),
            ("node/a/b", name("a/b", None)),
        ] {
            assert_eq!(Address::parse_seed(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_seed_is_refused_with_the_reason() {
        let port = |text: &str| AddressError::Port {
            text: text.to_owned(),
        };
        for (text, want) in [
            ("", AddressError::EmptyHost),
            (":7946", AddressError::EmptyHost),
            ("node/", AddressError::EmptyHost),
            ("/10.0.0.1", AddressError::EmptyNodeName),
            ("[::1", AddressError::OpenBracket),
            ("[::1]7946", AddressError::AfterBracket),
            ("[10.0.0.1]:80", AddressError::NotV6),
            ("[]:80", AddressError::NotV6),
            ("host:", port("")),
            ("host:http", port("http")),
            ("host:65536", port("65536")),
            ("host:+80", port("+80")),
            ("[::1]:-1", port("-1")),
        ] {
            assert_eq!(Address::parse_seed(text), Err(want), "{text}");
        }
    }

    #[test]
    fn a_missing_port_takes_the_default() {
        let literal = |text| Address::parse_seed(text).unwrap().literal(7946);
        assert_eq!(literal("10.0.0.1"), "10.0.0.1:7946".parse().ok());
        assert_eq!(literal("10.0.0.1:1"), "10.0.0.1:1".parse().ok());
        assert_eq!(literal("localhost"), None);
    }
}
