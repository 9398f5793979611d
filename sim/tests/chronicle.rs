//! What a report tells is what happened.

use std::time::Duration;

use serf_core::Config;
use serf_sim::chronicle::{Chronicle, Excuse};
use serf_sim::scenario::{Scenario, builtins};

fn chronicle_of(toml: &str, seed: u64, look: impl FnOnce(&Chronicle)) {
    let scenario = Scenario::parse(toml).expect("it is valid");
    let checks: Vec<Box<dyn serf_sim::check::Check>> = vec![Box::new(Chronicle::default())];
    let (report, world) = scenario.run_observed(seed, checks, &mut |_| true);
    assert!(report.held(), "{report}");
    look(world.find_check().expect("it watches"));
}

fn toml_of(name: &str) -> &'static str {
    let builtin = builtins().iter().find(|it| it.name == name);
    builtin.expect("it is built in").toml
}

#[test]
fn a_false_failure_has_a_chain_of_its_own_and_is_seen_in_the_samples() {
    let lossy = toml_of("s10-loss").replace("loss = 0.25", "loss = 0.4");
    chronicle_of(&lossy, 3, |chronicle| {
        let incidents = chronicle.incidents();
        assert!(incidents.len() > 3, "{incidents:?}");
        let config = Config::lan();
        // The longest that a suspicion may last with fifty members.
        let shortest = f64::from(config.suspicion_mult) * 50_f64.log10();
        let longest = shortest * f64::from(config.suspicion_max_mult);
        for it in incidents {
            let first = it.accusations.first().expect("somebody accused it");
            assert!(it.declared_at - first.at < longest + 2.0, "{it:?}");
            assert!(!it.heard.is_empty(), "{it:?}");
            assert!(it.over_at.is_some_and(|at| at > it.declared_at), "{it:?}");
            let row = |sample: &serf_sim::chronicle::Sample| sample.members[it.node].wrongly;
            let mut samples = chronicle.samples().iter();
            let seen = samples.any(|sample| sample.at >= it.declared_at && row(sample) > 0.0);
            assert!(seen, "no sample shows {it:?}");
        }
    });
}

#[test]
fn accusations_from_before_a_refutation_are_of_the_past() {
    // Restarted nodes are accused by old news, answer it, and are cut off half a minute later.
    let toml = "lasts = \"4m\"\ncluster = { nodes = 30, joined = true }\n\
                [[fault]]\nat = \"20s\"\nfor = \"60s\"\ncrash.nodes = \"1..6\"\n\
                [[fault]]\nat = \"110s\"\nfor = \"40s\"\npartition.side = \"0..10\"";
    chronicle_of(toml, 1, |chronicle| {
        let incidents = chronicle.incidents();
        assert!(incidents.len() >= 30, "{}", incidents.len());
        for it in incidents {
            assert_eq!(it.excuse, Excuse::Cut, "{it:?}");
            assert!(it.accusations.iter().all(|one| one.at > 110.0), "{it:?}");
        }
    });
}

#[test]
fn what_was_forged_is_told_as_that_and_nobody_is_counted_twice() {
    chronicle_of(toml_of("s39-forged-deaths"), 0, |chronicle| {
        let incidents = chronicle.incidents();
        assert!(incidents.len() > 10, "{}", incidents.len());
        for it in incidents {
            assert_eq!(it.excuse, Excuse::Forged, "{it:?}");
            assert!(it.believers < 20, "{it:?}");
            let refuted = it.refuted_at.expect("it was told");
            let took = Duration::from_secs_f64(refuted - it.declared_at);
            assert!(took < Duration::from_secs(1), "{it:?}");
        }
    });
}
