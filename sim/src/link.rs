//! What a link does to what it carries: delay, loss, duplication, reordering, damage, a size limit.

use std::time::Duration;

use serf_core::Params;

use crate::faults::Faults;
use crate::rng::{Draws, scale};

/// A probability as a whole number of 2^-32, so that every platform decides alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u64);

impl Ratio {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1 << 32);

    /// `part` out of `whole`.
    ///
    /// # Panics
    /// If `whole` is zero or `part` exceeds it.
    #[must_use]
    pub fn new(part: u32, whole: u32) -> Self {
        assert!(
            whole > 0 && part <= whole,
            "{part} out of {whole} is not a probability"
        );
        Self((u64::from(part) << 32) / u64::from(whole))
    }

    pub(crate) fn hits(self, draws: &mut Draws) -> bool {
        self.0 > 0 && draws.next() >> 32 < self.0
    }

    /// As a floating-point number from 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / (1u64 << 32) as f64
    }
}

impl From<f64> for Ratio {
    /// The nearest whole number of 2^-32.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    fn from(probability: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&probability),
            "a probability is from 0 to 1, this one is {probability}"
        );
        Self((probability * (1u64 << 32) as f64) as u64)
    }
}

/// How long a packet is under way. Unless constant, later packets overtake earlier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Anything from the first to the second, equally likely.
    Uniform(Duration, Duration),
    /// Log-normal, as measured in real networks: mostly near the median, with a long tail.
    LogNormal {
        /// Half of the packets are faster.
        median: Duration,
        /// Standard deviation of the logarithm: 0.2 is a quiet network, 1.0 a bad one, where one
        /// packet in a hundred takes ten times the median.
        sigma: f64,
    },
}

impl Latency {
    /// The longest that a packet takes, whatever the distribution says.
    pub const MAX: Duration = Duration::from_secs(60);

    /// Nanoseconds that all packets, or 98 of 100, are under way at most.
    fn usual_most(self) -> u64 {
        match self {
            Self::Constant(time) | Self::Uniform(_, time) => nanos(time),
            Self::LogNormal { median, sigma } => {
                (nanos(median) as f64 * libm::exp(2.0 * sigma)) as u64
            }
        }
    }

    /// Nanoseconds for one packet.
    pub(crate) fn sample(self, draws: &mut Draws) -> u64 {
        let nanos = match self {
            Self::Constant(time) => nanos(time),
            Self::Uniform(from, to) => {
                let (from, span) = uniform(from, to);
                from.saturating_add(scale(draws.next(), span))
            }
            Self::LogNormal { median, sigma } => {
                // libm rather than std: the same bits on every platform.
                let factor = libm::exp(sigma * normal(draws));
                (nanos(median) as f64 * factor) as u64
            }
        };
        nanos.min(nanos_of_max())
    }
}

/// Loss that comes in bursts (Gilbert and Elliott's model): a link is in its good state, where
/// only [`Link::loss`] applies, or in its bad one. Both last for exponentially distributed times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Mean time in the good state.
    pub every: Duration,
    /// Mean time in the bad state.
    pub lasts: Duration,
    /// Datagrams lost in the bad state.
    pub loss: Ratio,
}

/// The first of the nanoseconds from one time to another, and how many there are.
fn uniform(from: Duration, to: Duration) -> (u64, u64) {
    let from = nanos(from);
    (from, nanos(to).saturating_sub(from).saturating_add(1))
}

/// A link that only takes its time: as long as any of `span` nanoseconds, from `from` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    from: u64,
    span: u64,
    pub(crate) mtu: usize,
}

impl Plain {
    /// As [`Latency::sample`].
    #[inline]
    pub(crate) fn sample(&self, draws: &mut Draws) -> u64 {
        let nanos = self.from.saturating_add(scale(draws.next(), self.span));
        nanos.min(nanos_of_max())
    }
}

/// The properties of a link in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// How long packets are under way.
    pub latency: Latency,
    /// Datagrams that get lost. For streams a lost packet means a pause until it is sent again.
    pub loss: Ratio,
    /// Bursts of loss on top of that.
    pub burst: Option<Burst>,
    /// Datagrams that arrive twice, each after a delay of its own.
    pub duplicate: Ratio,
    /// Datagrams that are held back, so that later ones overtake them...
    pub reorder: Ratio,
    /// ... by anything up to this.
    pub reorder_by: Duration,
    /// Datagrams in which one to eight bits are flipped.
    pub flip: Ratio,
    /// Datagrams that lose some or all of their bytes from the end.
    pub truncate: Ratio,
    /// Datagrams on whose occasion an old one, of any link, is delivered once more.
    pub replay: Ratio,
    /// Pieces of streams with which the connection breaks, after part of them has arrived.
    pub sever: Ratio,
    /// Bytes that fit in a datagram; longer ones are lost.
    pub mtu: usize,
}

impl Link {
    /// A healthy network within one data centre: 0.2 to 1 millisecond, nothing lost.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(1)),
            loss: Ratio::NEVER,
            burst: None,
            duplicate: Ratio::NEVER,
            reorder: Ratio::NEVER,
            reorder_by: Duration::from_millis(50),
            flip: Ratio::NEVER,
            truncate: Ratio::NEVER,
            replay: Ratio::NEVER,
            sever: Ratio::NEVER,
            mtu: 65_507,
        }
    }

    /// True if nodes with these settings should get along with it, at `far` nanoseconds from each
    /// other: it loses or damages at most one packet in ten, breaks at most one stream in ten, and
    /// nearly always a round trip fits in half the probe timeout.
    pub(crate) fn is_fair(&self, far: u64, params: &Params) -> bool {
        const TENTH: Ratio = Ratio((1 << 32) / 10);
        let harm = self.loss.0 + self.flip.0 + self.truncate.0;
        let slow = far
            .saturating_add(self.latency.usual_most())
            .saturating_add(match self.reorder > TENTH {
                true => nanos(self.reorder_by),
                false => 0,
            });
        harm <= TENTH.0
            && self.burst.is_none()
            && self.sever <= TENTH
            && self.mtu >= params.packet_budget
            && slow.saturating_mul(4) <= nanos(params.probe_timeout)
    }

    /// What the link does to datagrams, if it is no more than to take some time.
    pub(crate) fn plain(&self) -> Option<Plain> {
        let (from, span) = match self.latency {
            Latency::Constant(time) => (nanos(time), 0),
            Latency::Uniform(from, to) => uniform(from, to),
            Latency::LogNormal { .. } => return None,
        };
        let faults = [
            self.loss,
            self.duplicate,
            self.reorder,
            self.flip,
            self.truncate,
            self.replay,
        ];
        let none = self.burst.is_none() && faults.iter().all(|it| *it == Ratio::NEVER);
        let mtu = self.mtu;
        none.then_some(Plain { from, span, mtu })
    }

    /// When one datagram of `len` bytes arrives, as nanoseconds from now; the second is that of
    /// a duplicate.
    pub(crate) fn datagram(
        &self,
        len: usize,
        draws: &mut Draws,
        faults: &mut Faults,
    ) -> [Option<u64>; 2] {
        if len > self.mtu {
            faults.oversized_datagrams += 1;
            return [None, None];
        }
        if self.loss.hits(draws) {
            faults.lost_datagrams += 1;
            return [None, None];
        }
        let mut first = self.latency.sample(draws);
        let second = self
            .duplicate
            .hits(draws)
            .then(|| self.latency.sample(draws));
        faults.duplicated_datagrams += u64::from(second.is_some());
        if self.reorder.hits(draws) {
            first += scale(draws.next(), nanos(self.reorder_by));
            faults.reordered_datagrams += 1;
        }
        [Some(first), second]
    }

    /// Damages a datagram, if that is its fate.
    pub(crate) fn damage(&self, payload: &mut Vec<u8>, draws: &mut Draws, faults: &mut Faults) {
        if self.flip.hits(draws) && !payload.is_empty() {
            for _ in 0..=scale(draws.next(), 8) {
                let bit = scale(draws.next(), payload.len() as u64 * 8);
                payload[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            faults.flipped_datagrams += 1;
        }
        if self.truncate.hits(draws) {
            payload.truncate(scale(draws.next(), payload.len() as u64) as usize);
            faults.truncated_datagrams += 1;
        }
    }

    /// When a piece of a stream arrives, as nanoseconds from now. A lost one is sent again after
    /// a pause that doubles each time, as TCP does.
    pub(crate) fn segment(&self, draws: &mut Draws, faults: &mut Faults) -> u64 {
        let mut pause = FIRST_RETRANSMIT;
        let mut delay = self.latency.sample(draws);
        while pause < LAST_RETRANSMIT && self.loss.hits(draws) {
            delay += pause;
            pause *= 2;
            faults.retransmitted_segments += 1;
        }
        delay
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::lan()
    }
}

/// The first retransmission timeout of a stream, in nanoseconds.
pub(crate) const FIRST_RETRANSMIT: u64 = 200_000_000;
/// From here on the timeout grows no more.
pub(crate) const LAST_RETRANSMIT: u64 = 10_000_000_000;

/// Nanoseconds of a duration, at most the 584 years that fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const fn nanos_of_max() -> u64 {
    Latency::MAX.as_secs() * 1_000_000_000
}

/// A standard normal number (Box and Muller's transform).
fn normal(draws: &mut Draws) -> f64 {
    // 53 random bits in (0, 1]: the logarithm of zero is not wanted.
    let mut unit = || ((draws.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    let radius = libm::sqrt(-2.0 * libm::log(unit()));
    radius * libm::cos(core::f64::consts::TAU * unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Draws {
        Draws::new(5, 0, 1, 0, 0)
    }

    fn sorted(latency: Latency) -> Vec<u64> {
        let mut draws = draws();
        let mut samples: Vec<u64> = (0..10_001).map(|_| latency.sample(&mut draws)).collect();
        samples.sort_unstable();
        samples
    }

    #[test]
    fn uniform_latency_stays_within_its_ends() {
        let samples = sorted(Latency::Uniform(
            Duration::from_nanos(10),
            Duration::from_nanos(12),
        ));
        assert_eq!((samples[0], samples[10_000]), (10, 12));
    }

    #[test]
    fn log_normal_latency_has_its_median_and_its_tail() {
        let median = Duration::from_millis(10);
        let samples = sorted(Latency::LogNormal { median, sigma: 1.0 });
        let ms = |nth: usize| samples[nth] as f64 / 1e6;
        assert!((ms(5_000) - 10.0).abs() < 0.5, "median {}", ms(5_000));
        // The 99th percentile lies at e^2.326 medians.
        assert!(
            (ms(9_900) - 102.4).abs() < 12.0,
            "99th percentile {}",
            ms(9_900)
        );
    }

    #[test]
    fn the_stated_share_of_datagrams_is_lost_and_doubled() {
        let link = Link {
            loss: Ratio::from(0.1),
            duplicate: Ratio::new(1, 5),
            ..Link::lan()
        };
        let mut draws = draws();
        let (mut lost, mut doubled) = (0, 0);
        for _ in 0..100_000 {
            match link.datagram(100, &mut draws, &mut Faults::default()) {
                [None, _] => lost += 1,
                [Some(_), second] => doubled += i32::from(second.is_some()),
            }
        }
        assert!((lost - 10_000i32).abs() < 500, "{lost} lost");
        assert!((doubled - 18_000i32).abs() < 600, "{doubled} doubled");
    }

    #[test]
    fn what_exceeds_the_mtu_is_lost() {
        let link = Link {
            mtu: 100,
            ..Link::lan()
        };
        let mut faults = Faults::default();
        assert!(link.datagram(100, &mut draws(), &mut faults)[0].is_some());
        assert!(link.datagram(101, &mut draws(), &mut faults)[0].is_none());
        assert_eq!(faults.oversized_datagrams, 1);
    }

    #[test]
    fn a_stream_waits_out_its_losses() {
        let link = Link {
            loss: Ratio::ALWAYS,
            ..Link::lan()
        };
        let mut faults = Faults::default();
        let delay = link.segment(&mut draws(), &mut faults);
        assert!(delay > 12_000_000_000, "{delay}");
        assert_eq!(faults.retransmitted_segments, 6);
        assert!(Link::lan().segment(&mut draws(), &mut faults) <= 1_000_000);
    }

    #[test]
    fn damage_changes_bits_or_takes_bytes_from_the_end() {
        let link = Link {
            flip: Ratio::ALWAYS,
            ..Link::lan()
        };
        let (mut faults, mut payload) = (Faults::default(), vec![0; 100]);
        link.damage(&mut payload, &mut draws(), &mut faults);
        let ones: u32 = payload.iter().map(|byte| byte.count_ones()).sum();
        assert!((1..=8).contains(&ones), "{ones} bits");
        assert_eq!(payload.len(), 100);

        let link = Link {
            truncate: Ratio::ALWAYS,
            ..Link::lan()
        };
        link.damage(&mut payload, &mut draws(), &mut faults);
        assert!(payload.len() < 100);
        assert_eq!(
            (faults.flipped_datagrams, faults.truncated_datagrams),
            (1, 1)
        );
    }
}
