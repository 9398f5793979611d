//! The scenarios that come with the simulator.

use super::Scenario;

/// A scenario that comes with the simulator.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name, such as `s01-split-halves`.
    pub name: &'static str,
    /// Its text.
    pub toml: &'static str,
}

impl Builtin {
    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        Scenario::parse(self.toml).expect("a test reads all of them")
    }
}

macro_rules! builtins {
    ($($name:literal),* $(,)?) => {
        [$(Builtin {
            name: $name,
            toml: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// All of them, in the order of their names.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    static ALL: &[Builtin] = &builtins!["s01-split-halves",];
    ALL
}
