//! Which link leads from one node to another, and what is cut.

use std::collections::BTreeMap;

use serf_core::{Instant, Params};

use crate::faults::Faults;
use crate::link::{Link, Plain, Ratio};
use crate::medium::{Bursts, Old, Regions, Replays, Uplink, Uplinks};
use crate::rng::Draws;

/// What a [`Cut`] stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Datagrams and streams.
    All,
    /// Datagrams only: UDP is filtered, TCP is not.
    Datagrams,
    /// Streams only.
    Streams,
}

/// A fault of the network between two sets of nodes, from [`World::cut`](crate::World::cut) until
/// it is healed.
///
/// Packets that are already under way still arrive. Streams that are open stall and go on when
/// the cut is healed, unless a node gave up first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    from: NodeSet,
    to: NodeSet,
    both_ways: bool,
    traffic: Traffic,
    refuse: bool,
}

impl Cut {
    /// Nothing passes between `one` and `other`, either way. Nodes in both sets are cut off from
    /// both.
    pub fn between(
        one: impl IntoIterator<Item = usize>,
        other: impl IntoIterator<Item = usize>,
    ) -> Self {
        Self {
            from: one.into_iter().collect(),
            to: other.into_iter().collect(),
            both_ways: true,
            traffic: Traffic::All,
            refuse: false,
        }
    }

    /// Nothing passes from `from` to `to`; the way back is open.
    pub fn one_way(
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
    ) -> Self {
        Self {
            both_ways: false,
            ..Self::between(from, to)
        }
    }

    /// Only this kind of traffic is stopped.
    #[must_use]
    pub fn only(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    /// New streams are refused at once, as by a firewall that rejects, rather than swallowed.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.refuse = true;
        self
    }

    fn stops(&self, from: usize, to: usize, traffic: Traffic) -> bool {
        (self.traffic == Traffic::All || self.traffic == traffic)
            && (self.from.contains(from) && self.to.contains(to)
                || self.both_ways && self.from.contains(to) && self.to.contains(from))
    }
}

/// Names a [`Cut`] for [`World::heal`](crate::World::heal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutId(u32);

/// A set of node indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NodeSet(Vec<u64>);

impl NodeSet {
    fn contains(&self, node: usize) -> bool {
        self.0
            .get(node / 64)
            .is_some_and(|word| word >> (node % 64) & 1 == 1)
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut words = Vec::new();
        for node in nodes {
            if words.len() <= node / 64 {
                words.resize(node / 64 + 1, 0);
            }
            words[node / 64] |= 1 << (node % 64);
        }
        Self(words)
    }
}

/// The network of a world.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    seed: u64,
    default: Link,
    /// How datagrams travel while nothing else can happen to any of them.
    plain: Option<Plain>,
    /// Links that differ from the default.
    links: BTreeMap<(usize, usize), Link>,
    cuts: Vec<(CutId, Cut)>,
    next_cut: u32,
    regions: Option<Regions>,
    uplinks: Uplinks,
    bursts: Bursts,
    replays: Replays,
    /// When an old datagram last set out once more.
    pub(crate) replayed: Option<Instant>,
    pub(crate) faults: Faults,
}

/// Whether streams get from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// They do.
    Passes,
    /// What is sent is swallowed.
    Stalls,
    /// New ones are answered with a refusal; open ones stall.
    Refused,
}

impl Network {
    pub(crate) fn new(seed: u64, default: Link) -> Self {
        Self {
            seed,
            plain: default.plain(),
            default,
            links: BTreeMap::new(),
            cuts: Vec::new(),
            next_cut: 0,
            regions: None,
            uplinks: Uplinks::default(),
            bursts: Bursts::default(),
            replays: Replays::default(),
            replayed: None,
            faults: Faults::default(),
        }
    }

    pub(crate) fn set_regions(&mut self, regions: Option<Regions>) {
        self.regions = regions;
        self.changed();
    }

    pub(crate) fn set_uplink(&mut self, node: usize, uplink: Option<Uplink>) {
        self.uplinks.set(node, uplink);
        self.changed();
    }

    /// When the last of what had to wait for a narrow uplink sets out.
    pub(crate) fn busy_until(&self) -> Instant {
        Instant::from_nanos(self.uplinks.busy_until())
    }

    /// True while anything is cut.
    pub(crate) fn is_cut(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// True if nothing is cut or narrow, and all links are such that nodes with these settings
    /// have no excuse.
    pub(crate) fn is_fair(&self, params: &Params) -> bool {
        let far = self.regions.as_ref().map_or(0, Regions::farthest);
        self.cuts.is_empty()
            && self.uplinks.is_empty()
            && std::iter::once(&self.default)
                .chain(self.links.values())
                .all(|link| link.is_fair(far, params))
    }

    /// The share of packets that links lose, but for those that were set by themselves.
    pub(crate) fn default_loss(&self) -> Ratio {
        self.default.loss
    }

    pub(crate) fn set_default(&mut self, link: Link) {
        self.default = link;
        self.changed();
    }

    pub(crate) fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.links.insert((from, to), link);
        self.changed();
    }

    pub(crate) fn cut(&mut self, cut: Cut) -> CutId {
        let id = CutId(self.next_cut);
        self.next_cut += 1;
        self.cuts.push((id, cut));
        self.changed();
        id
    }

    pub(crate) fn heal(&mut self, id: CutId) {
        self.cuts.retain(|(other, _)| *other != id);
        self.changed();
    }

    pub(crate) fn heal_all(&mut self) {
        self.cuts.clear();
        self.changed();
    }

    fn changed(&mut self) {
        let same_for_all = self.links.is_empty()
            && self.cuts.is_empty()
            && self.regions.is_none()
            && self.uplinks.is_empty();
        self.plain = self.default.plain().filter(|_| same_for_all);
    }

    /// True if traffic of this kind gets from one node to the other. `All` asks for both kinds.
    pub(crate) fn passes(&self, from: usize, to: usize, traffic: Traffic) -> bool {
        !self.cuts.iter().any(|(_, cut)| match traffic {
            Traffic::All => {
                cut.stops(from, to, Traffic::Datagrams) || cut.stops(from, to, Traffic::Streams)
            }
            one => cut.stops(from, to, one),
        })
    }

    pub(crate) fn stream(&self, from: usize, to: usize) -> Passage {
        let mut stops = self
            .cuts
            .iter()
            .filter(|(_, cut)| cut.stops(from, to, Traffic::Streams))
            .peekable();
        if stops.peek().is_none() {
            Passage::Passes
        } else if stops.all(|(_, cut)| cut.refuse) {
            Passage::Refused
        } else {
            Passage::Stalls
        }
    }

    /// When a datagram arrives, as nanoseconds from now, if nothing else can happen to it: what
    /// [`datagram`](Self::datagram) would answer, in a fraction of the instructions.
    #[inline]
    pub(crate) fn plain_datagram(
        &self,
        (from, to): (usize, usize),
        len: usize,
        now: u64,
        nth: u32,
    ) -> Option<u64> {
        let plain = self.plain.as_ref().filter(|plain| len <= plain.mtu)?;
        let draws = &mut Draws::new(self.seed, from as u32, to as u32, now, nth);
        Some(plain.sample(draws))
    }

    /// When a datagram arrives, as nanoseconds from now; `nth` counts what `from` sent at `now`.
    /// It may be damaged on the way.
    pub(crate) fn datagram(
        &mut self,
        (from, to): (usize, usize),
        payload: &mut Vec<u8>,
        now: u64,
        nth: u32,
    ) -> [Option<u64>; 2] {
        let waits = self.uplinks.datagram(from, payload.len(), now);
        let Some(wait) = waits else {
            self.faults.uplink_overflows += 1;
            return [None, None];
        };
        if !self.passes(from, to, Traffic::Datagrams) {
            self.faults.cut_datagrams += 1;
            return [None, None];
        }
        let link = link(&self.links, &self.default, from, to);
        let draws = &mut Draws::new(self.seed, from as u32, to as u32, now, nth);
        if let Some(burst) = &link.burst
            && self.bursts.loses(burst, self.seed, (from, to), now, draws)
        {
            self.faults.burst_losses += 1;
            return [None, None];
        }
        let mut times = link.datagram(payload.len(), draws, &mut self.faults);
        link.damage(payload, draws, &mut self.faults);
        if wait > 0 || self.regions.is_some() {
            self.faults.uplink_waits += u64::from(wait > 0);
            let far = self
                .regions
                .as_ref()
                .map_or(0, |it| it.distance(from, to, draws));
            for time in times.iter_mut().flatten() {
                *time = time.saturating_add(wait).saturating_add(far);
            }
        }
        times
    }

    /// An old datagram that arrives once more on the occasion of this one, and when.
    pub(crate) fn replay(
        &mut self,
        (from, to): (usize, usize),
        payload: &[u8],
        now: u64,
        nth: u32,
    ) -> Option<(u64, Old)> {
        let link = link(&self.links, &self.default, from, to);
        if link.replay == Ratio::NEVER {
            return None;
        }
        let mut draws = Draws::other(self.seed, from as u32, to as u32, now, nth);
        let old = link
            .replay
            .hits(&mut draws)
            .then(|| self.replays.pick(&mut draws))
            .flatten();
        self.replays.note(from, to, payload, &mut draws);
        if old.is_some() {
            self.faults.replayed_datagrams += 1;
            self.replayed = Some(Instant::from_nanos(now));
        }
        Some((link.latency.sample(&mut draws), old?))
    }

    /// When a piece of a stream arrives, as nanoseconds from now; and whether the connection
    /// breaks with it.
    pub(crate) fn segment(
        &mut self,
        (from, to): (usize, usize),
        len: usize,
        now: u64,
        nth: u32,
    ) -> (u64, bool) {
        let link = link(&self.links, &self.default, from, to);
        let draws = &mut Draws::new(self.seed, from as u32, to as u32, now, nth);
        let time = link.segment(draws, &mut self.faults);
        let wait = self.uplinks.segment(from, len, now);
        let far = self
            .regions
            .as_ref()
            .map_or(0, |it| it.distance(from, to, draws));
        self.faults.uplink_waits += u64::from(wait > 0);
        let severed = len > 0 && link.sever.hits(draws);
        self.faults.severed_streams += u64::from(severed);
        (time.saturating_add(wait).saturating_add(far), severed)
    }

    /// Assigns nodes to groups such that two are in one group if and only if no cut tells them
    /// apart, and answers the group of each.
    pub(crate) fn groups(&self, nodes: usize) -> Vec<usize> {
        let mut seen = BTreeMap::new();
        (0..nodes)
            .map(|node| {
                let sides: Vec<(bool, bool)> = self
                    .cuts
                    .iter()
                    .map(|(_, cut)| (cut.from.contains(node), cut.to.contains(node)))
                    .collect();
                let next = seen.len();
                *seen.entry(sides).or_insert(next)
            })
            .collect()
    }
}

/// The link from one node to another.
fn link<'a>(
    links: &'a BTreeMap<(usize, usize), Link>,
    default: &'a Link,
    from: usize,
    to: usize,
) -> &'a Link {
    if links.is_empty() {
        return default;
    }
    links.get(&(from, to)).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::Latency;

    fn network() -> Network {
        Network::new(1, Link::lan())
    }

    #[test]
    fn a_partition_stops_both_ways_and_only_across() {
        let mut network = network();
        let id = network.cut(Cut::between(0..2, 2..4));
        assert!(!network.passes(0, 2, Traffic::Datagrams));
        assert!(!network.passes(2, 0, Traffic::Streams));
        assert!(network.passes(0, 1, Traffic::All));
        assert!(network.passes(2, 3, Traffic::All));
        assert!(network.passes(0, 9, Traffic::All));
        network.heal(id);
        assert!(network.passes(0, 2, Traffic::All));
    }

    #[test]
    fn a_one_way_cut_leaves_the_way_back_open() {
        let mut network = network();
        network.cut(Cut::one_way([0], 1..3));
        assert!(!network.passes(0, 1, Traffic::Datagrams));
        assert!(network.passes(1, 0, Traffic::All));
        assert_eq!(
            network.datagram((0, 1), &mut vec![0; 10], 0, 0),
            [None, None]
        );
        assert!(network.datagram((1, 0), &mut vec![0; 10], 0, 0)[0].is_some());
    }

    #[test]
    fn a_cut_can_stop_one_kind_of_traffic() {
        let mut network = network();
        network.cut(Cut::between([0], [1]).only(Traffic::Datagrams));
        assert!(!network.passes(0, 1, Traffic::Datagrams));
        assert!(network.passes(0, 1, Traffic::Streams));
        assert!(!network.passes(0, 1, Traffic::All));
        assert_eq!(network.stream(0, 1), Passage::Passes);
    }

    #[test]
    fn dials_stall_unless_every_cut_refuses() {
        let mut network = network();
        let refusing = Cut::between([0], [1]).only(Traffic::Streams).refusing();
        network.cut(refusing);
        assert_eq!(network.stream(1, 0), Passage::Refused);
        let silent = network.cut(Cut::one_way([1], [0]));
        assert_eq!(network.stream(1, 0), Passage::Stalls);
        network.heal(silent);
        assert_eq!(network.stream(1, 0), Passage::Refused);
    }

    #[test]
    fn overlapping_cuts_heal_one_by_one() {
        let mut network = network();
        let first = network.cut(Cut::between([0], [1]));
        network.cut(Cut::between([0], [1]));
        network.heal(first);
        assert!(!network.passes(0, 1, Traffic::All));
        network.heal_all();
        assert!(network.passes(0, 1, Traffic::All));
    }

    #[test]
    fn nodes_that_no_cut_tells_apart_share_a_group() {
        let mut network = network();
        network.cut(Cut::between(0..2, 2..5));
        network.cut(Cut::one_way([4], [0]));
        assert_eq!(network.groups(6), [0, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn datagrams_take_the_same_time_whether_or_not_anything_could_happen_to_them() {
        let latencies = [
            Link::lan().latency,
            Latency::Constant(Duration::from_millis(3)),
            Latency::Uniform(Duration::ZERO, Duration::from_secs(90)),
        ];
        for latency in latencies {
            let mut network = Network::new(
                7,
                Link {
                    latency,
                    ..Link::lan()
                },
            );
            for nth in 0..1_000 {
                let plain = network.plain_datagram((1, 2), 9, 5, nth);
                let other = network.datagram((1, 2), &mut vec![0; 9], 5, nth);
                assert!(plain.is_some());
                assert_eq!([plain, None], other);
            }
            assert_eq!(network.plain_datagram((1, 2), 65_508, 5, 0), None);
            let id = network.cut(Cut::between([3], [4]));
            assert_eq!(network.plain_datagram((1, 2), 9, 5, 0), None);
            network.heal(id);
            assert!(network.plain_datagram((1, 2), 9, 5, 0).is_some());
            network.set_default(Link {
                loss: Ratio::new(1, 9),
                latency,
                ..Link::lan()
            });
            assert_eq!(network.plain_datagram((1, 2), 9, 5, 0), None);
        }
    }

    #[test]
    fn one_link_may_differ_from_the_rest() {
        let mut network = network();
        network.set_link(
            0,
            1,
            Link {
                mtu: 10,
                ..Link::lan()
            },
        );
        assert_eq!(
            network.datagram((0, 1), &mut vec![0; 11], 0, 0),
            [None, None]
        );
        assert!(network.datagram((1, 0), &mut vec![0; 11], 0, 0)[0].is_some());
    }
}
