//! Connecting to an address as operators write it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

/// Connects to the first address of `host:port` that answers. The error is what follows
/// `dial tcp`, in the words that operators know.
pub(super) async fn dial(addr: &str, timeout: Duration) -> Result<TcpStream, String> {
    if addr.is_empty() {
        return Err(": missing address".to_owned());
    }
    let Some((host, port)) = addr.rsplit_once(':') else {
        return Err(format!(": address {addr}: missing port in address"));
    };
    let target = if host.is_empty() {
        format!("127.0.0.1:{port}")
    } else {
        addr.to_owned()
    };
    let addrs: Vec<SocketAddr> = tokio::net::lookup_host(&target)
        .await
        .map_err(|error| format!(": lookup {host}: {}", describe(&error)))?
        .collect();
    let mut last = format!(": lookup {host}: no such host");
    for addr in addrs {
        last = match tokio::time::timeout(timeout, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!(" {addr}: connect: {}", describe(&error)),
            Err(_) => format!(" {addr}: i/o timeout"),
        };
    }
    Err(last)
}

/// The system's words for an error, as the rest of the field writes them: in lower case and
/// without the number.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
