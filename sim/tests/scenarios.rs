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

/// Built-in scenarios, and for each something without which what it is about goes wrong.
#[test]
fn built_in_scenarios_fail_without_what_they_rely_on() {
    for (name, overrides) in [
        (
            "s14-name-taken",
            &[("config.resolve_conflicts", "false")][..],
        ),
        (
            // One side is the majority.
            "s14-equal-halves",
            &[
                ("fault.0.partition.side", "0..6"),
                ("fault.0.partition.other", "6..20"),
            ],
        ),
        (
            "s17-address-reuse",
            &[("group.0.label", ""), ("group.1.label", "")],
        ),
        ("s22-joins-and-leaves", &[("config.retransmit_mult", "1")]),
        (
            "s27-away",
            &[
                ("fault.0.crash.back", "empty"),
                ("fault.1.crash.back", "empty"),
            ],
        ),
        ("s27-replay", &[("fault.0.join.replay", "false")]),
        // A time that a clock may follow: everybody takes the forgery for true.
        ("s29-poisoned-clocks", &[("fault.0.poison.time", "1000")]),
        (
            "s31-rotation-in-a-partition",
            &[("fault.3.keys.ring", "[\"old\"]")],
        ),
        (
            "s31-rotation-with-a-node-down",
            &[("fault.4.keys.ring", "[\"old\"]")],
        ),
        ("s32-wrong-key", &[("fault.1.keys.ring", "[\"wrong\"]")]),
        ("s35-large-events", &[("network.mtu", "500")]),
        ("s36-mixed-wires", &[("network.mtu", "200")]),
        (
            "s46-mixed-versions",
            &[("expect.bytes_per_node_per_second", "740")],
        ),
    ] {
        let builtin = builtins().iter().find(|it| it.name == name);
        let toml = builtin.expect("it is built in").toml;
        let scenario = Scenario::parse_with(toml, overrides).expect("it is valid");
        let report = scenario.run(scenario.seed);
        assert!(report.failure.is_some(), "{name}: {report}");
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
fn in_some_drawn_worlds_all_have_to_answer_in_the_end() {
    let drawn = (0..200).map(|seed| (seed, Scenario::draw(seed)));
    let asking = drawn.filter(|(_, it)| it.expect.answered_by_all_within.is_some());
    let mut worlds = 0;
    for (seed, scenario) in asking.take(3) {
        let report = scenario.run(seed);
        assert!(report.held(), "{report}");
        assert!(!report.answered_after.is_empty(), "{report}");
        worlds += 1;
    }
    assert_eq!(worlds, 3);
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
        include_str!("regressions/1-alone-among-many.toml"),
        include_str!("regressions/3-equal-halves.toml"),
        include_str!("regressions/106-all-it-knew-moved.toml"),
        include_str!("regressions/373-damaged-event.toml"),
        include_str!("regressions/663-its-former-name.toml"),
        include_str!("regressions/983-newer-incarnation.toml"),
        include_str!("regressions/1100-native-only.toml"),
        include_str!("regressions/1626-renamed.toml"),
        include_str!("regressions/2993-told-four-times.toml"),
        include_str!("regressions/4734-moved.toml"),
        include_str!("regressions/5566-moved-together.toml"),
        include_str!("regressions/6042-forgetful-peer.toml"),
        include_str!("regressions/7179-speaks-first.toml"),
        include_str!("regressions/8421-narrow.toml"),
    ];
    for text in worlds {
        let scenario = Scenario::parse(text).expect("a scenario");
        let report = scenario.run(scenario.seed);
        assert!(report.held(), "{report}");
    }
}
