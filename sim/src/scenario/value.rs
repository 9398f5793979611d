//! Values in a scenario that TOML has no type for: times and shares.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;
use crate::link::Ratio;

/// A length of time, such as `"500ms"` or `"1m 30s"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanText)
    }
}

struct SpanText;

impl Visitor<'_> for SpanText {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time of at most a month with its unit, such as \"500ms\" or \"1m 30s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        // A month is longer than any simulation, and short enough to calculate with.
        let month = Duration::from_secs(31 * 24 * 3600);
        let time = humantime::parse_duration(text).ok();
        time.filter(|time| *time <= month)
            .map(Span)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share(pub f64);

impl Share {
    /// The same as a probability.
    #[must_use]
    pub fn ratio(self) -> Ratio {
        Ratio::from(self.0.clamp(0.0, 1.0))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(ShareNumber)
    }
}

struct ShareNumber;

impl Visitor<'_> for ShareNumber {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share from 0 to 1")
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Share, E> {
        match (0.0..=1.0).contains(&share) {
            true => Ok(Share(share)),
            false => Err(E::invalid_value(Unexpected::Float(share), &self)),
        }
    }

    fn visit_i64<E: Error>(self, share: i64) -> Result<Share, E> {
        self.visit_f64(share as f64)
    }

    fn visit_u64<E: Error>(self, share: u64) -> Result<Share, E> {
        self.visit_f64(share as f64)
    }
}

/// Refuses anything but exactly one of the kinds that something may be of; answers which one it is.
pub(super) fn only_one(key: &str, kinds: &[(&'static str, bool)]) -> Result<&'static str, Invalid> {
    let given = kinds.iter().filter(|(_, given)| *given);
    let given: Vec<&str> = given.map(|(name, _)| *name).collect();
    if let [only] = given[..] {
        return Ok(only);
    }
    let value = match given.is_empty() {
        true => "nothing".to_owned(),
        false => given.join(" and "),
    };
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    Err(Invalid::new(
        key,
        value,
        &format!("one of {}", names.join(", ")),
    ))
}
