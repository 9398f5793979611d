//! Files that agents share with those of the reference system.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use support::{Agent, Scratch, Which, eventually, reference_is_installed, stdout};

#[test]
fn tags_survive_a_restart_and_either_agent_takes_over_the_file() {
    let mut order = vec![Which::Ours, Which::Ours];
    if reference_is_installed() {
        order.extend([Which::Reference, Which::Ours]);
    }
    let scratch = Scratch::new("tags");
    let file = scratch.path("tags.json");
    for (n, which) in order.into_iter().enumerate() {
        let mut agent = Agent::start(which, "alpha", &["-tags-file", &file]);
        if n > 0 {
            let restored = format!("Restored {n} tag(s) from {file}");
            agent.process.wait_for(&restored);
        }
        let tag = format!("t{n}=of {which:?}");
        let output = agent.run(Which::Ours, "tags", &["-set", &tag]);
        assert_eq!(stdout(&output), "Successfully updated agent tags\n");
        agent.run(Which::Ours, "leave", &[]);
        assert_eq!(agent.process.exit_code(), Some(0));
    }
}

#[test]
fn a_reload_takes_the_tags_of_the_tags_file() {
    let scratch = Scratch::new("tags-reload");
    let file = scratch.write("tags.json", r#"{"a": "1"}"#);
    let agent = Agent::start(Which::Ours, "alpha", &["-tags-file", &file]);
    agent.run(Which::Ours, "tags", &["-set", "b=2"]);
    let listed = || stdout(&agent.run(Which::Ours, "members", &[]));
    assert!(listed().ends_with("a=1,b=2\n"), "{}", listed());
    scratch.write("tags.json", r#"{"b": "2", "c": "3"}"#);
    agent.process.signal("HUP");
    eventually("the new tags", || {
        let text = listed();
        text.ends_with("b=2,c=3\n").then_some(()).ok_or(text)
    });
}
