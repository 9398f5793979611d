//! The two sockets of a node: UDP and TCP on one address.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use serf_core::StreamFailure;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::BindError;

/// The kernel buffer asked for: room for what arrives while the driver is not running.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

/// How often a port that is free for both protocols is looked for.
const PORT_TRIES: usize = 10;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;

/// A UDP socket and a TCP listener on the same address, both non-blocking.
#[derive(Debug)]
pub struct Sockets {
    /// For gossip.
    pub udp: UdpSocket,
    /// For state exchanges.
    pub tcp: TcpListener,
    /// The address of both.
    pub addr: SocketAddr,
}

impl Sockets {
    /// Opens both. Port 0 takes one that is free for both.
    ///
    /// # Errors
    /// Names the protocol and the address, and what the system said.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let mut tries = if addr.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::bind_once(addr) {
                Err(BindError::Socket { source, .. })
                    if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }

    fn bind_once(wanted: SocketAddr) -> Result<Self, BindError> {
        let failed = |protocol, addr| {
            move |source| BindError::Socket {
                protocol,
                addr,
                source,
            }
        };
        // UDP first: it is what tells whether the address is taken, see `take`.
        let udp = bind_udp(wanted).map_err(failed("UDP", wanted))?;
        let addr = udp.local_addr().map_err(failed("UDP", wanted))?;
        let tcp = bind_tcp(addr).map_err(failed("TCP", addr))?;
        Ok(Self { udp, tcp, addr })
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(addr, Type::STREAM, Protocol::TCP)?;
    // A restarted node takes its port back although old connections linger. Elsewhere the option
    // would let two processes share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    take(&socket, addr, |socket| socket.listen(BACKLOG))?;
    Ok(socket.into())
}

fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(addr, Type::DGRAM, Protocol::UDP)?;
    // Some systems refuse a size that is too large, others cut it down.
    let mut size = RECEIVE_BUFFER;
    while size > 0 && socket.set_recv_buffer_size(size).is_err() {
        size /= 2;
    }
    let got = socket.recv_buffer_size().unwrap_or(0);
    tracing::debug!(asked = RECEIVE_BUFFER, got, "UDP receive buffer");
    take(&socket, addr, |_| Ok(()))?;
    Ok(socket.into())
}

/// Binds the socket to an address that no other has.
///
/// One node may have every address of the machine (`0.0.0.0`) and further ones a single address
/// each, at the same port: what arrives at a single address goes to the node that has it. Linux
/// allows that only among sockets of one user that are marked as sharing the port. So a node that
/// has every address is marked once it is bound, and one that wants a single address is marked
/// while it binds, and not afterwards: a second one is refused the address, as it should be.
fn take(
    socket: &Socket,
    addr: SocketAddr,
    open: impl Fn(&Socket) -> io::Result<()>,
) -> io::Result<()> {
    let bind = || socket.bind(&addr.into()).and_then(|()| open(socket));
    #[cfg(target_os = "linux")]
    {
        let bound = bind();
        if addr.ip().is_unspecified() {
            bound?;
            return socket.set_reuse_port(true);
        }
        match bound {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
        socket.set_reuse_port(true)?;
        bind()?;
        socket.set_reuse_port(false)
    }
    #[cfg(not(target_os = "linux"))]
    bind()
}

fn open(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // `[::]` means every address of the machine, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The form in which a socket bound to `bound` sends to `to`: a socket of IPv6 reaches IPv4
/// addresses under mapped ones, a socket of IPv4 knows only plain ones.
#[must_use]
pub fn sendable(to: SocketAddr, bound: SocketAddr) -> SocketAddr {
    match canonical(to) {
        SocketAddr::V4(v4) if bound.is_ipv6() => {
            SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
        }
        to => to,
    }
}

/// The plain form of an address that a socket reported, whatever family the socket is of.
#[must_use]
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        // As it came, with its zone.
        IpAddr::V6(_) => addr,
        ip => SocketAddr::new(ip, addr.port()),
    }
}

/// What the core is told about an error on a stream.
#[must_use]
pub fn stream_failure(error: &io::Error) -> StreamFailure {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => StreamFailure::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            StreamFailure::Unreachable
        }
        Kind::TimedOut => StreamFailure::TimedOut,
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => StreamFailure::Reset,
        _ => StreamFailure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_port() -> u16 {
        let sockets = Sockets::bind("127.0.91.1:0".parse().unwrap()).unwrap();
        sockets.addr.port()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn single_addresses_may_be_taken_beside_every_address_but_each_only_once() {
        let port = free_port();
        let at = |ip: [u8; 4]| SocketAddr::from((ip, port));
        let every = Sockets::bind(at([0, 0, 0, 0])).unwrap();
        let single = Sockets::bind(at([127, 0, 91, 2])).unwrap();
        let other = Sockets::bind(at([127, 0, 91, 3])).unwrap();
        for taken in [at([127, 0, 91, 2]), at([127, 0, 91, 3]), at([0, 0, 0, 0])] {
            let error = Sockets::bind(taken).unwrap_err();
            assert!(error.to_string().contains(&taken.to_string()), "{error}");
        }

        // What is sent to a single address arrives there, the rest at the one that has them all.
        let sender = UdpSocket::bind("127.0.91.9:0").unwrap();
        for (to, sockets) in [(2, &single), (3, &other), (4, &every)] {
            sender.send_to(&[to], at([127, 0, 91, to])).unwrap();
            sockets.udp.set_nonblocking(false).unwrap();
            let mut got = [0; 1];
            sockets.udp.recv(&mut got).unwrap();
            assert_eq!(got, [to]);
            let stream = std::net::TcpStream::connect(at([127, 0, 91, to])).unwrap();
            sockets.tcp.set_nonblocking(false).unwrap();
            let (_, from) = sockets.tcp.accept().unwrap();
            assert_eq!(from, stream.local_addr().unwrap());
        }
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn port_zero_gives_one_port_for_both_protocols() {
        let sockets = Sockets::bind(addr("127.81.0.1:0")).unwrap();
        assert_ne!(sockets.addr.port(), 0);
        assert_eq!(sockets.udp.local_addr().unwrap(), sockets.addr);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.addr);
    }

    #[test]
    fn a_port_in_use_is_named_with_its_protocol() {
        let taken = UdpSocket::bind("127.81.0.2:0").unwrap();
        let taken = taken.local_addr().unwrap();
        let first = Sockets::bind(addr("127.81.0.3:0")).unwrap();
        let error = Sockets::bind(taken).unwrap_err().to_string();
        assert!(error.contains("127.81.0.2") && error.contains("address"));
        let error = Sockets::bind(first.addr).unwrap_err().to_string();
        assert!(error.contains("UDP") && error.contains(&first.addr.to_string()));
    }

    #[test]
    fn sockets_are_closed_when_dropped() {
        let first = Sockets::bind(addr("127.81.0.4:0")).unwrap().addr;
        assert_eq!(Sockets::bind(first).unwrap().addr, first);
    }

    #[test]
    fn addresses_take_the_form_that_the_socket_understands() {
        let (v4, v6) = (addr("0.0.0.0:1"), addr("[::]:1"));
        for (to, over_v4, over_v6) in [
            ("10.0.0.1:2", "10.0.0.1:2", "[::ffff:10.0.0.1]:2"),
            ("[::ffff:10.0.0.1]:2", "10.0.0.1:2", "[::ffff:10.0.0.1]:2"),
            ("[fd00::1]:2", "[fd00::1]:2", "[fd00::1]:2"),
        ] {
            assert_eq!(sendable(addr(to), v4), addr(over_v4));
            assert_eq!(sendable(addr(to), v6), addr(over_v6));
        }
        assert_eq!(canonical(addr("[::ffff:10.0.0.1]:2")), addr("10.0.0.1:2"));
    }

    #[test]
    fn a_socket_bound_to_everything_reaches_ipv4_and_reports_it_plainly() {
        let everything = Sockets::bind(addr("[::]:0")).unwrap();
        let peer = UdpSocket::bind("127.81.0.5:0").unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(10)))
            .unwrap();
        let to = sendable(peer.local_addr().unwrap(), everything.addr);
        everything.udp.send_to(b"hello", to).unwrap();
        let (len, from) = peer.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(len, 5);
        peer.send_to(b"you", from).unwrap();
        everything.udp.set_nonblocking(false).unwrap();
        let (_, from) = everything.udp.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(canonical(from), peer.local_addr().unwrap());
    }
}
