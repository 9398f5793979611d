//! Where scenarios come from: built in, a file, or drawn from a seed.

use std::path::Path;

use serf_sim::scenario::{Cluster, Scenario, builtins};

use crate::BadInput;
use crate::arguments::pair;

/// Which scenario, and what is different about it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Source {
    /// A built-in scenario (see `list`), or a TOML file; without it, what the seed draws
    pub(crate) scenario: Option<String>,
    /// Number of nodes, instead of what the scenario says
    #[arg(long)]
    pub(crate) nodes: Option<usize>,
    /// Sets one key of the scenario, such as `config.probe_interval=2s` or `fault.0.for=10s`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
}

/// Scenarios, one for each seed.
#[derive(Debug, Clone)]
pub(crate) enum Scenarios {
    /// The same for all.
    One(Box<Scenario>),
    /// Each draws its own, perhaps for so many nodes; these keys are different.
    Drawn {
        nodes: Option<usize>,
        overrides: Vec<(String, String)>,
    },
}

impl Source {
    pub(crate) fn load(&self) -> Result<Scenarios, BadInput> {
        let mut overrides = self.set.clone();
        let Some(name) = &self.scenario else {
            return self.drawn(overrides);
        };
        if let Some(nodes) = self.nodes {
            overrides.push(("cluster.nodes".to_owned(), nodes.to_string()));
        }
        let scenario = parse(&text(name)?, &overrides)
            .map_err(|BadInput(what)| BadInput(format!("{name}: {what}")))?;
        Ok(Scenarios::One(Box::new(scenario)))
    }

    fn drawn(&self, overrides: Vec<(String, String)>) -> Result<Scenarios, BadInput> {
        let most = Cluster::MOST;
        match self.nodes {
            Some(nodes) if !(2..=most).contains(&nodes) => Err(BadInput(format!(
                "--nodes is {nodes}, accepted is 2 to {most} where the seed draws the scenario"
            ))),
            nodes => Ok(Scenarios::Drawn { nodes, overrides }),
        }
    }

    /// The arguments that name the same scenario again.
    pub(crate) fn arguments(&self) -> String {
        let mut out = String::new();
        if let Some(name) = &self.scenario {
            out.push_str(&format!(" {}", quoted(name)));
        }
        if let Some(nodes) = self.nodes {
            out.push_str(&format!(" --nodes {nodes}"));
        }
        for (key, value) in &self.set {
            out.push_str(&format!(" --set {}", quoted(&format!("{key}={value}"))));
        }
        out
    }
}

impl Scenarios {
    /// The scenario of a seed.
    pub(crate) fn of(&self, seed: u64) -> Result<Scenario, BadInput> {
        match self {
            Self::One(scenario) => Ok((**scenario).clone()),
            Self::Drawn { nodes, overrides } => {
                let drawn = match nodes {
                    Some(nodes) => Scenario::draw_for(seed, *nodes),
                    None => Scenario::draw(seed),
                };
                match overrides.is_empty() {
                    true => Ok(drawn),
                    false => parse(&drawn.to_toml(), overrides),
                }
            }
        }
    }
}

fn parse(text: &str, overrides: &[(String, String)]) -> Result<Scenario, BadInput> {
    let overrides: Vec<(&str, &str)> = overrides
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    Scenario::parse_with(text, &overrides).map_err(|error| BadInput(error.to_string()))
}

fn text(name: &str) -> Result<String, BadInput> {
    if let Some(builtin) = builtins().iter().find(|it| it.name == name) {
        return Ok(builtin.toml.to_owned());
    }
    if !Path::new(name).exists() {
        return Err(BadInput(format!(
            "there is no scenario {name:?}, accepted is one that `serf-sim list` names, or a file"
        )));
    }
    read(name)
}

/// The text of a file.
pub(crate) fn read(path: &str) -> Result<String, BadInput> {
    std::fs::read_to_string(path).map_err(|error| BadInput(format!("{path}: {error}")))
}

/// Writes a file.
pub(crate) fn write(path: &str, text: &str) -> Result<(), BadInput> {
    std::fs::write(path, text).map_err(|error| BadInput(format!("{path}: {error}")))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:%,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
