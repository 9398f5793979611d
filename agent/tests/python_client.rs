//! `serfclient`, the client for Python from PyPI, drives our agent and the reference one alike.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::process::Command;

use support::{Agent, Which, reference_is_installed};

/// A Python that has the client: the one that CI prepares, or that of the machine.
fn python() -> Option<String> {
    let prepared = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python3");
    let found = [prepared, "python3"].into_iter().find(|python| {
        let import = Command::new(python)
            .args(["-c", "import serfclient"])
            .output();
        import.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !ci,
            "serfclient must be installed where CI=true: .ci/run tools"
        );
        eprintln!("skipped: no Python has serfclient");
    }
    found.map(str::to_owned)
}

const SCRIPT: &str = r#"
import sys
from serfclient.client import SerfClient

host, token = sys.argv[1:]
client = SerfClient(host=host, port=7373, rpc_auth=token, timeout=30)
for member in client.members().body[b"Members"]:
    print(sorted(member.items()))
print(client.members(status="failed").body[b"Members"] or [])
print(client.members(name="al.*", tags={"role": "w.*"}).body[b"Members"][0][b"Name"])
print(client.event("deploy", "v1", coalesce=False).head)
print(client.force_leave("nobody").head)
stats = client.stats().body
# Ours tells in a section of its own which wire it speaks to whom.
print(sorted(set(stats) - {b"wire"}), sorted(stats[b"serf"]))
joined = client.join(["127.0.0.1:1"])
print(joined.head[b"Error"][:18], joined.body)
stream = client.stream("user")
print(stream.head)
other = SerfClient(host=host, port=7373, rpc_auth=token, timeout=30)
print(other.event("deploy", "v2", coalesce=False).head)
record = next(stream.body)
print(record.head, sorted(record.body.items()))
client.close()
"#;

#[test]
fn serfclient_sees_no_difference() {
    let Some(python) = python() else { return };
    if !reference_is_installed() {
        return;
    }
    let scratch = support::Scratch::new("python");
    let config = scratch.write("auth.json", r#"{"rpc_auth": "s3cr3t"}"#);
    let [ours, reference] = Which::BOTH.map(|which| {
        let args = ["-config-file", &config, "-tag", "role=web"];
        let agent = Agent::start(which, "alpha", &args);
        let output = Command::new(&python)
            .args(["-c", SCRIPT, &agent.ip.to_string(), "s3cr3t"])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{which:?}: {error}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.replace(&agent.ip.to_string(), "IP")
    });
    assert!(ours.contains("(b'Payload', b'v2')"), "{ours}");
    assert_eq!(ours, reference);
}
