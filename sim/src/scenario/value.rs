//! Values in a scenario that TOML has no type for: times and shares.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected};
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
        let text = String::deserialize(deserializer)?;
        // A month is longer than any simulation, and short enough to calculate with.
        let time = humantime::parse_duration(&text).ok();
        time.filter(|time| *time <= Duration::from_secs(31 * 24 * 3600))
            .map(Self)
            .ok_or_else(|| {
                D::Error::invalid_value(
                    Unexpected::Str(&text),
                    &"a time of at most a month with its unit, such as \"500ms\" or \"1m 30s\"",
                )
            })
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
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        let what = Unexpected::Float(share);
        Err(D::Error::invalid_value(what, &"a share from 0 to 1"))
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
