//! The experiment of the Lifeguard paper (Dadgar, Phillips, Currey: "Lifeguard: Local Health
//! Awareness for More Accurate Failure Detection", section V): what its parts are good for in a
//! cluster in which some members handle their messages late.
//!
//! All members are there and at rest for 15 seconds. Then some of them, the same for all variants of
//! one seed, become anomalous at the same time, again and again for two minutes (false failures and
//! load), or once (how soon that is noticed).

use std::time::Duration;

use serf_core::{Config, Event, Instant, Lifeguard, MemberEventKind, Params};

use crate::check::{Check, Observation, Wants, What};
use crate::event::Op;
use crate::failure::Failure;
use crate::rng::{Domain, below, generator};
use crate::world::World;

/// How long the members are left alone at first.
const QUIET: Duration = Duration::from_secs(15);

/// For how long new anomalies begin; the last one ends, too.
const LASTS: Duration = Duration::from_secs(120);

/// Which parts of Lifeguard are on: the rows of the paper's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// None.
    Swim,
    /// Local health slows down probing.
    Probe,
    /// Suspicions begin long, and end sooner when others confirm them.
    Suspicion,
    /// A suspect is told of it by who probes it.
    Buddy,
    /// All.
    Lifeguard,
}

impl Variant {
    /// All of them, in the order of the paper.
    pub const ALL: [Self; 5] = [
        Self::Swim,
        Self::Probe,
        Self::Suspicion,
        Self::Buddy,
        Self::Lifeguard,
    ];

    /// What the paper calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Swim => "SWIM",
            Self::Probe => "LHA-Probe",
            Self::Suspicion => "LHA-Suspicion",
            Self::Buddy => "Buddy System",
            Self::Lifeguard => "Lifeguard",
        }
    }

    /// The paper's settings: a suspicion lasts five intervals times the logarithm of the members
    /// (alpha), or up to six times as long where that part is on (beta).
    fn params(self) -> Params {
        let on = |part| part == self || self == Self::Lifeguard;
        let config = Config {
            suspicion_mult: 5,
            suspicion_max_mult: 6,
            lifeguard: Lifeguard {
                probe: on(Self::Probe),
                suspicion: on(Self::Suspicion),
                buddy: on(Self::Buddy),
            },
            ..Config::lan()
        };
        Params::new(config).expect("the settings are within their bounds")
    }
}

/// What is wrong with an anomalous member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anomaly {
    /// Its messages wait while its timers run ([`World::block`]), as in the paper.
    Blocked,
    /// All of it stands still ([`World::pause`]).
    Paused,
}

/// One cell of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experiment {
    /// How many members there are; the paper had 128.
    pub nodes: usize,
    /// What is on.
    pub variant: Variant,
    /// What befalls some of them.
    pub anomaly: Anomaly,
    /// How many (the paper's C); at least one, and fewer than there are.
    pub concurrent: usize,
    /// For how long each time (D).
    pub stops: Duration,
    /// For how long they are well in between (I); `None` if there is only one time.
    pub runs: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Times that any member took one that was well for failed (the paper's FP).
    pub false_failures: u64,
    /// Those of them at members that were well themselves (FP-).
    pub at_healthy: u64,
    /// Datagrams sent and streams dialled since the anomalies began.
    pub messages: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// How long the first anomaly had lasted when a healthy member took the anomalous one for failed,
    /// for each of those where that happened before it was over.
    pub first: Vec<Duration>,
    /// The same, all healthy members.
    pub full: Vec<Duration>,
}

impl Experiment {
    /// Runs it with one seed.
    ///
    /// # Errors
    /// None as things are, as nothing is checked.
    ///
    /// # Panics
    /// If it leaves nobody healthy, or concerns nobody.
    pub fn run(&self, seed: u64) -> Result<Outcome, Failure> {
        assert!(
            0 < self.concurrent && self.concurrent < self.nodes,
            "some are anomalous, and some are not"
        );
        let mut world = World::builder(seed)
            .nodes(self.nodes)
            .params(self.variant.params())
            .joined()
            .unchecked()
            .check(Failures::default())
            .build();
        world.run_for(QUIET)?;
        let (start, before) = (world.now(), world.total_usage());
        let anomalous = self.choose(seed);
        let lasts = self.plan(&mut world, &anomalous);
        world.run_for(lasts)?;

        let after = world.total_usage();
        let mut outcome = Outcome {
            messages: after.datagrams_sent + after.streams_opened
                - (before.datagrams_sent + before.streams_opened),
            bytes: after.datagram_bytes_sent + after.stream_bytes_sent
                - (before.datagram_bytes_sent + before.stream_bytes_sent),
            ..Outcome::default()
        };
        let all = world.find_check::<Failures>();
        let all = all.map_or(&[][..], |check| &check.all);
        for (_, observer, member) in all {
            if !anomalous.contains(member) {
                outcome.false_failures += 1;
                outcome.at_healthy += u64::from(!anomalous.contains(observer));
            }
        }
        let healthy = self.nodes - self.concurrent;
        let over = start + self.stops;
        for member in &anomalous {
            let mut seen = vec![None; self.nodes];
            for (at, observer, _) in all.iter().filter(|(_, _, it)| it == member) {
                if *at < over && !anomalous.contains(observer) {
                    seen[*observer].get_or_insert(*at);
                }
            }
            let times = || seen.iter().flatten().map(|at| at.since(start));
            outcome.first.extend(times().min());
            if times().count() == healthy {
                outcome.full.extend(times().max());
            }
        }
        Ok(outcome)
    }

    /// The anomalous members.
    fn choose(&self, seed: u64) -> Vec<usize> {
        let mut rng = generator(seed, Domain::Scenario, 0);
        let mut rest: Vec<usize> = (0..self.nodes).collect();
        let pick = |_| rest.swap_remove(below(&mut rng, rest.len() as u64) as usize);
        (0..self.concurrent).map(pick).collect()
    }

    /// Plans the anomalies, and answers when the last one is over.
    fn plan(&self, world: &mut World, anomalous: &[usize]) -> Duration {
        let mut at = Duration::ZERO;
        loop {
            let end = at + self.stops;
            for &node in anomalous {
                let (begin, finish) = match self.anomaly {
                    Anomaly::Blocked => (Op::Block(node), Op::Unblock(node)),
                    Anomaly::Paused => (Op::Pause(node), Op::Resume(node)),
                };
                world.schedule(at, begin);
                world.schedule(end, finish);
            }
            match self.runs {
                Some(runs) if end + runs < LASTS => at = end + runs,
                _ => return end,
            }
        }
    }
}

/// Keeps every word of a failure: when, at whom, and whose.
#[derive(Debug, Default)]
struct Failures {
    all: Vec<(Instant, usize, usize)>,
}

impl Check for Failures {
    fn name(&self) -> &'static str {
        "failures are counted"
    }

    fn wants(&self) -> Wants {
        Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        if let What::Event(Event::Member(change)) = seen.what
            && change.kind == MemberEventKind::Failed
        {
            let member = seen.world.index_of(change.member.name());
            self.all
                .extend(member.map(|member| (seen.at, seen.node, member)));
        }
        Ok(())
    }
}
