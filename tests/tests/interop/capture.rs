//! Packets that one side sent, captured on their way and decoded by the other: by a node, and by an
//! agent, that have never seen the sender.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serf_core::keyring::{Key, Keyring};
use serf_core::message::{Message, SerfMessage};
use serf_core::wire::label::Label;
use serf_core::wire::memberlist::{Origin, Unpacker, read_packet};
use serf_core::wire::seal::Sealer;
use serf_core::{Event, Status};
use serf_runtime::Options;

use crate::agent::{Agent, installed, join, loopback, member, node, status, tags, until};

type Packets = Arc<Mutex<Vec<Vec<u8>>>>;

/// What stands at the address that a node advertises: whatever comes from the peer is passed on to
/// the node, whatever comes from the node to the peer, and kept.
struct Tap {
    addr: SocketAddr,
    of_node: Packets,
    of_peer: Packets,
}

impl Tap {
    fn new(node: Ipv4Addr, peer: Ipv4Addr) -> Self {
        let addr = SocketAddr::from((loopback(), 7946));
        let (node, peer) = (
            SocketAddr::from((node, 7946)),
            SocketAddr::from((peer, 7946)),
        );
        let (of_node, of_peer) = (Packets::default(), Packets::default());
        let socket = UdpSocket::bind(addr).unwrap();
        let kept = [of_node.clone(), of_peer.clone()];
        // Both threads end with the process.
        thread::spawn(move || {
            let mut buf = [0; 65_536];
            while let Ok((len, from)) = socket.recv_from(&mut buf) {
                let (kept, to) = match from {
                    from if from == node => (&kept[0], peer),
                    from if from == peer => (&kept[1], node),
                    _ => continue,
                };
                kept.lock().unwrap().push(buf[..len].to_vec());
                let _ = socket.send_to(&buf[..len], to);
            }
        });
        let listener = TcpListener::bind(addr).unwrap();
        thread::spawn(move || {
            for dialler in listener.incoming().flatten() {
                if let Ok(dialled) = TcpStream::connect(node) {
                    let copies = (dialler.try_clone().unwrap(), dialled.try_clone().unwrap());
                    thread::spawn(move || copy(&dialler, &dialled));
                    thread::spawn(move || copy(&copies.1, &copies.0));
                }
            }
        });
        Self {
            addr,
            of_node,
            of_peer,
        }
    }
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// What one side sent, through either tap.
fn captured(taps: [&Packets; 2]) -> Vec<Vec<u8>> {
    taps.iter()
        .flat_map(|packets| packets.lock().unwrap().clone())
        .collect()
}

/// What kinds of messages are in a packet that was captured, all of which have to be readable.
fn kinds(packet: &[u8], key: Option<&Key>) -> Vec<&'static str> {
    let origin = Origin {
        from: SocketAddr::from((Ipv4Addr::LOCALHOST, 7946)),
        own_port: 7946,
    };
    let mut bytes = packet.to_vec();
    let plain = match key {
        None => &bytes[..],
        Some(key) => {
            let sealer = Sealer::new(&Keyring::new(key.clone()));
            sealer
                .open_packet(&mut bytes, &Label::none())
                .expect("sealed with the key")
        }
    };
    let mut unpacker = Unpacker::new();
    let messages = read_packet(plain, origin, &mut unpacker).expect("a packet");
    let kind = |message: Message<'_>| match message {
        Message::Ping(_) => "ping",
        Message::Ack(_) => "ack",
        Message::Alive(_) => "alive",
        Message::Serf(SerfMessage::UserEvent(_)) => "user event",
        Message::Serf(SerfMessage::Query(_)) => "query",
        _ => "other",
    };
    messages
        .map(|message| kind(message.expect("a message")))
        .collect()
}

/// Sends packets from an address that nobody knows.
fn replay(packets: &[Vec<u8>], to: &str) {
    let socket = UdpSocket::bind((loopback(), 0)).unwrap();
    for packet in packets {
        socket.send_to(packet, to).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_packet_of_each_side_is_decoded_by_the_other() {
    if !installed() {
        return;
    }
    capture(None).await;
    capture(Some(Key::new(&[5; 16]).unwrap())).await;
}

async fn capture(key: Option<Key>) {
    let with_key = |options: Options| match &key {
        Some(key) => options.keyring(Keyring::new(key.clone())),
        None => options,
    };
    let text = key.as_ref().map(|key| key.to_base64().to_string());
    let encrypt: Vec<&str> = text.iter().flat_map(|key| ["-encrypt", key]).collect();
    let (here, there) = (loopback(), loopback());
    let of_ours = Tap::new(here, there);
    let of_go = Tap::new(there, here);
    let advertise = format!("-advertise={}", of_go.addr);
    let args = [&[&advertise[..]], &encrypt[..]].concat();
    let go = Agent::start_at("go", there, &[], &args, |_| {}).await;
    let ours = node("ours", |options| {
        with_key(options)
            .bind(format!("{here}:7946"))
            .advertise(of_ours.addr.to_string())
    })
    .await;
    join(&ours, &[of_go.addr.to_string()]).await;
    until("both know both", async || {
        status(&ours, "go").await == Some(Status::Alive)
            && go.status("ours").as_deref() == Some("alive")
    })
    .await;
    ours.set_tags(tags(&[("role", "ours")])).await.unwrap();
    go.run(&["tags", "-set", "role=go"]);
    ours.user_event("from-ours", b"1", false).await.unwrap();
    go.run(&["event", "-coalesce=false", "from-go", "2"]);

    let sent = || {
        (
            captured([&of_ours.of_node, &of_go.of_peer]),
            captured([&of_ours.of_peer, &of_go.of_node]),
        )
    };
    let has_all = |packets: &[Vec<u8>]| {
        let kinds: Vec<_> = packets
            .iter()
            .flat_map(|packet| kinds(packet, key.as_ref()))
            .collect();
        ["ping", "ack", "alive", "user event"]
            .iter()
            .all(|kind| kinds.contains(kind))
    };
    until("each has sent what is asked for", async || {
        let (of_ours, of_go) = sent();
        has_all(&of_ours) && has_all(&of_go)
    })
    .await;
    let (of_ours, of_go) = sent();
    assert!(go.log().contains("user-event: from-ours"));

    // Nothing but these packets tells them of the sender.
    let other = Agent::start("other", &encrypt).await;
    replay(&of_ours, &other.addr());
    until("an agent has read what ours sent", async || {
        let seen = other.members();
        let ours = ("ours".to_owned(), "role=ours".to_owned());
        other.log().contains("user-event: from-ours")
            && seen
                .iter()
                .any(|(name, _, tags)| (name, tags) == (&ours.0, &ours.1))
    })
    .await;
    let log = other.log();
    assert!(!log.contains("[ERR] memberlist"), "{log}");

    let other = node("another", with_key).await;
    let mut events = other.events();
    replay(&of_go, &other.advertise_addr().to_string());
    until("a node has read what the agent sent", async || {
        let go = member(&other, "go").await;
        go.is_some_and(|go| go.tags() == tags(&[("role", "go")]))
    })
    .await;
    // The agent passed on what it heard from ours, too.
    let heard = async {
        loop {
            if let Some(Ok(Event::User(event))) = events.next().await
                && &*event.name == "from-go"
            {
                return event.payload;
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(30), heard).await;
    assert_eq!(&*heard.expect("the event"), b"2");
    let counters = other.stats().await.unwrap().counters;
    assert_eq!(counters.dropped_malformed, 0);
    assert_eq!(counters.dropped_undecryptable, 0);
    assert_eq!(counters.dropped_foreign, 0);
    assert_eq!(counters.skipped_unknown, 0);
}
