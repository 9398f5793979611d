//! Nodes in a scenario, one or many: by where they are in a cluster of any size.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;
use crate::rng::below;

/// A node by its index. A negative one counts from the end: -1 is the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Node(pub i64);

impl Node {
    /// Its index in a cluster of so many, if that has it.
    #[must_use]
    pub fn index(self, count: usize) -> Option<usize> {
        let index = match self.0 < 0 {
            true => count.checked_sub(usize::try_from(self.0.unsigned_abs()).ok()?)?,
            false => usize::try_from(self.0).ok()?,
        };
        (index < count).then_some(index)
    }

    /// Refuses one that a cluster of so many does not have.
    pub(super) fn validate(self, key: &str, count: usize) -> Result<(), Invalid> {
        let found = self.index(count).map(drop);
        found.ok_or_else(|| Invalid::new(key, self.0, &self.accepted(count)))
    }

    fn accepted(self, count: usize) -> String {
        match self.0 < 0 {
            true => format!("-{count} or more"),
            false => format!("less than {count}"),
        }
    }
}

impl From<usize> for Node {
    fn from(index: usize) -> Self {
        Self(index as i64)
    }
}

/// So many of something: `20`, or `"50%"`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the sentence above says it all")]
pub enum Part {
    Count(usize),
    Percent(f64),
}

impl Part {
    pub(super) fn of(self, count: usize) -> usize {
        match self {
            Self::Count(part) => part,
            Self::Percent(percent) => (count as f64 * percent / 100.0).round() as usize,
        }
    }
}

/// An end of a range: a node such as `5` or `-3`, or `50%`, which is the first one of the second half.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the sentence above says it all")]
pub enum End {
    At(Node),
    Percent(f64),
}

impl End {
    fn index(self, count: usize) -> usize {
        match self {
            Self::At(Node(node)) if node < 0 => Node(node).index(count).unwrap_or(0),
            Self::At(Node(node)) => node as usize,
            Self::Percent(percent) => Part::Percent(percent).of(count),
        }
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
    /// Such as `[1, 2, -1]` or `7`.
    These(Vec<Node>),
    /// Such as `"5..10"`, `"-3.."` or `"0..50%"`: from the first up to but without the last; without
    /// that, to the end.
    Range(End, Option<End>),
}

impl Nodes {
    /// Exactly these.
    #[must_use]
    pub fn these(nodes: &[usize]) -> Self {
        Self::These(nodes.iter().copied().map(Node::from).collect())
    }

    /// From one up to but without another.
    #[must_use]
    pub fn range(from: usize, to: usize) -> Self {
        Self::Range(End::At(from.into()), Some(End::At(to.into())))
    }

    /// Their indices, in order; those that do not exist are left out.
    pub(crate) fn pick(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        match self {
            Self::All => (0..count).collect(),
            Self::Range(from, to) => {
                let to = to.map_or(count, |to| to.index(count));
                (from.index(count)..to.min(count)).collect()
            }
            Self::These(nodes) => {
                let mut nodes: Vec<usize> =
                    nodes.iter().filter_map(|node| node.index(count)).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes
            }
            Self::Any(wanted) => draw(*wanted, count, rng),
            Self::Percent(percent) => draw(Part::Percent(*percent).of(count), count, rng),
        }
    }

    /// Refuses nodes that a cluster of so many does not have.
    pub(super) fn validate(&self, key: &str, count: usize) -> Result<(), Invalid> {
        let wrong = |value: String, accepted: &str| Err(Invalid::new(key, value, accepted));
        let beyond = |node: Node| {
            let accepted = format!("nodes {}", node.accepted(count));
            wrong(format!("about node {}", node.0), &accepted)
        };
        match self {
            Self::These(nodes) => {
                let mut nodes = nodes.iter();
                let missing = nodes.find(|node| node.index(count).is_none());
                missing.map_or(Ok(()), |node| beyond(*node))
            }
            Self::Range(from, to) => {
                let to = to.map_or(count, |to| to.index(count));
                if to > count {
                    return beyond((to - 1).into());
                }
                match from.index(count) < to {
                    true => Ok(()),
                    false => wrong(format!("{self}, none of {count} nodes"), "some of them"),
                }
            }
            Self::Any(wanted) if *wanted > count => {
                wrong(self.to_string(), &format!("\"any {count}\" at most"))
            }
            Self::All | Self::Percent(_) | Self::Any(_) => Ok(()),
        }
    }

    /// Leaves out those that a cluster of so many does not have; false if no one is left.
    pub(super) fn keep(&mut self, count: usize) -> bool {
        match self {
            Self::These(nodes) => {
                nodes.retain(|node| node.index(count).is_some());
                !nodes.is_empty()
            }
            Self::Range(from, to) => {
                if to.is_some_and(|to| to.index(count) > count) {
                    *to = Some(End::At(count.into()));
                }
                from.index(count) < to.map_or(count, |to| to.index(count))
            }
            Self::Any(wanted) => {
                *wanted = (*wanted).min(count);
                true
            }
            Self::All | Self::Percent(_) => true,
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

const ACCEPTED: &str = "a node such as 7 or -1 (the last one), nodes such as [1, 2], \"5..10\", \
                        \"-3..\", \"50%..\", \"10%\", \"any 3\", or \"all\"";

fn percent(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

fn end(text: &str) -> Option<End> {
    let at = || Some(End::At(Node(text.parse().ok()?)));
    percent(text).map(End::Percent).or_else(at)
}

fn parse(text: &str) -> Option<Nodes> {
    let text = text.trim();
    if text == "all" {
        return Some(Nodes::All);
    }
    if let Some(count) = text.strip_prefix("any ") {
        return count.trim().parse().ok().map(Nodes::Any);
    }
    let Some((from, to)) = text.split_once("..") else {
        return percent(text).map(Nodes::Percent);
    };
    let from = end(from.trim())?;
    Some(match to.trim() {
        "" => Nodes::Range(from, None),
        to => Nodes::Range(from, Some(end(to)?)),
    })
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(node) => write!(f, "{}", node.0),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Any(count) => write!(f, "any {count}"),
            Self::Range(from, None) => write!(f, "{from}.."),
            Self::Range(from, Some(to)) => write!(f, "{from}..{to}"),
            Self::These(nodes) => f.debug_list().entries(nodes.iter().map(|it| it.0)).finish(),
        }
    }
}

impl Serialize for Nodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::These(nodes) => nodes.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Nodes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ACCEPTED)
            }

            fn visit_i64<E: Error>(self, node: i64) -> Result<Nodes, E> {
                Ok(Nodes::These(vec![Node(node)]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Nodes, E> {
                parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &ACCEPTED))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, nodes: A) -> Result<Nodes, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(nodes)).map(Nodes::These)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => count.serialize(serializer),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const ACCEPTED: &str = "a number of nodes such as 20, or a part of them such as \"50%\"";
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ACCEPTED)
            }

            fn visit_i64<E: Error>(self, count: i64) -> Result<Part, E> {
                let found = usize::try_from(count).map(Part::Count);
                found.map_err(|_| E::invalid_value(Unexpected::Signed(count), &ACCEPTED))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Part, E> {
                let found = percent(text.trim()).map(Part::Percent);
                found.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &ACCEPTED))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::{Domain, generator};

    fn read(text: &str) -> Nodes {
        parse(text).unwrap_or_else(|| panic!("{text} says which nodes"))
    }

    fn picked(text: &str, count: usize) -> Vec<usize> {
        let mut rng = generator(1, Domain::Scenario, 0);
        read(text).pick(count, &mut rng)
    }

    #[test]
    fn nodes_are_counted_from_either_end_and_by_parts() {
        assert_eq!(picked("2..4", 10), [2, 3]);
        assert_eq!(picked("-3..", 10), [7, 8, 9]);
        assert_eq!(picked("-3..-1", 10), [7, 8]);
        assert_eq!(picked("0..-8", 10), [0, 1]);
        assert_eq!(picked("50%..", 5), [3, 4]);
        assert_eq!(picked("0..50%", 5), [0, 1, 2]);
        assert_eq!(picked("30%..50%", 10), [3, 4]);
        assert_eq!(picked("20%", 10).len(), 2);
        let mut rng = generator(1, Domain::Scenario, 0);
        let these = Nodes::These(vec![Node(-1), Node(2), Node(-1), Node(10), Node(-11)]);
        assert_eq!(these.pick(10, &mut rng), [2, 9]);
    }

    #[test]
    fn what_says_no_nodes_is_refused() {
        for text in [
            "", "..", "..3", "5..x", "101%", "-1%..", "any", "any -1", "1...2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    fn ends() -> impl Strategy<Value = End> {
        let at = (-30i64..30).prop_map(|node| End::At(Node(node)));
        prop_oneof![at, (0u8..=100).prop_map(|it| End::Percent(it.into()))]
    }

    proptest! {
        #[test]
        fn valid_nodes_are_there_and_some_are_left_of_those_that_are_kept(
            (from, to) in (ends(), proptest::option::of(ends())),
            (count, fewer) in (1usize..40, 1usize..40),
        ) {
            let mut nodes = Nodes::Range(from, to);
            prop_assert_eq!(&read(&nodes.to_string()), &nodes);
            let mut rng = generator(1, Domain::Scenario, 0);
            let picked = nodes.pick(count, &mut rng);
            prop_assert!(picked.iter().all(|node| *node < count));
            if nodes.validate("nodes", count).is_ok() {
                prop_assert!(!picked.is_empty());
            }
            if nodes.keep(fewer) {
                prop_assert_eq!(nodes.validate("nodes", fewer), Ok(()));
            }
        }
    }
}
