//! `serf-sim shrink`: the smallest scenario that still fails.

use indicatif::ProgressBar;
use serf_sim::scenario;

use crate::arguments::{count, seed};
use crate::source::{Source, write};
use crate::{BadInput, Verdict, interrupt};

/// Finds the smallest scenario that still fails, and writes it as a TOML file
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The seed that fails
    #[arg(long, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// Scenarios that are tried at most
    #[arg(long, default_value_t = 1_000, value_parser = count)]
    tries: usize,
    /// The file to write; by default `shrunk-SEED.toml`
    #[arg(long, value_name = "FILE")]
    out: Option<String>,
}

pub(crate) fn shrink(args: &Args) -> Result<Verdict, BadInput> {
    let mut scenario = args.source.load()?.of(args.seed)?;
    scenario.seed = args.seed;
    interrupt::watch();
    let first = scenario.run_watched(args.seed, &mut |_| !interrupt::came());
    let Some(wrong) = first.failure else {
        return Err(BadInput(format!(
            "seed {} holds, accepted is one that fails",
            args.seed
        )));
    };
    eprintln!("it fails with: {}", wrong.expected);
    let bar = ProgressBar::new_spinner();
    let mut fails = |smaller: &scenario::Scenario| {
        bar.tick();
        let report = smaller.run_watched(args.seed, &mut |_| !interrupt::came());
        let same = |it: scenario::Wrong| kind(&it.expected) == kind(&wrong.expected);
        !interrupt::came() && report.failure.is_some_and(same)
    };
    let shrunk = scenario::shrink(&scenario, args.tries, &mut fails);
    bar.finish_and_clear();
    let mut small = shrunk.scenario;
    let last = small.run(args.seed);
    let found = last.failure.map_or_else(String::new, |wrong| wrong.found);
    small.about = format!("Fails: {}: {found}", wrong.expected);
    let path = args.out.clone();
    let path = path.unwrap_or_else(|| format!("shrunk-{}.toml", args.seed));
    write(&path, &small.to_toml())?;
    sayln!(
        "{path}: faults {}, nodes {}, lasts {}; tried {}\nrepeat it: serf-sim run {path}",
        small.faults.len(),
        small.cluster.nodes,
        small.lasts,
        shrunk.tried
    );
    Ok(Verdict::Failed)
}

/// What was expected, but for the numbers in it, which differ between scenarios.
fn kind(expected: &str) -> String {
    expected.chars().filter(|c| c.is_alphabetic()).collect()
}
