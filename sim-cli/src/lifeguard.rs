//! `serf-sim bench lifeguard`: the tables of the Lifeguard paper, beside its numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serf_sim::lifeguard::{Anomaly, Experiment, Outcome, Variant};
use serf_sim::scenario::quantile;

use crate::bench::Args;
use crate::page::distributions;
use crate::pool::{Limits, Stop, spread};
use crate::run::json;
use crate::source::write;
use crate::table::{columns, number};
use crate::{BadInput, Verdict};

/// What the anomalies of `bench lifeguard` are. For other benchmarks it has no meaning.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Grid {
    /// What is wrong with anomalous members
    #[arg(long, value_enum, default_value_t = What::Blocked, help_heading = "For lifeguard")]
    anomaly: What,
    /// How many members are anomalous at a time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8, 16, 32], help_heading = "For lifeguard")]
    concurrent: Vec<usize>,
    /// For how long each time
    #[arg(long, value_delimiter = ',', value_parser = humantime::parse_duration,
        default_value = "2048ms,8192ms,16384ms,32768ms", help_heading = "For lifeguard")]
    stops: Vec<Duration>,
    /// For how long they are well in between
    #[arg(long, value_delimiter = ',', value_parser = humantime::parse_duration,
        default_value = "4ms,64ms,1024ms,16384ms", help_heading = "For lifeguard")]
    runs: Vec<Duration>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Their messages wait in both directions while their timers run, as in the paper
    Blocked,
    /// All of them stands still
    Paused,
}

/// For how long members are anomalous, once, where it is measured how soon that is noticed.
const ONCE: Duration = Duration::from_millis(32_768);

/// How many seeds that is done with for each of the others: it is quick, and takes a thousand
/// samples to have a 99.9th percentile.
const ONCE_SEEDS: u64 = 7;

/// Table IV of the paper, false failures in all and at healthy members, and Table VI, messages and
/// bytes: per cent of plain SWIM.
const PAPER: [[f64; 4]; 5] = [
    [100.0, 100.0, 100.0, 100.0],
    [67.72, 32.88, 98.46, 90.03],
    [3.0, 6.71, 111.31, 106.52],
    [94.08, 44.57, 100.07, 99.01],
    [1.53, 1.89, 110.59, 97.97],
];

/// One variant, over all cells and seeds. Times are in simulated seconds.
#[derive(Default, Serialize)]
struct Row {
    variant: &'static str,
    false_failures: u64,
    at_healthy: u64,
    messages: u64,
    bytes: u64,
    false_failures_by_concurrent: BTreeMap<usize, u64>,
    at_healthy_by_concurrent: BTreeMap<usize, u64>,
    /// How many members were anomalous once.
    once: usize,
    /// When the first healthy member noticed, by those that were noticed in time.
    first: Vec<f64>,
    /// When the last one did, by those that all noticed in time.
    full: Vec<f64>,
}

pub(crate) fn bench(args: &Args) -> Result<Verdict, BadInput> {
    let work = plan(args)?;
    let mut rows = Variant::ALL.map(|variant| Row {
        variant: variant.name(),
        ..Row::default()
    });
    let run = |(experiment, seed): &(Experiment, u64), _: &Stop<'_>| experiment.run(*seed).ok();
    let limits = Limits::new(args.jobs, None);
    let all = spread(&work, limits, run, |bar, nth, outcome| {
        let (experiment, _) = &work[nth];
        let row = rows
            .iter_mut()
            .find(|it| it.variant == experiment.variant.name());
        if let Some(row) = row {
            bar.set_message(row.variant);
            row.add(experiment, &outcome);
        }
    });
    if !all {
        eprintln!("stopped early: what follows is of unequal parts");
    }
    for row in &mut rows {
        // Worlds end in any order.
        row.first.sort_by(f64::total_cmp);
        row.full.sort_by(f64::total_cmp);
    }
    if args.json {
        sayln!("{}", json(&rows));
    } else {
        print(&rows);
    }
    if let Some(path) = &args.plot {
        let lines = |of: fn(&Row) -> &[f64]| {
            let lines = rows.iter().map(|row| (row.variant.to_owned(), of(row)));
            lines.collect::<Vec<_>>()
        };
        let charts = [
            (
                "noticed by the first healthy member",
                lines(|row| &row.first),
            ),
            ("noticed by the last healthy member", lines(|row| &row.full)),
        ];
        write(path, &distributions("serf-sim bench lifeguard", &charts))?;
    }
    Ok(Verdict::of(all))
}

/// All experiments with their seeds. Variants come last, so that an early end hits all alike.
fn plan(args: &Args) -> Result<Vec<(Experiment, u64)>, BadInput> {
    if !args.set.is_empty() {
        return Err(BadInput("lifeguard has no scenario to --set".to_owned()));
    }
    let nodes = match args.nodes[..] {
        [] => 128,
        [nodes] => nodes,
        _ => return Err(BadInput("lifeguard takes one --nodes".to_owned())),
    };
    let grid = &args.grid;
    if let Some(wrong) = grid.concurrent.iter().find(|&&it| it < 1 || it >= nodes) {
        let accepted = nodes.saturating_sub(1);
        let text = format!("--concurrent is {wrong}, accepted is 1 to {accepted}");
        return Err(BadInput(text));
    }
    if grid.stops.iter().chain(&grid.runs).any(Duration::is_zero) {
        return Err(BadInput(
            "--stops and --runs are longer than zero".to_owned(),
        ));
    }
    let anomaly = match grid.anomaly {
        What::Blocked => Anomaly::Blocked,
        What::Paused => Anomaly::Paused,
    };
    let mut work = Vec::new();
    let seeds = args.seeds.unwrap_or(3) as u64;
    let mut cell = |concurrent, stops, runs, seed| {
        work.extend(Variant::ALL.map(|variant| {
            let experiment = Experiment {
                nodes,
                variant,
                anomaly,
                concurrent,
                stops,
                runs,
            };
            (experiment, seed)
        }));
    };
    for &concurrent in &grid.concurrent {
        for seed in 0..seeds {
            for &stops in &grid.stops {
                for &runs in &grid.runs {
                    cell(concurrent, stops, Some(runs), seed);
                }
            }
        }
        for seed in 0..seeds * ONCE_SEEDS {
            cell(concurrent, ONCE, None, seed);
        }
    }
    Ok(work)
}

impl Row {
    fn add(&mut self, experiment: &Experiment, outcome: &Outcome) {
        if experiment.runs.is_none() {
            let seconds = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).collect();
            let (first, full): (Vec<f64>, Vec<f64>) =
                (seconds(&outcome.first), seconds(&outcome.full));
            self.once += experiment.concurrent;
            self.first.extend(first);
            self.full.extend(full);
            return;
        }
        self.false_failures += outcome.false_failures;
        self.at_healthy += outcome.at_healthy;
        self.messages += outcome.messages;
        self.bytes += outcome.bytes;
        let by = experiment.concurrent;
        *self.false_failures_by_concurrent.entry(by).or_default() += outcome.false_failures;
        *self.at_healthy_by_concurrent.entry(by).or_default() += outcome.at_healthy;
    }

    /// In the order of [`PAPER`].
    fn totals(&self) -> [u64; 4] {
        [
            self.false_failures,
            self.at_healthy,
            self.messages,
            self.bytes,
        ]
    }
}

fn print(rows: &[Row; 5]) {
    let percent = |value: f64| format!("{value:.2} %");
    sayln!("Again and again: false failures (FP), those at healthy members (FP-), and load");
    let heads = [
        "", "FP", "FP-", "messages", "MB", "FP", "paper", "FP-", "paper", "messages", "paper",
        "bytes", "paper",
    ];
    let mut cells = vec![heads.map(str::to_owned).to_vec()];
    let swim = rows[0].totals();
    for (row, paper) in rows.iter().zip(PAPER) {
        let totals = row.totals();
        let mut line = vec![row.variant.to_owned()];
        line.extend(totals[..3].iter().map(u64::to_string));
        line.push((row.bytes / 1_000_000).to_string());
        for ((ours, swim), paper) in totals.into_iter().zip(swim).zip(paper) {
            line.push(match swim {
                0 => "-".to_owned(),
                _ => percent(ours as f64 * 100.0 / swim as f64),
            });
            line.push(percent(paper));
        }
        cells.push(line);
    }
    print!("{}", columns(&cells));

    sayln!("\nFP and FP- by the number of anomalous members");
    let counts: Vec<usize> = rows[0]
        .false_failures_by_concurrent
        .keys()
        .copied()
        .collect();
    let mut heads = vec![String::new()];
    heads.extend(counts.iter().map(usize::to_string));
    let mut cells = vec![heads];
    for row in rows {
        let mut line = vec![row.variant.to_owned()];
        let by = |of: &BTreeMap<usize, u64>, count| of.get(count).copied().unwrap_or_default();
        line.extend(counts.iter().map(|count| {
            let all = by(&row.false_failures_by_concurrent, count);
            format!("{all}, {}", by(&row.at_healthy_by_concurrent, count))
        }));
        cells.push(line);
    }
    print!("{}", columns(&cells));

    sayln!(
        "\nOnce: when the first, and the last, healthy member took the anomalous one for failed"
    );
    let heads = [
        "", "noticed", "50 %", "99 %", "99.9 %", "by all", "50 %", "99 %", "99.9 %",
    ];
    let mut cells = vec![heads.map(str::to_owned).to_vec()];
    for row in rows {
        let mut line = vec![row.variant.to_owned()];
        for times in [&row.first, &row.full] {
            line.push(format!("{} of {}", times.len(), row.once));
            line.extend(
                [0.5, 0.99, 0.999].map(|share| match quantile(times, share) {
                    Some(seconds) => format!("{} s", number(seconds)),
                    None => "-".to_owned(),
                }),
            );
        }
        cells.push(line);
    }
    print!("{}", columns(&cells));
}
