//! Values in a scenario that TOML has no type for: times, shares, sets of nodes.

use std::fmt;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;
use crate::link::Ratio;
use crate::rng::below;

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

/// Some of the nodes of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Nodes {
    /// `"all"`.
    All,
    /// Such as `"10%"`: so many of them, drawn from the seed. Node 0 is spared if possible.
    Percent(f64),
    /// Such as `"any 3"`: drawn in the same way.
    Any(usize),
    /// Such as `[1, 2, 5]` or `7`.
    These(Vec<usize>),
    /// Such as `"5..10"`: from the first up to but without the last.
    Range(usize, usize),
}

impl Nodes {
    /// Their indices, in order; those that do not exist are left out.
    pub(crate) fn pick(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        match self {
            Self::All => (0..count).collect(),
            Self::Range(from, to) => (*from..(*to).min(count)).collect(),
            Self::These(nodes) => nodes.iter().copied().filter(|node| *node < count).collect(),
            Self::Any(wanted) => draw(*wanted, count, rng),
            Self::Percent(percent) => draw(
                (count as f64 * percent / 100.0).round() as usize,
                count,
                rng,
            ),
        }
    }

    /// The first of them that there is none of.
    pub(crate) fn beyond(&self, count: usize) -> Option<usize> {
        match self {
            Self::These(nodes) => nodes.iter().copied().find(|node| *node >= count),
            Self::Range(_, to) => (*to > count).then_some(*to - 1),
            Self::Any(wanted) => (*wanted > count).then_some(*wanted - 1),
            Self::All | Self::Percent(_) => None,
        }
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

/// Refuses sets in which there are nodes that a cluster of `count` does not have.
pub(super) fn all_exist<'a>(
    key: &str,
    sets: impl IntoIterator<Item = &'a mut Nodes>,
    count: usize,
) -> Result<(), Invalid> {
    match sets.into_iter().find_map(|nodes| nodes.beyond(count)) {
        None => Ok(()),
        Some(beyond) => {
            let accepted = format!("nodes less than {count}");
            Err(Invalid::new(key, format!("about node {beyond}"), &accepted))
        }
    }
}

/// Draws nodes without repetition; node 0 only if all are wanted.
fn draw(wanted: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let first = usize::from(wanted < count);
    let mut nodes: Vec<usize> = (first..count).collect();
    let wanted = wanted.min(nodes.len());
    for place in 0..wanted {
        let other = place + below(rng, (nodes.len() - place) as u64) as usize;
        nodes.swap(place, other);
    }
    nodes.truncate(wanted);
    nodes.sort_unstable();
    nodes
}

const ACCEPTED: &str = "a node such as 7, nodes such as [1, 2], \"5..10\", \"10%\", \"any 3\", or \
                        \"all\"";

fn parse(text: &str) -> Option<Nodes> {
    let text = text.trim();
    if text == "all" {
        return Some(Nodes::All);
    }
    if let Some(count) = text.strip_prefix("any ") {
        return count.trim().parse().ok().map(Nodes::Any);
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().ok()?;
        return (0.0..=100.0)
            .contains(&percent)
            .then_some(Nodes::Percent(percent));
    }
    let (from, to) = text.split_once("..")?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from < to).then_some(Nodes::Range(from, to))
}

impl Serialize for Nodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
            Self::Any(count) => serializer.collect_str(&format_args!("any {count}")),
            Self::Range(from, to) => serializer.collect_str(&format_args!("{from}..{to}")),
            Self::These(nodes) => nodes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Nodes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ACCEPTED)
            }

            fn visit_i64<E: Error>(self, node: i64) -> Result<Nodes, E> {
                let node = usize::try_from(node)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(node), &ACCEPTED))?;
                Ok(Nodes::These(vec![node]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Nodes, E> {
                parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &ACCEPTED))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Nodes, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = items.next_element()? {
                    nodes.push(node);
                }
                Ok(Nodes::These(nodes))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
