//! Pushing numbers to statsd (datagrams) and statsite (a stream), which take the same lines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use super::{Key, Reading, Value};
use crate::agent::Agent;

/// Time between two pushes.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a stream may take to be opened, and to take what is written.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes in a datagram.
const DATAGRAM: usize = 1400;

/// The node's numbers that the reference system has, too: name, label and name there.
const KNOWN_AS: &[(&str, Option<&str>, &str)] = &[
    ("datagram_bytes_sent", None, "memberlist.udp.sent"),
    ("datagram_bytes_received", None, "memberlist.udp.received"),
    ("stream_bytes_sent", None, "memberlist.tcp.sent"),
    ("streams_accepted", None, "memberlist.tcp.accept"),
    ("streams_dialled", None, "memberlist.tcp.connect"),
    ("announcements", None, "memberlist.msg.alive"),
    ("suspicions", None, "memberlist.msg.suspect"),
    ("burials", None, "memberlist.msg.dead"),
    ("flaps", None, "serf.member.flap"),
    ("dropped_coordinates", None, "serf.coordinate.rejected"),
    ("zero_round_trips", None, "serf.coordinate.zero-rtt"),
    ("health_score", None, "memberlist.health.score"),
    (
        "queue_depth",
        Some("members"),
        "memberlist.queue.broadcasts",
    ),
    ("queue_depth", Some("intents"), "serf.queue.Intent"),
    ("queue_depth", Some("events"), "serf.queue.Event"),
    ("queue_depth", Some("queries"), "serf.queue.Query"),
    ("serf.events.by_name", None, "serf.events"),
    ("queries", None, "serf.queries"),
    ("serf.queries.by_name", None, "serf.queries"),
];

/// Where numbers are pushed to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinks {
    /// `host:port` of a statsd server.
    pub(crate) statsd: Option<String>,
    /// `host:port` of a statsite server.
    pub(crate) statsite: Option<String>,
    /// Name of this machine, which is put in front of gauges.
    pub(crate) host: String,
}

/// Pushes the numbers of an agent for as long as it runs. A server that cannot be reached is
/// tried again at every push.
pub(crate) async fn push(agent: Arc<Agent>, sinks: Sinks) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut deltas = Deltas::default();
    let mut stream = None;
    let mut complained = false;
    loop {
        ticks.tick().await;
        let Ok(readings) = agent.readings().await else {
            return;
        };
        let lines = deltas.lines(&readings, &sinks.host);
        let mut sent = Ok(());
        if let Some(addr) = &sinks.statsd {
            sent = send_datagrams(addr, &lines).await;
        }
        if let Some(addr) = &sinks.statsite {
            sent = sent.and(write(addr, &mut stream, &lines.concat()).await);
        }
        match sent {
            Err(error) if !complained => {
                tracing::warn!(target: "agent", "Cannot push metrics: {error}");
                complained = true;
            }
            Err(_) => {}
            Ok(()) => complained = false,
        }
    }
}

async fn send_datagrams(addr: &str, lines: &[String]) -> Result<(), String> {
    let error = |error: std::io::Error| format!("statsd_addr '{addr}': {error}");
    let found = tokio::net::lookup_host(addr).await.map_err(error)?.next();
    let to = found.ok_or_else(|| format!("statsd_addr '{addr}': no addresses"))?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(error)?;
    let mut datagram = String::with_capacity(DATAGRAM);
    for line in lines {
        if datagram.len() + line.len() > DATAGRAM && !datagram.is_empty() {
            let sent = socket.send_to(datagram.as_bytes(), to).await;
            sent.map_err(error)?;
            datagram.clear();
        }
        datagram.push_str(line);
    }
    if !datagram.is_empty() {
        let sent = socket.send_to(datagram.as_bytes(), to).await;
        sent.map_err(error)?;
    }
    Ok(())
}

async fn write(addr: &str, stream: &mut Option<TcpStream>, text: &str) -> Result<(), String> {
    let error = |error: std::io::Error| format!("statsite_addr '{addr}': {error}");
    let open = match stream.take() {
        Some(open) => open,
        None => tokio::time::timeout(TIMEOUT, TcpStream::connect(addr))
            .await
            .map_err(|late| error(late.into()))?
            .map_err(error)?,
    };
    let open = stream.insert(open);
    let written = tokio::time::timeout(TIMEOUT, open.write_all(text.as_bytes())).await;
    let written = written.map_err(std::io::Error::from).flatten();
    if written.is_err() {
        *stream = None;
    }
    written.map_err(error)
}

/// What was last pushed of the numbers that only grow.
#[derive(Debug, Default)]
struct Deltas(HashMap<String, (u64, Duration)>);

impl Deltas {
    /// The lines for what has changed since the last time; gauges are always among them.
    fn lines(&mut self, readings: &[Reading], host: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for Reading { key, value } in readings {
            let name = dotted(key);
            match *value {
                // The reference system takes samples of these.
                Value::Gauge(depth) if key.name == "queue_depth" => {
                    lines.push(format!("{name}:{depth:.6}|ms\n"));
                }
                Value::Gauge(value) => {
                    let name = name.replacen(PREFIX, &format!("{PREFIX}{}.", clean(host)), 1);
                    lines.push(format!("{name}:{value:.6}|g\n"));
                }
                Value::Counter(count) => {
                    let (before, _) = self
                        .0
                        .insert(name.clone(), (count, Duration::ZERO))
                        .unwrap_or_default();
                    if count > before {
                        lines.push(format!("{name}:{:.6}|c\n", (count - before) as f64));
                    }
                }
                Value::Sample { count, total } => {
                    let (before, total_before) = self
                        .0
                        .insert(name.clone(), (count, total))
                        .unwrap_or_default();
                    if count > before {
                        // The mean of those since the last time.
                        let took = (total - total_before).as_secs_f64() * 1000.0;
                        let mean = took / (count - before) as f64;
                        lines.push(format!("{name}:{mean:.6}|ms\n"));
                    }
                }
            }
        }
        lines
    }
}

const PREFIX: &str = "serf-agent.";

/// The name of a number as statsd has it.
pub(super) fn dotted(key: &Key) -> String {
    let label = key.label.as_ref().map(|(_, value)| value.as_str());
    let known = |label| {
        let mut all = KNOWN_AS.iter();
        let found = all.find(|(name, of, _)| *name == key.name && *of == label);
        found.map(|(_, _, theirs)| *theirs)
    };
    if let Some(theirs) = label.and_then(|label| known(Some(label))) {
        return format!("{PREFIX}{theirs}");
    }
    let name = match known(None) {
        Some(theirs) => theirs.to_owned(),
        None if key.name.contains('.') => key.name.to_owned(),
        None => format!("serf.{}", key.name),
    };
    match label {
        Some(value) => format!("{PREFIX}{name}.{}", clean(value)),
        None => format!("{PREFIX}{name}"),
    }
}

/// Without the characters that mean something in a line.
fn clean(text: &str) -> String {
    text.replace([' ', ':', '|', '\n'], "_")
}

#[cfg(test)]
mod tests {
    use super::super::Telemetry;
    use super::super::tests::readings;
    use super::*;

    #[test]
    fn growing_numbers_are_pushed_as_what_came_since_the_last_time() {
        let telemetry = Telemetry::default();
        let mut deltas = Deltas::default();
        let mut lines = |telemetry| deltas.lines(&readings(telemetry), "host 1");
        telemetry.count_one_of("serf.events.by_name", "name", "de:ploy");
        telemetry.count_one_of("serf.events.by_name", "name", "de:ploy");
        assert_eq!(
            lines(&telemetry),
            ["serf-agent.serf.events.de_ploy:2.000000|c\n"]
        );
        assert!(lines(&telemetry).is_empty());
        telemetry.count_one_of("serf.events.by_name", "name", "de:ploy");
        for ms in [10, 30] {
            let took = Duration::from_millis(ms);
            telemetry.measure("agent.invoke", "script", "x", took);
        }
        let expected = [
            "serf-agent.agent.invoke.x:20.000000|ms\n",
            "serf-agent.serf.events.de_ploy:1.000000|c\n",
        ];
        assert_eq!(lines(&telemetry), expected);
    }

    #[test]
    fn gauges_have_the_host_in_front_and_known_numbers_their_old_names() {
        let key = |name| Key { name, label: None };
        let gauge = Reading {
            key: key("health_score"),
            value: Value::Gauge(1.0),
        };
        let lines = Deltas::default().lines(&[gauge], "host 1");
        let expected = "serf-agent.host_1.memberlist.health.score:1.000000|g\n";
        assert_eq!(lines, [expected]);
        assert_eq!(dotted(&key("probes")), "serf-agent.serf.probes");
        assert_eq!(dotted(&key("query_acks")), "serf-agent.serf.query_acks");
        let depth = |queue: &str| Key {
            label: Some(("queue", queue.to_owned())),
            ..key("queue_depth")
        };
        let sample = Reading {
            key: depth("intents"),
            value: Value::Gauge(3.0),
        };
        let lines = Deltas::default().lines(&[sample], "host 1");
        assert_eq!(lines, ["serf-agent.serf.queue.Intent:3.000000|ms\n"]);
        assert_eq!(dotted(&depth("x")), "serf-agent.serf.queue_depth.x");
    }
}
