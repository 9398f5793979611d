//! `serf-sim bench`: how long clusters of several sizes take for what everybody wants to know.

use std::collections::BTreeMap;

use serde::Serialize;
use serf_sim::scenario::{Report, Scenario, quantile};

use crate::arguments::{count, pair};
use crate::lifeguard;
use crate::page::{Samples, distributions};
use crate::pool::{Limits, run_all};
use crate::run::json;
use crate::source::write;
use crate::table::{columns, number};
use crate::{BadInput, Verdict};

/// What is measured.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// How long an event takes to reach the last node
    Convergence,
    /// How long it takes until a crash is noticed, by the first and by the last node
    Detection,
    /// How long halves that were cut off from each other for a minute take to agree again
    Partition,
    /// The experiment of the Lifeguard paper: what its parts are good for
    Lifeguard,
}

/// Measures clusters of several sizes: percentiles over many seeds
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure
    what: What,
    /// Sizes of the cluster, by default 100 and 1000, or 128 for lifeguard; nodes of those above 1,000
    /// know each other from the start, unless `--set cluster.joined=false`
    #[arg(long, value_delimiter = ',')]
    pub(crate) nodes: Vec<usize>,
    /// How many seeds each size is run with; by default 20, or 3 for lifeguard
    #[arg(long, value_parser = count)]
    pub(crate) seeds: Option<usize>,
    /// Sets one key of the scenario, such as `network.loss=0.1`; lifeguard has none
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Worlds that run at once; by default as many as there are cores
    #[arg(long, value_parser = count)]
    pub(crate) jobs: Option<usize>,
    /// Print the percentiles and all numbers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a page with the distributions to this file
    #[arg(long, value_name = "FILE.html")]
    pub(crate) plot: Option<String>,
    #[command(flatten)]
    pub(crate) grid: lifeguard::Grid,
}

/// Numbers of one size, in simulated seconds.
#[derive(Serialize)]
struct Row {
    nodes: usize,
    what: &'static str,
    /// By share of the samples, such as `p50`.
    percentiles: BTreeMap<String, f64>,
    seconds: Vec<f64>,
    failed: usize,
}

const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

impl What {
    /// The scenario; none for what has a module of its own.
    fn toml(self) -> &'static str {
        match self {
            Self::Lifeguard => "",
            Self::Convergence => {
                "about = \"Events spread\"\nlasts = \"60s\"\ncluster.nodes = 2\n\
                 [[work]]\nfrom = \"16s\"\nuntil = \"25s\"\nevery = \"1s\"\nevent.payload = 64\n\
                 [expect]\ndelivered_to_all_within = \"30s\"\n"
            }
            Self::Detection => {
                "about = \"One node crashes\"\nlasts = \"60s\"\ncluster.nodes = 2\n\
                 [[fault]]\nat = \"1s\"\ncrash.nodes = \"any 1\"\n"
            }
            Self::Partition => {
                // It ends once all views are equal.
                "about = \"Halves are cut off\"\nlasts = \"61s\"\ncluster.nodes = 2\n\
                 [[fault]]\nat = \"1s\"\nfor = \"60s\"\npartition.side = \"50%\"\n\
                 [expect]\nconverged_within = \"9m\"\n"
            }
        }
    }

    fn numbers(self, report: &Report) -> Vec<(&'static str, Vec<f64>)> {
        match self {
            Self::Lifeguard => Vec::new(),
            Self::Convergence => vec![("event at the last node", report.delivered_after.clone())],
            Self::Detection => vec![
                ("noticed by the first node", report.noticed_first.clone()),
                ("noticed by the last node", report.noticed_last.clone()),
            ],
            Self::Partition => {
                let healed = report.converged_after.into_iter().collect();
                vec![("all views equal after the cut", healed)]
            }
        }
    }
}

pub(crate) fn bench(args: &Args) -> Result<Verdict, BadInput> {
    if let What::Lifeguard = args.what {
        return lifeguard::bench(args);
    }
    let mut rows: Vec<Row> = Vec::new();
    let nodes = match args.nodes[..] {
        [] => &[100, 1_000],
        ref given => given,
    };
    for &nodes in nodes {
        let scenario = scenario(args, nodes)?;
        let work: Vec<_> = (0..args.seeds.unwrap_or(20) as u64)
            .map(|seed| (scenario.clone(), seed))
            .collect();
        let first = rows.len();
        let limits = Limits::new(args.jobs, None);
        let all = run_all(&work, limits, |_, report| {
            for (nth, (what, seconds)) in args.what.numbers(&report).into_iter().enumerate() {
                if rows.len() <= first + nth {
                    rows.push(Row {
                        nodes,
                        what,
                        percentiles: BTreeMap::new(),
                        seconds: Vec::new(),
                        failed: 0,
                    });
                }
                let row = &mut rows[first + nth];
                row.seconds.extend(seconds);
                row.failed += usize::from(report.failure.is_some());
            }
            if let Some(wrong) = &report.failure {
                eprintln!("seed {}: {}: {}", report.seed, wrong.expected, wrong.found);
            }
        });
        if !all {
            eprintln!("stopped early");
            break;
        }
    }
    for row in &mut rows {
        row.seconds.sort_by(f64::total_cmp);
        let shares = SHARES.into_iter();
        row.percentiles = shares
            .filter_map(|share| {
                let name = format!("p{:.0}", share * 100.0);
                Some((name, quantile(&row.seconds, share)?))
            })
            .collect();
    }
    print(args, &rows);
    if let Some(path) = &args.plot {
        write(path, &plot(&rows))?;
    }
    Ok(Verdict::of(rows.iter().all(|row| row.failed == 0)))
}

fn scenario(args: &Args, count: usize) -> Result<Scenario, BadInput> {
    let nodes = count.to_string();
    let mut overrides = vec![("cluster.nodes", nodes.as_str())];
    let set = args.set.iter();
    overrides.extend(set.map(|(key, value)| (key.as_str(), value.as_str())));
    let scenario = Scenario::parse_with(args.what.toml(), &overrides);
    scenario.map_err(|error| BadInput(error.to_string()))
}

fn print(args: &Args, rows: &[Row]) {
    if args.json {
        return sayln!("{}", json(&rows));
    }
    let heads = ["", "nodes", "samples", "50 %", "90 %", "99 %", "most"];
    let mut cells = vec![heads.map(str::to_owned).to_vec()];
    for row in rows {
        let mut line = vec![
            row.what.to_owned(),
            row.nodes.to_string(),
            row.seconds.len().to_string(),
        ];
        line.extend(SHARES.map(|share| match quantile(&row.seconds, share) {
            Some(seconds) => format!("{} s", number(seconds)),
            None => "-".to_owned(),
        }));
        cells.push(line);
    }
    say!("{}", columns(&cells));
}

/// A picture for each thing measured, with a line for each size.
fn plot(rows: &[Row]) -> String {
    let mut charts: Vec<(&str, Samples<'_>)> = Vec::new();
    for row in rows {
        let line = (format!("{} nodes", row.nodes), row.seconds.as_slice());
        match charts.iter_mut().find(|(what, _)| *what == row.what) {
            Some((_, lines)) => lines.push(line),
            None => charts.push((row.what, vec![line])),
        }
    }
    distributions("serf-sim bench", &charts)
}
