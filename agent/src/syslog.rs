//! Log lines to the system's logger.
//!
//! One datagram for each line, in the form of RFC 3164, which is what loggers read from their
//! local socket. Nothing waits for the logger: what it does not take at once is lost.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::str::FromStr;

use crate::log::Level;

/// Where loggers listen.
const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// Which part of the system speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

impl FromStr for Facility {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const NAMES: [&str; 12] = [
            "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON",
            "AUTHPRIV", "FTP",
        ];
        let text = text.to_uppercase();
        let number = match text.strip_prefix("LOCAL") {
            Some(n) => {
                let n: u8 = n.parse().map_err(|_| ())?;
                (n < 8).then_some(16 + n).ok_or(())?
            }
            None => {
                let position = NAMES.iter().position(|name| *name == text).ok_or(())?;
                u8::try_from(position).expect("there are twelve")
            }
        };
        Ok(Self(number))
    }
}

/// A connection to the logger.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    facility: Facility,
}

impl Syslog {
    /// Connects to the logger of this machine.
    ///
    /// # Errors
    /// No logger listens.
    pub fn connect(facility: Facility) -> io::Result<Self> {
        let mut last = io::ErrorKind::NotFound.into();
        for path in SOCKETS {
            match Self::connect_to(Path::new(path), facility) {
                Ok(syslog) => return Ok(syslog),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_to(path: &Path, facility: Facility) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, facility })
    }

    /// Sends a line.
    pub fn send(&self, level: Level, component: &str, text: &str) {
        let severity = match level {
            Level::Err => 3,
            Level::Warn => 4,
            Level::Info => 5,
            Level::Debug => 6,
            Level::Trace => 7,
        };
        let priority = self.facility.0 * 8 + severity;
        let time = jiff::ZonedDateTime::now()
            .strftime("%b %e %H:%M:%S")
            .to_string();
        let pid = std::process::id();
        let line = format!("<{priority}>{time} serf[{pid}]: {component}: {text}");
        // There is nobody else to tell.
        let _ = self.socket.send(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_read_in_any_case() {
        assert_eq!("local0".parse(), Ok(Facility(16)));
        assert_eq!("LOCAL7".parse(), Ok(Facility(23)));
        assert_eq!("Daemon".parse(), Ok(Facility(3)));
        for text in ["LOCAL8", "LOCAL", "", "bogus"] {
            assert_eq!(text.parse::<Facility>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_line_has_priority_time_tag_and_component() {
        let path = std::env::temp_dir().join(format!("serf-syslog-{}", std::process::id()));
        let logger = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::connect_to(&path, Facility(16)).unwrap();
        syslog.send(Level::Warn, "agent", "look out");
        let mut buffer = [0; 512];
        let count = logger.recv(&mut buffer).unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8_lossy(&buffer[..count]);
        assert!(text.starts_with("<132>"), "{text}");
        let end = format!(" serf[{}]: agent: look out", std::process::id());
        assert!(text.ends_with(&end), "{text}");
    }
}
