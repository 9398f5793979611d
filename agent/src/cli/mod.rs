//! The command line: one file per command.

mod agent;
mod event;
mod flags;
mod force_leave;
mod info;
mod join;
mod keygen;
mod keys;
mod leave;
mod members;
mod monitor;
mod output;
mod query;
mod reachability;
mod remote;
mod rtt;
mod tags;
mod version;
mod why;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub(crate) use output::{complain, fail, say};

/// One command of the command line.
pub(crate) trait Run: CommandFactory + FromArgMatches {
    /// Whether it takes no notice of its arguments, whatever they are.
    const IGNORES_ARGUMENTS: bool = false;

    /// Carries it out. `Err` is printed and means exit code 1.
    fn run(self) -> impl Future<Output = Result<ExitCode, Failure>>;
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// In these words.
    Message(String),
    /// The arguments make no sense: these words (if any), then the command's help.
    Usage(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Message(text)
    }
}

/// An entry in the list of commands.
struct Entry {
    name: &'static str,
    about: &'static str,
    /// Takes the arguments after the name.
    main: fn(&[String]) -> ExitCode,
    describe: fn() -> clap::Command,
}

impl Entry {
    const fn of<C: Run>(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            main: main::<C>,
            describe: C::command,
        }
    }
}

const COMMANDS: &[Entry] = &[
    Entry::of::<agent::Agent>("agent", "Runs a Serf agent"),
    Entry::of::<event::Event>("event", "Sends a user event to all members"),
    Entry::of::<force_leave::ForceLeave>("force-leave", "Declares a failed member as left"),
    Entry::of::<info::Info>("info", "Shows numbers about a running agent"),
    Entry::of::<join::Join>("join", "Makes a running agent join a cluster"),
    Entry::of::<keygen::Keygen>("keygen", "Makes a new encryption key"),
    Entry::of::<keys::Keys>("keys", "Changes the encryption keys of the cluster"),
    Entry::of::<leave::Leave>("leave", "Makes a running agent leave its cluster and end"),
    Entry::of::<members::Members>("members", "Lists the members of the cluster"),
    Entry::of::<monitor::Monitor>(
        "monitor",
        "Follows the log and the events of a running agent",
    ),
    Entry::of::<query::Query>("query", "Asks the members of the cluster something"),
    Entry::of::<reachability::Reachability>(
        "reachability",
        "Compares who answers with who counts as alive",
    ),
    Entry::of::<rtt::Rtt>("rtt", "Estimates the round-trip time between two members"),
    Entry::of::<tags::Tags>("tags", "Changes the tags of a running agent"),
    Entry::of::<version::Version>("version", "Prints the version"),
    Entry::of::<why::Why>("why", "Tells what happened to a member, and why"),
];

/// Runs the command line. The arguments are those after the program's name.
#[must_use]
pub fn run(args: &[String]) -> ExitCode {
    let before_dashes = || args.iter().take_while(|arg| *arg != "--");
    let asks = |names: &[&str]| before_dashes().any(|arg| names.contains(&arg.as_str()));
    if asks(&["-v", "-version", "--version"]) {
        return main::<version::Version>(&[]);
    }
    let wants_help = asks(&["-h", "-help", "--help"]);
    let position = args.iter().position(|arg| !arg.starts_with('-'));
    let command =
        position.and_then(|position| COMMANDS.iter().find(|entry| entry.name == args[position]));
    match (command, position) {
        (Some(command), _) if wants_help => {
            complain(help((command.describe)()));
            ExitCode::SUCCESS
        }
        (Some(command), Some(0)) => (command.main)(&args[1..]),
        (Some(command), _) => {
            complain("Invalid flags before the subcommand: they belong after it.\n");
            complain(help((command.describe)()));
            ExitCode::FAILURE
        }
        (None, _) => {
            complain(overview());
            match wants_help && position.is_none() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(127),
            }
        }
    }
}

fn main<C: Run>(args: &[String]) -> ExitCode {
    let args = if C::IGNORES_ARGUMENTS { &[] } else { args };
    let parsed = flags::parse(C::command(), args).and_then(|matches| {
        C::from_arg_matches(&matches).map_err(|error| flags::FlagError::Invalid(error.to_string()))
    });
    let command = match parsed {
        Ok(command) => command,
        Err(error) => {
            complain(error);
            say(help(C::command()));
            return ExitCode::FAILURE;
        }
    };
    // One thread: an agent is one of many programs on its machine.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            fail(format_args!("Error starting: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(command.run());
    // Name resolution cannot be interrupted and must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(Failure::Message(text)) => {
            fail(text);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(text)) => {
            if !text.is_empty() {
                fail(text);
                say("");
            }
            say(help(C::command()));
            ExitCode::FAILURE
        }
    }
}

/// The whole command line, for those who make manual pages or completions of it.
#[must_use]
pub fn describe() -> clap::Command {
    let commands = COMMANDS.iter().map(|entry| {
        let command = (entry.describe)().name(entry.name);
        let long = command.get_about().cloned().unwrap_or_default();
        let command = command.about(entry.about).long_about(long);
        command.mut_args(with_aliases).disable_help_flag(true)
    });
    clap::Command::new("serf")
        .about("Cluster membership, failure detection and events by gossip")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(commands)
}

/// Tells of a flag's other names in its text: manual pages would not show them.
fn with_aliases(arg: clap::Arg) -> clap::Arg {
    let Some(names) = arg.get_visible_aliases().filter(|names| !names.is_empty()) else {
        return arg;
    };
    let names = names.join(", --");
    let text = arg.get_help().cloned().unwrap_or_default();
    arg.help(format!("{text} [alias: --{names}]"))
}

fn help(command: clap::Command) -> String {
    let text = command.disable_help_flag(true).render_help().to_string();
    text.trim_end().to_owned()
}

fn overview() -> String {
    let mut text =
        "Usage: serf [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n"
            .to_owned();
    for Entry { name, about, .. } in COMMANDS {
        text.push_str(&format!("    {name:<15} {about}\n"));
    }
    text
}
