//! A thread that is kept busy must not turn into a suspicion of others.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serf_tokio::{Config, Handle, Options, Status};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn start(name: &str, addr: &str) -> Handle {
    let config = Config {
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(150),
        push_pull_interval: Duration::ZERO,
        ..Config::local()
    };
    let options = Options::new(name).bind(addr).config(config);
    serf_tokio::bind(options).await.unwrap()
}

#[test]
fn acks_that_came_during_a_stall_are_read_before_timers_fire() {
    // The peer has a thread of its own and answers all the time.
    let (tell, told) = std::sync::mpsc::channel();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let peer = std::thread::spawn(move || {
        runtime().block_on(async {
            let b = start("b", "127.84.0.2:0").await;
            tell.send(b.bind_addr()).unwrap();
            let _ = finished.await;
            b.shutdown().await;
        });
    });
    let seed = told.recv().unwrap().to_string();
    runtime().block_on(async {
        let a = start("a", "127.84.0.1:0").await;
        let joined = a.join(&[seed]).await.unwrap();
        assert_eq!(joined.contacted.len(), 1);
        let stats = async || a.stats().await.unwrap();
        let dialled = stats().await.sockets.streams_dialled;
        for _ in 0..5 {
            // This task runs on as soon as the node has sent its next ping, and holds the thread
            // until the answer waits in the socket and is overdue.
            let before = stats().await.counters.probes;
            while stats().await.counters.probes == before {}
            std::thread::sleep(Duration::from_millis(400));
            // The question wakes the node before tokio has looked at the sockets again.
            // Had it not looked by itself, it would try a stream, as after a lost datagram.
            let stats = stats().await;
            assert_eq!(stats.counters.failed_probes, 0);
            assert_eq!(stats.sockets.streams_dialled, dialled);
        }
        let members = a.members().await.unwrap();
        assert!(members.iter().all(|m| m.status() == Status::Alive));
        a.shutdown().await;
    });
    finish.send(()).unwrap();
    peer.join().unwrap();
}
