//! Journals: what a flight recorder left, and may have left damaged.

use std::net::SocketAddr;
use std::time::Duration;

use serf_core::journal::{Entry, HEADER, Reader};
use serf_core::keyring::{Key, Keyring};
use serf_core::{Action, Config, Identity, Instant, Name, Node, Params, QueryParams, StreamInput};
use serf_sim::replay::Replay;
use xxhash_rust::xxh3::xxh3_64;

use crate::KEY;

/// The most actions that a node may ask for before it waits.
const MAX_ACTIONS: usize = 100_000;

/// Journals, as they are and with checksums that match, which would hide all else. Those are also run
/// again, and their inputs handed to a node whatever it did in the journal.
pub fn journal(data: &[u8]) {
    read(data);
    let mended = mended(data);
    read(&mended);
    match Reader::new(&mended).next() {
        Ok(Some(Entry::Start(_))) => {
            if let Ok(mut replay) = Replay::new(&mended, keys()) {
                while let Ok(Some(_)) = replay.step() {}
                assert!(replay.summary().bytes <= mended.len());
            }
            run(&mended);
        }
        // A node that was saved is read; what was changed in it where the checksum does not tell may
        // be anything.
        Ok(Some(Entry::Checkpoint(saved))) => drop(saved.build(&keys())),
        _ => {}
    }
}

fn keys() -> Vec<Key> {
    vec![Key::new(&KEY).expect("a key")]
}

/// Each entry, up to the end or to the damage, behind which nothing is read.
fn read(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut offset = 0;
    loop {
        let entry = reader.next();
        assert!(offset <= reader.offset() && reader.offset() <= data.len());
        offset = reader.offset();
        match entry {
            Ok(Some(entry)) => drop(format!("{entry:?}")),
            Ok(None) => return assert_eq!(offset, data.len()),
            Err(damage) => return assert_eq!(reader.next(), Err(damage)),
        }
    }
}

/// The same bytes with the right header, lengths that do not pass the end, and checksums.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut journal = HEADER.to_vec();
    let mut rest = data.get(HEADER.len()..).unwrap_or_default();
    while let Some((&[a, b, c, _, _, _, _, _], behind)) = rest.split_first_chunk() {
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        let (entry, behind) = behind.split_at(len.min(behind.len()));
        let [a, b, c, _] = u32::try_from(entry.len()).expect("24 bits").to_le_bytes();
        journal.extend([a, b, c, !(a ^ b ^ c)]);
        journal.extend((xxh3_64(entry) as u32).to_le_bytes());
        journal.extend(entry);
        rest = behind;
    }
    journal
}

/// Hands the inputs to a node that is made as the journal says.
fn run(journal: &[u8]) {
    let mut reader = Reader::new(journal);
    let Ok(Some(Entry::Start(start))) = reader.next() else {
        return;
    };
    let Ok(mut node) = start.build() else {
        return;
    };
    let mut now = start.at();
    let mut buf = Vec::new();
    while let Ok(Some(entry)) = reader.next() {
        let Entry::Input(after, input) = entry else {
            continue;
        };
        now = Instant::from_nanos(now.as_nanos().wrapping_add(after.cast_unsigned()));
        if input.apply(&mut node, now, &keys()).is_err() {
            continue;
        }
        let mut actions = 0;
        loop {
            buf.clear();
            if matches!(node.poll_action(&mut buf), Action::Wait(_)) {
                break;
            }
            actions += 1;
            assert!(actions < MAX_ACTIONS);
        }
    }
}

/// Short journals: of a node that is joined and asked, on its own and encrypted, and how each goes on in
/// another file.
pub(crate) fn examples() -> Vec<Vec<u8>> {
    [false, true].map(example).into_iter().flatten().collect()
}

fn example(encrypted: bool) -> [Vec<u8>; 2] {
    let (addr, now) = (|n| SocketAddr::from(([10, 0, 0, n], 7946)), Instant::ZERO);
    let node = |n: u8| {
        let name = Name::new(&format!("node-{n}")).expect("a valid name");
        let params = Params::new(Config::lan()).expect("a valid configuration");
        let identity = Identity::new(name, addr(n));
        let node = Node::recorded(identity, params, [n; 32], now).expect("a valid identity");
        match keys().pop().filter(|_| encrypted) {
            Some(key) => node.with_keyring(Keyring::new(key)),
            None => node,
        }
    };
    let (mut node, mut peer) = (node(1), node(2));
    let begun = peer.join(&[addr(1)], now);
    begun.expect("it is begun");
    let mut buf = Vec::new();
    for n in 0..40 {
        let now = now + Duration::from_millis(100 * n);
        if n == 5 {
            let sent = node.user_event("deploy", b"42", true, now);
            sent.expect("it is short");
            let asked = node.query("load", b"?", &QueryParams::default(), now);
            asked.expect("it is short");
        }
        peer.handle_tick(now);
        loop {
            buf.clear();
            match peer.poll_action(&mut buf) {
                Action::SendDatagram { .. } => node.handle_datagram(addr(2), &buf, now),
                Action::OpenStream { id, .. } => peer.handle_stream(id, StreamInput::Opened, now),
                Action::WriteStream { .. } => {
                    let stream = node.accept_stream(addr(2), now).expect("room");
                    node.handle_stream(stream, StreamInput::Data(&buf), now);
                }
                Action::Wait(_) => break,
                _ => {}
            }
        }
        node.handle_tick(now);
        loop {
            buf.clear();
            match node.poll_action(&mut buf) {
                Action::SendDatagram { .. } => peer.handle_datagram(addr(1), &buf, now),
                Action::Wait(_) => break,
                _ => {}
            }
        }
    }
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    assert!(node.take_journal(&mut first) && node.restart_journal());
    node.handle_tick(now + Duration::from_secs(5));
    node.take_journal(&mut second);
    [first, second]
}
