//! Many worlds at once: one per core, each on one thread.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serf_sim::scenario::{Report, Scenario, Wrong};

use crate::interrupt;

/// How many worlds run at once, and for how long new ones begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) jobs: usize,
    pub(crate) budget: Option<Duration>,
}

impl Limits {
    /// So many jobs, or as many as there are cores.
    pub(crate) fn new(jobs: Option<usize>, budget: Option<Duration>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            jobs: jobs.unwrap_or_else(cores).max(1),
            budget,
        }
    }
}

/// Runs all of these, hands each report over as soon as it is there, and answers whether all
/// were run. `Ctrl-C` and the budget end it early; worlds under way are given up then.
pub(crate) fn run_all(
    work: &[(Scenario, u64)],
    limits: Limits,
    mut take: impl FnMut(usize, Report),
) -> bool {
    let run = |(scenario, seed): &(Scenario, u64), stop: &Stop<'_>| {
        let report = guarded(scenario, *seed, stop);
        (!report.stopped).then_some(report)
    };
    spread(work, limits, run, |bar, nth, report| {
        if let Some(wrong) = &report.failure {
            bar.set_message(format!("seed {}: {}", report.seed, wrong.expected));
        }
        // What is said about it does not get into the bar.
        bar.suspend(|| take(nth, report));
    })
}

/// Whether it is time to end.
pub(crate) type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

/// The same for any work that has a result, or none if it was stopped.
pub(crate) fn spread<W: Sync, R: Send>(
    work: &[W],
    limits: Limits,
    run: impl Fn(&W, &Stop<'_>) -> Option<R> + Sync,
    mut take: impl FnMut(&ProgressBar, usize, R),
) -> bool {
    interrupt::watch();
    let (next, over, start) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
    let stop = || {
        let late = limits.budget.is_some_and(|budget| start.elapsed() > budget);
        over.fetch_or(late, Ordering::Relaxed) || late || interrupt::came()
    };
    let bar = ProgressBar::new(work.len() as u64);
    bar.set_style(
        ProgressStyle::with_template("{pos} of {len} {wide_bar} {eta} {msg}")
            .expect("the template is right"),
    );
    let mut complete = 0;
    std::thread::scope(|scope| {
        let (sender, reports) = mpsc::channel();
        for _ in 0..limits.jobs.min(work.len()) {
            let (sender, next, stop, run) = (sender.clone(), &next, &stop, &run);
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(work) = work.get(nth).filter(|_| !stop()) else {
                        return;
                    };
                    if sender.send((nth, run(work, stop))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (nth, result) in reports {
            bar.inc(1);
            if let Some(result) = result {
                complete += 1;
                take(&bar, nth, result);
            }
        }
    });
    bar.finish_and_clear();
    complete == work.len()
}

thread_local! {
    /// The seed that this thread runs.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Names the seed of a panic where that ends the process, as in a build for release, as having
/// failed; `repeat` is the command that runs it again.
pub(crate) fn name_panics(repeat: impl Fn(u64) -> String + Send + Sync + 'static) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        if let (Some(seed), true) = (SEED.get(), cfg!(panic = "abort")) {
            let again = repeat(seed);
            eprintln!("seed {seed}: nothing panics; repeat it: {again}");
            eprintln!("this build ends with the first panic");
            std::process::exit(1);
        }
    }));
}

/// A panic is a failure of the seed, not the end of the sweep, where it can be caught.
fn guarded(scenario: &Scenario, seed: u64, stop: &Stop<'_>) -> Report {
    SEED.set(Some(seed));
    let run = || scenario.run_watched(seed, &mut |_| !stop());
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Report {
            seed,
            nodes: scenario.cluster.nodes,
            failure: Some(Wrong {
                expected: "nothing panics".to_owned(),
                found: text.unwrap_or_else(|| "a panic without words".to_owned()),
                at: 0.0,
            }),
            ..Report::default()
        }
    })
}
