//! Encryption, as operators meet it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::{Agent, Scratch, Which, eventually, fresh_ip, run, stdout};

const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Until every member has answered: queries may get lost, and are made to be repeated.
fn keys(agent: &Agent, args: &[&str]) -> String {
    eventually(&format!("{args:?}"), || {
        let output = agent.run(Which::Ours, "keys", args);
        let text = stdout(&output);
        match output.status.success() {
            true => Ok(text),
            false => Err(text),
        }
    })
}

#[test]
fn keys_are_rotated_and_kept_in_the_files_of_all_agents() {
    let scratch = Scratch::new("rotation");
    let names = ["a", "b", "c"];
    let files = names.map(|name| scratch.write(name, &format!("[\"{OLD}\"]")));
    let args = |n: usize| vec!["-keyring-file", files[n].as_str()];
    let a = Agent::start(Which::Ours, "a", &args(0));
    let join = a.ip.to_string();
    let joined = |n| [args(n), vec!["-join", join.as_str()]].concat();
    let b = Agent::start(Which::Ours, "b", &joined(1));
    let mut c = Agent::start(Which::Ours, "c", &joined(2));
    let all = [("a", "alive"), ("b", "alive"), ("c", "alive")];
    for agent in [&a, &b, &c] {
        agent.process.wait_for("Encrypted: true");
        agent
            .process
            .wait_for("agent: Restored keyring with 1 keys from");
        agent.wait_for_members(&all);
    }
    let new = stdout(&run(Which::Ours, &["keygen"]));
    let new = new.trim();
    let text = keys(&b, &["-install", new]);
    assert!(
        text.ends_with("==> Successfully installed key!\n"),
        "{text}"
    );
    let text = keys(&b, &["-use", new]);
    assert!(text.ends_with("==> Successfully changed primary key!\n"));
    eventually("three refusals", || {
        let output = b.run(Which::Ours, "keys", &["-remove", new]);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output);
        let refused = text.contains("failed:  c  Removing the primary key is not allowed\n")
            && text.ends_with("\n\nError removing key: 3/3 nodes reported failure\n");
        refused.then_some(()).ok_or(text)
    });
    keys(&b, &["-remove", OLD]);
    let listed = format!("\n\n{new}  [3/3]\n");
    assert!(keys(&b, &["-list"]).ends_with(&listed));
    let json: serde_json::Value =
        serde_json::from_str(&keys(&a, &["-list", "-format=json"])).unwrap();
    assert_eq!(
        (&json["keys"][new], &json["members"]),
        (&3.into(), &3.into())
    );
    for file in &files {
        eventually("the new key in the file", || {
            let text = std::fs::read_to_string(file).unwrap();
            let keys: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
            (keys == [new]).then_some(()).ok_or(text)
        });
    }
    let (ip, again) = (c.ip, joined(2));
    c.run(Which::Ours, "leave", &[]);
    assert_eq!(c.process.exit_code(), Some(0));
    let c = Agent::start_at(Which::Ours, ip, "c", &again);
    c.wait_for_members(&all);
    let info = stdout(&c.run(Which::Ours, "info", &[]));
    assert!(info.contains("\tencrypted = true\n"), "{info}");
}

#[test]
fn an_agent_that_hears_others_and_has_none_of_their_keys_says_so() {
    let http = "127.0.0.1:0";
    let args = ["-profile=local", "-encrypt", OLD, "-http-addr", http];
    let agent = Agent::start(Which::Ours, "alpha", &args);
    let http = agent.process.wait_for("HTTP listener at ");
    let http = http.rsplit(' ').next().unwrap().to_owned();
    // The answer to a question about health: its status line and its body.
    let health = || {
        let mut stream = TcpStream::connect(&http).unwrap();
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(!health().contains("cannot-decrypt"), "{}", health());
    let seed = agent.ip.to_string();
    let other = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let args = [
        "-profile=local",
        "-encrypt",
        other,
        "-retry-join",
        &seed,
        "-retry-interval=1s",
    ];
    let stranger = Agent::start(Which::Ours, "stranger", &args);
    stranger.process.wait_for("[WARN] agent: Join failed: ");
    let log = agent
        .process
        .wait_for("[ERR] memberlist: Nothing that others send can be decrypted");
    assert!(log.contains("keys -list"), "{log}");
    eventually("the reason", || {
        let answer = health();
        let degraded = answer.starts_with("HTTP/1.1 503") && answer.contains("\"cannot-decrypt: ");
        degraded.then_some(()).ok_or(answer)
    });
    let story = stdout(&agent.run(Which::Ours, "why", &["alpha"]));
    assert!(story.contains("  cannot-decrypt  "), "{story}");

    drop(stranger);
    let args = ["-profile=local", "-encrypt", OLD, "-join", &seed];
    let _friend = Agent::start(Which::Ours, "friend", &args);
    eventually("good health", || {
        let answer = health();
        let ready = answer.starts_with("HTTP/1.1 200");
        ready.then_some(()).ok_or(answer)
    });
}

#[test]
fn agents_with_another_label_are_not_heard() {
    let alpha = Agent::start(Which::Ours, "alpha", &["-label=x"]);
    let join = alpha.ip.to_string();
    let mut other = Agent::spawn(
        Which::Ours,
        fresh_ip(),
        "other",
        &["-label=y", "-join", &join],
    );
    assert_eq!(other.process.exit_code(), Some(1));
    let beta = Agent::start(Which::Ours, "beta", &["-label=x", "-join", &join]);
    for agent in [&alpha, &beta] {
        agent.wait_for_members(&[("alpha", "alive"), ("beta", "alive")]);
    }
}
