//! The RPC listener of our agent as clients, odd ones and hostile ones included, meet it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rmpv::Value;
use serf_agent::rpc::codec::{Decode, Encode};
use serf_agent::rpc::frame::{Framer, Limits};
use serf_agent::rpc::protocol as msg;
use support::{Agent, Which, eventually};

/// A client that sends what it is told to.
struct Raw {
    stream: TcpStream,
    framer: Framer,
}

impl Raw {
    fn connect(agent: &Agent) -> Self {
        let stream = TcpStream::connect(&agent.rpc_addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream,
            framer: Framer::new(Limits::RESPONSE),
        }
    }

    /// Connects and shakes hands.
    fn greeted(agent: &Agent) -> Self {
        let mut raw = Self::connect(agent);
        raw.send("handshake", 0, Some(&msg::HandshakeRequest { version: 1 }));
        assert_eq!(raw.header(), (0, String::new()));
        raw
    }

    fn send(&mut self, command: &str, seq: u64, body: Option<&dyn Encode>) {
        let mut bytes = Vec::new();
        let command = command.to_owned();
        msg::RequestHeader { command, seq }.encode(&mut bytes);
        if let Some(body) = body {
            body.encode(&mut bytes);
        }
        self.bytes(&bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next value, or `None` at the end of the connection.
    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(value) = self.framer.next_value().unwrap() {
                return Some(value);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => self.framer.push(&buffer[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing arrives: {error}"),
            }
        }
    }

    fn header(&mut self) -> (u64, String) {
        let header = msg::ResponseHeader::decode(self.next().expect("a header")).unwrap();
        (header.seq, header.error)
    }

    fn body<T: Decode>(&mut self) -> T {
        T::decode(self.next().expect("a body")).unwrap()
    }

    fn is_closed(&mut self) -> bool {
        self.next().is_none()
    }
}

fn agent() -> Agent {
    Agent::start(Which::Ours, "alpha", &["-tag", "role=web"])
}

fn text(error: &str) -> String {
    error.to_owned()
}

#[test]
fn the_first_command_must_be_a_handshake() {
    let agent = agent();
    let mut raw = Raw::connect(&agent);
    raw.send("members", 1, None);
    assert_eq!(raw.header(), (1, text("Handshake required")));
    assert!(raw.is_closed());

    let mut raw = Raw::connect(&agent);
    raw.send("handshake", 0, Some(&msg::HandshakeRequest { version: 2 }));
    assert_eq!(raw.header(), (0, text("Unsupported IPC version")));
    raw.send("handshake", 1, Some(&msg::HandshakeRequest { version: 1 }));
    assert_eq!(raw.header(), (1, text("")));
    raw.send("handshake", 5, Some(&msg::HandshakeRequest { version: 1 }));
    assert_eq!(raw.header(), (5, text("Handshake already performed")));
    raw.send("nope", 6, None);
    assert_eq!(raw.header(), (6, text("Unsupported command")));
    assert!(raw.is_closed());
}

#[test]
fn a_header_without_a_key_repeats_the_value_before() {
    let agent = agent();
    let mut raw = Raw::greeted(&agent);
    raw.send("members", 40, None);
    assert_eq!(raw.header(), (40, text("")));
    let first: msg::MembersResponse = raw.body();
    // {"Command": "members"}
    raw.bytes(b"\x81\xa7Command\xa7members");
    assert_eq!(raw.header(), (40, text("")));
    assert_eq!(raw.body::<msg::MembersResponse>(), first);
    assert_eq!(first.members[0].name, "alpha");
    assert_eq!(first.members[0].addr.0, agent.ip.octets());
}

#[test]
fn without_the_token_the_body_is_answered_like_another_request() {
    let file = std::env::temp_dir().join(format!("serf-rpc-auth-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"rpc_auth": "s3cr3t"}"#).unwrap();
    let args = ["-config-file", file.to_str().unwrap()];
    let agent = Agent::start(Which::Ours, "alpha", &args);
    std::fs::remove_file(&file).unwrap();
    let mut raw = Raw::greeted(&agent);
    raw.send(
        "members-filtered",
        2,
        Some(&msg::MembersFilteredRequest::default()),
    );
    assert_eq!(raw.header(), (2, text("Authentication required")));
    assert_eq!(raw.header(), (2, text("Authentication required")));
    let auth = |key: &str| msg::AuthRequest {
        auth_key: key.to_owned(),
    };
    raw.send("auth", 3, Some(&auth("wrong")));
    assert_eq!(raw.header(), (3, text("Invalid authentication token")));
    raw.send("auth", 4, Some(&auth("s3cr3t")));
    assert_eq!(raw.header(), (4, text("")));
    raw.send("members", 5, None);
    assert_eq!(raw.header(), (5, text("")));
}

#[test]
fn subscriptions_have_their_own_errors() {
    let agent = agent();
    let mut raw = Raw::greeted(&agent);
    let stream = |filter: &str| msg::StreamRequest {
        filter: filter.to_owned(),
    };
    let monitor = |level: &str| msg::MonitorRequest {
        log_level: level.to_owned(),
    };
    raw.send("stream", 7, Some(&stream("bogus")));
    assert_eq!(raw.header(), (7, text("Invalid event filter")));
    raw.send("stream", 7, Some(&stream("user,query:x,member-failed")));
    assert_eq!(raw.header(), (7, text("")));
    raw.send("stream", 7, Some(&stream("")));
    assert_eq!(raw.header(), (7, text("Stream with given sequence exists")));
    raw.send("monitor", 8, Some(&monitor("nope")));
    assert_eq!(raw.header(), (8, text("Unknown log level: NOPE")));
    raw.send("monitor", 9, Some(&monitor("err")));
    assert_eq!(raw.header(), (9, text("")));
    raw.send("monitor", 10, Some(&monitor("err")));
    assert_eq!(raw.header(), (10, text("Monitor already exists")));
    for stop in [9, 77, 7] {
        raw.send("stop", 11, Some(&msg::StopRequest { stop }));
        assert_eq!(raw.header(), (11, text("")));
    }
    raw.send("stream", 7, Some(&stream("*")));
    assert_eq!(raw.header(), (7, text("")));
    for seq in 100..163 {
        raw.send("stream", seq, Some(&stream("*")));
        assert_eq!(raw.header(), (seq, text("")));
    }
    raw.send("stream", 163, Some(&stream("*")));
    assert!(raw.header().1.contains("at most 64"));
}

#[test]
fn a_stream_gets_the_events_that_pass_its_filter_until_stopped() {
    let agent = agent();
    let mut raw = Raw::greeted(&agent);
    // The agent's own join, which is handed out a second after the start.
    agent.process.wait_for("Received event: member-join");
    let filter = text("member-update");
    raw.send("stream", 7, Some(&msg::StreamRequest { filter }));
    assert_eq!(raw.header(), (7, text("")));
    let set = |value: &str| msg::TagsRequest {
        tags: [(text("x"), value.to_owned())].into(),
        delete_tags: Some(vec![text("role"), text("nosuch")]),
    };
    raw.send("tags", 8, Some(&set("1")));
    assert_eq!(raw.header(), (8, text("")));
    assert_eq!(raw.header(), (7, text("")));
    let record: msg::MemberEventRecord = raw.body();
    assert_eq!(record.event, "member-update");
    assert_eq!(record.members.len(), 1);
    assert_eq!(record.members[0].tags, [(text("x"), text("1"))].into());

    raw.send("stop", 9, Some(&msg::StopRequest { stop: 7 }));
    assert_eq!(raw.header(), (9, text("")));
    raw.send("tags", 10, Some(&set("2")));
    assert_eq!(raw.header(), (10, text("")));
    raw.send("stats", 11, None);
    assert_eq!(raw.header(), (11, text("")));
    let stats: msg::Stats = raw.body();
    assert_eq!(stats["agent"]["name"], "alpha");
    assert_eq!(stats["tags"]["x"], "2");
}

#[test]
fn answers_of_failed_commands_have_the_bodies_that_clients_wait_for() {
    let agent = agent();
    let mut raw = Raw::greeted(&agent);
    let existing = vec![text("127.0.0.1:1"), text("[x")];
    let replay = false;
    raw.send("join", 22, Some(&msg::JoinRequest { existing, replay }));
    let (seq, error) = raw.header();
    assert_eq!(seq, 22);
    assert!(error.starts_with("2 errors occurred:\n"), "{error}");
    for line in [
        "\t* Failed to join 127.0.0.1: dial tcp 127.0.0.1:1: connect: connection refused\n",
        "\t* Failed to resolve [x: ",
    ] {
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(raw.body::<msg::JoinResponse>().num, 0);
    raw.send("list-keys", 23, None);
    assert_eq!(raw.header(), (23, text("1/1 nodes reported failure")));
    let response: msg::KeyResponse = raw.body();
    let reason = "Keyring is empty (encryption not enabled)";
    assert_eq!(response.messages, [(text("alpha"), text(reason))].into());
    assert_eq!(response.keys, Some([].into()));
    raw.send(
        "install-key",
        24,
        Some(&msg::KeyRequest {
            key: text("x").into(),
        }),
    );
    assert!(raw.header().1.contains("not standard base64"));
    let _: msg::KeyResponse = raw.body();
    let mut query = msg::QueryRequest {
        name: text("_serf_conflict"),
        ..msg::QueryRequest::default()
    };
    let reserved = text("Queries cannot contain the '_serf_' prefix");
    raw.send("query", 25, Some(&query));
    assert_eq!(raw.header(), (25, reserved));
    query.name = text("load");
    query.filter_nodes = Some(vec![text("")]);
    raw.send("query", 26, Some(&query));
    let (seq, error) = raw.header();
    assert!(seq == 26 && error.contains("name"), "{error}");
    raw.send("respond", 27, Some(&msg::RespondRequest::default()));
    assert_eq!(raw.header(), (27, text("No pending queries matching ID")));
    raw.send(
        "get-coordinate",
        28,
        Some(&msg::CoordinateRequest {
            node: text("nobody"),
        }),
    );
    assert_eq!(raw.header(), (28, text("")));
    assert_eq!(
        raw.body::<msg::CoordinateResponse>(),
        msg::CoordinateResponse::default()
    );
    let big = [(text("x"), "y".repeat(600))].into();
    raw.send(
        "tags",
        29,
        Some(&msg::TagsRequest {
            tags: big,
            delete_tags: None,
        }),
    );
    let (_, error) = raw.header();
    assert!(error.contains("512"), "{error}");
}

#[test]
fn requests_that_cannot_be_read_close_the_connection_without_an_answer() {
    let agent = agent();
    let name = text("(");
    let mut raw = Raw::greeted(&agent);
    let bad = msg::MembersFilteredRequest {
        name,
        ..Default::default()
    };
    raw.send("members-filtered", 14, Some(&bad));
    assert!(raw.is_closed());
    for garbage in [
        // Not msgpack; a header that is no record; a Seq that is no number.
        &b"\xc1"[..],
        b"\xa3abc",
        b"\x81\xa3Seq\xa1x",
        // More bytes, more elements, deeper than anybody needs.
        b"\xdb\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        &[0x91; 100],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut raw = Raw::greeted(&agent);
        raw.bytes(garbage);
        assert!(raw.is_closed(), "{garbage:?}");
        let mut raw = Raw::connect(&agent);
        raw.bytes(garbage);
        let _ = raw.stream.shutdown(Shutdown::Write);
        while raw.next().is_some() {}
    }
    assert!(agent.run(Which::Ours, "members", &[]).status.success());
}

#[test]
fn idle_half_sent_and_unread_connections_do_not_hold_up_others() {
    let agent = agent();
    let mut stalled = Vec::new();
    for n in 0..100 {
        let mut raw = Raw::greeted(&agent);
        match n % 3 {
            0 => {}
            // Half a message.
            1 => raw.bytes(b"\x82\xa7Command\xda\xff\xff"),
            // Asks for much and reads nothing.
            _ => {
                let filter = text("*");
                raw.send("stream", 1, Some(&msg::StreamRequest { filter }));
                let log_level = text("trace");
                raw.send("monitor", 2, Some(&msg::MonitorRequest { log_level }));
                for seq in 10..200 {
                    raw.send("members", seq, None);
                }
            }
        }
        stalled.push(raw);
    }
    for _ in 0..20 {
        assert!(agent.run(Which::Ours, "members", &[]).status.success());
    }
    // Half a message does not stay for ever.
    assert!(stalled[1].is_closed());
    let resident = agent.process.resident();
    assert!(resident < 32 * 1024, "{resident} KiB");
}

#[test]
fn the_longest_idle_of_too_many_clients_makes_room() {
    let agent = agent();
    let mut clients: Vec<Raw> = (0..256).map(|_| Raw::greeted(&agent)).collect();
    for _ in 0..3 {
        assert!(agent.run(Which::Ours, "members", &[]).status.success());
    }
    assert!(clients[0].is_closed());
    agent
        .process
        .wait_for("it was idle, and others need its place");
    // Who came late is still served.
    let last = clients.last_mut().unwrap();
    last.send("members", 1, None);
    assert_eq!(last.header().1, "");
}

#[test]
fn too_many_busy_clients_leave_no_room_until_they_go() {
    let agent = agent();
    let mut clients: Vec<Raw> = (0..256).map(|_| Raw::greeted(&agent)).collect();
    for client in &mut clients {
        let filter = text("*");
        client.send("stream", 1, Some(&msg::StreamRequest { filter }));
        assert_eq!(client.header().1, "");
    }
    let mut refused = Raw::connect(&agent);
    assert!(refused.is_closed());
    agent.process.wait_for("256 clients are connected and busy");
    clients.truncate(200);
    eventually("a place", || {
        let output = agent.run(Which::Ours, "members", &[]);
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| support::stdout(&output))
    });
}

#[test]
fn hundreds_of_connections_that_say_nothing_or_garbage_do_no_harm() {
    let agent = agent();
    let before = agent.process.resident();
    let mut strangers = Vec::new();
    for n in 0..600_u32 {
        let mut stranger = Raw::connect(&agent);
        if n % 2 == 0 {
            // It may have been closed already.
            let _ = stranger.stream.write_all(&n.to_be_bytes().repeat(100));
        }
        strangers.push(stranger);
    }
    eventually("an answer", || {
        let output = agent.run(Which::Ours, "members", &[]);
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| support::stdout(&output))
    });
    let after = agent.process.resident();
    assert!(after < before + 8 * 1024, "{before} KiB, then {after} KiB");
}

#[test]
fn a_query_ends_by_itself_or_when_it_is_stopped_and_gives_its_number_back() {
    let agent = agent();
    let mut raw = Raw::greeted(&agent);
    let query = |millis: i64| msg::QueryRequest {
        request_ack: true,
        timeout: millis * 1_000_000,
        name: text("_serf_ping"),
        ..msg::QueryRequest::default()
    };
    for seq in [7, 7] {
        // A number is free again once the query is over.
        raw.send("query", seq, Some(&query(100)));
        assert_eq!(raw.header(), (seq, text("")));
        assert_eq!(raw.header(), (seq, text("")));
        let ack: msg::QueryRecord = raw.body();
        assert_eq!((ack.kind.as_str(), ack.from.as_str()), ("ack", "alpha"));
        assert_eq!(raw.header(), (seq, text("")));
        let done: msg::QueryRecord = raw.body();
        assert_eq!((done.kind.as_str(), done.from.as_str()), ("done", ""));
    }
    raw.send("query", 8, Some(&query(600_000)));
    assert_eq!(raw.header(), (8, text("")));
    assert_eq!(raw.header(), (8, text("")));
    let _ack: msg::QueryRecord = raw.body();
    raw.send("query", 8, Some(&query(100)));
    assert_eq!(raw.header(), (8, text("Stream with given sequence exists")));
    raw.send("stop", 9, Some(&msg::StopRequest { stop: 8 }));
    assert_eq!(raw.header(), (9, text("")));
    raw.send("members", 10, None);
    assert_eq!(raw.header(), (10, text("")));
}
