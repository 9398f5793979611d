//! How those are found again who were lost.

use super::*;

/// Nothing goes over streams but to reconnect.
fn config(reconnect_interval: Duration) -> Config {
    Config {
        stream_ping: false,
        push_pull_interval: Duration::ZERO,
        reconnect_interval,
        ..Config::lan()
    }
}

#[test]
fn members_that_have_forgotten_each_other_find_together_through_the_seed_of_their_join() {
    let config = Config {
        reconnect_timeout: 60 * SECOND,
        ..config(400 * SECOND)
    };
    let mut cluster = Cluster::joined(4, config);
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        cluster.deaf.extend([(a, b), (b, a)]);
    }
    // The first attempt to reconnect is still to come then.
    cluster.run(300 * SECOND);
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        assert_eq!(cluster.status(a, b), None, "of node-{b} at node-{a}");
        assert_eq!(cluster.status(b, a), None, "of node-{a} at node-{b}");
    }
    cluster.deaf.clear();
    cluster.run(3_000 * SECOND);
    for n in 0..4 {
        assert_eq!(cluster.nodes[n].alive_count(), 4, "node-{n} sees all");
    }
}

/// Whom the node dials within twenty seconds, in which nobody answers it.
fn dialled(node: &mut Node, start: Instant) -> BTreeSet<SocketAddr> {
    let mut dialled = BTreeSet::new();
    for second in 1..=20 {
        node.handle_tick(start + second * SECOND);
        loop {
            match node.poll_action(&mut Vec::new()) {
                Action::OpenStream { to, .. } => dialled.insert(to),
                Action::Wait(_) => break,
                _ => continue,
            };
        }
    }
    dialled
}

/// It would cost an exchange in each interval, in every cluster.
#[test]
fn a_seed_is_dialled_unless_there_is_a_member() {
    let config = Config {
        // The member is not found dead meanwhile.
        probe_interval: 60 * SECOND,
        ..config(SECOND)
    };
    let start = Instant::from_millis(1_000);
    let mut one = node(0, config, 1, start);
    one.keep_seeds([addr(1)].into_iter());
    let mut other = one.clone();
    assert_eq!(dialled(&mut one, start), [addr(1)].into());
    let names = [name(0), name(1)];
    other.handle_datagram(addr(1), &alive_message(1, addr(1), 1, &names), start);
    assert_eq!(dialled(&mut other, start), [].into());
    assert_eq!(other.alive_count(), 2);
}

#[test]
fn the_seeds_of_the_latest_join_are_kept_first_and_sixteen_at_most() {
    let start = Instant::from_millis(1_000);
    let mut one = node(0, Config::lan(), 1, start);
    let seeds = |from: usize, to: usize| (from..to).map(addr);
    one.keep_seeds(seeds(1, 15));
    one.keep_seeds(seeds(10, 14).chain(seeds(30, 34)));
    let kept: Vec<SocketAddr> = seeds(10, 14)
        .chain(seeds(30, 34))
        .chain(seeds(1, 9))
        .collect();
    assert_eq!(one.seeds, kept);
}
