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
    static ALL: &[Builtin] = &builtins![
        "s01-alone",
        "s01-split-halves",
        "s02-two-sides-dead",
        "s03-restart-empty",
        "s04-power-loss",
        "s05-rolling-restart",
        "s06-one-way-loss",
        "s07-slow-cpu",
        "s08-pause-with-backlog",
        "s09-no-datagrams",
        "s09-no-streams",
        "s10-loss",
        "s11-leave-and-return",
        "s12-force-leave",
        "s13-leave-unheard",
        "s14-equal-halves",
        "s14-name-taken",
        "s15-new-address",
        "s16-new-name",
        "s17-address-reuse",
        "s18-crash-loop",
        "s19-late-digest",
        "s20-strangers-accused",
        "s21-churn",
        "s22-joins-and-leaves",
        "s23-events-in-a-storm",
        "s26-stampede",
        "s27-away",
        "s27-replay",
        "s28-duplicates",
        "s29-poisoned-clocks",
        "s31-rotation-in-a-partition",
        "s31-rotation-with-a-node-down",
        "s32-wrong-key",
        "s35-large-events",
        "s36-mixed-wires",
        "s37-damage",
        "s39-forged-deaths",
        "s40-replay",
        "s41-few-nodes",
        "s46-mixed-versions",
        "s47-sick-and-leaving",
        "two-regions",
    ];
    ALL
}
