//! Our agents and reference ones in one cluster, steered from both command lines.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::net::Ipv4Addr;

use support::{Agent, Scratch, Which, eventually, fresh_ip, reference_is_installed, stdout};

/// What one place in the cluster keeps while the agents on it change.
struct Place {
    name: &'static str,
    ip: Ipv4Addr,
    snapshot: String,
    /// Where its handler writes user events.
    heard: String,
    agent: Option<(Which, Agent)>,
}

impl Place {
    fn new(scratch: &Scratch, name: &'static str) -> Self {
        Self {
            name,
            ip: fresh_ip(),
            snapshot: scratch.path(&format!("{name}.snapshot")),
            heard: scratch.path(&format!("{name}.heard")),
            agent: None,
        }
    }

    fn start(&mut self, which: Which, join: Option<Ipv4Addr>) {
        let hear = format!("user:deploy=cat >> {}", self.heard);
        let answer = format!("query:who=printf {}", self.name);
        let mut args = vec!["-profile=local", "-snapshot", &self.snapshot, "-rejoin"];
        args.extend(["-event-handler", &hear, "-event-handler", &answer]);
        let join = join.map(|ip| ip.to_string());
        if let Some(join) = &join {
            args.extend(["-join", join]);
        }
        self.agent = Some((which, Agent::start_at(which, self.ip, self.name, &args)));
    }

    fn agent(&self) -> &Agent {
        &self.agent.as_ref().unwrap().1
    }

    fn which(&self) -> Which {
        self.agent.as_ref().unwrap().0
    }

    /// Lets the agent leave, and end.
    fn stop(&mut self) {
        let (_, mut agent) = self.agent.take().unwrap();
        agent.process.signal("INT");
        assert_eq!(agent.process.exit_code(), Some(0));
    }
}

/// All see all; an event and a query from each, by each command line in turn, reach all.
fn holds_together(places: &[Place], round: &str) {
    let mut names: Vec<_> = places.iter().map(|place| (place.name, "alive")).collect();
    names.sort_unstable();
    for place in places {
        place.agent().wait_for_members(&names);
    }
    for (sender, which) in places.iter().zip(Which::BOTH.into_iter().cycle()) {
        let payload = format!("{round}-from-{}", sender.name);
        let event = ["-coalesce=false", "deploy", &payload];
        let output = sender.agent().run(which, "event", &event);
        assert!(output.status.success(), "{round}: {output:?}");
        for place in places {
            eventually("the event", || {
                let heard = std::fs::read_to_string(&place.heard).unwrap_or_default();
                let times = heard.matches(&payload).count();
                (times == 1)
                    .then_some(())
                    .ok_or_else(|| format!("{}: {payload} {times} times in {heard}", place.name))
            });
        }
        // Nobody says a query again that was lost, so ask again.
        eventually("all answers", || {
            let query = ["-timeout=2s", "who"];
            let text = stdout(&sender.agent().run(which, "query", &query));
            let missing = places.iter().find(|place| {
                let answer = format!("Response from '{0}': {0}", place.name);
                !text.contains(&answer)
            });
            missing.map_or(Ok(()), |place| {
                Err(format!("{}: nothing from {} in {text}", round, place.name))
            })
        });
    }
    // Our agents show which wire they speak to whom.
    for place in places.iter().filter(|place| place.which() == Which::Ours) {
        for other in places.iter().filter(|other| other.name != place.name) {
            let wire = match other.which() {
                Which::Ours => "native",
                Which::Reference => "memberlist",
            };
            eventually("the wires", || {
                let agent = place.agent();
                let members =
                    agent.run(Which::Ours, "members", &["-detailed", "-name", other.name]);
                let members = stdout(&members);
                let info = stdout(&agent.run(Which::Reference, "info", &[]));
                let line = format!("\t{} = {wire}\n", other.name);
                (members.contains(&format!("Wire: {wire}")) && info.contains(&line))
                    .then_some(())
                    .ok_or_else(|| format!("{round}: not {line:?}: {members} {info}"))
            });
        }
    }
}

#[test]
fn a_cluster_moves_over_agent_by_agent_and_back_with_its_data_and_traffic() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("mixed");
    let mut places = ["a", "b", "c"].map(|name| Place::new(&scratch, name));
    let first = places[0].ip;
    places[0].start(Which::Reference, None);
    places[1].start(Which::Reference, Some(first));
    places[2].start(Which::Reference, Some(first));
    holds_together(&places, "reference");
    for which in [Which::Ours, Which::Reference] {
        for index in 0..places.len() {
            // The snapshot tells the one after where the others are.
            places[index].stop();
            places[index].start(which, None);
            holds_together(&places, &format!("{which:?}-{index}"));
        }
    }
}

#[test]
fn both_sides_of_a_mixed_cluster_see_the_other_fail_leave_and_measure_it() {
    if !reference_is_installed() {
        return;
    }
    let args = ["-profile=local", "-event-handler=member-failed=true"];
    let ours = Agent::start(Which::Ours, "ours", &args);
    let join = ours.ip.to_string();
    let start = |which, name| Agent::start(which, name, &[args[0], "-join", &join]);
    let theirs = start(Which::Reference, "theirs");
    let both = [&ours, &theirs];
    for (which, name) in [(Which::Ours, "x-ours"), (Which::Reference, "x-theirs")] {
        let mut third = start(which, name);
        for agent in both {
            agent.wait_for_members(&[("ours", "alive"), ("theirs", "alive"), (name, "alive")]);
            for command_line in Which::BOTH {
                eventually("an estimate", || {
                    let output = agent.run(command_line, "rtt", &[name]);
                    let text = stdout(&output);
                    (text.contains(" rtt: ") && output.status.success())
                        .then_some(())
                        .ok_or(text)
                });
            }
        }
        third.process.kill();
        for agent in both {
            agent.wait_for_members(&[("ours", "alive"), ("theirs", "alive"), (name, "failed")]);
        }
        let output = ours.run(Which::Reference, "force-leave", &[name]);
        assert!(output.status.success(), "{output:?}");
        for agent in both {
            agent.wait_for_members(&[("ours", "alive"), ("theirs", "alive"), (name, "left")]);
        }
        let prune = |agent: &Agent| {
            let output = agent.run(Which::Ours, "force-leave", &["-prune", name]);
            assert!(output.status.success(), "{output:?}");
        };
        match which {
            Which::Reference => prune(&ours),
            // HashiCorp's agent counts what it tells the freshly dead as told, so that its few copies may
            // all go to the one who is not there. Then it has to be said again.
            Which::Ours => eventually("ours has heard of it", || {
                prune(&theirs);
                let known = ours.members();
                let gone = known.iter().all(|(other, _)| other != name);
                gone.then_some(()).ok_or_else(|| format!("{known:?}"))
            }),
        }
        for agent in both {
            agent.wait_for_members(&[("ours", "alive"), ("theirs", "alive")]);
        }
    }
}

#[test]
fn keys_of_a_mixed_cluster_are_rotated_from_either_side() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("mixed-keys");
    let keygen = |which| stdout(&support::run(which, &["keygen"])).trim().to_owned();
    let mut old = keygen(Which::Reference);
    let mut secrets = vec![old.clone()];
    let start = |which, name: &str, more: &[&str]| {
        let file = scratch.write(&format!("{name}.keys"), &format!("[\"{old}\"]"));
        let args = ["-profile=local", "-log-level=trace", "-keyring-file", &file];
        let args = [&args, more].concat();
        (Agent::start(which, name, &args), file)
    };
    let (ours, our_file) = start(Which::Ours, "ours", &[]);
    let join = ours.ip.to_string();
    let (theirs, their_file) = start(Which::Reference, "theirs", &["-join", &join]);
    for agent in [&ours, &theirs] {
        agent.wait_for_members(&[("ours", "alive"), ("theirs", "alive")]);
    }
    for (agent, which) in [(&ours, Which::Reference), (&theirs, Which::Ours)] {
        let new = keygen(which);
        for step in [["-install", &new], ["-use", &new], ["-remove", &old]] {
            eventually("the step", || {
                let output = agent.run(which, "keys", &step);
                let text = stdout(&output);
                (output.status.success()).then_some(()).ok_or(text)
            });
        }
        old = new;
        secrets.push(old.clone());
        for file in [&our_file, &their_file] {
            eventually("the file", || {
                let text = std::fs::read_to_string(file).unwrap();
                let keys: Vec<String> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                (keys == [old.clone()]).then_some(()).ok_or(text)
            });
        }
        // They still hear each other.
        let output = theirs.run(which, "event", &["-coalesce=false", "rotated"]);
        assert!(output.status.success());
    }
    let heard = || {
        let lines = ours.process.lines();
        let of_event = lines
            .iter()
            .filter(|line| line.contains("user-event: rotated"));
        of_event.count()
    };
    eventually("both events", || {
        (heard() == 2)
            .then_some(())
            .ok_or_else(|| heard().to_string())
    });
    for line in ours.process.lines() {
        let told = secrets.iter().any(|key| line.contains(key));
        assert!(!told, "a key is in the log: {line}");
    }
}
