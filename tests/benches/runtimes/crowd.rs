//! Many nodes in one process, under the settings of a local network: all join at once, rest, and
//! are told events.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use serf_runtime::{Event, Events, Handle, Options, Stats};
use serf_tests::{Runtime, loopback};

use crate::Scale;
use crate::usage::{Usage, resident};

/// How often it is asked whether all know all.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn measure<R: Runtime>(scale: &Scale) {
    let (empty, _) = resident();
    let before = Usage::now();
    let (mut nodes, mut events) = (Vec::new(), Vec::new());
    for i in 0..scale.nodes {
        let options = Options::new(format!("node-{i}")).bind(format!("{}:0", loopback()));
        let (node, subscription) = R::bind_with_events(options).await.expect("it starts");
        nodes.push(node);
        events.push(subscription);
    }
    let (started, _) = resident();
    let starting = Usage::now() - before;
    let n = scale.nodes as u64;
    println!(
        "  {n} nodes start: {:.1} ms of CPU, {} KiB each",
        starting.process.as_secs_f64() * 1e3,
        (started - empty) / n
    );

    let before = Usage::now();
    let seed = [nodes[0].bind_addr().to_string()];
    all(nodes[1..].iter().map(|node| async {
        let joined = node.join(&seed).await.expect("the seed answers");
        assert_eq!(joined.failed, []);
    }))
    .await;
    let joined = Usage::now() - before;
    until::<R>(&nodes, |stats| stats.alive == scale.nodes).await;
    let converged = Usage::now() - before;
    let (members, peak) = resident();
    let sum = sum(&nodes).await;
    println!(
        "  all join one: joined after {:.2} s, all know all after {:.2} s; {:.0} ms of CPU, {} \
         datagrams, {:.2} for each wake, {} streams; {} KiB for each node, {} at most",
        joined.wall.as_secs_f64(),
        converged.wall.as_secs_f64(),
        converged.process.as_secs_f64() * 1e3,
        sum.received,
        sum.received as f64 / sum.wakes as f64,
        sum.streams,
        (members - empty) / n,
        (peak - empty) / n
    );

    until::<R>(&nodes, |stats| stats.queues.members.depth == 0).await;
    let (earlier, before) = (self::sum(&nodes).await, Usage::now());
    R::sleep(scale.rest).await;
    let rest = Usage::now() - before;
    let later = self::sum(&nodes).await;
    let (members, _) = resident();
    let (received, wakes) = (
        later.received - earlier.received,
        later.wakes - earlier.wakes,
    );
    println!(
        "  at rest: {:.2} % of a CPU for all; each second each node receives {:.1} datagrams and \
         wakes {:.1} times, {:.0} us of CPU per datagram; {} KiB for each node",
        rest.process.as_secs_f64() / rest.wall.as_secs_f64() * 100.0,
        received as f64 / rest.wall.as_secs_f64() / n as f64,
        wakes as f64 / rest.wall.as_secs_f64() / n as f64,
        rest.process.as_secs_f64() * 1e6 / received.max(1) as f64,
        (members - empty) / n
    );

    tell(&nodes, &mut events, scale).await;
    all(nodes.iter().map(Handle::shutdown)).await;
}

/// Events from different nodes, one after the other: how long until all have been told.
async fn tell(nodes: &[Handle], events: &mut [Events], scale: &Scale) {
    let before = Usage::now();
    let mut took = Vec::new();
    for i in 0..scale.events {
        let name = format!("event-{i}");
        let begun = Usage::now();
        let from = &nodes[i * 37 % nodes.len()];
        from.user_event(&name, &[7; 64], false)
            .await
            .expect("it is small");
        for subscription in &mut *events {
            hears(subscription, &name).await;
        }
        took.push((Usage::now() - begun).wall);
    }
    let spread = Usage::now() - before;
    took.sort();
    println!(
        "  an event reaches all after {:.0} ms (median), {:.0} ms (the slowest of {}); {:.1} ms of \
         CPU each",
        took[took.len() / 2].as_secs_f64() * 1e3,
        took[took.len() - 1].as_secs_f64() * 1e3,
        took.len(),
        spread.process.as_secs_f64() * 1e3 / took.len() as f64
    );
}

async fn hears(events: &mut Events, name: &str) {
    loop {
        match events.next().await.expect("the node runs") {
            Ok(Event::User(event)) if &*event.name == name => return,
            // Who was slow to hear of all the joins is told so.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Asks those of whom it did not hold yet, again and again.
async fn until<R: Runtime>(nodes: &[Handle], holds: impl Fn(&Stats) -> bool) {
    for node in nodes {
        while !holds(&node.stats().await.expect("it runs")) {
            R::sleep(LOOK).await;
        }
    }
}

struct Sum {
    received: u64,
    wakes: u64,
    streams: u64,
}

async fn sum(nodes: &[Handle]) -> Sum {
    let (mut received, mut wakes, mut streams) = (0, 0, 0);
    for node in nodes {
        let stats = node.stats().await.expect("it runs");
        received += stats.counters.datagrams_received;
        wakes += stats.sockets.wakes;
        streams += stats.sockets.streams_dialled;
    }
    Sum {
        received,
        wakes,
        streams,
    }
}

/// Runs all of them to their end, at the same time.
async fn all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut pending: Vec<Pin<Box<_>>> = futures.map(Box::pin).collect();
    poll_fn(|cx| {
        pending.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if pending.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
