//! `serf-sim merge`: joins what several machines found.

use crate::explore::report;
use crate::results::Results;
use crate::source::read;
use crate::{BadInput, Verdict};

/// Joins the results of several `explore --json` and judges them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with results
    #[arg(required = true)]
    files: Vec<String>,
    /// Write the result as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn merge(args: &Args) -> Result<Verdict, BadInput> {
    let mut merged: Option<Results> = None;
    for path in &args.files {
        let results: Results = serde_json::from_str(&read(path)?).map_err(|error| {
            BadInput(format!(
                "{path}: {error}; accepted is what `explore --json` prints"
            ))
        })?;
        match &mut merged {
            None => merged = Some(results),
            Some(merged) if merged.scenario == results.scenario => merged.merge(results),
            Some(merged) => {
                return Err(BadInput(format!(
                    "{path} is about {:?}, accepted is {:?} as in the files before",
                    results.scenario, merged.scenario
                )));
            }
        }
    }
    let mut merged = merged.unwrap_or_default();
    merged.sort();
    if let Some(pair) = merged.seeds.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(BadInput(format!(
            "seed {} is in the files twice, accepted is once",
            pair[0]
        )));
    }
    let missing = merged.missing();
    for part in &missing {
        eprintln!("{part} is in none of the files");
    }
    match report(&merged, args.json, args.junit.as_deref())? {
        Verdict::Held if missing.is_empty() => Ok(Verdict::Held),
        _ => Ok(Verdict::Failed),
    }
}
