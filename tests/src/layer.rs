//! What Serf adds to the membership, on every adapter: queries, round trips, keys, snapshots.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::fs;
use std::time::Duration;

use serf_runtime::files::{load_keyring, save_keyring};
use serf_runtime::{
    Answer, AnswerError, BindError, Event, Events, Handle, JoinError, Key, KeyOperation, Keyring,
    Query, QueryParams, RespondError, SeedFailureReason, Status, StreamFailure, Tags,
};

use crate::harness::{Runtime, cluster, eventually, join, member, options, sees, start, within};

/// The next query that the application is asked.
async fn is_asked<R: Runtime>(events: &mut Events) -> Query {
    let listening = async {
        loop {
            let event = events.next().await.expect("the node runs");
            if let Event::Query(query) = event.expect("the test keeps up") {
                return query;
            }
        }
    };
    within::<R, _>("a query should come", listening).await
}

/// The name of the next user event.
async fn is_told<R: Runtime>(events: &mut Events) -> String {
    let listening = async {
        loop {
            let event = events.next().await.expect("the node runs");
            if let Event::User(event) = event.expect("the test keeps up") {
                return event.name.to_string();
            }
        }
    };
    within::<R, _>("a user event should come", listening).await
}

fn response(answer: Option<Answer>) -> (String, Vec<u8>) {
    match answer {
        Some(Answer::Response { from, payload }) => (from.to_string(), payload.to_vec()),
        other => panic!("a response should come, not {other:?}"),
    }
}

pub async fn a_query_is_asked_of_those_that_pass_and_answers_come_as_they_are_sent<R: Runtime>() {
    let nodes = cluster::<R, 3>(["a", "b", "c"]).await;
    let tags = Tags::from([("role".to_owned(), "web".to_owned())]);
    nodes[1].set_tags(tags.clone()).await.unwrap();
    nodes[2].set_tags(tags).await.unwrap();
    let mut events = nodes.each_ref().map(|node| node.events());
    let params = QueryParams {
        filter_tags: [("role".to_owned(), "^we".to_owned())].into(),
        request_ack: true,
        // By default it is over too soon for a busy machine, as gossip is so fast here.
        timeout: Some(Duration::from_secs(2)),
        ..QueryParams::default()
    };
    let mut answers = nodes[0].query("load", b"1m", params).await.unwrap();
    let mut acks = Vec::new();
    for (n, node) in nodes.iter().enumerate().skip(1) {
        let query = is_asked::<R>(&mut events[n]).await;
        assert_eq!((&*query.name, &*query.payload), ("load", &b"1m"[..]));
        node.respond(query.key, format!("load {n}").as_bytes())
            .await
            .unwrap();
        // The first answers before the second has.
        let (from, payload) = loop {
            match within::<R, _>("an answer", answers.next()).await {
                Some(Answer::Ack { from }) => acks.push(from.to_string()),
                answer => break response(answer),
            }
        };
        assert_eq!(from, node.name().as_str());
        assert_eq!(payload, format!("load {n}").as_bytes());
    }
    while let Some(answer) = within::<R, _>("the end", answers.next()).await {
        match answer {
            Answer::Ack { from } => acks.push(from.to_string()),
            answer => panic!("{answer:?} should not come"),
        }
    }
    acks.sort();
    assert_eq!(acks, ["b", "c"]);
    let summary = answers.summary().unwrap();
    assert_eq!((summary.acks, summary.responses), (2, 2));
    assert_eq!(nodes[0].stats().await.unwrap().counters.queries, 0);
}

pub async fn a_query_whose_answers_nobody_takes_holds_up_no_other<R: Runtime>() {
    let nodes = cluster::<R, 2>(["a", "b"]).await;
    let mut events = nodes[1].events();
    let mut unread = Vec::new();
    for _ in 0..20 {
        let ignored = nodes[0].query("ignored", b"", QueryParams::default()).await;
        unread.push(ignored.unwrap());
        let query = is_asked::<R>(&mut events).await;
        nodes[1].respond(query.key, &[7; 500]).await.unwrap();
    }
    let params = QueryParams {
        timeout: Some(Duration::from_secs(10)),
        ..QueryParams::default()
    };
    let mut answers = nodes[0].query("heard", b"", params).await.unwrap();
    let query = is_asked::<R>(&mut events).await;
    assert_eq!(&*query.name, "heard");
    nodes[1].respond(query.key, b"here").await.unwrap();
    let answer = within::<R, _>("an answer", answers.next()).await;
    assert_eq!(response(answer), ("b".to_owned(), b"here".to_vec()));
    // Those of the others are there still.
    let answer = within::<R, _>("an answer", unread[0].next()).await;
    assert_eq!(response(answer).1, [7; 500]);
}

pub async fn an_answer_that_cannot_be_sent_is_refused_with_the_reason<R: Runtime>() {
    let node = start::<R>("a").await;
    let mut events = node.events();
    let answers = node.query("load", b"", QueryParams::default()).await;
    let mut answers = answers.unwrap();
    let query = is_asked::<R>(&mut events).await;
    let too_large = node.respond(query.key, &[0; 1100]).await.unwrap_err();
    assert!(too_large.to_string().contains("1024"), "{too_large}");
    node.respond(query.key, b"once").await.unwrap();
    let twice = node.respond(query.key, b"twice").await.unwrap_err();
    assert_eq!(twice, AnswerError::Refused(RespondError::AlreadySent));
    assert_eq!(response(answers.next().await).1, b"once");
    assert_eq!(within::<R, _>("the end", answers.next()).await, None);
    let late = node.respond(query.key, b"late").await.unwrap_err();
    let late = matches!(late, AnswerError::Refused(_));
    assert!(late);
}

pub async fn a_query_that_cannot_be_asked_is_refused_with_the_reason<R: Runtime>() {
    let node = start::<R>("a").await;
    let params = QueryParams {
        filter_tags: [("role".to_owned(), "(".to_owned())].into(),
        ..QueryParams::default()
    };
    let refused = node.query("load", b"", params).await.unwrap_err();
    assert!(refused.to_string().contains("'('"), "{refused}");
    let refused = node.query("load", &[0; 1100], QueryParams::default()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("1024"), "{refused}");
}

pub async fn members_learn_how_far_apart_they_are<R: Runtime>() {
    let [a, _b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    eventually::<R>("a should hear where b and c are", async || {
        let b = a.coordinate("b").await.unwrap();
        b.is_some() && a.coordinate("c").await.unwrap().is_some()
    })
    .await;
    let own = c.coordinate("c").await.unwrap().unwrap();
    let rtt = own.distance_to(&a.coordinate("b").await.unwrap().unwrap());
    assert!(rtt.as_secs() < 10, "{rtt:?}");
    assert_eq!(a.coordinate("nobody").await.unwrap(), None);
}

fn key(fill: u8) -> Key {
    Key::new(&[fill; 32]).unwrap()
}

async fn encrypted<R: Runtime>(name: &str, fill: u8) -> Handle {
    let options = options(name).keyring(Keyring::new(key(fill)));
    R::bind(options).await.unwrap()
}

pub async fn keys_are_rotated_everywhere_and_kept_in_the_file<R: Runtime>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyring.json");
    save_keyring(&path, &Keyring::new(key(1))).unwrap();
    let a = R::bind(options("a").keyring_file(&path)).await.unwrap();
    let b = encrypted::<R>("b", 1).await;
    join::<R>(&b, &a).await;
    sees::<R>(&a, "b", Status::Alive).await;
    assert!(a.stats().await.unwrap().encrypted);
    for operation in [
        KeyOperation::Install(key(2)),
        KeyOperation::Use(key(2)),
        KeyOperation::Remove(key(1)),
    ] {
        let report = within::<R, _>("keys", b.key_operation(operation)).await;
        let report = report.unwrap();
        assert!(report.is_complete(), "{report:?}");
    }
    let report = within::<R, _>("keys", a.key_operation(KeyOperation::List)).await;
    let expected = (key(2).to_base64().to_string(), 2);
    assert_eq!(report.unwrap().keys, [expected].into());
    eventually::<R>("the file should have the new key alone", async || {
        load_keyring(&path).is_ok_and(|ring| ring == Keyring::new(key(2)))
    })
    .await;
}

pub async fn s_32_a_wrong_key_keeps_out_and_is_kept_nowhere<R: Runtime>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyring.json");
    let a = encrypted::<R>("a", 1).await;
    let options = options("b")
        .keyring(Keyring::new(key(9)))
        .keyring_file(&path);
    let b = R::bind(options).await.unwrap();
    let seeds = [a.advertise_addr().to_string()];
    let refused = within::<R, _>("joining", b.join(&seeds)).await.unwrap_err();
    let JoinError::Unreachable(failures) = &refused else {
        panic!("{refused}");
    };
    let reason = SeedFailureReason::Exchange(StreamFailure::Declined);
    assert_eq!(failures[0].reason, reason);
    assert!(a.stats().await.unwrap().counters.dropped_undecryptable > 0);
    assert_eq!(a.stats().await.unwrap().alive, 1);
    assert!(
        !path.exists(),
        "a key that was never changed is not written"
    );
}

pub async fn a_keyring_file_that_cannot_be_used_is_named<R: Runtime>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyring.json");
    for content in [None, Some("[]"), Some("[\"short\"]"), Some("{")] {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let refused = R::bind(options("a").keyring_file(&path)).await.unwrap_err();
        assert!(matches!(refused, BindError::File(_)), "{refused}");
        assert!(refused.to_string().contains("keyring.json"), "{refused}");
    }
}

pub async fn s_27_a_node_with_a_snapshot_finds_back_and_hears_what_it_missed<R: Runtime>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let [a, _other] = cluster::<R, 2>(["a", "other"]).await;
    let b = R::bind(options("b").snapshot(&path)).await.unwrap();
    // It comes back where it was: from another address, while the others still believe in it, it
    // would be taken for a second one of its name.
    let addr = b.bind_addr().to_string();
    let with_snapshot = || options("b").bind(&addr).snapshot(&path);
    join::<R>(&b, &a).await;
    sees::<R>(&b, "a", Status::Alive).await;
    // What the application was not told before the end counts as missed.
    let mut events = b.events();
    a.user_event("before", b"", false).await.unwrap();
    assert_eq!(is_told::<R>(&mut events).await, "before");
    b.shutdown().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("alive: a "), "{text}");
    assert!(text.contains("event-clock: 1"), "{text}");

    a.user_event("meanwhile", b"", false).await.unwrap();
    let (b, mut events) = R::bind_with_events(with_snapshot()).await.unwrap();
    assert_eq!(is_told::<R>(&mut events).await, "meanwhile");
    sees::<R>(&b, "a", Status::Alive).await;
    assert_eq!(b.stats().await.unwrap().counters.user_events, 1);

    // Who leaves of its own will stays away.
    b.leave().await.unwrap();
    let b = R::bind(with_snapshot()).await.unwrap();
    assert_eq!(member(&b, "a").await, None);
}

pub async fn s_33_a_damaged_snapshot_starts_and_a_full_disk_is_reported<R: Runtime>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let a = start::<R>("a").await;
    let alive = format!("alive: a {}\n", a.advertise_addr());
    let damaged = [
        "what: ever\n",
        &alive,
        "\0\0\0\0\n",
        "clock: 7\nclock: x\nevent-cl",
    ];
    fs::write(&path, damaged.concat()).unwrap();
    let b = R::bind(options("b").snapshot(&path)).await.unwrap();
    sees::<R>(&b, "a", Status::Alive).await;
    assert!(b.stats().await.unwrap().member_time.get() > 7);

    let full = std::path::Path::new("/dev/full");
    if full.exists() {
        let c = R::bind(options("c").snapshot(full)).await.unwrap();
        join::<R>(&c, &a).await;
        eventually::<R>("the trouble should show", async || {
            let snapshot = c.stats().await.unwrap().snapshot.unwrap();
            snapshot.failures > 0 && snapshot.trouble.is_some()
        })
        .await;
        sees::<R>(&c, "b", Status::Alive).await;
        sees::<R>(&a, "c", Status::Alive).await;
    }
}

pub async fn s_14_a_node_whose_name_is_taken_is_told_and_stops<R: Runtime>() {
    let [a, b, _c] = cluster::<R, 3>(["a", "b", "c"]).await;
    let twin = start::<R>("b").await;
    let mut events = twin.events();
    join::<R>(&twin, &a).await;
    let listening = async {
        loop {
            if let Ok(Event::NameVote { lost, .. }) = events.next().await.expect("told first") {
                return lost;
            }
        }
    };
    assert!(within::<R, _>("a vote", listening).await);
    within::<R, _>("it should stop", twin.stopped()).await;
    assert_eq!(b.stats().await.unwrap().alive, 3);
}
