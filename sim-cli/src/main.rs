//! `serf-sim`: runs, explores, shrinks and compares simulated Serf clusters.
//!
//! The simulation is the library `serf-sim`, which knows neither files nor threads nor clocks;
//! they are here.

#![forbid(unsafe_code)]

#[macro_use]
mod output;

mod arguments;
mod bench;
mod compare;
mod explore;
mod interrupt;
mod junit;
mod lifeguard;
mod list;
mod merge;
mod page;
mod pool;
mod replay;
mod results;
mod run;
mod shrink;
mod source;
mod table;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulates Serf clusters: thousands of real nodes in virtual time, every failure a seed away.
///
/// Exit code: 0 if everything held, 1 if an expectation or an invariant failed, 2 if the input
/// was bad, 130 if Ctrl-C came before anything failed.
#[derive(Parser)]
#[command(name = "serf-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Args),
    Run(run::Args),
    Explore(explore::Args),
    Merge(merge::Args),
    Shrink(shrink::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Bench(bench::Args),
}

/// How a command ended, if its input was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Held,
    Failed,
}

impl Verdict {
    fn of(held: bool) -> Self {
        if held { Self::Held } else { Self::Failed }
    }
}

/// What is wrong with the input.
#[derive(Debug)]
struct BadInput(String);

fn main() -> ExitCode {
    let verdict = match Cli::parse().command {
        Command::List(args) => list::list(&args),
        Command::Run(args) => run::run(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Bench(args) => bench::bench(&args),
    };
    match verdict {
        // What was not run to its end has not held.
        Ok(Verdict::Held) if interrupt::came() => ExitCode::from(interrupt::EXIT),
        Ok(Verdict::Held) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(BadInput(what)) => {
            eprintln!("error: {what}");
            ExitCode::from(2)
        }
    }
}
