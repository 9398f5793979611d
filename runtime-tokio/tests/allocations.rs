//! At rest, probing and being probed costs the driver no memory.

use std::time::Duration;

use serf_tokio::{Config, Handle, Options};
use tokio::runtime::Builder;

async fn probes(nodes: &[Handle; 2]) -> u64 {
    let mut probes = 0;
    for node in nodes {
        probes += node.stats().await.expect("the node runs").counters.probes;
    }
    probes
}

#[test]
fn pings_and_acks_do_not_allocate() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("tokio starts");
    let config = Config {
        probe_interval: Duration::from_millis(10),
        probe_timeout: Duration::from_millis(10),
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
    let run = || runtime.block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
    // Until the news of the join is spread and buffers have their size.
    while runtime.block_on(probes(&nodes)) < 200 {
        run();
    }
    // Only what happens while nobody asks is measured, as questions do allocate.
    let (mut made, mut allocations) = (0, 0);
    while made < 300 {
        let before = runtime.block_on(probes(&nodes));
        allocations += allocation_counter::measure(run).count_total;
        made += runtime.block_on(probes(&nodes)) - before;
    }
    println!("{allocations} allocations in {made} probes, pings and acks of both sides");
    // On a machine so slow that acks are late, what follows from that may allocate.
    assert!(allocations < made / 10, "{allocations} in {made} probes");
}
