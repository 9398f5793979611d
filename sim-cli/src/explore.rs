//! `serf-sim explore`: many seeds.

use std::ops::Range;
use std::time::Duration;

use crate::arguments::{count, seeds, shard, time};
use crate::pool::{Limits, name_panics, run_all};
use crate::results::{Part, Results};
use crate::run::{json, repeat};
use crate::source::{Source, write};
use crate::{BadInput, Verdict, interrupt, junit};

/// Runs a scenario, or one drawn per seed, with many seeds
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The seeds, from the first up to but without the last
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Range<u64>,
    /// Worlds that run at once; by default as many as there are cores
    #[arg(long, value_parser = count)]
    jobs: Option<usize>,
    /// Stop after this time, such as `10m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    /// Run only the I-th of N parts of the seeds, I from 0 to N-1
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Write the result as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,
    /// Print the result as JSON, which `merge` can read
    #[arg(long)]
    json: bool,
}

pub(crate) fn explore(args: &Args) -> Result<Verdict, BadInput> {
    let scenarios = args.source.load()?;
    let (nth, of) = args.shard.unwrap_or((0, 1));
    let part = Part {
        first: args.seeds.start,
        end: args.seeds.end,
        of,
        nth,
    };
    let mut results = Results::of(args.source.arguments().trim(), part);
    // Drawing many worlds takes long, too, and ends with what there is as well.
    interrupt::watch();
    let seeds = args.seeds.clone().take_while(|_| !interrupt::came());
    let work = seeds
        .filter(|seed| part.holds(*seed))
        .map(|seed| Ok((scenarios.of(seed)?, seed)))
        .collect::<Result<Vec<_>, BadInput>>()?;
    let limits = Limits::new(args.jobs, args.budget);
    let arguments = args.source.arguments();
    name_panics(move |seed| repeat(&arguments, seed));
    run_all(&work, limits, |_, report| {
        let again = repeat(&args.source.arguments(), report.seed);
        if let Some(wrong) = &report.failure {
            eprintln!(
                "seed {}: {}; repeat it: {again}",
                report.seed, wrong.expected
            );
        }
        results.add(report, again);
    });
    results.sort();
    if (results.seeds.len() as u64) < results.wanted {
        eprintln!(
            "stopped early: {} of {} seeds run",
            results.seeds.len(),
            results.wanted
        );
    }
    report(&results, args.json, args.junit.as_deref())
}

/// Shows what a sweep found, and judges it.
pub(crate) fn report(
    results: &Results,
    as_json: bool,
    junit: Option<&str>,
) -> Result<Verdict, BadInput> {
    if let Some(path) = junit {
        write(path, &junit::xml(results))?;
    }
    if as_json {
        sayln!("{}", json(results));
    } else {
        results.print();
    }
    Ok(Verdict::of(results.failures.is_empty()))
}
