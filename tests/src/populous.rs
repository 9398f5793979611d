//! A node that knows many members, and a state exchange with it over a plain socket.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::OnceLock;

use serf_core::{
    Action, Config, Identity, Instant, Name, Node, Outcome, Params, StreamFailure, StreamInput,
    Tags,
};

/// Members of [`populous`], itself included.
pub(crate) const MEMBERS: usize = 1000;

/// No time passes for these nodes.
const NOW: Instant = Instant::ZERO;

/// A node that knows [`MEMBERS`] with tags that are almost as large as they may be: half a
/// megabyte of state. Only it is real, and only as far as somebody exchanges state with it.
pub(crate) fn populous() -> Node {
    static BUILT: OnceLock<Node> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> Node {
    let mut hub = member(0);
    for i in 1..MEMBERS {
        let bytes = first_words(&mut member(i), hub.local().addr());
        let id = hub.accept_stream(address(i), NOW).expect("there is room");
        hub.handle_stream(id, StreamInput::Data(&bytes), NOW);
        while !matches!(poll(&mut hub).0, Action::Wait(_)) {}
        hub.handle_stream(id, StreamInput::Failed(StreamFailure::Reset), NOW);
    }
    while !matches!(poll(&mut hub).0, Action::Wait(_)) {}
    assert_eq!(hub.member_count(), MEMBERS);
    hub
}

fn member(i: usize) -> Node {
    let name = Name::new(&format!("member-{i}")).expect("a short name");
    let tags = Tags::from([("notes".to_owned(), "x".repeat(480))]);
    let identity = Identity {
        tags,
        ..Identity::new(name, address(i))
    };
    let params = Params::new(Config::local()).expect("the settings are sound");
    Node::new(identity, params, [1; 32], NOW).expect("the tags fit")
}

/// Where nobody listens.
fn address(i: usize) -> SocketAddr {
    let [.., c, d] = i.to_be_bytes();
    (Ipv4Addr::new(127, 250, c, d), 1).into()
}

fn poll(node: &mut Node) -> (Action, Vec<u8>) {
    let mut bytes = Vec::new();
    (node.poll_action(&mut bytes), bytes)
}

/// What a node writes first on a stream by which it joins.
pub(crate) fn first_words(node: &mut Node, to: SocketAddr) -> Vec<u8> {
    node.join(&[to], NOW).expect("it is not leaving");
    let mut written = Vec::new();
    loop {
        match poll(node) {
            (Action::OpenStream { id, .. }, _) => node.handle_stream(id, StreamInput::Opened, NOW),
            (Action::WriteStream { .. }, bytes) => written.extend(bytes),
            (Action::Wait(_), _) => return written,
            _ => {}
        }
    }
}

/// Lets the node join through `to`, and holds the thread until that has ended.
pub(crate) fn exchange_state(mut node: Node, to: SocketAddr) -> Outcome {
    node.join(&[to], NOW).expect("it is not leaving");
    let mut stream = None;
    loop {
        match poll(&mut node) {
            (Action::OpenStream { id, to }, _) => {
                let socket = TcpStream::connect(to).expect("somebody listens");
                stream = Some((id, socket));
                node.handle_stream(id, StreamInput::Opened, NOW);
            }
            (Action::WriteStream { .. }, bytes) => {
                let (_, socket) = stream.as_mut().expect("it was opened");
                socket.write_all(&bytes).expect("the peer reads");
            }
            (Action::Done { outcome, .. }, _) => return outcome,
            (Action::Wait(_), _) => {
                let (id, socket) = stream.as_mut().expect("it was opened");
                let mut chunk = vec![0; 65_536];
                let input = match socket.read(&mut chunk).expect("the peer answers") {
                    0 => StreamInput::Finished,
                    len => StreamInput::Data(&chunk[..len]),
                };
                node.handle_stream(*id, input, NOW);
            }
            _ => {}
        }
    }
}
