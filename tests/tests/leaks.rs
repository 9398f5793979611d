//! What is left of nodes that have stopped: no task, no socket and no thread. Alone in its binary,
//! as they are counted for the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use serf_runtime::adapter::tasks;
use serf_tests::runtimes::{Glommio, ManyThreads, Mixed, OneThread, Smol};
use serf_tests::{Runtime, eventually, options};

/// Open files and threads of this process.
fn held() -> (usize, usize) {
    let count = |dir| fs::read_dir(dir).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Nodes that end in every way, with streams in every state.
async fn nodes_come_and_go<R: Runtime>() {
    let a = R::bind(options("a")).await.unwrap();
    let b = R::bind(options("b")).await.unwrap();
    let c = R::bind(options("c")).await.unwrap();
    let seeds = [a.advertise_addr().to_string()];
    for node in [&b, &c] {
        let joined = node.join(&seeds).await.unwrap();
        assert_eq!(joined.failed, []);
    }
    // One connection says nothing, one is in the middle of something.
    let silent = TcpStream::connect(a.bind_addr()).unwrap();
    let mut talking = TcpStream::connect(a.bind_addr()).unwrap();
    talking.write_all(&[0xb1, 100, 0, 0]).unwrap();
    eventually::<R>("both should be accepted", async || {
        a.stats().await.unwrap().sockets.streams_accepted >= 4
    })
    .await;
    // Three loops, as many that accept, and the two connections.
    assert!(tasks() >= 8, "{} tasks are counted", tasks());
    // A join is under way to somebody who does not answer.
    let deaf = UdpSocket::bind((serf_tests::loopback(), 0)).unwrap();
    let deaf = std::net::TcpListener::bind(deaf.local_addr().unwrap()).unwrap();
    let to = [deaf.local_addr().unwrap().to_string()];
    let dialled = b.stats().await.unwrap().sockets.streams_dialled;
    let stopping = async {
        eventually::<R>("b should dial", async || {
            b.stats().await.unwrap().sockets.streams_dialled > dialled
        })
        .await;
        b.shutdown().await;
    };
    let (joined, ()) = futures_lite::future::zip(b.join(&to), stopping).await;
    assert!(joined.is_err());
    c.leave().await.unwrap();
    a.shutdown().await;
    drop((silent, talking));
    for node in [a, b, c] {
        node.stopped().await;
    }
    assert_eq!(tasks(), 0, "tasks are left");
}

/// `kept`: files that the runtime itself leaves open whenever it ends.
fn leaves_nothing<R: Runtime>(runtime: &str, kept: usize) {
    // Once, for what a runtime starts for good.
    R::run(nodes_come_and_go::<R>());
    let (mut inside, outside) = ((0, 0), held());
    R::run(async {
        // For what each of its instances starts for good.
        nodes_come_and_go::<R>().await;
        let before = settled::<R>((0, 0)).await;
        for _ in 0..3 {
            nodes_come_and_go::<R>().await;
        }
        inside = settled::<R>(before).await;
        assert!(
            inside.0 <= before.0 && inside.1 <= before.1,
            "{runtime}: {before:?} files and threads, then {inside:?}"
        );
    });
    let mut after = held();
    for _ in 0..1000 {
        if after.0 <= outside.0 + kept && after.1 <= outside.1 {
            return;
        }
        // Threads of a pool end by themselves after a while.
        std::thread::sleep(Duration::from_millis(10));
        after = held();
    }
    panic!("{runtime}: {outside:?} files and threads, then {after:?}");
}

/// What is held once that is no more than `wanted`, or else after a while.
async fn settled<R: Runtime>(wanted: (usize, usize)) -> (usize, usize) {
    let mut least = held();
    for _ in 0..100 {
        if least.0 <= wanted.0 && least.1 <= wanted.1 {
            break;
        }
        R::sleep(Duration::from_millis(10)).await;
        let (files, threads) = held();
        least = (least.0.min(files), least.1.min(threads));
    }
    least
}

#[test]
fn nodes_that_have_stopped_leave_no_task_no_socket_and_no_thread() {
    leaves_nothing::<OneThread>("tokio", 0);
    leaves_nothing::<ManyThreads>("tokio with several threads", 0);
    leaves_nothing::<Smol>("smol", 0);
    // An executor of glommio 0.9 never closes the event descriptor by which other threads wake it.
    leaves_nothing::<Glommio>("glommio", 1);
    leaves_nothing::<Mixed<0>>("all", 1);
}
