//! `serf-sim compare`: two configurations, or two results, side by side.

use std::collections::BTreeMap;
use std::ops::Range;

use serf_sim::scenario::{Report, quantile};

use crate::arguments::{count, pair, seeds};
use crate::pool::{Limits, run_all};
use crate::source::{Source, read};
use crate::table::{columns, number};
use crate::{BadInput, Verdict};

/// Shows two scenarios, or two results of `run --json`, side by side with what changed
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A scenario, or a file with the result of `run --json`
    a: String,
    /// Another one, or the same
    b: String,
    /// Sets one key of the first scenario
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set_a: Vec<(String, String)>,
    /// Sets one key of the second scenario
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set_b: Vec<(String, String)>,
    /// Number of nodes in both
    #[arg(long)]
    nodes: Option<usize>,
    /// The seeds to run scenarios with; numbers are medians over them
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..10")]
    seeds: Range<u64>,
    /// Worlds that run at once; by default as many as there are cores
    #[arg(long, value_parser = count)]
    jobs: Option<usize>,
}

pub(crate) fn compare(args: &Args) -> Result<Verdict, BadInput> {
    let a = reports(args, &args.a, &args.set_a)?;
    let b = reports(args, &args.b, &args.set_b)?;
    let (left, right) = (medians(&a), medians(&b));
    let mut rows = vec![vec![
        String::new(),
        label(&args.a, &args.set_a),
        label(&args.b, &args.set_b),
        "change".to_owned(),
    ]];
    let mut names: Vec<&String> = left.keys().collect();
    names.extend(right.keys().filter(|name| !left.contains_key(*name)));
    for name in names {
        let (one, other) = (left.get(name), right.get(name));
        let cell = |value: Option<&f64>| value.map_or_else(|| "-".to_owned(), |it| number(*it));
        let change = match (one, other) {
            (Some(one), Some(other)) if one == other => "=".to_owned(),
            (Some(one), Some(other)) if *one != 0.0 => {
                format!("{:+.1} %", (other / one - 1.0) * 100.0)
            }
            _ => String::new(),
        };
        rows.push(vec![name.clone(), cell(one), cell(other), change]);
    }
    let failed = |reports: &[Report]| reports.iter().filter(|it| it.failure.is_some()).count();
    let (one, other) = (failed(&a), failed(&b));
    rows.push(vec![
        "runs that failed".to_owned(),
        format!("{one} of {}", a.len()),
        format!("{other} of {}", b.len()),
    ]);
    say!("{}", columns(&rows));
    Ok(Verdict::of(one + other == 0))
}

fn label(name: &str, set: &[(String, String)]) -> String {
    let pairs = set.iter();
    let set: String = pairs
        .map(|(key, value)| format!(" {key}={value}"))
        .collect();
    format!("{name}{set}")
}

fn reports(args: &Args, name: &str, set: &[(String, String)]) -> Result<Vec<Report>, BadInput> {
    if name.ends_with(".json") {
        let report = serde_json::from_str(&read(name)?);
        let report = report.map_err(|error| {
            BadInput(format!(
                "{name}: {error}; accepted is what `run --json` prints"
            ))
        })?;
        return Ok(vec![report]);
    }
    let source = Source {
        scenario: Some(name.to_owned()),
        nodes: args.nodes,
        set: set.to_vec(),
    };
    let scenarios = source.load()?;
    let work = args
        .seeds
        .clone()
        .map(|seed| Ok((scenarios.of(seed)?, seed)))
        .collect::<Result<Vec<_>, BadInput>>()?;
    let mut reports = Vec::new();
    run_all(&work, Limits::new(args.jobs, None), |_, report| {
        reports.push(report);
    });
    Ok(reports)
}

/// The median of each number over all reports that have it.
fn medians(reports: &[Report]) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::<String, Vec<f64>>::new();
    for (name, value) in reports.iter().flat_map(Report::numbers) {
        all.entry(name).or_default().push(value);
    }
    let median = |(name, values): (String, Vec<f64>)| Some((name, quantile(&values, 0.5)?));
    all.into_iter().filter_map(median).collect()
}
