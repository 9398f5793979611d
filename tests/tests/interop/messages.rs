//! What applications say: events, queries; and what is measured: coordinates, compression.

use std::fs;

use serf_core::{Answer, Config, Event, QueryParams};

use crate::agent::{Agent, installed, join, member, node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_both_ways_with_their_payload() {
    if !installed() {
        return;
    }
    let handler = "user=cat >> events";
    let go = Agent::start("go", &["-event-handler", handler]).await;
    let ours = node("ours", |o| o).await;
    let mut events = ours.events();
    join(&ours, &[go.addr()]).await;
    ours.user_event("deploy", b"from ours\n", false)
        .await
        .unwrap();
    go.run(&["event", "-coalesce=false", "restart", "from go"]);
    until("the agent heard of it", async || {
        let heard = fs::read_to_string(go.dir.join("events")).unwrap_or_default();
        heard.contains("from ours") && heard.contains("from go")
    })
    .await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let Some(Ok(Event::User(event))) = events.next().await {
            heard.push((event.name.to_string(), event.payload.to_vec()));
        }
    }
    heard.sort();
    let expected = [("deploy", &b"from ours\n"[..]), ("restart", b"from go")];
    assert_eq!(
        heard,
        expected.map(|(name, payload)| (name.to_owned(), payload.to_vec()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_go_both_ways_with_acks_filters_relays_and_payloads() {
    if !installed() {
        return;
    }
    let handler = "query:load=cat; printf ' from go'";
    let go = Agent::start("go", &["-tag", "kind=go", "-event-handler", handler]).await;
    let other = Agent::start("other", &["-tag", "kind=other"]).await;
    let ours = node("ours", |o| o).await;
    let mut events = ours.events();
    join(&ours, &[go.addr(), other.addr()]).await;
    until("all know all", async || {
        go.members().len() == 3
            && other.members().len() == 3
            && ours.members().await.unwrap().len() == 3
    })
    .await;

    let params = QueryParams {
        request_ack: true,
        relay_factor: 2,
        filter_tags: [("kind".to_owned(), "^go$".to_owned())].into(),
        ..QueryParams::default()
    };
    let mut answers = ours.query("load", b"1m", params).await.unwrap();
    let (mut acks, mut responses) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        match answer {
            Answer::Ack { from } => acks.push(from.to_string()),
            Answer::Response { from, payload } => {
                responses.push((from.to_string(), payload.to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acks, ["go"], "the filter holds");
    // Handlers of the reference system get a newline after the payload.
    assert_eq!(responses, [("go".to_owned(), b"1m\n from go".to_vec())]);

    let responder = {
        let ours = ours.clone();
        tokio::spawn(async move {
            loop {
                if let Some(Ok(Event::Query(query))) = events.next().await
                    && &*query.name == "ask"
                {
                    assert_eq!(&*query.payload, b"what");
                    return ours.respond(query.key, b"from ours").await.unwrap();
                }
            }
        })
    };
    let out = other.run(&["query", "-relay-factor=2", "-node=ours", "ask", "what"]);
    responder.await.unwrap();
    assert!(out.contains("Ack from 'ours'"), "{out}");
    assert!(out.contains("Response from 'ours': from ours"), "{out}");
    assert!(out.contains("Total Responses: 1"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_know_how_far_away_the_other_is() {
    if !installed() {
        return;
    }
    let go = Agent::start("go", &[]).await;
    let ours = node("ours", |o| o).await;
    join(&ours, &[go.addr()]).await;
    until("the agent knows the distance", async || {
        let out = go.cli(&["rtt", "go", "ours"]);
        out.status.success()
            && String::from_utf8_lossy(&out.stdout).contains("Estimated go <-> ours rtt")
    })
    .await;
    until("ours knows the distance", async || {
        ours.coordinate("go").await.unwrap().is_some()
    })
    .await;
    assert_eq!(ours.stats().await.unwrap().counters.dropped_coordinates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_may_be_on_or_off_on_either_side() {
    if !installed() {
        return;
    }
    let off = |dir: &std::path::PathBuf| {
        fs::write(dir.join("config.json"), br#"{"enable_compression": false}"#).unwrap();
    };
    let plain = Agent::start_with("go-plain", &["-config-file=config.json"], off).await;
    let packed = Agent::start("go-packed", &[]).await;
    let config = |on| Config {
        compress_packets: on,
        compress_streams: on,
        ..Config::local()
    };
    let on = node("ours-packed", |o| o.config(config(true))).await;
    let off = node("ours-plain", |o| o.config(config(false))).await;
    join(&on, &[plain.addr()]).await;
    join(&off, &[packed.addr()]).await;
    plain.run(&["join", &off.advertise_addr().to_string()]);
    packed.run(&["join", &on.advertise_addr().to_string()]);
    until("all know all", async || {
        plain.members().len() == 4
            && packed.members().len() == 4
            && on.members().await.unwrap().len() == 4
            && off.members().await.unwrap().len() == 4
    })
    .await;
    on.user_event("long", &[b'x'; 400], false).await.unwrap();
    for agent in [&plain, &packed] {
        until("the agent heard of it", async || {
            agent.log().contains("user-event: long")
        })
        .await;
    }
    for node in [&on, &off] {
        let counters = node.stats().await.unwrap().counters;
        assert_eq!(counters.dropped_compressed, 0);
        assert_eq!(counters.dropped_malformed, 0);
    }
    assert!(member(&on, "go-packed").await.is_some());
}
