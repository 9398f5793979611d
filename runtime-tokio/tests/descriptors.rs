//! A process without free file descriptors. Alone in its binary, as the limit is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::time::Duration;

use rlimit::Resource;
use serf_tokio::{Config, Handle, Options, Stats};
use socket2::{Domain, Socket, Type};
use tokio::runtime::Builder;

async fn start(name: &str, addr: &str) -> Handle {
    let options = Options::new(name).bind(addr).config(Config::local());
    serf_tokio::bind(options).await.unwrap()
}

async fn wait_for(node: &Handle, holds: impl Fn(&Stats) -> bool) -> Stats {
    let waiting = async {
        loop {
            let stats = node.stats().await.unwrap();
            if holds(&stats) {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, waiting).await.unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Takes every descriptor that is left.
fn exhaust() -> Vec<File> {
    let (soft, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(soft.min(256), hard).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn running_out_of_descriptors_neither_spins_nor_lasts() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let before = open_files();
    runtime.block_on(async {
        let a = start("a", "127.83.0.1:0").await;
        let b = start("b", "127.83.0.2:0").await;
        let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();

        let taken = exhaust();
        peer.connect(&a.bind_addr().into()).unwrap();
        wait_for(&a, |stats| stats.sockets.accept_errors >= 1).await;
        let first = a.stats().await.unwrap().sockets;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let later = a.stats().await.unwrap().sockets;
        assert!(later.accept_errors - first.accept_errors < 20, "{later:?}");
        assert!(later.wakes - first.wakes < 200, "{later:?}");
        drop(taken);

        let joined = b.join(&[a.bind_addr().to_string()]).await.unwrap();
        assert_eq!(joined.contacted, [a.bind_addr()]);
        wait_for(&a, |stats| stats.alive == 2).await;
        a.shutdown().await;
        b.shutdown().await;
        drop(peer);
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(tasks, 0, "no task is left behind");
        assert_eq!(open_files(), before, "no socket is left open");
    });
}
