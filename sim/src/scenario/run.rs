//! Runs a scenario.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serf_core::Outcome;
use xxhash_rust::xxh3::xxh3_64;

use super::report::Report;
use super::{Recorder, Scenario, keys};
use crate::check::{Check, Delivery, FalseFailures, Queries, settling_time};
use crate::event::Op;
use crate::failure::Failure;
use crate::host::Usage;
use crate::rng::{Domain, generator};
use crate::world::World;

/// How far a run is, in simulated time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What has passed; before all have joined that is nothing.
    pub passed: Duration,
    /// What will have passed at the end.
    pub total: Duration,
}

/// How much time passes between two reports of progress.
const STEP: Duration = Duration::from_secs(1);

/// Nodes join within this time, plus the settling time, or the run has failed.
const JOINING: Duration = Duration::from_secs(60);

impl Scenario {
    /// Runs it to its end, or until something does not hold.
    #[must_use]
    pub fn run(&self, seed: u64) -> Report {
        self.run_watched(seed, &mut |_| true)
    }

    /// Runs it, telling about progress every simulated second; ends early if the answer is false.
    pub fn run_watched(&self, seed: u64, watch: &mut dyn FnMut(Progress) -> bool) -> Report {
        self.run_observed(seed, Vec::new(), watch).0
    }

    /// The same, with more [checks](crate::check) than those of the scenario. Answers also with the
    /// world as it was at the end, in which [`World::find_check`] finds them.
    pub fn run_observed(
        &self,
        seed: u64,
        checks: Vec<Box<dyn Check>>,
        watch: &mut dyn FnMut(Progress) -> bool,
    ) -> (Report, World) {
        let mut report = Report {
            about: self.about.clone(),
            seed,
            nodes: self.cluster.nodes,
            ..Report::default()
        };
        let mut world = match self.world(seed, checks) {
            Ok(world) => world,
            Err(failure) => {
                report.failure = Some(failure.into());
                return (report, World::builder(seed).build());
            }
        };
        if let Err(failure) = self.play(&mut world, &mut report, watch) {
            report.failure = Some(failure.into());
        }
        fill(&mut report, &world);
        (report, world)
    }

    /// The world of the scenario, in which nothing has happened yet.
    fn world(&self, seed: u64, checks: Vec<Box<dyn Check>>) -> Result<World, Failure> {
        let wrong = |world: &World, found: String| world.failure("the scenario is valid", found);
        let empty = World::builder(seed).build();
        let params = self
            .config
            .params()
            .map_err(|error| wrong(&empty, error.to_string()))?;
        let mut builder = World::builder(seed)
            .params(params.clone())
            .link(self.network.link())
            .stream_chunk(self.network.stream_chunk.unwrap_or(16_384))
            .check(Recorder::default());
        if self.expect.no_false_failure {
            builder = builder.check(FalseFailures::none());
        }
        let delivered = self.expect.delivered_to_all_within;
        let mut delivery = delivered.map_or_else(Delivery::default, |it| Delivery::within(it.0));
        if let Some(bound) = self.expect.caught_up_within {
            delivery = delivery.caught_up_within(bound.0);
        }
        builder = builder.check(delivery);
        if let Some(bound) = self.expect.answered_by_all_within {
            builder = builder.check(Queries::within(bound.0));
        }
        for name in self.expect.unchecked.iter().map(|check| check.name()) {
            builder = builder.without(name);
        }
        for check in checks {
            builder = builder.boxed_check(check);
        }
        let mut world = builder.build();
        for node in 0..self.cluster.nodes {
            world.add();
            if let Some(ring) = keys::ring(&self.cluster.keys) {
                world.set_keyring(node, ring);
            }
        }
        for group in &self.groups {
            let nodes = group.nodes.pick(world.len(), &mut draws(seed, group));
            group.apply(&mut world, &params, nodes);
        }
        for fault in &self.faults {
            // The same that will crash: they are the first that the fault draws.
            if let Some(keepers) = fault.keepers() {
                for node in keepers.pick(world.len(), &mut draws(seed, fault)) {
                    world.keep_snapshot(node);
                }
            }
        }
        let asks = self.faults.iter().any(|fault| fault.query.is_some());
        if asks || self.work.iter().any(|work| work.query.is_some()) {
            world.answer_queries();
        }
        self.start(&mut world);
        world.set_regions(self.network.regions(self.cluster.nodes));
        Ok(world)
    }

    /// Starts all nodes but those that are late.
    fn start(&self, world: &mut World) {
        let nodes = self.cluster.nodes - self.cluster.late.min(self.cluster.nodes);
        match self.cluster.knows_itself() {
            true => world.start_joined(nodes),
            false => (0..nodes).for_each(|node| world.start(node)),
        }
    }

    /// Lets all that run join, one each millisecond, as [`World::join_all_through`] does, each
    /// cluster through its first node.
    fn join(&self, world: &mut World) {
        if self.cluster.knows_itself() {
            return;
        }
        let nodes: Vec<usize> = world.running().collect();
        let joining = nodes.into_iter().filter(|node| world.door(*node) < *node);
        let joining: Vec<usize> = joining.collect();
        for (nth, node) in (1..).zip(joining) {
            let (seeds, retry, replay) = (vec![world.door(node)], true, false);
            world.schedule(
                Duration::from_millis(nth),
                Op::Join {
                    node,
                    seeds,
                    retry,
                    replay,
                },
            );
        }
    }

    fn play(
        &self,
        world: &mut World,
        report: &mut Report,
        watch: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), Failure> {
        let calm = self.calm_from();
        let total = self.lasts.0.max(calm);
        let mut told = |passed| watch(Progress { passed, total });
        self.join(world);
        if !self.cluster.cold && self.cluster.nodes > 1 {
            let settling = settling_time(&world.params, world.len()).unwrap_or_default();
            match converge(world, JOINING + settling, &mut |_| told(Duration::ZERO))? {
                Some(took) => report.joined_after = Some(took.as_secs_f64()),
                None if report_stop(report, told(Duration::ZERO)) => return Ok(()),
                None => {
                    let views = world.views().to_string();
                    return Err(world.failure("all nodes join", views));
                }
            }
        }
        let (start, before) = (world.now(), world.total_usage());
        report.began_at = start.as_nanos() as f64 / 1e9;
        self.plan(world, report.seed);

        let mut ran = Duration::ZERO;
        // What still waits for an uplink that was narrow is news of the time before.
        while ran < calm || (ran < total && world.network().busy_until() > world.now()) {
            let until = if ran < calm { calm } else { total };
            let step = STEP.min(until - ran);
            world.run_for(step)?;
            ran += step;
            if report_stop(report, told(ran)) {
                return Ok(());
            }
        }
        let calm = ran;
        let bound = self.expect.converged_within.map(|bound| bound.0);
        let limit = bound.unwrap_or(total - calm);
        let mut went_on = true;
        let converged = converge(world, limit, &mut |passed| {
            went_on = told(calm + passed);
            went_on
        })?;
        report.converged_after = converged.map(|took| took.as_secs_f64());
        if report_stop(report, went_on) {
            return Ok(());
        }
        if let (None, Some(bound)) = (converged, bound) {
            let expected = format!("all views agree within {bound:?} of the last fault");
            let views = world.views().to_string();
            return Err(world.failure(&expected, views));
        }
        let mut ran = world.now().since(start);
        while ran < total {
            let step = STEP.min(total - ran);
            world.run_for(step)?;
            ran += step;
            if report_stop(report, told(ran)) {
                return Ok(());
            }
        }
        let passed = world.now().since(start).as_secs_f64().max(1e-9);
        measure(report, world.total_usage(), before, passed);
        self.judge(world, report)
    }

    /// Schedules all faults and all work. Each draws its nodes from a generator of its own, which
    /// depends on what it is and not on its place, so that leaving one out changes no other.
    fn plan(&self, world: &mut World, seed: u64) {
        let base = self.network.link();
        for fault in &self.faults {
            fault.plan(world, base, &mut draws(seed, fault));
        }
        for work in &self.work {
            work.plan(world, self.lasts.0, &mut draws(seed, work));
        }
    }

    /// When the last fault is over. To ask something disturbs nobody.
    fn calm_from(&self) -> Duration {
        let faults = self.faults.iter().filter(|fault| fault.query.is_none());
        let faults = faults.map(|fault| fault.end().unwrap_or(fault.at.0));
        let work = self.work.iter();
        let work = work.filter_map(|work| work.disturbs_until(self.lasts.0));
        faults.chain(work).max().unwrap_or_default()
    }

    /// How long it has to last for all that it expects to be there in time: from when the last fault
    /// is over, the longest that any of that may take.
    pub(super) fn least(&self) -> Duration {
        let expect = &self.expect;
        let bounds = [
            expect.converged_within,
            expect.delivered_to_all_within,
            expect.caught_up_within,
            expect.answered_by_all_within,
            expect.detected_within,
        ];
        let bounds = bounds.into_iter().flatten().map(|bound| bound.0);
        let params = self.config.params().ok();
        let settling = params.and_then(|params| settling_time(&params, self.cluster.nodes));
        let settled = self.calm_from() + bounds.chain(settling).max().unwrap_or_default();
        let asked = self.faults.iter().filter(|fault| fault.query.is_some());
        let answered = expect.answered_by_all_within.unwrap_or_default().0;
        let answered = asked.map(|fault| fault.at.0 + answered);
        answered.max().unwrap_or_default().max(settled)
    }

    /// What can only be said at the end.
    fn judge(&self, world: &World, report: &Report) -> Result<(), Failure> {
        if let Some(limit) = self.expect.most_bytes(self.cluster.nodes) {
            let sent = report.bytes_per_node_per_second;
            if sent > limit {
                let expected = format!("a node sends {limit:.0} bytes per second at most");
                return Err(world.failure(&expected, format!("it sent {sent:.0} on average")));
            }
        }
        if let Some(expected) = self.expect.down_at_end {
            let found = world.len() - world.running().count();
            if found != expected {
                let expected = format!("{expected} nodes do not run at the end");
                return Err(world.failure(&expected, format!("{found} do not")));
            }
        }
        if self.expect.keys_done_by_all {
            judge_keys(world)?;
        }
        let caught_up = world.find_check::<Delivery>().map(Delivery::caught_up);
        let (returns, told, _) = caught_up.unwrap_or_default();
        if self.expect.caught_up_within.is_some() && told == 0 {
            let expected = "there are nodes that come back and are told of events that they missed";
            let found = format!("{returns} could be judged, and none was told of any");
            return Err(world.failure(expected, found));
        }
        let events = world.find_check::<Delivery>().map(Delivery::latencies);
        if self.expect.delivered_to_all_within.is_some() && events.is_none_or(<[_]>::is_empty) {
            return Err(nothing_to_judge(world, "user events that all have to get"));
        }
        let queries = world.find_check::<Queries>().map(Queries::latencies);
        if self.expect.answered_by_all_within.is_some() && queries.is_none_or(<[_]>::is_empty) {
            return Err(nothing_to_judge(world, "queries that all have to answer"));
        }
        if let Some(bound) = self.expect.detected_within {
            let detections = world.find_check::<Recorder>().into_iter();
            let slowest = detections
                .flat_map(Recorder::detections)
                .max_by_key(|it| it.1);
            let expected = format!("crashes are noticed within {}", bound);
            match slowest {
                Some((_, last)) if last > bound.0 => {
                    return Err(world.failure(&expected, format!("one took {last:?}")));
                }
                // Another failure than a late notice: to shrink one must not end in the other.
                None => {
                    let expected = "there are crashes, and they are noticed";
                    return Err(world.failure(expected, "nobody noticed any".to_owned()));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The generator of a part of a scenario. What the part does not say has no influence.
fn draws(seed: u64, part: &impl Serialize) -> ChaCha8Rng {
    let text = toml::to_string(part).expect("a part has nothing that TOML cannot say");
    generator(seed, Domain::Scenario, xxh3_64(text.as_bytes()))
}

/// Another failure than that something came too late: to shrink one must not end in the other.
fn nothing_to_judge(world: &World, what: &str) -> Failure {
    let found = "none could be judged: none was sent early enough before the end, by a node that is \
                 healthy and in touch, in a network that stays as it is until all have it";
    world.failure(&format!("there are {what}"), found.to_owned())
}

fn judge_keys(world: &World) -> Result<(), Failure> {
    let outcomes = world.hosts.iter().flat_map(|host| &host.outcomes);
    let reports = outcomes.filter_map(|(_, outcome)| match outcome {
        Outcome::Keys(report) => Some(report),
        _ => None,
    });
    let mut reports = reports.peekable();
    if reports.peek().is_none() {
        return Err(world.failure("there are key operations", "none has ended".to_owned()));
    }
    match reports.find(|report| !report.is_complete()) {
        Some(report) => {
            let expected = "key operations are done by all members";
            Err(world.failure(expected, format!("{report:?}")))
        }
        None => Ok(()),
    }
}

/// Lets time pass until all views agree; `None` if they do not within the limit or `watch` says
/// that it is enough.
fn converge(
    world: &mut World,
    limit: Duration,
    watch: &mut dyn FnMut(Duration) -> bool,
) -> Result<Option<Duration>, Failure> {
    let start = world.now();
    loop {
        let passed = world.now().since(start);
        let step = STEP.min(limit - passed);
        if world.try_to_converge(step)?.is_some() {
            return Ok(Some(world.now().since(start)));
        }
        let passed = world.now().since(start);
        if passed >= limit || !watch(passed) {
            return Ok(None);
        }
    }
}

/// Notes whether the run is to end here.
fn report_stop(report: &mut Report, went_on: bool) -> bool {
    report.stopped |= !went_on;
    report.stopped
}

fn measure(report: &mut Report, after: Usage, before: Usage, seconds: f64) {
    let bytes = |it: &Usage| it.datagram_bytes_sent + it.stream_bytes_sent;
    let per = |total: u64| total as f64 / seconds / report.nodes as f64;
    report.bytes_per_node_per_second = per(bytes(&after) - bytes(&before));
    report.datagrams_per_node_per_second = per(after.datagrams_sent - before.datagrams_sent);
}

/// Takes over what the world has counted.
fn fill(report: &mut Report, world: &World) {
    let seconds = |times: Vec<Duration>| times.iter().map(Duration::as_secs_f64).collect();
    report.trace = world.trace_hash().to_string();
    report.simulated = world.now().as_nanos() as f64 / 1e9;
    report.occurrences = world.occurrences();
    let faults = world.faults().iter().filter(|(_, count)| *count > 0);
    report.faults = faults.map(|(name, n)| (name.to_owned(), n)).collect();
    for (check, tally) in world.tallies() {
        let tally = tally.into_iter().map(|(what, n)| (what.to_owned(), n));
        report.checks.insert(check.to_owned(), tally.collect());
    }
    if let Some(recorder) = world.find_check::<Recorder>() {
        report.noticed_first = seconds(recorder.detections().map(|it| it.0).collect());
        report.noticed_last = seconds(recorder.detections().map(|it| it.1).collect());
    }
    if let Some(delivery) = world.find_check::<Delivery>() {
        report.delivered_after = seconds(delivery.latencies().to_vec());
    }
    if let Some(queries) = world.find_check::<Queries>() {
        report.answered_after = seconds(queries.latencies().to_vec());
    }
}
