//! Go-style flags in front of clap.
//!
//! Scripts write `-rpc-addr=x`, `--rpc-addr x`, `-detailed=true`. [`normalise`] turns all of that
//! into the one form clap takes, asking clap's own description of the command which flags there
//! are and which of them take values. Parsing stops at the first argument that is not a flag.

use std::error::Error;
use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, ArgMatches, Command};

/// Why arguments were refused. The text says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// Not a flag of this command.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The value is missing.
    #[error("flag needs an argument: -{0}")]
    MissingValue(String),
    /// A dash alone, three dashes, `-=x`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// Neither true nor false.
    #[error("invalid boolean value \"{value}\" for -{flag}: accepted are true and false")]
    NotBoolean {
        /// The flag.
        flag: String,
        /// What was given.
        value: String,
    },
    /// clap does not like a value.
    #[error("{0}")]
    Invalid(String),
}

/// Parses the arguments after the command's name.
pub(crate) fn parse(command: Command, args: &[String]) -> Result<ArgMatches, FlagError> {
    let mut command = command
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true);
    let args = normalise(&command, args)?;
    command
        .try_get_matches_from_mut(args)
        .map_err(|error| FlagError::Invalid(describe(&error)))
}

/// What clap does not like, in the words that operators know.
fn describe(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (
        context(ContextKind::InvalidArg),
        context(ContextKind::InvalidValue),
    );
    let (Some(flag), Some(value), Some(source)) = (flag, value, error.source()) else {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        return first.trim_start_matches("error: ").to_owned();
    };
    // Without its second dash and the name of its value.
    let flag = flag.split(' ').next().unwrap_or(flag);
    let flag = flag.trim_start_matches('-');
    let reason = match source.is::<ParseIntError>() {
        true => "accepted are whole numbers".to_owned(),
        false => source.to_string(),
    };
    format!("invalid value {value:?} for flag -{flag}: {reason}")
}

fn normalise(command: &Command, args: &[String]) -> Result<Vec<String>, FlagError> {
    let mut out = Vec::with_capacity(args.len() + 1);
    let mut rest = args.iter();
    while let Some(arg) = rest.as_slice().first() {
        let Some(flag) = arg.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            break;
        };
        rest.next();
        if flag == "-" {
            break;
        }
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(arg.clone()));
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let known = command
            .get_arguments()
            .find(|arg| {
                arg.get_long() == Some(name)
                    || arg.get_all_aliases().is_some_and(|all| all.contains(&name))
            })
            .ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        if matches!(known.get_action(), ArgAction::SetTrue) {
            let long = format!("--{name}");
            match value.map_or(Some(true), boolean) {
                Some(true) => out.push(long),
                // The last one counts: take back what was said before.
                Some(false) => out.retain(|earlier| *earlier != long),
                None => {
                    return Err(FlagError::NotBoolean {
                        flag: name.to_owned(),
                        value: value.unwrap_or_default().to_owned(),
                    });
                }
            }
            continue;
        }
        // A boolean that is on unless it is switched off.
        if known
            .get_num_args()
            .is_some_and(|count| count.min_values() == 0)
        {
            let on = value.map_or(Some(true), boolean);
            let on = on.ok_or_else(|| FlagError::NotBoolean {
                flag: name.to_owned(),
                value: value.unwrap_or_default().to_owned(),
            })?;
            out.push(format!("--{name}={on}"));
            continue;
        }
        let value = match value {
            Some(value) => value,
            None => rest
                .next()
                .ok_or_else(|| FlagError::MissingValue(name.to_owned()))?,
        };
        out.push(format!("--{name}={value}"));
    }
    out.push("--".to_owned());
    out.extend(rest.cloned());
    Ok(out)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn run(args: &[&str]) -> Result<Vec<String>, FlagError> {
        let command = Command::new("x")
            .arg(Arg::new("on").long("on").action(ArgAction::SetTrue))
            .arg(Arg::new("tag").long("tag").action(ArgAction::Append))
            .arg(Arg::new("off").long("off").num_args(0..=1))
            .arg(Arg::new("rest").num_args(0..));
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        normalise(&command, &args)
    }

    fn ok(args: &[&str]) -> String {
        run(args).unwrap().join(" ")
    }

    #[test]
    fn takes_one_dash_or_two_and_values_either_way() {
        assert_eq!(ok(&["-tag", "a=b", "--tag=c=d"]), "--tag=a=b --tag=c=d --");
        assert_eq!(ok(&["-tag", "-on"]), "--tag=-on --");
        assert_eq!(ok(&["-tag="]), "--tag= --");
    }

    #[test]
    fn stops_at_the_first_positional_and_at_two_dashes() {
        assert_eq!(ok(&["-on", "x", "-on"]), "--on -- x -on");
        assert_eq!(ok(&["--", "-on"]), "-- -on");
        assert_eq!(ok(&["-", "-on"]), "-- - -on");
    }

    #[test]
    fn the_last_boolean_counts() {
        assert_eq!(ok(&["-on=true", "-on=false"]), "--");
        assert_eq!(ok(&["-on=0", "--on"]), "--on --");
        assert_eq!(ok(&["-off=f", "x"]), "--off=false -- x");
        assert_eq!(ok(&["-off", "false"]), "--off=true -- false");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(run(&["-nope"]), Err(FlagError::Unknown("nope".into())));
        assert_eq!(run(&["-tag"]), Err(FlagError::MissingValue("tag".into())));
        assert_eq!(run(&["---on"]), Err(FlagError::Syntax("---on".into())));
        assert!(matches!(
            run(&["-on=maybe"]),
            Err(FlagError::NotBoolean { .. })
        ));
        assert!(matches!(
            run(&["-off=maybe"]),
            Err(FlagError::NotBoolean { .. })
        ));
    }
}
