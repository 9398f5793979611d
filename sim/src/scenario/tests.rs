use super::*;

const BASE: &str = r#"
about = "A test"
lasts = "2m"
cluster.nodes = 8
"#;

fn refused(text: &str) -> String {
    let parsed = Scenario::parse(&format!("{BASE}\n{text}"));
    parsed.expect_err("it is refused").to_string()
}

#[test]
fn what_is_written_is_read_again() {
    for builtin in builtins() {
        let scenario = Scenario::parse(builtin.toml);
        let scenario = scenario.unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
        let text = scenario.to_toml();
        let again = Scenario::parse(&text);
        assert_eq!(again, Ok(scenario), "{text}");
    }
    for seed in 0..200 {
        let scenario = Scenario::draw(seed);
        let text = scenario.to_toml();
        let again = Scenario::parse(&text);
        assert_eq!(again, Ok(scenario), "seed {seed}: {text}");
    }
}

#[test]
fn a_mistake_names_the_key_the_value_and_what_is_accepted() {
    let unknown = refused("[expect]\nconverged_in = \"1m\"");
    assert!(unknown.contains("converged_in"), "{unknown}");
    assert!(unknown.contains("converged_within"), "{unknown}");

    let time = refused("[expect]\nconverged_within = \"soon\"");
    assert!(time.contains("converged_within = \"soon\""), "{time}");
    assert!(time.contains("such as \"500ms\""), "{time}");

    let share = refused("network.loss = 1.5");
    assert!(share.contains("network.loss = 1.5"), "{share}");
    assert!(share.contains("from 0 to 1"), "{share}");

    let nodes = refused("[[fault]]\nat = \"1s\"\ncrash.nodes = \"some\"");
    assert!(nodes.contains("\"any 3\""), "{nodes}");

    let two = refused("[[fault]]\ncrash.nodes = 1\npause.nodes = 2");
    assert!(
        two.starts_with("fault.0 is crash and pause, accepted is one of crash, "),
        "{two}"
    );

    let beyond = refused("[[fault]]\ncrash.nodes = [1, 8]");
    assert_eq!(
        beyond,
        "fault.0.crash is about node 8, accepted is nodes less than 8"
    );

    let config = refused("config.packet_budget = 100");
    assert_eq!(
        config,
        "config.packet_budget is 100, accepted is 508 to 65507"
    );
}

#[test]
fn values_are_overridden_by_their_keys() {
    let text = "lasts = \"1m\"\ncluster.nodes = 3\n[[fault]]\ncrash.nodes = 1";
    let set = |key, value| Scenario::parse_with(text, &[(key, value)]);
    let nodes = set("cluster.nodes", "5").map(|it| it.cluster.nodes);
    assert_eq!(nodes, Ok(5));
    let lasts = set("lasts", "5m").map(|it| it.lasts.to_string());
    assert_eq!(lasts, Ok("5m".to_owned()));
    let interval = set("config.probe_interval", "2s").map(|it| it.config.probe_interval);
    assert_eq!(interval.map(|it| it.map(|it| it.0.as_secs())), Ok(Some(2)));
    let at = set("fault.0.at", "\"7s\"").map(|it| it.faults[0].at.0.as_secs());
    assert_eq!(at, Ok(7));
    let wrong = set("fault.3.at", "7s").map_err(|error| error.to_string());
    let accepted = "fault.3.at is about \"3\", accepted is the number of one of 1 elements";
    assert_eq!(wrong, Err(accepted.to_owned()));
}

#[test]
fn a_scenario_that_fails_is_made_smaller() {
    let text = r#"
lasts = "3m"
cluster.nodes = 12
network.loss = 0.01
config.gossip_nodes = 4

[[fault]]
at = "5s"
for = "10s"
pause.nodes = [3, 4]

[[fault]]
at = "20s"
crash.nodes = [5, 6, 7]

[[work]]
every = "5s"
event.payload = 10

[expect]
detected_within = "1s"
"#;
    let scenario = Scenario::parse(text).expect("it is valid");
    let fails = |it: &Scenario| it.run(1).failure.is_some_and(|it| it.at > 0.0);
    assert!(fails(&scenario));
    let small = shrink(&scenario, 300, &mut |it| fails(it)).scenario;
    assert!(small.work.is_empty(), "{}", small.to_toml());
    assert!(small.cluster.nodes <= 6, "{}", small.to_toml());
    assert!(small.faults.len() <= 1, "{}", small.to_toml());
    assert_eq!(small.network, Network::default());
    assert!(fails(&small), "{}", small.to_toml());
}

#[test]
fn what_was_expected_and_does_not_hold_is_reported() {
    let run = |expect: &str| {
        let text = format!("{BASE}[[fault]]\nat = \"5s\"\ncrash.nodes = 3\n[expect]\n{expect}");
        Scenario::parse(&text).expect("it is valid").run(1)
    };
    let held = run("detected_within = \"30s\"\nbytes_per_node_per_second = 10000");
    assert!(held.held(), "{held}");
    assert_eq!(held.faults.get("crashes"), Some(&1));
    assert_eq!(held.noticed_last.len(), 1);
    for wrong in [
        "detected_within = \"10ms\"",
        "bytes_per_node_per_second = 1",
        "converged_within = \"10ms\"",
    ] {
        let report = run(wrong);
        assert!(report.failure.is_some(), "{wrong}: {report}");
    }
}

#[test]
fn leaving_out_one_fault_does_not_change_whom_another_is_about() {
    let fault = "[[fault]]\nat = \"5s\"\ncrash.nodes = \"any 2\"\n";
    let other = "[[fault]]\nat = \"90s\"\nfor = \"1s\"\npause.nodes = \"any 3\"\n";
    let noticed = |faults: &str| {
        let scenario = Scenario::parse(&format!("{BASE}{faults}")).expect("it is valid");
        scenario.run(1).noticed_first
    };
    assert_eq!(noticed(fault), noticed(&format!("{other}{fault}")));
}
