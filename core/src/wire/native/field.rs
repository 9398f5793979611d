//! How single fields are encoded where serde's own way would be long or slow.

use serde::Serializer;

/// A byte string in one piece. (serde on its own writes it as a sequence, byte by byte, which
/// looks the same on the wire.)
#[inline]
pub(crate) fn bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// A socket address as the bytes of the IP, then the port in little-endian order.
///
/// An IPv4-mapped IPv6 address keeps its 16 bytes, as peers of the reference system compare
/// addresses by their bytes. Flow information and scope of IPv6 mean something on one machine
/// only, and are left out.
pub(crate) mod addr {
    use core::net::{IpAddr, SocketAddr};

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[inline]
    pub(crate) fn serialize<S: Serializer>(
        addr: &SocketAddr,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        with_bytes(addr, |bytes| serializer.serialize_bytes(bytes))
    }

    #[inline]
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SocketAddr, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        from_bytes(bytes).ok_or_else(|| D::Error::custom("an address has 6 or 18 bytes"))
    }

    /// Hands on the bytes of an address.
    #[inline]
    pub(crate) fn with_bytes<R>(addr: &SocketAddr, f: impl FnOnce(&[u8]) -> R) -> R {
        let [low, high] = addr.port().to_le_bytes();
        match addr.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                f(&[a, b, c, d, low, high])
            }
            IpAddr::V6(ip) => {
                let mut bytes = [0; 18];
                bytes[..16].copy_from_slice(&ip.octets());
                bytes[16..].copy_from_slice(&[low, high]);
                f(&bytes)
            }
        }
    }

    /// The address that these bytes are, if they are one.
    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<SocketAddr> {
        let (ip, port) = bytes.split_last_chunk()?;
        let ip = match ip.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
            16 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_le_bytes(*port)))
    }
}

/// A duration as its nanoseconds; longer than 584 years is 584 years.
pub(crate) mod nanos {
    use core::time::Duration;

    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    #[inline]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(crate::time::nanos(*duration))
    }

    #[inline]
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

/// The filters of a query, in the native form whatever they came in.
pub(crate) mod filters {
    use alloc::vec::Vec;

    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    use crate::message::Filters;
    use crate::wire::native::filter::append_filters;

    pub(crate) fn serialize<S: Serializer>(
        filters: &Filters<'_>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match filters {
            Filters::Native(bytes) => serializer.serialize_bytes(bytes),
            Filters::Memberlist(_) => {
                let mut bytes = Vec::new();
                append_filters(&mut bytes, *filters);
                serializer.serialize_bytes(&bytes)
            }
        }
    }

    #[inline]
    pub(crate) fn deserialize<'de: 'a, 'a, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Filters<'a>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Filters::Native)
    }
}
