//! At rest, probing and being probed costs the driver no memory.

use std::time::Duration;

use serf_tokio::{Config, Handle, Options};
use tokio::runtime::Builder;

async fn probes(nodes: &[Handle; 2]) -> u64 {
    let mut probes = 0;
    for node in nodes {
        let counters = node.stats().await.expect("the node runs").counters;
        assert_eq!(counters.failed_probes, 0);
        probes += counters.probes;
    }
    probes
}

/// Waits until the nodes have started that many more probes, and answers how many.
async fn wait_for_probes(nodes: &[Handle; 2], more: u64) -> u64 {
    let before = probes(nodes).await;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let made = probes(nodes).await - before;
        if made >= more {
            return made;
        }
    }
}

#[test]
fn pings_and_acks_do_not_allocate() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("tokio starts");
    let config = Config {
        probe_interval: Duration::from_millis(5),
        probe_timeout: Duration::from_millis(5),
        // A slow machine may be late with an ack, but then there is no talk about it.
        awareness_max: 1,
        push_pull_interval: Duration::ZERO,
        ..Config::local()
    };
    let options = |name, addr| Options::new(name).bind(addr).config(config.clone());
    let nodes = runtime.block_on(async {
        let a = serf_tokio::bind(options("a", "127.82.0.1:0")).await;
        let b = serf_tokio::bind(options("b", "127.82.0.2:0")).await;
        let nodes = [a.expect("a starts"), b.expect("b starts")];
        let seed = nodes[0].bind_addr().to_string();
        let joined = nodes[1].join(&[seed]).await;
        assert_eq!(joined.expect("b joins").contacted.len(), 1);
        nodes
    });
    // Until the news of the join is spread and buffers have their size.
    runtime.block_on(wait_for_probes(&nodes, 400));
    let mut probes = 0;
    let used = allocation_counter::measure(|| {
        probes = runtime.block_on(wait_for_probes(&nodes, 800));
    });
    println!(
        "{} allocations of {} bytes in {probes} probes",
        used.count_total, used.bytes_total
    );
    // The questions asked here allocate, some ten times each; a probe must not.
    assert!(used.count_total < probes / 2, "{used:?}");
}
