//! A fourth adapter: `serf-core` on plain `std` sockets and threads, to show how little one is.
//!
//! A thread reads datagrams, one accepts, one reads each stream, and all send what they read to
//! the main thread, which has the node. It prints what happens and leaves at the end of its input.
//! What a real adapter would do better: write to streams without holding up the node.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant as SystemInstant, SystemTime};
use std::{io, thread};

use serf_core::{
    Action, Config, Event, Identity, Instant, Name, Node, Params, StreamFailure, StreamId,
    StreamInput,
};
use serf_examples::{Args, Result, say};

enum Input {
    Datagram(SocketAddr, Vec<u8>),
    Accepted(TcpStream, SocketAddr),
    Dialled(StreamId, io::Result<TcpStream>),
    Read(StreamId, io::Result<Vec<u8>>),
    Leave,
}

/// Sends all that comes over the stream.
fn read(id: StreamId, mut stream: TcpStream, inputs: Sender<Input>) {
    thread::spawn(move || {
        loop {
            let mut chunk = vec![0; 16 * 1024];
            let read = stream.read(&mut chunk);
            let over = !matches!(read, Ok(1..));
            chunk.truncate(*read.as_ref().unwrap_or(&0));
            if inputs.send(Input::Read(id, read.map(|_| chunk))).is_err() || over {
                return;
            }
        }
    });
}

fn main() -> Result {
    let args = Args::parse()?;
    let addr: SocketAddr = args.bind.parse()?;
    let seeds = args.seeds.iter().map(|seed| seed.parse());
    let seeds: Vec<SocketAddr> = seeds.collect::<std::result::Result<_, _>>()?;
    let (udp, tcp) = (UdpSocket::bind(addr)?, TcpListener::bind(addr)?);
    let (sender, inputs) = channel();

    let (socket, datagrams) = (udp.try_clone()?, sender.clone());
    thread::spawn(move || {
        let mut buf = [0; 65_536];
        loop {
            // An error is about an earlier datagram.
            if let Ok((len, from)) = socket.recv_from(&mut buf) {
                let _ = datagrams.send(Input::Datagram(from, buf[..len].to_vec()));
            }
        }
    });
    let accepted = sender.clone();
    thread::spawn(move || {
        loop {
            match tcp.accept() {
                Ok((stream, from)) => drop(accepted.send(Input::Accepted(stream, from))),
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    });
    let typed = sender.clone();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = typed.send(Input::Leave);
    });

    let start = SystemInstant::now();
    let clock = || Instant::ZERO + start.elapsed();
    let identity = Identity::new(Name::new(&args.name)?, addr);
    // Use the system's entropy for anything but an example.
    let mut seed = [0; 32];
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    seed[..16].copy_from_slice(&since_epoch.as_nanos().to_le_bytes());
    let mut node = Node::new(identity, Params::new(Config::local())?, seed, clock())?;
    if !seeds.is_empty() {
        node.join(&seeds, clock())?;
    }
    let mut streams: HashMap<StreamId, TcpStream> = HashMap::new();
    let mut buf = Vec::new();
    loop {
        // Drain: do all that the node asks for, until it says how long to wait.
        let deadline = loop {
            buf.clear();
            match node.poll_action(&mut buf) {
                Action::SendDatagram { to } => drop(udp.send_to(&buf, to)),
                Action::OpenStream { id, to } => {
                    let (sender, patience) = (sender.clone(), node.params().stream_timeout);
                    thread::spawn(move || {
                        let dialled = TcpStream::connect_timeout(&to, patience);
                        let _ = sender.send(Input::Dialled(id, dialled));
                    });
                }
                Action::WriteStream { id } => {
                    // A stream that broke is reported by its reader.
                    let _ = streams.get_mut(&id).map(|stream| stream.write_all(&buf));
                }
                Action::CloseStream { id, abort } => {
                    use std::net::Shutdown::{Both, Write};
                    let how = if abort { Both } else { Write };
                    let _ = streams.remove(&id).map(|stream| stream.shutdown(how));
                }
                Action::Event(Event::Member(change)) => {
                    say(format_args!("{} {}", change.kind, change.member.name()));
                }
                Action::Event(Event::User(event)) => {
                    say(String::from_utf8_lossy(&event.payload));
                }
                Action::Event(_) | Action::Answer { .. } | Action::QueryEnded { .. } => {}
                Action::Done { outcome, .. } => say(format_args!("{outcome:?}")),
                Action::Wait(Some(deadline)) => break deadline,
                Action::Wait(None) => return Ok(()),
            }
        };
        // Wait, take what has come, and only then let timers fire.
        let mut next = inputs.recv_timeout(deadline.since(clock())).ok();
        let now = clock();
        while let Some(input) = next {
            match input {
                Input::Datagram(from, bytes) => node.handle_datagram(from, &bytes, now),
                Input::Accepted(stream, from) => {
                    if let Some(id) = node.accept_stream(from, now) {
                        read(id, stream.try_clone()?, sender.clone());
                        streams.insert(id, stream);
                    }
                }
                Input::Dialled(id, Ok(stream)) => {
                    read(id, stream.try_clone()?, sender.clone());
                    streams.insert(id, stream);
                    node.handle_stream(id, StreamInput::Opened, now);
                }
                Input::Read(id, Ok(bytes)) if bytes.is_empty() => {
                    node.handle_stream(id, StreamInput::Finished, now);
                }
                Input::Read(id, Ok(bytes)) => {
                    node.handle_stream(id, StreamInput::Data(&bytes), now);
                }
                Input::Dialled(id, Err(_)) => {
                    node.handle_stream(id, StreamInput::Failed(StreamFailure::Refused), now);
                }
                Input::Read(id, Err(_)) => {
                    node.handle_stream(id, StreamInput::Failed(StreamFailure::Reset), now);
                }
                Input::Leave => drop(node.leave(now)),
            }
            next = inputs.try_recv().ok();
        }
        node.handle_tick(now);
    }
}
