//! What links of a network share or remember: distances between regions, uplinks with a queue,
//! bursts of loss, and old datagrams that come back.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::link::{Burst, nanos};
use crate::rng::{Draws, scale};

/// Where nodes are, and how far it is from one place to another. The distance comes on top of the
/// latency of the link.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    of: Vec<u16>,
    distances: Vec<Vec<u64>>,
    jitter: f64,
}

impl Regions {
    /// `of` names the region of each node, as an index into `distances`; nodes past its end are in
    /// region 0. `distances[a][b]` is the time from region `a` to region `b`, one way. Each packet
    /// takes up to `jitter` times the distance longer.
    ///
    /// # Panics
    /// If a region has no row or a row no entry for each region.
    #[must_use]
    pub fn new(of: Vec<u16>, distances: &[Vec<std::time::Duration>], jitter: f64) -> Self {
        let count = distances.len();
        assert!(
            count > 0 && distances.iter().all(|row| row.len() == count),
            "the distances between {count} regions are {count} rows of {count}"
        );
        assert!(
            of.iter().all(|region| usize::from(*region) < count),
            "regions are numbered from 0 to {}",
            count - 1
        );
        let distances = distances
            .iter()
            .map(|row| row.iter().map(|time| nanos(*time)).collect())
            .collect();
        Self {
            of,
            distances,
            jitter: jitter.max(0.0),
        }
    }

    /// Nanoseconds of the longest way.
    pub(crate) fn farthest(&self) -> u64 {
        let most = self.distances.iter().flatten().max().copied().unwrap_or(0);
        most + (most as f64 * self.jitter) as u64
    }

    /// Nanoseconds on the way from one node to another.
    pub(crate) fn distance(&self, from: usize, to: usize, draws: &mut Draws) -> u64 {
        let region = |node: usize| usize::from(self.of.get(node).copied().unwrap_or(0));
        let base = self.distances[region(from)][region(to)];
        let more = (base as f64 * self.jitter) as u64;
        base + if more > 0 {
            scale(draws.next(), more)
        } else {
            0
        }
    }
}

/// What a node can send, and how much may wait for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Bytes per second, at least 1.
    pub bytes_per_second: u64,
    /// Bytes that may wait; datagrams beyond that are lost, streams wait.
    pub queue: u64,
}

/// The uplinks of nodes that have a limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uplinks {
    limits: BTreeMap<usize, (Uplink, u64)>,
    /// When the last of what had to wait has left, also where there is no limit any more.
    busy_until: u64,
}

impl Uplinks {
    pub(crate) fn set(&mut self, node: usize, uplink: Option<Uplink>) {
        match uplink {
            Some(uplink) => drop(self.limits.insert(node, (uplink, 0))),
            None => drop(self.limits.remove(&node)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    pub(crate) const fn busy_until(&self) -> u64 {
        self.busy_until
    }

    /// Nanoseconds until a datagram has left, or `None` if there is no room for it.
    pub(crate) fn datagram(&mut self, node: usize, len: usize, now: u64) -> Option<u64> {
        if self.limits.is_empty() {
            return Some(0);
        }
        let Some((uplink, free_at)) = self.limits.get_mut(&node) else {
            return Some(0);
        };
        let room = sending(uplink, uplink.queue.saturating_add(len as u64));
        let end = (*free_at)
            .max(now)
            .saturating_add(sending(uplink, len as u64));
        if end - now > room {
            return None;
        }
        *free_at = end;
        self.busy_until = self.busy_until.max(end);
        Some(end - now)
    }

    /// The same for a piece of a stream, which always waits.
    pub(crate) fn segment(&mut self, node: usize, len: usize, now: u64) -> u64 {
        if self.limits.is_empty() {
            return 0;
        }
        let Some((uplink, free_at)) = self.limits.get_mut(&node) else {
            return 0;
        };
        *free_at = (*free_at)
            .max(now)
            .saturating_add(sending(uplink, len as u64));
        self.busy_until = self.busy_until.max(*free_at);
        *free_at - now
    }
}

/// Nanoseconds that so many bytes take.
fn sending(uplink: &Uplink, bytes: u64) -> u64 {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(uplink.bytes_per_second.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The states of links with bursts, by (from, to); only looked up, never walked.
#[derive(Debug, Clone)]
pub(crate) struct Bursts(HashMap<(u32, u32), Weather, FixedState>);

#[derive(Debug, Clone, Copy)]
struct Weather {
    since: u64,
    until: u64,
    bad: bool,
}

impl Default for Bursts {
    fn default() -> Self {
        Self(HashMap::with_hasher(FixedState::with_seed(0)))
    }
}

impl Bursts {
    /// Changes of state that are worked out one by one after a long rest of a link; what lies
    /// before them has no influence any more.
    const STEPS: usize = 64;

    /// Moves the state of the link to `now`; answers whether it loses this datagram.
    pub(crate) fn loses(
        &mut self,
        burst: &Burst,
        seed: u64,
        (from, to): (usize, usize),
        now: u64,
        draws: &mut Draws,
    ) -> bool {
        let (from, to) = (from as u32, to as u32);
        let weather = self.0.entry((from, to)).or_insert(Weather {
            since: 0,
            until: 0,
            bad: true,
        });
        let mean = |bad| nanos(if bad { burst.lasts } else { burst.every });
        let cycle = mean(true).saturating_add(mean(false));
        let reach = cycle.saturating_mul(Self::STEPS as u64 / 4);
        weather.until = weather.until.max(now.saturating_sub(reach));
        for _ in 0..Self::STEPS {
            if weather.until > now {
                break;
            }
            weather.since = weather.until;
            weather.bad = !weather.bad;
            let word = Draws::burst(seed, from, to, weather.since).next();
            let unit = ((word >> 11) + 1) as f64 / (1u64 << 53) as f64;
            let lasts = -libm::log(unit) * mean(weather.bad) as f64;
            weather.until = weather.since.saturating_add((lasts as u64).max(1));
        }
        weather.bad && burst.loss.hits(draws)
    }
}

/// A datagram that was sent before: from, to, content.
pub(crate) type Old = (u32, u32, Vec<u8>);

/// Datagrams kept to be delivered again, of all ages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replays(Vec<Old>);

impl Replays {
    const KEPT: usize = 256;

    /// Keeps some of the datagrams that are sent; each displaces one of any age.
    pub(crate) fn note(&mut self, from: usize, to: usize, payload: &[u8], draws: &mut Draws) {
        let old = || (from as u32, to as u32, payload.to_vec());
        if self.0.len() < Self::KEPT {
            self.0.push(old());
        } else if scale(draws.next(), 16) == 0 {
            let place = scale(draws.next(), Self::KEPT as u64) as usize;
            self.0[place] = old();
        }
    }

    pub(crate) fn pick(&self, draws: &mut Draws) -> Option<Old> {
        let place = scale(draws.next(), self.0.len() as u64) as usize;
        self.0.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::Ratio;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_uplink_sends_one_after_the_other_and_loses_what_it_cannot_queue() {
        let mut uplinks = Uplinks::default();
        assert_eq!(uplinks.datagram(1, 1_000, 0), Some(0), "no limit");
        let uplink = Uplink {
            bytes_per_second: 1_000,
            queue: 1_500,
        };
        uplinks.set(1, Some(uplink));
        assert_eq!(uplinks.datagram(1, 1_000, 0), Some(SECOND));
        assert_eq!(uplinks.datagram(1, 1_000, 0), Some(2 * SECOND));
        assert_eq!(uplinks.datagram(1, 1_000, 0), None, "the queue is full");
        assert_eq!(uplinks.segment(1, 1_000, 0), 3 * SECOND, "a stream waits");
        assert_eq!(uplinks.datagram(2, 1_000, 0), Some(0));
        assert_eq!(uplinks.datagram(1, 1_000, 9 * SECOND), Some(SECOND));
        uplinks.set(1, None);
        assert_eq!(uplinks.busy_until(), 10 * SECOND, "it still has to leave");
    }

    #[test]
    fn distances_depend_on_the_regions_of_both_ends() {
        let ms = Duration::from_millis;
        let distances = [vec![ms(0), ms(40)], vec![ms(60), ms(1)]];
        let regions = Regions::new(vec![0, 1], &distances, 0.5);
        let mut draws = Draws::new(1, 2, 3, 4, 5);
        let mut of = |from, to| regions.distance(from, to, &mut draws) / 1_000_000;
        assert_eq!(of(0, 0), 0);
        assert!((40..60).contains(&of(0, 1)));
        assert!((60..90).contains(&of(1, 0)));
        assert!(
            (40..60).contains(&of(7, 1)),
            "unnamed nodes are in region 0"
        );
    }

    #[test]
    fn bursts_take_their_share_of_time_and_keep_together() {
        let burst = Burst {
            every: Duration::from_secs(9),
            lasts: Duration::from_secs(1),
            loss: Ratio::ALWAYS,
        };
        let (mut bursts, mut draws) = (Bursts::default(), Draws::new(1, 2, 3, 4, 5));
        let lost: Vec<bool> = (0..200_000u64)
            .map(|n| bursts.loses(&burst, 7, (0, 1), n * SECOND / 10, &mut draws))
            .collect();
        let share = lost.iter().filter(|lost| **lost).count();
        let changes = lost.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((16_000..24_000).contains(&share), "{share} of 200,000 lost");
        assert!((3_000..5_000).contains(&changes), "{changes} changes");
        let after_a_rest = bursts.loses(&burst, 7, (0, 1), u64::MAX / 2, &mut draws);
        let _either_is_right: bool = after_a_rest;
    }

    #[test]
    fn old_datagrams_come_back_unchanged() {
        let (mut replays, mut draws) = (Replays::default(), Draws::new(1, 2, 3, 4, 5));
        assert_eq!(replays.pick(&mut draws), None);
        for n in 0..10_000u32 {
            replays.note(n as usize, 1, &n.to_le_bytes(), &mut draws);
        }
        let (from, to, payload) = replays.pick(&mut draws).expect("there are some");
        assert_eq!((to, payload), (1, from.to_le_bytes().to_vec()));
        assert!(replays.0.len() == Replays::KEPT);
    }
}
