//! What every adapter does, as tests that are generic over the runtime.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use futures_lite::future;
use serf_runtime::MemberEventKind::{Failed, Join, Leave, Update};
use serf_runtime::{
    BindError, CallError, Cause, CommandError, Config, Event, Events, JoinError, Lagged,
    LamportTime, Options, SeedFailureReason, SizeError, Status, Stopped, StreamFailure, Tags,
};

use crate::harness::{
    Runtime, cluster, eventually, fast, hears, join, loopback, member, options, sees, start, within,
};

/// Instantiates the suite for a [`Runtime`].
#[macro_export]
macro_rules! conformance {
    ($runtime:ty) => {
        $crate::conformance!(@each $runtime, trouble:
            a_stream_that_stalls_is_given_up_by_both_sides
            a_stream_that_is_cut_fails_at_once_and_the_next_works
            a_large_state_is_exchanged_both_ways
            a_peer_that_does_not_read_is_dropped
            a_node_starts_and_joins_under_a_flood_of_datagrams
            a_handler_that_blocks_holds_up_nobody_and_misses_nothing
            what_was_meant_for_a_node_that_is_gone_does_no_harm
        );
        $crate::conformance!(@each $runtime, recording:
            a_recorded_cluster_with_a_killed_node_does_the_same_again
            a_journal_of_an_encrypted_node_has_no_keys_and_replays_with_them
            a_journal_that_is_full_or_cannot_be_written_ends_and_the_node_goes_on
        );
        $crate::conformance!(@each $runtime, conformance:
            a_lone_node_knows_itself
            two_nodes_see_each_other
            news_of_a_third_node_spreads_by_gossip
            joins_and_leaves_are_told_as_events
            a_killed_node_is_seen_to_fail
            a_restarted_node_comes_back
            a_node_that_left_stays_left_and_is_not_taken_for_failed
            force_leave_turns_failed_into_left
            force_leave_with_prune_forgets
            changed_tags_reach_the_others
            a_user_event_reaches_every_node_once
            a_user_event_that_is_too_large_is_refused_with_size_and_limit
            a_replaying_join_is_told_old_user_events_and_a_plain_one_is_not
            tags_that_are_too_large_are_refused
            a_slow_subscriber_is_told_what_it_missed_and_holds_nobody_up
            events_end_when_the_node_stops
            a_stopped_node_answers_that_it_has_stopped
            a_second_leave_is_refused_and_the_first_goes_on
            shutdown_closes_the_sockets
            dropping_the_last_handle_stops_the_node
            a_port_in_use_is_named
            an_unresolvable_bind_address_is_named
            an_unreachable_seed_is_named_with_the_reason
            seeds_that_fail_do_not_spoil_those_that_work
            a_name_is_resolved_to_all_its_addresses
            a_cluster_runs_over_ipv6
            a_node_bound_to_both_families_talks_to_ipv4
            an_advertised_address_is_what_others_see
            a_state_of_many_chunks_is_exchanged
            datagrams_that_cannot_be_sent_are_counted
            garbage_is_counted_and_does_no_harm
            idle_connections_do_not_lock_others_out
            a_node_at_rest_sleeps
            calls_from_many_tasks_are_all_answered
        );
        $crate::conformance!(@each $runtime, layer:
            a_query_is_asked_of_those_that_pass_and_answers_come_as_they_are_sent
            s_24_a_query_whose_answers_nobody_takes_holds_up_no_other
            an_answer_that_cannot_be_sent_is_refused_with_the_reason
            a_query_that_cannot_be_asked_is_refused_with_the_reason
            members_learn_how_far_apart_they_are
            keys_are_rotated_everywhere_and_kept_in_the_file
            s_32_a_wrong_key_keeps_out_and_is_kept_nowhere
            a_keyring_file_that_cannot_be_used_is_named
            s_27_a_node_with_a_snapshot_finds_back_and_hears_what_it_missed
            s_33_a_damaged_snapshot_starts_and_a_full_disk_is_reported
            s_14_a_node_whose_name_is_taken_is_told_and_stops
        );
    };
    (@each $runtime:ty, $part:ident: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                <$runtime as $crate::Runtime>::run($crate::$part::$test::<$runtime>());
            }
        )*
    };
}

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

pub async fn tags_that_are_too_large_are_refused<R: Runtime>() {
    let tags = Tags::from([("key".to_owned(), "x".repeat(600))]);
    let error = R::bind(options("a").tags(tags.clone())).await.unwrap_err();
    assert!(error.to_string().contains("512"), "{error}");
    let a = start::<R>("a").await;
    let error = a.set_tags(tags).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error:?}");
    assert_eq!(a.local().await.unwrap().tags(), Tags::new());
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

pub async fn a_port_in_use_is_named<R: Runtime>() {
    let a = start::<R>("a").await;
    let addr = a.bind_addr().to_string();
    let error = R::bind(options("b").bind(&addr)).await.unwrap_err();
    let BindError::Socket { source, .. } = &error else {
        panic!("unexpected {error:?}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&addr), "{error}");
}

pub async fn an_unresolvable_bind_address_is_named<R: Runtime>() {
    let error = R::bind(options("a").bind("nowhere.invalid:7946"));
    let error = within::<R, _>("the resolver", error).await.unwrap_err();
    assert!(matches!(error, BindError::Unresolved { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere.invalid:7946"));
}

pub async fn an_unreachable_seed_is_named_with_the_reason<R: Runtime>() {
    let a = start::<R>("a").await;
    let nobody = UdpSocket::bind((loopback(), 0)).unwrap();
    let nobody = nobody.local_addr().unwrap();
    let seeds = [&nobody.to_string(), "nowhere.invalid", "x:y"];
    let error = within::<R, _>("joining", a.join(&seeds)).await.unwrap_err();
    let JoinError::Unreachable(failed) = &error else {
        panic!("unexpected {error:?}");
    };
    let of = |seed| failed.iter().find(|f| f.seed == seed).unwrap();
    assert_eq!(failed.len(), 3);
    let refused = SeedFailureReason::Exchange(StreamFailure::Refused);
    assert_eq!(of(seeds[0]).reason, refused);
    assert_eq!(of(seeds[0]).addr, Some(nobody));
    let unresolved = &of(seeds[1]).reason;
    assert!(matches!(unresolved, SeedFailureReason::Unresolved(_)));
    assert!(matches!(
        of(seeds[2]).reason,
        SeedFailureReason::Malformed(_)
    ));
    for seed in seeds {
        assert!(error.to_string().contains(seed), "{error}");
    }
    let error = a.join::<&str>(&[]).await.unwrap_err();
    assert!(matches!(error, JoinError::Call(CallError::Refused(_))));
}

pub async fn seeds_that_fail_do_not_spoil_those_that_work<R: Runtime>() {
    let (a, b) = (start::<R>("a").await, start::<R>("b").await);
    let addr = a.advertise_addr();
    let seeds = [
        "nowhere.invalid".to_owned(),
        format!("{}:1", loopback()),
        format!("a/{addr}"),
        addr.to_string(),
    ];
    let joined = within::<R, _>("joining", b.join(&seeds)).await.unwrap();
    assert_eq!(joined.contacted, [addr]);
    let failed: Vec<_> = joined.failed.iter().map(|f| f.seed.as_str()).collect();
    assert_eq!(failed, [&seeds[0], &seeds[1]]);
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn a_name_is_resolved_to_all_its_addresses<R: Runtime>() {
    let a = R::bind(options("a").bind("127.0.0.1:0")).await.unwrap();
    let b = start::<R>("b").await;
    // On many machines this also means `::1`, where nobody listens.
    let seed = format!("localhost:{}", a.bind_addr().port());
    let joined = within::<R, _>("joining", b.join(&[seed])).await.unwrap();
    assert_eq!(joined.contacted, [a.bind_addr()]);
    sees::<R>(&a, "b", Status::Alive).await;
}

pub async fn a_cluster_runs_over_ipv6<R: Runtime>() {
    let a = R::bind(options("a").bind("[::1]:0")).await.unwrap();
    let b = R::bind(options("b").bind("[::1]:0")).await.unwrap();
    let mut events = a.events();
    join::<R>(&b, &a).await;
    hears::<R>(&mut events, Join, "b").await;
    assert_eq!(member(&a, "b").await.unwrap().addr(), b.bind_addr());
    b.shutdown().await;
    hears::<R>(&mut events, Failed, "b").await;
}

pub async fn a_node_bound_to_both_families_talks_to_ipv4<R: Runtime>() {
    let a = options("a").bind("[::]:0").advertise("127.0.0.1");
    let a = R::bind(a).await.unwrap();
    let b = start::<R>("b").await;
    let mut events = a.events();
    join::<R>(&b, &a).await;
    hears::<R>(&mut events, Join, "b").await;
    // Both the probes of each and the answers of the other get through.
    for node in [&a, &b] {
        eventually::<R>("some probes", async || {
            node.stats().await.unwrap().counters.probes >= 5
        })
        .await;
    }
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
    assert_eq!(a.stats().await.unwrap().sockets.send_errors, 0);
    b.shutdown().await;
    hears::<R>(&mut events, Failed, "b").await;
}

pub async fn an_advertised_address_is_what_others_see<R: Runtime>() {
    let a = start::<R>("a").await;
    // Bound to everything, it is reached at whatever loopback address it names.
    let ip = loopback();
    let b = options("b").bind("0.0.0.0:0").advertise(ip.to_string());
    let b = R::bind(b).await.unwrap();
    assert_eq!(b.advertise_addr().ip(), ip);
    assert_eq!(b.advertise_addr().port(), b.bind_addr().port());
    join::<R>(&b, &a).await;
    sees::<R>(&a, "b", Status::Alive).await;
    assert_eq!(member(&a, "b").await.unwrap().addr(), b.advertise_addr());
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

pub async fn datagrams_that_cannot_be_sent_are_counted<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    // A socket of IPv4 cannot send to it.
    let c = options("c").advertise("[2001:db8::1]:7946");
    let c = R::bind(c).await.unwrap();
    join::<R>(&c, &a).await;
    eventually::<R>("sending to c should fail", async || {
        a.stats().await.unwrap().sockets.send_errors >= 1
    })
    .await;
    sees::<R>(&a, "c", Status::Failed).await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn garbage_is_counted_and_does_no_harm<R: Runtime>() {
    let [a, b] = cluster::<R, 2>(["a", "b"]).await;
    let before = a.stats().await.unwrap().counters;
    let socket = UdpSocket::bind((loopback(), 0)).unwrap();
    for len in [0, 1, 2, 20, 1400, 9000] {
        let noise: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        socket.send_to(&noise, a.bind_addr()).unwrap();
        let mut stream = TcpStream::connect(a.bind_addr()).unwrap();
        // The node may hang up on the way.
        let _ = stream.write_all(&noise);
    }
    eventually::<R>("garbage should be counted", async || {
        let counters = a.stats().await.unwrap().counters;
        let dropped = |c: &serf_runtime::Counters| {
            c.dropped_foreign + c.dropped_corrupt + c.dropped_malformed + c.failed_streams
        };
        dropped(&counters) >= dropped(&before) + 5
    })
    .await;
    sees::<R>(&a, "b", Status::Alive).await;
    sees::<R>(&b, "a", Status::Alive).await;
}

pub async fn idle_connections_do_not_lock_others_out<R: Runtime>() {
    let config = Config {
        max_inbound_streams: 4,
        stream_timeout: Duration::from_millis(300),
        ..fast()
    };
    let a = R::bind(options("a").config(config)).await.unwrap();
    let idle: Vec<TcpStream> = (0..32)
        .map(|_| TcpStream::connect(a.bind_addr()).unwrap())
        .collect();
    let b = start::<R>("b").await;
    let seeds = [a.advertise_addr().to_string()];
    eventually::<R>("b should get in", async || b.join(&seeds).await.is_ok()).await;
    eventually::<R>("most should be refused, the others time out", async || {
        let stats = a.stats().await.unwrap();
        stats.sockets.refused_connections >= 1 && stats.counters.timed_out_streams >= 4
    })
    .await;
    for mut stream in idle {
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        let end = stream.read(&mut [0; 1]);
        let closed = end.map_err(|e| e.kind());
        assert!(
            matches!(closed, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)),
            "{closed:?}"
        );
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
