//! `serf-sim replay`: the journal of a node that ran anywhere, run again.

use std::fs;
use std::path::{Path, PathBuf};

use serf_core::Instant;
use serf_core::journal::{DamageKind, Reader};
use serf_core::keyring::Key;
use serf_sim::replay::{Replay, Step, Stop, describe};

use crate::arguments::time;
use crate::run::json;
use crate::table::columns;
use crate::{BadInput, Verdict, interrupt};

/// Runs the journal of a node again and checks that it does the same, action by action
///
/// A journal is what an agent writes with `-record FILE`, or a program with `Options::record`. Exit
/// code: 0 if the node does the same as it did then, 1 if not, 2 if the journal is damaged or keys
/// are missing. One that breaks off, as after a crash, is run up to there.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The journal
    journal: PathBuf,
    /// The keys of a node that encrypted: a JSON array of keys in base64, as in a keyring file;
    /// those that were installed later, too
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Stop after what happened until this long after the node's start, such as 90s
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<std::time::Duration>,
    /// Print every input and action
    #[arg(long)]
    verbose: bool,
    /// Print the summary as JSON
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Outcome<'a> {
    node: &'a str,
    addr: String,
    same: bool,
    /// True if the journal breaks off in the middle of a record.
    breaks_off: bool,
    error: Option<String>,
    bytes: usize,
    seconds: f64,
    inputs: &'a std::collections::BTreeMap<&'static str, u64>,
    actions: &'a std::collections::BTreeMap<&'static str, u64>,
    events: &'a std::collections::BTreeMap<String, u64>,
    members: usize,
}

pub(crate) fn replay(args: &Args) -> Result<Verdict, BadInput> {
    let path = args.journal.display();
    let journal = fs::read(&args.journal)
        .map_err(|error| BadInput(format!("cannot read the journal '{path}': {error}")))?;
    let keys = args.keyring.as_deref().map_or(Ok(Vec::new()), load_keys)?;
    let mut replay = Replay::new(&journal, keys)
        .map_err(|stop| BadInput(format!("cannot replay '{path}': {stop}")))?;
    interrupt::watch();
    let stop = run(&mut replay, args, &journal);
    let torn = matches!(&stop, Some(Stop::Damage(damage)) if damage.kind == DamageKind::Truncated);
    let stop = if torn { None } else { stop };
    summarize(&replay, args, stop.as_ref(), torn);
    match stop {
        None => Ok(Verdict::Held),
        Some(Stop::Differs(difference)) => {
            eprintln!("FAILED: {difference}");
            Ok(Verdict::Failed)
        }
        Some(stop) => {
            let hint = match stop {
                Stop::MissingKey(_) => "; give it with --keyring",
                _ => "",
            };
            Err(BadInput(format!(
                "cannot replay '{path}' further: {stop}{hint}"
            )))
        }
    }
}

fn run<'a>(replay: &mut Replay<'a>, args: &Args, journal: &'a [u8]) -> Option<Stop> {
    let started = replay.began();
    let mut line = String::new();
    // One ahead, to stop before an input that is too late.
    let mut ahead = args
        .until
        .map(|until| (Reader::new(journal), started + until));
    if let Some((reader, _)) = &mut ahead {
        // That of the start, which was read.
        let _ = reader.next();
    }
    let mut now = started;
    while !interrupt::came() {
        if let Some((reader, until)) = &mut ahead
            && let Ok(Some(serf_core::journal::Entry::Input(after, _))) = reader.next()
        {
            now = Instant::from_nanos(now.as_nanos().wrapping_add(after.cast_unsigned()));
            if now > *until {
                return None;
            }
        }
        let step = match replay.step() {
            Ok(Some(step)) => step,
            Ok(None) => return None,
            Err(stop) => return Some(stop),
        };
        if args.verbose {
            let at = replay.now();
            match step {
                Step::Input(input) => {
                    line.clear();
                    describe(&input, &mut line);
                    sayln!("{at:?} {} <- {line}", replay.inputs());
                }
                Step::Actions(actions) => {
                    for (action, bytes) in actions {
                        sayln!("{at:?} {} -> {action:?} {bytes}", replay.inputs());
                    }
                }
            }
        }
    }
    None
}

fn summarize(replay: &Replay<'_>, args: &Args, stop: Option<&Stop>, torn: bool) {
    let (member, summary) = (replay.node().local(), replay.summary());
    let seconds = replay.now().since(replay.began()).as_secs_f64();
    if args.json {
        let outcome = Outcome {
            node: member.name(),
            addr: member.addr().to_string(),
            same: stop.is_none(),
            breaks_off: torn,
            error: stop.map(ToString::to_string),
            bytes: summary.bytes,
            seconds,
            inputs: &summary.inputs,
            actions: &summary.actions,
            events: &summary.events,
            members: replay.node().member_count(),
        };
        sayln!("{}", json(&outcome));
        return;
    }
    let actions: u64 = summary.actions.values().sum();
    sayln!(
        "{} at {}: {seconds:.3} s, {} inputs, {actions} actions as in the journal",
        member.name(),
        member.addr(),
        replay.inputs()
    );
    if torn {
        sayln!(
            "the journal breaks off after byte {}: replayed up to there",
            summary.bytes
        );
    }
    let mut rows = Vec::new();
    let inputs = summary.inputs.iter().map(|(kind, n)| ("in", *kind, *n));
    let actions = summary.actions.iter().map(|(kind, n)| ("out", *kind, *n));
    let events = summary
        .events
        .iter()
        .map(|(kind, n)| ("event", kind.as_str(), *n));
    for (what, kind, count) in inputs.chain(actions).chain(events) {
        rows.push(vec![format!("{what}: {kind}"), count.to_string()]);
    }
    say!("{}", columns(&rows));
}

fn load_keys(path: &Path) -> Result<Vec<Key>, BadInput> {
    let wrong = |what: &dyn std::fmt::Display| {
        BadInput(format!(
            "cannot read the keys in '{}': {what}",
            path.display()
        ))
    };
    let text = fs::read(path).map_err(|error| wrong(&error))?;
    // What stands in a wrong place may be a key: nothing of it is shown.
    let keys: Vec<String> = serde_json::from_slice(&text)
        .map_err(|_| wrong(&"accepted is a JSON array of keys in base64"))?;
    let keys = keys.iter().map(|key| Key::from_base64(key));
    keys.collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))
}
