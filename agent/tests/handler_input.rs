//! What event handlers are told, of ours and of the reference agent: the same bytes.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use support::{Agent, Scratch, Which, eventually, reference_is_installed};

/// What a handler of this agent was given for each kind of event: its variables, then its input.
fn handled(which: Which, scratch: &Scratch) -> Vec<(String, String)> {
    let file = |kind: &str| scratch.path(&format!("{which:?}-{kind}"));
    // Renamed when complete.
    let handler = format!(
        "*=f=\"{}\"; (env | grep ^SERF_ | LC_ALL=C sort; cat) > \"$f.part\"; mv \"$f.part\" \"$f\"",
        file("$SERF_EVENT-$SERF_USER_EVENT$SERF_QUERY_NAME")
    );
    let args = ["-profile=local", "-tag=role=we\tb", "-tag=d-c.1é=a,b=c"];
    let args = [&args[..], &["-event-handler", &handler]].concat();
    let agent = Agent::start(which, "alpha", &args);
    let read = |kind: &str| {
        let path = file(kind);
        let text = eventually(&path, || {
            std::fs::read_to_string(&path).map_err(|error| error.to_string())
        });
        (kind.to_owned(), text)
    };
    // Its own join: tags come in any order.
    let (kind, text) = read("member-join-");
    let text = text.replace("d-c.1é=a,b=c,role=we\\tb", "role=we\\tb,d-c.1é=a,b=c");
    let mut all = vec![(kind, text)];
    std::fs::remove_file(file("member-join-")).unwrap();

    let join = agent.ip.to_string();
    let odd = ["-profile=local", "-tag=role=r\t1\n2,3|4", "-join", &join];
    let mut other = Agent::start(which, "be\tta\nx,y", &odd);
    all.push(read("member-join-"));
    other.run(Which::Ours, "tags", &["-set=role=new\n"]);
    all.push(read("member-update-"));
    for (name, payload) in [
        ("plain", ""),
        ("pay", "load"),
        ("line", "x\n"),
        ("odd name", "ä\ty\n\nz"),
    ] {
        agent.run(Which::Ours, "event", &["-coalesce=false", name, payload]);
        all.push(read(&format!("user-{name}")));
        agent.run(Which::Ours, "query", &["-timeout=10ms", name, payload]);
        all.push(read(&format!("query-{name}")));
    }
    other.process.signal("INT");
    other.process.exit_code();
    all.push(read("member-leave-"));
    let ips = [agent.ip, other.ip].map(|ip| ip.to_string());
    for (_, text) in &mut all {
        *text = text.replace(&ips[0], "IP-1").replace(&ips[1], "IP-2");
    }
    all
}

#[test]
fn handlers_of_both_agents_are_told_the_same_bytes() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("handler-input");
    let [ours, reference] = Which::BOTH.map(|which| handled(which, &scratch));
    assert_eq!(ours, reference);
    let (_, text) = &ours[1];
    let line = "be\\tta\\nx,y\tIP-2\tr\\t1\\n2,3|4\trole=r\\t1\\n2,3|4\n";
    assert!(text.ends_with(line), "{text:?}");
}
