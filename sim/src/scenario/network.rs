//! The network of a scenario.

use serde::{Deserialize, Serialize};

use super::{Invalid, Part, Share, Span};
use crate::link::{Burst, Latency, Link};
use crate::medium::Regions;

/// How long packets are under way: `"1ms"`, `{ from = "1ms", to = "5ms" }`, or log-normal,
/// `{ median = "5ms", sigma = 0.5 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the sentence above says it all")]
pub enum Times {
    Constant(Span),
    Uniform { from: Span, to: Span },
    LogNormal { median: Span, sigma: f64 },
}

/// Loss that comes in bursts: see [`Burst`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurstLoss {
    /// Mean time between two bursts.
    pub every: Span,
    /// Mean length of one.
    pub lasts: Span,
    /// Share of datagrams that are lost in one.
    pub loss: Share,
}

/// Places far from each other: see [`Regions`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distances {
    /// How many nodes are in each region, in order: numbers or percentages; the others are in the first.
    pub nodes: Vec<Part>,
    /// The way from each region to each other, a row for each.
    pub distances: Vec<Vec<Span>>,
    /// How much longer a packet may take, as a part of the distance.
    #[serde(default)]
    pub jitter: f64,
}

/// The network of a scenario. What is not said is as in [`Link::lan`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How long packets are under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Times>,
    /// Share of packets that get lost.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub loss: Share,
    /// Bursts of loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<BurstLoss>,
    /// Share of datagrams that arrive twice.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub duplicate: Share,
    /// Share of datagrams that are held back...
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub reorder: Share,
    /// ... by up to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder_by: Option<Span>,
    /// Share of datagrams in which bits are flipped.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub flip: Share,
    /// Share of datagrams that lose their end.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub truncate: Share,
    /// Share of datagrams on whose occasion an old one arrives again.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub replay: Share,
    /// Share of pieces of streams with which the connection breaks.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub sever: Share,
    /// Bytes that fit in a datagram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<usize>,
    /// Bytes of a stream that arrive at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_chunk: Option<usize>,
    /// Places far from each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Distances>,
}

impl Network {
    pub(super) fn link(&self) -> Link {
        let lan = Link::lan();
        Link {
            latency: self.latency.map_or(lan.latency, |times| match times {
                Times::Constant(time) => Latency::Constant(time.0),
                Times::Uniform { from, to } => Latency::Uniform(from.0, to.0),
                Times::LogNormal { median, sigma } => Latency::LogNormal {
                    median: median.0,
                    sigma,
                },
            }),
            loss: self.loss.ratio(),
            burst: self.burst.map(|burst| Burst {
                every: burst.every.0,
                lasts: burst.lasts.0,
                loss: burst.loss.ratio(),
            }),
            duplicate: self.duplicate.ratio(),
            reorder: self.reorder.ratio(),
            reorder_by: self.reorder_by.map_or(lan.reorder_by, |time| time.0),
            flip: self.flip.ratio(),
            truncate: self.truncate.ratio(),
            replay: self.replay.ratio(),
            sever: self.sever.ratio(),
            mtu: self.mtu.unwrap_or(lan.mtu),
        }
    }

    pub(super) fn regions(&self, count: usize) -> Option<Regions> {
        let places = self.regions.as_ref()?;
        let of = (0u16..)
            .zip(&places.nodes)
            .flat_map(|(region, part)| std::iter::repeat_n(region, part.of(count)))
            .collect();
        let rows = places.distances.iter();
        let distances: Vec<Vec<_>> = rows
            .map(|row| row.iter().map(|time| time.0).collect())
            .collect();
        Some(Regions::new(of, &distances, places.jitter))
    }

    pub(super) fn validate(&self, key: &str) -> Result<(), Invalid> {
        match self.latency {
            Some(Times::Uniform { from, to }) if from > to => {
                let (key, value) = (format!("{key}.latency"), format!("from {from} to {to}"));
                return Err(Invalid::new(&key, value, "the shorter time first"));
            }
            Some(Times::LogNormal { sigma, .. }) if !(0.0..=3.0).contains(&sigma) => {
                return Err(Invalid::new(
                    &format!("{key}.latency.sigma"),
                    sigma,
                    "0 to 3",
                ));
            }
            _ => {}
        }
        if let Some(places) = &self.regions {
            let count = places.distances.len();
            let square = places.distances.iter().all(|row| row.len() == count);
            if !square || count == 0 || places.nodes.len() > count {
                let regions = places.nodes.len();
                return Err(Invalid::new(
                    &format!("{key}.regions.distances"),
                    format!("{count} rows for {regions} regions"),
                    "a row for each region with a time for each region",
                ));
            }
        }
        Ok(())
    }
}
