//! Where nodes are bound and reached, on every adapter.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::net::UdpSocket;

use serf_runtime::MemberEventKind::{Failed, Join};
use serf_runtime::{BindError, CallError, JoinError, SeedFailureReason, Status, StreamFailure};

use crate::harness::{
    Runtime, eventually, hears, join, loopback, member, options, sees, start, within,
};

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
