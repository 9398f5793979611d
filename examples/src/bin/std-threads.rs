//! A fourth adapter: `serf-core` on plain `std` sockets and threads, to show how little one is.
//!
//! A thread reads datagrams, one accepts, one reads each stream, and all send what they read to
//! the main thread, which has the node. It prints what happens and leaves at the end of its input.
//! What a real adapter would do better: write to streams without holding up the node, and pause
//! when there are no file descriptors left to accept with.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown::{Both, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread::spawn;
use std::time::{Instant as SystemInstant, SystemTime};

use serf_core::StreamFailure::{Refused, Reset};
use serf_core::StreamInput::{Data, Failed, Finished, Opened};
use serf_core::{Action, Config, Event, Identity, Instant, Name, Node, Params, StreamId};
use serf_examples::{Args, Result, say};

enum Input {
    Datagram(SocketAddr, Vec<u8>),
    Accepted(SocketAddr, TcpStream),
    Dialled(StreamId, io::Result<TcpStream>),
    Read(StreamId, io::Result<Vec<u8>>),
    Leave,
}

fn receive(socket: UdpSocket, inputs: Sender<Input>) {
    let mut buf = [0; 65_536];
    loop {
        // An error is about an earlier datagram.
        if let Ok((len, from)) = socket.recv_from(&mut buf) {
            let _ = inputs.send(Input::Datagram(from, buf[..len].to_vec()));
        }
    }
}

fn accept(listener: TcpListener, inputs: Sender<Input>) {
    loop {
        if let Ok((stream, from)) = listener.accept() {
            let _ = inputs.send(Input::Accepted(from, stream));
        }
    }
}

/// Reads on a thread of its own, and gives the stream back for writing.
fn read(id: StreamId, stream: TcpStream, inputs: &Sender<Input>) -> io::Result<TcpStream> {
    let (mut reader, inputs) = (stream.try_clone()?, inputs.clone());
    spawn(move || {
        let mut buf = [0; 16 * 1024];
        let mut more = true;
        while more {
            let read = reader.read(&mut buf);
            more = matches!(read, Ok(1..));
            let _ = inputs.send(Input::Read(id, read.map(|len| buf[..len].to_vec())));
        }
    });
    Ok(stream)
}

fn main() -> Result {
    let args = Args::parse()?;
    let addr: SocketAddr = args.bind.parse()?;
    let seeds = args.seeds.iter().map(|seed| seed.parse::<SocketAddr>());
    let seeds = seeds.collect::<std::result::Result<Vec<_>, _>>()?;
    let (udp, tcp) = (UdpSocket::bind(addr)?, TcpListener::bind(addr)?);
    let (socket, (sender, inputs)) = (udp.try_clone()?, channel());
    let [datagrams, accepted, typed] = [&sender; 3].map(Sender::clone);
    spawn(|| receive(socket, datagrams));
    spawn(|| accept(tcp, accepted));
    spawn(move || io::copy(&mut io::stdin(), &mut io::sink()).map(|_| typed.send(Input::Leave)));

    let start = SystemInstant::now();
    let clock = || Instant::ZERO + start.elapsed();
    // Use the system's entropy for anything but an example.
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&SystemTime::UNIX_EPOCH.elapsed()?.as_nanos().to_le_bytes());
    let identity = Identity::new(Name::new(&args.name)?, addr);
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
                    let dial = move || TcpStream::connect_timeout(&to, patience);
                    spawn(move || sender.send(Input::Dialled(id, dial())));
                }
                Action::WriteStream { id } => {
                    // A stream that broke is reported by its reader.
                    let _ = streams.get(&id).map(|mut stream| stream.write_all(&buf));
                }
                Action::CloseStream { id, abort } => {
                    let how = if abort { Both } else { Write };
                    let _ = streams.remove(&id).map(|stream| stream.shutdown(how));
                }
                Action::Event(Event::Member(change)) => {
                    say(format_args!("{} {}", change.kind, change.member.name()));
                }
                Action::Event(Event::User(event)) => say(String::from_utf8_lossy(&event.payload)),
                Action::Event(_) | Action::Answer { .. } | Action::QueryEnded { .. } => {}
                Action::Done { outcome, .. } => say(format_args!("{outcome:?}")),
                Action::Wait(Some(deadline)) => break deadline,
                Action::Wait(None) => return Ok(()),
            }
        };
        // Wait, take what has come, and only then let timers fire.
        let first = inputs.recv_timeout(deadline.since(clock())).ok();
        let now = clock();
        for input in first.into_iter().chain(inputs.try_iter()) {
            match input {
                Input::Datagram(from, bytes) => node.handle_datagram(from, &bytes, now),
                Input::Accepted(from, stream) => {
                    if let Some(id) = node.accept_stream(from, now) {
                        streams.insert(id, read(id, stream, &sender)?);
                    }
                }
                Input::Dialled(id, Ok(stream)) => {
                    streams.insert(id, read(id, stream, &sender)?);
                    node.handle_stream(id, Opened, now);
                }
                Input::Dialled(id, Err(_)) => node.handle_stream(id, Failed(Refused), now),
                Input::Read(id, Ok(b)) if b.is_empty() => node.handle_stream(id, Finished, now),
                Input::Read(id, Ok(bytes)) => node.handle_stream(id, Data(&bytes), now),
                Input::Read(id, Err(_)) => node.handle_stream(id, Failed(Reset), now),
                Input::Leave => drop(node.leave(now)),
            }
        }
        node.handle_tick(now);
    }
}
