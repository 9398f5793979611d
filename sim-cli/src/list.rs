//! `serf-sim list`: what the built-in scenarios are about.

use serf_sim::scenario::builtins;

use crate::{BadInput, Verdict};

/// Says what the built-in scenarios are about
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the text of this one, to start another from
    name: Option<String>,
}

pub(crate) fn list(args: &Args) -> Result<Verdict, BadInput> {
    if let Some(name) = &args.name {
        let Some(builtin) = builtins().iter().find(|it| it.name == *name) else {
            let names: Vec<&str> = builtins().iter().map(|it| it.name).collect();
            return Err(BadInput(format!(
                "there is no built-in scenario {name:?}, accepted is one of {}",
                names.join(", ")
            )));
        };
        say!("{}", builtin.toml);
        return Ok(Verdict::Held);
    }
    let width = builtins().iter().map(|it| it.name.len()).max().unwrap_or(0);
    for builtin in builtins() {
        sayln!("{:<width$}  {}", builtin.name, builtin.scenario().about);
    }
    Ok(Verdict::Held)
}
