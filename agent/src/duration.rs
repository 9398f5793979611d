//! Durations as flags and configuration files write them: `300ms`, `1.5h`, `2m30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in Go's notation: a sequence of decimal numbers, each with a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid duration \"{text}\": accepted are numbers with a unit of ns, us, ms, s, m or h, \
     such as 300ms, 1.5h or 2m30s"
)]
pub struct InvalidDuration {
    text: String,
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        parse(text).map(Self).ok_or_else(|| InvalidDuration {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail;
    }
    Some(total)
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// In a form that can be read again: `300ms`, `2m30s`, `24h0m0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        let rest = self.0 - Duration::from_secs(minutes * 60);
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        match rest.is_zero() {
            true => f.write_str("0s"),
            false => fmt::Debug::fmt(&rest, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<u128> {
        text.parse().ok().map(|GoDuration(d)| d.as_millis())
    }

    #[test]
    fn takes_numbers_with_units() {
        assert_eq!(millis("300ms"), Some(300));
        assert_eq!(millis("1.5h"), Some(5_400_000));
        assert_eq!(millis("2m30s"), Some(150_000));
        assert_eq!(millis("0"), Some(0));
        assert_eq!(millis(".5s"), Some(500));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["300ms", "1.5s", "2m30s", "24h0m0s"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
        assert_eq!(GoDuration::default().to_string(), "0s");
    }

    #[test]
    fn refuses_what_has_no_unit_or_no_number() {
        for text in [
            "",
            "5",
            "s",
            "5x",
            "-1s",
            "1.2.3s",
            "1e9s",
            ".",
            "99999999999999999999h",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
