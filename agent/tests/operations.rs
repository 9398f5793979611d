//! What operators connect to an agent: supervisors, collectors of metrics, balancers, log readers.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{
    Agent, Process, Scratch, Which, eventually, fresh_ip, reference_is_installed, run, stderr,
    stdout,
};

/// Status code and body.
fn get(ip: Ipv4Addr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect((ip, 7374)).unwrap();
    let timeout = Some(Duration::from_secs(60));
    stream.set_read_timeout(timeout).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn with_http(name: &str, more: &[&str]) -> Agent {
    let ip = fresh_ip();
    let http = format!("-http-addr={ip}:7374");
    let args: Vec<&str> = std::iter::once(http.as_str())
        .chain(more.iter().copied())
        .collect();
    Agent::start_at(Which::Ours, ip, name, &args)
}

#[test]
fn health_is_ready_in_company_and_degraded_with_the_reason_when_alone() {
    let alpha = with_http("alpha", &["-profile=local"]);
    let (status, body) = get(alpha.ip, "/healthz");
    assert_eq!(status, 503);
    assert!(
        body.contains(r#""status":"degraded","reasons":["alone: "#),
        "{body}"
    );

    let join = alpha.ip.to_string();
    let mut beta = Agent::start(Which::Ours, "beta", &["-profile=local", "-join", &join]);
    let (status, body) = get(alpha.ip, "/healthz");
    assert_eq!(status, 200);
    assert_eq!(
        body,
        "{\"status\":\"ready\",\"reasons\":[],\"alive\":2,\"failed\":0}\n"
    );

    beta.process.kill();
    eventually("degraded health", || match get(alpha.ip, "/healthz") {
        (503, body) if body.contains(r#""failed":1"#) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn metrics_are_there_for_prometheus_and_other_paths_are_refused_with_those_there_are() {
    let agent = with_http("alpha", &["-event-handler=user:deploy=true"]);
    agent.run(Which::Ours, "event", &["deploy"]);
    eventually("the handler's run", || {
        let (status, body) = get(agent.ip, "/metrics");
        assert_eq!(status, 200);
        let has = |line: &str| body.lines().any(|it| it == line);
        assert!(
            has("# TYPE serf_members gauge") && has("serf_members 1"),
            "{body}"
        );
        let seen = has("serf_events_total 1")
            && has(r#"serf_events_by_name_total{name="deploy"} 1"#)
            && has(r#"serf_agent_invoke_seconds_count{script="true"} 1"#);
        seen.then_some(()).ok_or(body)
    });
    let (status, body) = get(agent.ip, "/");
    assert_eq!(
        (status, body.as_str()),
        (404, "accepted are /metrics and /healthz\n")
    );
}

#[test]
fn metrics_say_how_long_members_take_to_answer_probes() {
    let alpha = with_http("alpha", &["-profile=local"]);
    let join = alpha.ip.to_string();
    let _beta = Agent::start(Which::Ours, "beta", &["-profile=local", "-join", &join]);
    eventually("a probe that was answered", || {
        let (_, body) = get(alpha.ip, "/metrics");
        let number = |name: &str| -> Option<f64> {
            let line = body.lines().find(|line| line.starts_with(name))?;
            line.rsplit_once(' ')?.1.parse().ok()
        };
        let count = number("serf_round_trip_seconds_count").unwrap_or_default();
        let sum = number("serf_round_trip_seconds_sum").unwrap_or_default();
        (count > 0.0 && sum > 0.0).then_some(()).ok_or(body)
    });
}

#[test]
fn clients_of_http_that_stall_do_not_keep_others_out_for_ever() {
    let agent = with_http("alpha", &[]);
    let _stalled: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect((agent.ip, 7374)).unwrap();
            stream.write_all(b"GET /metr").unwrap();
            stream
        })
        .collect();
    assert_eq!(get(agent.ip, "/healthz").0, 503);
}

#[test]
fn why_tells_what_happened_to_a_member() {
    let alpha = Agent::start(Which::Ours, "alpha", &["-profile=local"]);
    let join = alpha.ip.to_string();
    let mut beta = Agent::start(Which::Ours, "beta", &["-profile=local", "-join", &join]);
    beta.process.kill();
    alpha.wait_for_members(&[("alpha", "alive"), ("beta", "failed")]);
    let output = alpha.run(Which::Ours, "why", &["beta"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "beta is failed");
    for (line, words) in lines[1..].iter().zip([
        "member-join    it announced itself",
        "suspected      it answered neither this node's probe nor its helpers'",
        "member-failed  it did not refute in time what it was accused of by alpha",
    ]) {
        assert!(line.ends_with(words), "{text}");
    }
    let json = stdout(&alpha.run(Which::Ours, "why", &["-format=json", "beta"]));
    let story: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(story["history"][2]["event"], "member-failed");

    let output = alpha.run(Which::Ours, "why", &["nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("There is no member 'nobody'"));
    if reference_is_installed() {
        let reference = Agent::start(Which::Reference, "alpha", &[]);
        let output = reference.run(Which::Ours, "why", &["alpha"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("does not know the command"));
    }
}

#[test]
fn the_supervisor_is_told_of_start_reload_and_end() {
    let scratch = Scratch::new("notify");
    let path = scratch.path("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let told = || {
        let mut buffer = [0; 512];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let ip = fresh_ip();
    let (bind, rpc) = (format!("-bind={ip}"), format!("-rpc-addr={ip}:7373"));
    let args = ["agent", "-node=alpha", &bind, &rpc];
    let mut agent = Process::start_in(Which::Ours, &args, &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(told(), "READY=1\n");
    agent.signal("HUP");
    let reloading = told();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told(), "READY=1\n");
    agent.signal("INT");
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(agent.exit_code(), Some(0));
}

#[test]
fn numbers_are_pushed_to_statsd_and_statsite() {
    let ip = fresh_ip();
    let statsd = UdpSocket::bind((ip, 8125)).unwrap();
    statsd
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let statsite = TcpListener::bind((ip, 8126)).unwrap();
    let scratch = Scratch::new("sinks");
    let config = format!(r#"{{"statsd_addr": "{ip}:8125", "statsite_addr": "{ip}:8126"}}"#);
    let config = scratch.write("sinks.json", &config);
    let _agent = Agent::start(Which::Ours, "alpha", &["-config-file", &config]);
    let mut datagram = [0; 2048];
    let mut from_statsd = String::new();
    while !from_statsd.contains("serf.queue.Event:0.000000|ms\n") {
        let count = statsd.recv(&mut datagram).unwrap();
        assert!(count <= 1400);
        from_statsd += std::str::from_utf8(&datagram[..count]).unwrap();
    }
    assert!(
        from_statsd.contains("serf-agent.serf.member.join:1.000000|c\n"),
        "{from_statsd}"
    );
    let (stream, _) = statsite.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let wanted = |line: &String| line.ends_with("memberlist.health.score:0.000000|g");
    assert!(lines.take(1000).any(|line| wanted(&line)));
}

/// What the reference system measures of its own code: how long a piece of it took, how large each
/// message was. `docs/inventory.md` says what there is instead.
const MEASURED_THERE_ONLY: [&str; 9] = [
    "serf-agent.memberlist.degraded.probe",
    "serf-agent.memberlist.degraded.timeout",
    "serf-agent.memberlist.gossip",
    "serf-agent.memberlist.probeNode",
    "serf-agent.memberlist.pushPullNode",
    "serf-agent.serf.coordinate.adjustment-ms",
    "serf-agent.serf.msgs.received",
    "serf-agent.serf.msgs.sent",
    "serf-agent.serf.snapshot.appendLine",
];

#[test]
fn what_the_reference_pushes_to_statsd_is_pushed_under_the_same_names_and_types() {
    if !reference_is_installed() {
        return;
    }
    let scratch = Scratch::new("names");
    // Names and types, until there are all of these.
    let pushed = |which: Which, until: &[&str]| {
        let ip = fresh_ip();
        let statsd = UdpSocket::bind((ip, 8125)).unwrap();
        let patience = Some(Duration::from_secs(60));
        statsd.set_read_timeout(patience).unwrap();
        let config = format!(r#"{{"statsd_addr": "{ip}:8125", "event_handlers": ["user=true"]}}"#);
        let config = scratch.write(&format!("{which:?}.json"), &config);
        let args = ["-profile=local", "-config-file", &config];
        let agent = Agent::start_at(which, ip, "alpha", &args);
        let join = ip.to_string();
        let other = [
            "-profile=local",
            "-event-handler=query=echo x",
            "-join",
            &join,
        ];
        let other = Agent::start(which, "beta", &other);
        agent.run(Which::Ours, "event", &["-coalesce=false", "de ploy:x"]);
        agent.run(Which::Ours, "query", &["-timeout=300ms", "load"]);
        other.run(Which::Ours, "tags", &["-set=a=b"]);
        drop(other);
        let mut names = BTreeSet::new();
        let mut datagram = [0; 2048];
        eventually("all names", || {
            let count = statsd.recv(&mut datagram).unwrap();
            for line in std::str::from_utf8(&datagram[..count]).unwrap().lines() {
                let (name, value) = line.rsplit_once(':').unwrap();
                let kind = value.split('|').nth(1).unwrap();
                names.insert(format!("{name}|{kind}"));
            }
            let missing = |name: &&&str| !names.contains(&format!("serf-agent.{name}"));
            let missing: Vec<&&str> = until.iter().filter(missing).collect();
            (missing.is_empty())
                .then_some(())
                .ok_or_else(|| format!("{which:?} lacks {missing:?}"))
        });
        names
    };
    // What comes last of all.
    let last = ["serf.member.failed|c", "serf.queue.Event|ms"];
    let theirs = pushed(Which::Reference, &last);
    let expected: Vec<String> = theirs
        .into_iter()
        .filter(|name| !name.contains(".runtime."))
        .filter(|name| {
            let name = name.split('|').next().unwrap();
            !MEASURED_THERE_ONLY.contains(&name)
        })
        .collect();
    assert!(expected.contains(&"serf-agent.serf.query_acks|c".to_owned()));
    let until: Vec<&str> = expected
        .iter()
        .map(|name| name.trim_start_matches("serf-agent."))
        .collect();
    pushed(Which::Ours, &until);
}

#[test]
fn the_numbers_are_dumped_on_request() {
    let ip = fresh_ip();
    let (bind, rpc) = (format!("-bind={ip}"), format!("-rpc-addr={ip}:7373"));
    let mut agent = Command::new(env!("CARGO_BIN_EXE_serf"))
        .args(["agent", "-node=alpha", &bind, &rpc])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut started = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert!(started.any(|line| line.unwrap().contains("EventMemberJoin: alpha")));
    let pid = agent.id().to_string();
    let kill = |signal: &str| {
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.unwrap().success());
    };
    kill("USR1");
    let mut dumped = BufReader::new(agent.stderr.take().unwrap()).lines();
    let line = "][C] 'serf-agent.serf.member.join': Count: 1";
    let found = dumped.any(|it| it.unwrap().ends_with(line));
    kill("KILL");
    agent.wait().unwrap();
    assert!(found);
}

#[test]
fn structured_lines_have_standard_output_to_themselves() {
    let ip = fresh_ip();
    let (bind, rpc) = (format!("-bind={ip}"), format!("-rpc-addr={ip}:7373"));
    let args = ["agent", "-node=alpha", "-log-format=json", &bind, &rpc];
    let agent = Process::start(Which::Ours, &args);
    agent.wait_for("EventMemberJoin: alpha");
    for line in agent.lines() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(
            line["time"].is_string() && line["level"] == "INFO",
            "{line}"
        );
    }
}

#[test]
fn agents_find_each_other_by_multicast() {
    let cluster = format!("-discover=t{}", std::process::id());
    let args = [cluster.as_str(), "-mdns-iface=lo", "-mdns-disable-ipv6"];
    let alpha = Agent::start(Which::Ours, "alpha", &args);
    let beta = Agent::start(Which::Ours, "beta", &args);
    for agent in [&alpha, &beta] {
        agent.wait_for_members(&[("alpha", "alive"), ("beta", "alive")]);
    }
}

#[test]
fn the_effective_configuration_is_printed_and_can_be_read_again() {
    let scratch = Scratch::new("check");
    let file = scratch.write("a.json", r#"{"tags": {"a": "1"}, "rpc_auth": "s3cr3t"}"#);
    let args = [
        "agent",
        "-check-config",
        "-config-file",
        &file,
        "-tag",
        "b=2",
        "-rejoin",
    ];
    let output = run(Which::Ours, &args);
    assert!(output.status.success());
    assert!(!stdout(&output).contains("s3cr3t"));
    assert!(stderr(&output).contains("'RejoinAfterLeave' enabled without snapshot file"));
    let again = scratch.write("b.json", &stdout(&output));
    let second = run(
        Which::Ours,
        &["agent", "-check-config", "-config-file", &again],
    );
    assert_eq!(stdout(&second), stdout(&output));
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/agent.json");
    let output = run(
        Which::Ours,
        &["agent", "-check-config", "-config-file", example],
    );
    assert!(output.status.success() && stderr(&output).is_empty());
    let wrong = scratch.write("c.json", r#"{"retry_interval": "5", "nope": 1}"#);
    let output = run(
        Which::Ours,
        &["agent", "-check-config", "-config-file", &wrong],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("c.json"), "{}", stderr(&output));
}
