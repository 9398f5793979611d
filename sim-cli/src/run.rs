//! `serf-sim run`: one scenario with one seed.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serf_sim::World;
use serf_sim::check::Check;
use serf_sim::chronicle::Chronicle;
use serf_sim::scenario::{Report, Scenario};

use crate::arguments::seed;
use crate::page::Page;
use crate::source::{Source, write};
use crate::table::{columns, number};
use crate::trace::TraceFile;
use crate::{BadInput, Verdict, interrupt};

/// Runs a scenario and says in numbers what happened
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The seed, instead of the one that the scenario names
    #[arg(long, value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Write one line for each change of state to this file
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,
    /// Write a page that shows what happened to this file
    #[arg(long, value_name = "FILE.html")]
    report: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict, BadInput> {
    let scenarios = args.source.load()?;
    let scenario = scenarios.of(args.seed.unwrap_or(0))?;
    let seed = args.seed.unwrap_or(scenario.seed);
    let mut checks: Vec<Box<dyn Check>> = Vec::new();
    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;
    if let Some(trace) = &trace {
        checks.push(Box::new(trace.tracer()));
    }
    if let Some(path) = &args.report {
        // Better now than after a long run.
        write(path, "")?;
        checks.push(Box::new(Chronicle::default()));
    }
    interrupt::watch();
    let start = Instant::now();
    let (report, world) = watched(&scenario, seed, checks);
    let took = start.elapsed().as_secs_f64();
    let again = repeat(&args.source.arguments(), seed);
    if let (Some(path), Some(chronicle)) = (&args.report, world.find_check::<Chronicle>()) {
        let page = Page {
            name: args.source.scenario.as_deref().unwrap_or("drawn"),
            scenario: &scenario,
            report: &report,
            chronicle,
            repeat: &again,
        };
        write(path, &page.html())?;
    }
    drop(world);
    trace.map(TraceFile::finish).transpose()?;
    if args.json {
        sayln!("{}", json(&report));
    } else {
        summarize(&report, took);
    }
    if let Some(wrong) = &report.failure {
        eprintln!(
            "FAILED at {:.3} s: {}: {}",
            wrong.at, wrong.expected, wrong.found
        );
        eprintln!("repeat it: {again}");
    }
    Ok(Verdict::of(report.failure.is_none()))
}

/// The one command that runs a seed again.
pub(crate) fn repeat(arguments: &str, seed: u64) -> String {
    format!("serf-sim run{arguments} --seed {seed}")
}

/// Runs it with a bar that shows how far it is, on a terminal.
fn watched(scenario: &Scenario, seed: u64, checks: Vec<Box<dyn Check>>) -> (Report, World) {
    let bar = ProgressBar::new(1);
    bar.set_style(
        ProgressStyle::with_template("{msg} {wide_bar} {percent}% {eta}")
            .expect("the template is right"),
    );
    bar.set_message("simulating");
    let ended = scenario.run_observed(seed, checks, &mut |progress| {
        bar.set_length(progress.total.as_millis() as u64);
        bar.set_position(progress.passed.as_millis() as u64);
        !interrupt::came()
    });
    bar.finish_and_clear();
    ended
}

fn summarize(report: &Report, took: f64) {
    if !report.about.is_empty() {
        sayln!("{}", report.about);
    }
    sayln!("{report}");
    sayln!(
        "{:.0} node-seconds per second of real time\n",
        report.simulated * report.nodes as f64 / took.max(1e-9)
    );
    let mut rows: Vec<Vec<String>> = report
        .numbers()
        .into_iter()
        .map(|(name, value)| vec![name, number(value)])
        .collect();
    rows.push(vec![String::new()]);
    for (check, tally) in &report.checks {
        let tally: Vec<String> = tally
            .iter()
            .map(|(what, n)| format!("{n} {what}"))
            .collect();
        rows.push(vec![format!("{check}: {}", tally.join(", "))]);
    }
    // The long lines must not widen the column of the short ones.
    let (numbers, checks) = rows.split_at(rows.len() - report.checks.len());
    say!("{}", columns(numbers));
    for row in checks {
        sayln!("{}", row[0]);
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("maps have text as keys")
}
