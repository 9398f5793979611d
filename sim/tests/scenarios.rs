//! The built-in scenarios hold, and so do worlds that nobody described.

use serf_sim::scenario::{Scenario, builtins};

#[test]
fn built_in_scenarios_hold_and_their_faults_happen() {
    for builtin in builtins() {
        let scenario = builtin.scenario();
        let report = scenario.run(scenario.seed);
        assert!(report.held(), "{}: {report}", builtin.name);
        let quiet = scenario.faults.is_empty() && scenario.work.is_empty();
        let something = !report.faults.is_empty() || !report.delivered_after.is_empty();
        assert!(quiet || something, "{}: nothing happened", builtin.name);
    }
}

#[test]
fn drawn_worlds_hold() {
    for seed in 0..40 {
        let report = Scenario::draw(seed).run(seed);
        assert!(report.held(), "{report}");
    }
}

#[test]
fn a_drawn_world_does_the_same_every_time() {
    for seed in [3, 7] {
        let run = || Scenario::draw(seed).run(seed);
        assert_eq!(run(), run());
    }
}

/// Worlds in which exploring found something wrong, made small; the numbers are the seeds.
#[test]
fn worlds_of_old_bugs_hold() {
    let worlds = [
        include_str!("regressions/3-equal-halves.toml"),
        include_str!("regressions/373-damaged-event.toml"),
        include_str!("regressions/4734-moved.toml"),
    ];
    for text in worlds {
        let scenario = Scenario::parse(text).expect("a scenario");
        let report = scenario.run(scenario.seed);
        assert!(report.held(), "{report}");
    }
}
