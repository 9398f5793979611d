//! What applications are told and may call, and how nodes end, on every adapter.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use futures_lite::future;
use serf_runtime::{
    CallError, CommandError, Event, Events, JoinError, Lagged, LamportTime, Options, SizeError,
    Status, Stopped, Tags,
};

use crate::harness::{Runtime, cluster, eventually, join, loopback, options, sees, start, within};

/// The next user event, as time, name and payload.
async fn hears_user_event<R: Runtime>(events: &mut Events) -> (u64, String, Vec<u8>) {
    let listening = async {
        loop {
            let event = events.next().await.expect("the node runs");
            if let Event::User(event) = event.expect("the test keeps up") {
                let (name, payload) = (event.name.to_string(), event.payload.to_vec());
                return (event.ltime.get(), name, payload);
            }
        }
    };
    within::<R, _>("a user event should be heard of", listening).await
}

pub async fn a_user_event_reaches_every_node_once<R: Runtime>() {
    let nodes = cluster::<R, 3>(["a", "b", "c"]).await;
    let mut subscriptions = nodes.each_ref().map(|node| node.events());
    let sent = nodes[1].user_event("deploy", b"v1", false).await.unwrap();
    assert_eq!(sent, LamportTime::new(1));
    let deploy = (1, "deploy".to_owned(), b"v1".to_vec());
    for events in &mut subscriptions {
        assert_eq!(hears_user_event::<R>(events).await, deploy);
    }
    // Whoever has had one knows its time, and the next is later.
    let sent = nodes[2].user_event("done", b"", true).await.unwrap();
    assert_eq!(sent, LamportTime::new(2));
    let done = (2, "done".to_owned(), Vec::new());
    for (events, node) in subscriptions.iter_mut().zip(&nodes) {
        assert_eq!(hears_user_event::<R>(events).await, done);
        let stats = node.stats().await.unwrap();
        assert_eq!(stats.counters.user_events, 2);
        assert_eq!(stats.event_time, LamportTime::new(3));
    }
    eventually::<R>("the events should leave the queue", async || {
        nodes[1].stats().await.unwrap().queues.events.depth == 0
    })
    .await;
    for node in &nodes {
        // Copies keep coming as long as anybody spreads it; none is told again.
        assert_eq!(node.stats().await.unwrap().counters.user_events, 2);
    }
}

pub async fn a_user_event_that_is_too_large_is_refused_with_size_and_limit<R: Runtime>() {
    let node = start::<R>("a").await;
    let refused = node.user_event("deploy", &[0; 600], false).await;
    let (size, limit) = (606, 512);
    let too_large = CommandError::TooLarge(SizeError::UserEvent { size, limit });
    assert_eq!(refused, Err(CallError::Refused(too_large)));
    let time = node.stats().await.unwrap().event_time;
    assert_eq!(
        node.user_event("deploy", &[0; 400], false).await.unwrap(),
        time
    );
}

pub async fn a_replaying_join_is_told_old_user_events_and_a_plain_one_is_not<R: Runtime>() {
    let [old, _other] = cluster::<R, 2>(["old", "other"]).await;
    old.user_event("past", b"", false).await.unwrap();
    let (plain, replaying) = (start::<R>("plain").await, start::<R>("replaying").await);
    let mut plain_events = plain.events();
    let mut replaying_events = replaying.events();
    let seeds = [old.advertise_addr().to_string()];
    // Nothing is left to be gossiped: a join alone can tell what was.
    eventually::<R>("the event should leave the queue", async || {
        old.stats().await.unwrap().queues.events.depth == 0
    })
    .await;
    let joined = plain.join(&seeds).await.unwrap();
    assert_eq!(joined.failed, []);
    let joined = replaying.join_replaying(&seeds).await.unwrap();
    assert_eq!(joined.failed, []);
    let past = (1, "past".to_owned(), Vec::new());
    assert_eq!(hears_user_event::<R>(&mut replaying_events).await, past);
    old.user_event("present", b"", false).await.unwrap();
    let present = (2, "present".to_owned(), Vec::new());
    for events in [&mut plain_events, &mut replaying_events] {
        assert_eq!(hears_user_event::<R>(events).await, present);
    }
}

pub async fn a_slow_subscriber_is_told_what_it_missed_and_holds_nobody_up<R: Runtime>() {
    let a = R::bind(options("a").event_capacity(1)).await.unwrap();
    let mut slow = a.events();
    for name in ["b", "c", "d"] {
        let node = start::<R>(name).await;
        join::<R>(&node, &a).await;
        sees::<R>(&a, name, Status::Alive).await;
        within::<R, _>("leaving", node.leave()).await.unwrap();
    }
    sees::<R>(&a, "d", Status::Left).await;
    a.shutdown().await;
    let first = slow.next().await.unwrap();
    let Err(Lagged { missed }) = first else {
        panic!("should have missed some, got {first:?}");
    };
    assert!(missed >= 5, "three joins and three leaves, one is kept");
    assert!(slow.next().await.unwrap().is_ok());
    assert_eq!(slow.next().await, None);
}

pub async fn events_end_when_the_node_stops<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let mut events = b.events();
    within::<R, _>("leaving", b.leave()).await.unwrap();
    let mut kinds = Vec::new();
    let draining = async {
        while let Some(event) = events.next().await {
            if let Event::Member(change) = event.unwrap() {
                kinds.push(change.kind);
            }
        }
    };
    within::<R, _>("events should end", draining).await;
    assert_eq!(b.events().next().await, None);
    let mut events = a.events();
    let (end, ()) = future::zip(
        async {
            // Something that was under way may come first.
            while let Some(event) = events.next().await {
                event.unwrap();
            }
        },
        a.shutdown(),
    )
    .await;
    let () = end;
}

pub async fn a_stopped_node_answers_that_it_has_stopped<R: Runtime>() {
    let a = start::<R>("a").await;
    let waiting = a.clone();
    future::zip(a.shutdown(), waiting.stopped()).await;
    a.stopped().await;
    a.shutdown().await;
    assert_eq!(a.members().await, Err(Stopped));
    assert_eq!(a.local().await, Err(Stopped));
    assert_eq!(a.stats().await, Err(Stopped));
    let stopped = CallError::Stopped(Stopped);
    assert_eq!(a.leave().await, Err(stopped.clone()));
    assert_eq!(a.force_leave("x", false).await, Err(stopped.clone()));
    assert_eq!(a.set_tags(Tags::new()).await, Err(stopped.clone()));
    let joined = a.join(&["127.0.0.1:1"]).await;
    assert_eq!(joined.unwrap_err(), JoinError::Call(stopped));
}

pub async fn a_second_leave_is_refused_and_the_first_goes_on<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let (first, second) = within::<R, _>("leaving twice", future::zip(b.leave(), b.leave())).await;
    first.unwrap();
    assert!(matches!(second, Err(CallError::Refused(_))), "{second:?}");
    sees::<R>(&a, "b", Status::Left).await;
}

pub async fn shutdown_closes_the_sockets<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let addr = b.bind_addr();
    b.shutdown().await;
    UdpSocket::bind(addr).expect("the UDP port should be free");
    let refused = TcpStream::connect(addr).expect_err("nobody should listen");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let addr = a.bind_addr();
    within::<R, _>("leaving", a.leave()).await.unwrap();
    let again = R::bind(options("a").bind(addr.to_string())).await.unwrap();
    assert_eq!(again.bind_addr(), addr);
}

pub async fn dropping_the_last_handle_stops_the_node<R: Runtime>() {
    let a = start::<R>("a").await;
    let (addr, mut events) = (a.bind_addr(), a.events());
    drop(a.clone());
    assert_eq!(a.members().await.unwrap().len(), 1);
    drop(a);
    let ended = async { while events.next().await.is_some() {} };
    within::<R, _>("events should end", ended).await;
    UdpSocket::bind(addr).expect("the UDP port should be free");
}

pub async fn calls_from_many_tasks_are_all_answered<R: Runtime>() {
    let a = start::<R>("a").await;
    let calls: Vec<_> = (0..500).map(|_| Box::pin(a.members())).collect();
    // All are asked before the first answer is waited for, and more than the channel holds.
    let mut unanswered = Vec::new();
    for mut call in calls {
        match future::poll_once(&mut call).await {
            Some(members) => assert_eq!(members.unwrap().len(), 1),
            None => unanswered.push(call),
        }
    }
    // Some callers lose interest.
    let kept = unanswered.split_off(unanswered.len() / 2);
    drop(unanswered);
    for call in kept {
        let members = within::<R, _>("an answer", call).await.unwrap();
        assert_eq!(members.len(), 1);
    }
}

pub async fn a_node_at_rest_sleeps<R: Runtime>() {
    let a = R::bind(Options::new("a").bind(format!("{}:0", loopback()))).await;
    let a = a.unwrap();
    let before = a.stats().await.unwrap().sockets.wakes;
    for _ in 0..20 {
        R::sleep(Duration::from_millis(10)).await;
        a.stats().await.unwrap();
    }
    // Questions wake it, and a few timers may fire. One that spins wakes a thousand times as
    // often.
    let wakes = a.stats().await.unwrap().sockets.wakes - before;
    assert!((1..200).contains(&wakes), "{wakes} wakes");
}
