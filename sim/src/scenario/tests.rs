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
fn what_is_built_in_is_about_as_many_nodes_as_one_likes() {
    for builtin in builtins() {
        for nodes in ["500", "10000", "100000"] {
            let scenario = Scenario::parse_with(builtin.toml, &[("cluster.nodes", nodes)]);
            let scenario = scenario.unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
            for group in scenario.groups {
                let few = matches!(group.nodes, Nodes::Range(_, Some(End::At(Node(0..)))));
                assert!(!few, "{} has a group of a fixed size", builtin.name);
            }
        }
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

    let number = refused("[expect]\nconverged_within = 5");
    assert!(number.contains("integer `5`"), "{number}");
    assert!(number.contains("such as \"500ms\""), "{number}");

    let text = refused("network.loss = \"much\"");
    assert!(text.contains("string \"much\""), "{text}");
    assert!(text.contains("from 0 to 1"), "{text}");

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
fn a_scenario_that_is_made_smaller_can_still_hold() {
    let text = r#"
lasts = "9m"
cluster.nodes = 6
config.dead_reclaim = "1s"

[[fault]]
at = "40s"
for = "40s"
leave.nodes = [1, 2]

[[fault]]
at = "60s"
for = "40s"
move.nodes = [3]

[expect]
converged_within = "2m"
"#;
    let scenario = Scenario::parse(text).expect("it is valid");
    assert!(scenario.run(1).held());
    let small = shrink(&scenario, 500, &mut |it| it.faults.len() == 2).scenario;
    let report = small.run(1);
    assert!(report.held(), "{}{report}", small.to_toml());
    assert!(small.lasts < scenario.lasts && small.faults[1].at < scenario.faults[1].at);
    assert_eq!(small.lasts.0, small.least());
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

#[test]
fn mistakes_about_groups_keys_queries_and_forgeries_are_named_too() {
    let fault = |what: &str| refused(&format!("[[fault]]\nat = \"1s\"\n{what}"));
    for (said, wanted) in [
        (
            refused("[[group]]\nnodes = \"0..9\""),
            "group.0.nodes is about node 8, accepted is nodes less than 8",
        ),
        (
            refused("[[group]]\nnodes = 1\nprotocol = 1"),
            "group.0.protocol is 1, accepted is 2 to 5",
        ),
        (
            refused("[[group]]\nnodes = 1\ngossip_protocol = 9"),
            "group.0.gossip_protocol is 9, accepted is 1 to 5",
        ),
        (
            refused("[[group]]\nnodes = 1\nkeys = []"),
            "group.0.keys is empty, accepted is 1 to 64 words",
        ),
        (
            fault("keys = { nodes = 1, ring = [] }"),
            "fault.0.keys.ring is empty, accepted is 1 to 64 words",
        ),
        (
            fault("rotate = { by = 1 }"),
            "fault.0.rotate is nothing, accepted is one of install, use, remove",
        ),
        (
            fault("rotate = { by = 8, use = \"a\" }"),
            "fault.0.rotate.by is 8, accepted is less than 8",
        ),
        (
            fault("rotate = { by = -9, use = \"a\" }"),
            "fault.0.rotate.by is -9, accepted is -8 or more",
        ),
        (
            fault("crash.nodes = \"4..9\""),
            "fault.0.crash is about node 8, accepted is nodes less than 8",
        ),
        (
            fault("crash.nodes = \"-2..50%\""),
            "fault.0.crash is -2..50%, none of 8 nodes, accepted is some of them",
        ),
        (
            fault("crash.nodes = \"any 9\""),
            "fault.0.crash is any 9, accepted is \"any 8\" at most",
        ),
        (
            fault("query.payload = 2000"),
            "fault.0.query.payload is 2000, accepted is 0 to 900",
        ),
        (
            fault("namesake = { nodes = 1, of = 9 }"),
            "fault.0.namesake.of is 9, accepted is less than 8",
        ),
        (
            fault("reuse_address = { by = 1, of = 1 }"),
            "fault.0.reuse_address is about one node, accepted is about two nodes",
        ),
        (
            fault("slander = { by = 1, nodes = \"all\", about = 2, every = \"1s\" }"),
            "fault.0.slander.every is 1s, accepted is a time of 1ms or more, with a `for`",
        ),
        (
            refused("[[work]]\nevery = \"1s\""),
            "work.0 is nothing, accepted is one of event, tags, query, join, leave, churn",
        ),
    ] {
        assert_eq!(said, wanted);
    }
    let wires = refused("[[group]]\nnodes = 1\nwires = \"both\"");
    assert!(wires.contains("wires = \"both\""), "{wires}");
    assert!(wires.contains("`auto`, `native`, `memberlist`"), "{wires}");
    let time = fault("poison = { by = 1, nodes = \"all\", time = -1 }");
    assert!(time.contains("time = -1"), "{time}");
}

#[test]
fn an_expectation_that_nothing_put_to_the_test_does_not_hold() {
    for expect in [
        "delivered_to_all_within = \"5s\"",
        "answered_by_all_within = \"5s\"",
        "caught_up_within = \"5s\"",
        "detected_within = \"5s\"",
        "keys_done_by_all = true",
    ] {
        let scenario = Scenario::parse(&format!("{BASE}[expect]\n{expect}"));
        let report = scenario.expect("it is valid").run(1);
        let wrong = report.failure.as_ref();
        let missed = wrong.is_some_and(|it| it.expected.starts_with("there are "));
        assert!(missed, "{expect}: {report}");
    }
}

fn held(text: &str) -> Report {
    let report = Scenario::parse(text).expect("it is valid").run(1);
    assert!(report.held(), "{report}");
    report
}

#[test]
fn nodes_that_know_each_other_from_the_start_need_not_join() {
    let text = "lasts = \"1m\"\ncluster = { nodes = 50, late = 1, joined = true }\n\
                [[fault]]\nat = \"2s\"\njoin.nodes = 49\n[expect]\nconverged_within = \"5s\"";
    let report = held(text);
    assert_eq!(report.joined_after, Some(0.0));
}

#[test]
fn nodes_of_all_groups_know_those_of_their_cluster_from_the_start() {
    let text = "lasts = \"2m\"\n[cluster]\nnodes = 24\njoined = true\nkeys = [\"one\"]\n\
                [[group]]\nnodes = \"0..4\"\nwires = \"memberlist\"\n\
                [[group]]\nnodes = \"4..8\"\nprotocol = 3\n\
                [[group]]\nnodes = \"16..24\"\nlabel = \"other\"\nkeys = [\"two\"]\napart = true\n\
                [[work]]\nevery = \"5s\"\nevent.payload = 30\n[expect]\nno_false_failure = true\n\
                converged_within = \"1s\"\ndelivered_to_all_within = \"5s\"\n";
    let scenario = Scenario::parse(text).expect("it is valid");
    let (report, world) = scenario.run_observed(1, Vec::new(), &mut |_| true);
    assert!(report.held(), "{report}");
    let known = |node: usize| world.node(node).map_or(0, |it| it.alive_count());
    assert_eq!([0, 5, 12, 16, 23].map(known), [16, 16, 16, 8, 8]);
}

#[test]
fn many_nodes_know_each_other_from_the_start_unless_told_otherwise() {
    let knows_itself = |toml: &str| {
        let text = format!("lasts = \"1m\"\ncluster = {{ {toml} }}");
        let scenario = Scenario::parse(&text).expect("it is valid");
        scenario.cluster.knows_itself()
    };
    assert!(!knows_itself("nodes = 1000"));
    assert!(knows_itself("nodes = 1001"));
    assert!(!knows_itself("nodes = 1001, joined = false"));
    assert!(!knows_itself("nodes = 1001, cold = true"));
    assert!(knows_itself("nodes = 2, joined = true"));
}

#[test]
fn queries_are_asked_as_work_and_once_and_all_have_to_answer() {
    let asking = format!(
        "{BASE}[[work]]\nfrom = \"16s\"\nevery = \"10s\"\nquery.payload = 8\n\
         [[fault]]\nat = \"20s\"\nquery = {{ nodes = [2, 3], timeout = \"3s\" }}\n"
    );
    let expecting = |bound| format!("{asking}[expect]\nanswered_by_all_within = \"{bound}\"");
    let report = held(&expecting("3s"));
    assert!(report.answered_after.len() > 8, "{report:?}");
    assert!(report.answered_after.iter().all(|took| *took < 3.0));
    let late = Scenario::parse(&expecting("1ms")).expect("it is valid");
    let wrong = late.run(1).failure.expect("a millisecond is too short");
    assert_eq!(wrong.expected, "queries are answered once by each");
}

#[test]
fn key_operations_have_to_be_done_by_all() {
    let rotate = |second: &str| {
        format!(
            "lasts = \"2m\"\ncluster = {{ nodes = 8, keys = [\"a\"] }}\n\
             [[fault]]\nat = \"5s\"\nrotate = {{ by = 2, install = \"b\" }}\n\
             [[fault]]\nat = \"15s\"\nrotate = {{ by = 3, {second} }}\n\
             [expect]\nkeys_done_by_all = true"
        )
    };
    held(&rotate("use = \"b\""));
    let unknown = Scenario::parse(&rotate("use = \"c\"")).expect("it is valid");
    let wrong = unknown.run(1).failure.expect("nobody has that key");
    assert_eq!(wrong.expected, "key operations are done by all members");
}

#[test]
fn nodes_join_and_leave_at_a_rate() {
    let text = "lasts = \"2m\"\ncluster = { nodes = 20, late = 5 }\n\
                [[work]]\nevery = \"2s\"\njoin.nodes = \"15..20\"\n\
                [[work]]\nevery = \"3s\"\nleave.nodes = \"1..4\"\n\
                [expect]\ndown_at_end = 3\nconverged_within = \"5s\"";
    let report = held(text);
    assert_eq!(report.faults.get("late_starts"), Some(&5));
}

#[test]
fn work_with_keys_is_told_with_the_words_for_them() {
    let text = format!(
        "{BASE}\n[[fault]]\nrotate = {{ by = 0, use = \"new\" }}\n[[fault]]\nkeys = {{ nodes = 3, ring = \
         [\"new\", \"old\"] }}\n[[fault]]\nforce_leave = {{ by = 0, nodes = 3 }}"
    );
    let scenario = Scenario::parse(&text).expect("it is valid");
    let labels: Vec<String> = scenario.faults.iter().map(Fault::label).collect();
    assert_eq!(labels, ["rotate: use new", "keys: new, old", "force leave"]);
}
