//! Members that come, go, fail and change, on every adapter.

#![allow(missing_docs, reason = "the names of the tests say it")]

use serf_runtime::MemberEventKind::{Failed, Join, Leave, Update};
use serf_runtime::{CallError, Cause, Options, Status, Tags};

use crate::harness::{
    Runtime, cluster, eventually, hears, join, loopback, member, options, sees, start, within,
};

pub async fn a_lone_node_knows_itself<R: Runtime>() {
    let node = start::<R>("a").await;
    assert_ne!(node.bind_addr().port(), 0);
    let local = node.local().await.unwrap();
    assert_eq!(local.name().as_str(), "a");
    assert_eq!(local.addr(), node.bind_addr());
    assert_eq!(local.status(), Status::Alive);
    assert_eq!(node.members().await.unwrap(), [local]);
    let stats = node.stats().await.unwrap();
    assert_eq!((stats.members, stats.alive), (1, 1));
    assert_eq!((stats.failed, stats.left), (0, 0));
    node.shutdown().await;
}

pub async fn two_nodes_see_each_other<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    for node in [&a, &b] {
        assert_eq!(node.stats().await.unwrap().alive, 2);
    }
    assert_eq!(member(&a, "b").await.unwrap().addr(), b.advertise_addr());
    // Probes are answered: the two stay alive in each other's eyes.
    eventually::<R>("a should have probed b", async || {
        a.stats().await.unwrap().counters.probes >= 5
    })
    .await;
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn news_of_a_third_node_spreads_by_gossip<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let c = start::<R>("c").await;
    let mut events = a.events();
    join::<R>(&c, &b).await;
    hears::<R>(&mut events, Join, "c").await;
    for node in [&a, &b, &c] {
        for name in ["a", "b", "c"] {
            sees::<R>(node, name, Status::Alive).await;
        }
    }
}

pub async fn joins_and_leaves_are_told_as_events<R: Runtime>() {
    let (a, b) = (start::<R>("a").await, start::<R>("b").await);
    let mut events = a.events();
    join::<R>(&b, &a).await;
    let joined = hears::<R>(&mut events, Join, "b").await;
    assert_eq!(joined.cause, Cause::Announced);
    assert_eq!(joined.member.addr(), b.advertise_addr());
    let left = within::<R, _>("leaving", b.leave()).await.unwrap();
    assert!(left.complete);
    let gone = hears::<R>(&mut events, Leave, "b").await;
    assert_eq!(gone.cause, Cause::Departed);
}

pub async fn a_killed_node_is_seen_to_fail<R: Runtime>() {
    let [a, b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    let (mut at_a, mut at_b) = (a.events(), b.events());
    c.shutdown().await;
    hears::<R>(&mut at_a, Failed, "c").await;
    hears::<R>(&mut at_b, Failed, "c").await;
    sees::<R>(&a, "c", Status::Failed).await;
    assert_eq!(a.stats().await.unwrap().failed, 1);
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn a_restarted_node_comes_back<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let mut events = a.events();
    let addr = b.bind_addr();
    b.shutdown().await;
    hears::<R>(&mut events, Failed, "b").await;
    let b = R::bind(options("b").bind(addr.to_string())).await.unwrap();
    join::<R>(&b, &a).await;
    hears::<R>(&mut events, Join, "b").await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn a_node_that_left_stays_left_and_is_not_taken_for_failed<R: Runtime>() {
    let [a, b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    let mut events = b.events();
    within::<R, _>("leaving", c.leave()).await.unwrap();
    hears::<R>(&mut events, Leave, "c").await;
    sees::<R>(&a, "c", Status::Left).await;
    sees::<R>(&b, "c", Status::Left).await;
    let probes = a.stats().await.unwrap().counters.probes;
    eventually::<R>("a should go on probing", async || {
        a.stats().await.unwrap().counters.probes >= probes + 10
    })
    .await;
    sees::<R>(&a, "c", Status::Left).await;
    let stats = a.stats().await.unwrap();
    assert_eq!((stats.alive, stats.left, stats.failed), (2, 1, 0));
}

pub async fn force_leave_turns_failed_into_left<R: Runtime>() {
    let [a, b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    c.shutdown().await;
    sees::<R>(&a, "c", Status::Failed).await;
    sees::<R>(&b, "c", Status::Failed).await;
    let forced = within::<R, _>("force-leave", a.force_leave("c", false)).await;
    assert!(forced.unwrap().complete);
    sees::<R>(&a, "c", Status::Left).await;
    sees::<R>(&b, "c", Status::Left).await;
    // A name that nobody has is no error.
    within::<R, _>("force-leave", a.force_leave("nobody", false))
        .await
        .unwrap();
}

pub async fn force_leave_with_prune_forgets<R: Runtime>() {
    let [a, b, c] = cluster::<R, 3>(["a", "b", "c"]).await;
    c.shutdown().await;
    sees::<R>(&a, "c", Status::Failed).await;
    sees::<R>(&b, "c", Status::Failed).await;
    let forced = a.force_leave("c", true);
    within::<R, _>("force-leave", forced).await.unwrap();
    for node in [&a, &b] {
        let forgotten = async || member(node, "c").await.is_none();
        eventually::<R>("c should be forgotten by all", forgotten).await;
    }
}

pub async fn changed_tags_reach_the_others<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let mut events = a.events();
    let tags = Tags::from([("role".to_owned(), "db".to_owned())]);
    let spread = within::<R, _>("setting tags", b.set_tags(tags.clone())).await;
    assert!(spread.unwrap().complete);
    let update = hears::<R>(&mut events, Update, "b").await;
    assert_eq!(update.member.tags(), tags);
    assert_eq!(b.local().await.unwrap().tags(), tags);
}

pub async fn tags_that_are_too_large_are_refused<R: Runtime>() {
    let tags = Tags::from([("key".to_owned(), "x".repeat(600))]);
    let error = R::bind(options("a").tags(tags.clone())).await.unwrap_err();
    assert!(error.to_string().contains("512"), "{error}");
    let a = start::<R>("a").await;
    let error = a.set_tags(tags).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error:?}");
    assert_eq!(a.local().await.unwrap().tags(), Tags::new());
}

pub async fn a_state_of_many_chunks_is_exchanged<R: Runtime>() {
    let a = start::<R>("a").await;
    let tags = Tags::from([("notes".to_owned(), "x".repeat(480))]);
    let mut nodes = Vec::new();
    for i in 0..80 {
        // They need not do anything but be known.
        let slow = Options::new(format!("node-{i}")).bind(format!("{}:0", loopback()));
        let node = R::bind(slow.tags(tags.clone())).await.unwrap();
        join::<R>(&node, &a).await;
        nodes.push(node);
    }
    let last = start::<R>("last").await;
    join::<R>(&last, &a).await;
    // All of it came with the one exchange, some 40 kB.
    assert_eq!(last.members().await.unwrap().len(), 82);
    let received = last.stats().await.unwrap().counters.stream_bytes_received;
    assert!(received > 32 * 1024, "{received}");
}
