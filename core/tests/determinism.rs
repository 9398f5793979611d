//! Same seed and same inputs, same actions: in this run, in the next one, in debug and release.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, StreamId, StreamInput};
use xxhash_rust::xxh3::Xxh3;

const COUNT: usize = 7;

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8 + 1], 7946))
}

fn index(addr: SocketAddr) -> usize {
    match addr {
        SocketAddr::V4(addr) => usize::from(addr.ip().octets()[3] - 1),
        SocketAddr::V6(_) => unreachable!("all addresses here are IPv4"),
    }
}

/// One input, as an adapter would record it.
#[derive(Clone)]
enum Input {
    Tick,
    Datagram(SocketAddr, Vec<u8>),
    Accept(SocketAddr),
    Opened(StreamId),
    Data(StreamId, Vec<u8>),
    Finished(StreamId),
    Join(SocketAddr),
    Leave,
}

fn new_node(n: usize) -> Node {
    let name = Name::new(&format!("node-{n}")).expect("a valid name");
    let params = Params::new(Config::lan()).expect("a valid configuration");
    Node::new(
        Identity::new(name, addr(n)),
        params,
        [n as u8; 32],
        Instant::ZERO,
    )
    .expect("a valid identity")
}

fn apply(node: &mut Node, input: &Input, now: Instant) -> Option<StreamId> {
    match input {
        Input::Tick => node.handle_tick(now),
        Input::Datagram(from, bytes) => node.handle_datagram(*from, bytes, now),
        Input::Accept(from) => return node.accept_stream(*from, now),
        Input::Opened(id) => node.handle_stream(*id, StreamInput::Opened, now),
        Input::Data(id, bytes) => node.handle_stream(*id, StreamInput::Data(bytes), now),
        Input::Finished(id) => node.handle_stream(*id, StreamInput::Finished, now),
        Input::Join(seed) => {
            node.join(&[*seed], now).expect("join is accepted");
        }
        Input::Leave => {
            node.leave(now).expect("leave is accepted");
        }
    }
    None
}

/// The inputs of one node, with their times.
type Journal = Vec<(Instant, Input)>;

/// Runs a small cluster in which one node dies and one leaves, and some datagrams are lost.
/// Returns what went into node 0.
fn record() -> Journal {
    let mut nodes: Vec<Node> = (0..COUNT).map(new_node).collect();
    let mut journal = Journal::new();
    let mut ends: BTreeMap<(usize, StreamId), (usize, StreamId)> = BTreeMap::new();
    let mut mail: Vec<(usize, Input)> = (1..COUNT).map(|n| (n, Input::Join(addr(n - 1)))).collect();
    let mut sent = 0u64;
    let mut buf = Vec::new();
    for millis in 1..60_000u64 {
        let now = Instant::from_millis(millis);
        if millis == 40_000 {
            mail.push((3, Input::Leave));
        }
        let mut deliveries = std::mem::take(&mut mail);
        deliveries.extend((0..COUNT).map(|n| (n, Input::Tick)));
        for (n, input) in deliveries {
            if n == 5 && millis > 20_000 {
                continue;
            }
            if n == 0 {
                journal.push((now, input.clone()));
            }
            let accepted = apply(&mut nodes[n], &input, now);
            if let (Some(id), Input::Accept(from)) = (accepted, &input) {
                let dialler = index(*from);
                // The dialler's latest stream to here is the one being accepted.
                if let Some((&(_, theirs), end)) =
                    ends.iter_mut().rfind(|((from, _), _)| *from == dialler)
                {
                    *end = (n, id);
                    ends.insert((n, id), (dialler, theirs));
                    mail.push((dialler, Input::Opened(theirs)));
                }
            }
            loop {
                buf.clear();
                match nodes[n].poll_action(&mut buf) {
                    Action::SendDatagram { to } => {
                        sent += 1;
                        if !sent.is_multiple_of(23) {
                            mail.push((index(to), Input::Datagram(addr(n), buf.clone())));
                        }
                    }
                    Action::OpenStream { id, to } => {
                        ends.insert((n, id), (index(to), id));
                        mail.push((index(to), Input::Accept(addr(n))));
                    }
                    Action::WriteStream { id } => {
                        let (to, theirs) = ends[&(n, id)];
                        mail.push((to, Input::Data(theirs, buf.clone())));
                    }
                    Action::CloseStream { id, .. } => {
                        if let Some((to, theirs)) = ends.remove(&(n, id)) {
                            mail.push((to, Input::Finished(theirs)));
                        }
                    }
                    Action::Wait(_) => break,
                    _ => {}
                }
            }
        }
    }
    assert!(nodes[0].member_count() == COUNT, "everybody was there");
    assert_eq!(nodes[0].alive_count(), COUNT - 2, "one died and one left");
    journal
}

/// Feeds a journal to a fresh node and hashes everything it does.
fn replay(journal: &Journal) -> (u64, usize) {
    let mut node = new_node(0);
    let mut hash = Xxh3::new();
    let (mut buf, mut actions) = (Vec::new(), 0);
    for (now, input) in journal {
        apply(&mut node, input, *now);
        loop {
            buf.clear();
            let action = node.poll_action(&mut buf);
            hash.update(format!("{now:?} {action:?}").as_bytes());
            hash.update(&buf);
            actions += 1;
            if let Action::Wait(_) = action {
                break;
            }
        }
    }
    (hash.digest(), actions)
}

#[test]
fn a_recorded_run_repeats_action_by_action() {
    let journal = record();
    let (first, actions) = replay(&journal);
    assert_eq!((first, actions), replay(&journal));
    assert_eq!(
        first,
        replay(&record()).0,
        "recording again gives the same inputs"
    );
    assert!(actions > 60_000, "{actions} actions");

    // Also the same in debug and release and on every platform. A change of behaviour changes
    // the number: look at what changed, then write down the new one.
    assert_eq!(first, EXPECTED, "in hexadecimal: {first:#x}");
}

const EXPECTED: u64 = 0x60cf_04db_f60d_988d;
