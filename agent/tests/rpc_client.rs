//! The client library against agents of both implementations.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::time::Duration;

use serf_agent::rpc::client::ClientOptions;
use serf_agent::rpc::codec::Decode;
use serf_agent::rpc::protocol::{
    LogRecord, MemberEventRecord, MembersFilteredRequest, QueryEventRecord, QueryRequest,
};
use serf_agent::rpc::{Client, ClientError, ConnectError};
use support::{Agent, Which, fresh_ip, reference_is_installed};

/// The implementations that are there to be tested.
fn installed() -> impl Iterator<Item = Which> {
    let reference = reference_is_installed();
    Which::BOTH
        .into_iter()
        .filter(move |which| *which == Which::Ours || reference)
}

async fn connect(agent: &Agent) -> Client {
    let options = ClientOptions::new(&agent.rpc_addr);
    Client::connect(&options).await.unwrap()
}

fn filter(name: &str) -> MembersFilteredRequest {
    MembersFilteredRequest {
        name: name.to_owned(),
        ..MembersFilteredRequest::default()
    }
}

#[tokio::test]
async fn requests_subscriptions_and_errors_work_with_both() {
    for which in installed() {
        let agent = Agent::start(which, "alpha", &[]);
        // Its own join comes late, grouped with others.
        agent.process.wait_for("Received event: member-join");
        let client = connect(&agent).await;
        let mut events = client.stream("member-update,user").await.unwrap();
        let mut log = client.monitor("info").await.unwrap();
        let line = LogRecord::decode(log.next().await.unwrap()).unwrap().log;
        assert!(
            line.ends_with("[INFO] agent: Serf agent starting"),
            "{line}"
        );

        let tag = ("k".to_owned(), "v".to_owned());
        let set = [tag.clone()].into();
        client.update_tags(set, Vec::new()).await.unwrap();
        let record = events.next().await.unwrap();
        let record = MemberEventRecord::decode(record).unwrap();
        assert_eq!(record.event, "member-update");
        assert_eq!(record.members[0].tags, [tag].into());

        client.stop(events.handle()).await.unwrap();
        assert_eq!(events.next().await, None);
        client.stop(log.handle()).await.unwrap();
        let members = client.members_filtered(&filter("alpha")).await.unwrap();
        assert_eq!(members[0].ip(), Some(agent.ip.into()));
        assert_eq!(client.members().await.unwrap(), members);
        assert_eq!(client.stats().await.unwrap()["agent"]["name"], "alpha");
        assert_eq!(client.coordinate("nobody").await.unwrap(), None);
        client.force_leave("nobody", true).await.unwrap();
        let nobody = [fresh_ip().to_string()];
        let error = client.join(&nobody, false).await.unwrap_err();
        assert!(error.to_string().contains("connection refused"), "{error}");
        let error = client.stream("bogus").await.unwrap_err();
        assert_eq!(
            error,
            ClientError::Server("Invalid event filter".to_owned())
        );

        // The agent closes the connection, and all that waits on it ends.
        let mut log = client.monitor("err").await.unwrap();
        let error = client.members_filtered(&filter("(")).await.unwrap_err();
        assert_eq!(error, ClientError::Closed);
        while log.next().await.is_some() {}
        assert!(client.is_closed());
        assert_eq!(client.members().await, Err(ClientError::Closed));

        connect(&agent).await.leave().await.unwrap();
    }
}

#[tokio::test]
async fn requests_of_several_tasks_get_their_own_answers() {
    for which in installed() {
        let agent = Agent::start(which, "alpha", &[]);
        let client = connect(&agent).await;
        let wanted = filter("nobody");
        let (members, stats, nobody) = tokio::join!(
            client.members(),
            client.stats(),
            client.members_filtered(&wanted),
        );
        assert_eq!(members.unwrap()[0].name, "alpha");
        assert!(stats.unwrap().contains_key("runtime"));
        assert_eq!(nobody.unwrap(), []);
    }
}

#[tokio::test]
async fn queries_are_asked_and_answered_by_number_with_both() {
    for which in installed() {
        let agent = Agent::start(which, "alpha", &[]);
        let (asker, client) = (connect(&agent).await, connect(&agent).await);
        let mut events = client.stream("query:load").await.unwrap();
        let request = QueryRequest {
            request_ack: true,
            timeout: 60_000_000_000,
            name: "load".to_owned(),
            ..QueryRequest::default()
        };
        let mut replies = asker.query(&request).await.unwrap();
        let event = QueryEventRecord::decode(events.next().await.unwrap()).unwrap();
        assert_eq!(
            (event.event.as_str(), event.id, event.ltime),
            ("query", 1, 1)
        );
        client.respond(event.id, b"0.42").await.unwrap();
        let mut records = Vec::new();
        for _ in 0..2 {
            let record = replies.next().await.unwrap().unwrap();
            assert_eq!(record.from, "alpha");
            records.push((record.kind, record.payload.unwrap_or_default().0));
        }
        records.sort();
        let ack = ("ack".to_owned(), Vec::new());
        assert_eq!(records, [ack, ("response".to_owned(), b"0.42".to_vec())]);
        for (id, words) in [
            (1, "failed to respond to key query: response already sent"),
            (2, "No pending queries matching ID"),
        ] {
            let error = client.respond(id, b"x").await.unwrap_err();
            assert_eq!(error, ClientError::Server(words.to_owned()), "{which:?}");
        }

        let request = QueryRequest {
            timeout: 100_000_000,
            request_ack: false,
            ..request
        };
        let mut replies = asker.query(&request).await.unwrap();
        assert_eq!(replies.next().await, None);
        assert_eq!(replies.next().await, None);
        let failure = asker.list_keys().await.unwrap_err();
        assert_eq!(failure.to_string(), "1/1 nodes reported failure");
        assert_eq!(failure.response.num_err, 1);
        assert!(asker.coordinate("alpha").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_no_agent() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind((fresh_ip(), 0))
        .await
        .unwrap();
    let mut options = ClientOptions::new(listener.local_addr().unwrap().to_string());
    options.timeout = Duration::from_secs(30);
    let peer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail ready\r\n").await.unwrap();
        stream
    };
    let (client, _stream) = tokio::join!(Client::connect(&options), peer);
    let error = client.unwrap_err();
    assert!(
        matches!(error, ConnectError::Refused(ClientError::Closed)),
        "{error}"
    );
}
