//! The agent in numbers: counted here or by the node, and shown in three ways: pushed to statsd
//! and statsite ([`sink`]), as Prometheus reads them ([`prometheus`]), and dumped on SIGUSR1.

mod prometheus;
mod sink;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serf_tokio::Stats;

pub(crate) use prometheus::render;
pub(crate) use sink::{Sinks, push};

/// Names that are counted or measured; others beyond that are not.
const MAX_NAMES: usize = 512;

/// What the agent itself counts and measures.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    own: Mutex<BTreeMap<Key, Value>>,
}

/// Which number: a name, and for some one of a family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// In the words of the reference system where it has any: `serf.events`.
    name: &'static str,
    /// The name of the label and its value.
    label: Option<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// Durations: how many, and all together.
    Sample { count: u64, total: Duration },
}

/// A number at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    key: Key,
    value: Value,
}

impl Telemetry {
    /// Counts one more.
    pub(crate) fn count(&self, name: &'static str) {
        self.update(Key { name, label: None }, Value::Counter(0), add_one);
    }

    /// Counts one more of a member of a family.
    pub(crate) fn count_one_of(&self, name: &'static str, label: &'static str, value: &str) {
        let label = Some((label, value.to_owned()));
        self.update(Key { name, label }, Value::Counter(0), add_one);
    }

    /// Takes note of how long one of a family took.
    pub(crate) fn measure(
        &self,
        name: &'static str,
        label: &'static str,
        value: &str,
        took: Duration,
    ) {
        let label = Some((label, value.to_owned()));
        let first = Value::Sample {
            count: 0,
            total: Duration::ZERO,
        };
        self.update(Key { name, label }, first, |value| {
            if let Value::Sample { count, total } = value {
                *count += 1;
                *total += took;
            }
        });
    }

    fn update(&self, key: Key, first: Value, change: impl FnOnce(&mut Value)) {
        let mut own = self.own.lock().expect("nothing panics with this lock");
        if own.len() < MAX_NAMES || own.contains_key(&key) {
            change(own.entry(key).or_insert(first));
        }
    }

    /// All numbers, those of the node included.
    pub(crate) fn read(&self, node: &Stats) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(96);
        let mut add = |name, value| {
            let key = Key { name, label: None };
            readings.push(Reading { key, value });
        };
        for (name, count) in node.counters.iter() {
            // Together they are how long something took.
            if !name.starts_with("round_trip") {
                add(name, Value::Counter(count));
            }
        }
        let round_trips = Value::Sample {
            count: node.counters.round_trips,
            total: Duration::from_micros(node.counters.round_trip_micros),
        };
        add("round_trip", round_trips);
        let sockets = &node.sockets;
        for (name, count) in [
            ("wakes", sockets.wakes),
            ("send_errors", sockets.send_errors),
            ("send_buffer_full", sockets.send_buffer_full),
            ("receive_errors", sockets.receive_errors),
            ("streams_dialled", sockets.streams_dialled),
            ("streams_accepted", sockets.streams_accepted),
            ("accept_errors", sockets.accept_errors),
            ("refused_connections", sockets.refused_connections),
            ("overflowed_streams", sockets.overflowed_streams),
            ("coordinate_resets", u64::from(node.coordinate_resets)),
        ] {
            add(name, Value::Counter(count));
        }
        if let Some(snapshot) = &node.snapshot {
            for (name, count) in [
                ("snapshot_dropped", snapshot.dropped),
                ("snapshot_failures", snapshot.failures),
                ("snapshot_compactions", snapshot.compactions),
            ] {
                add(name, Value::Counter(count));
            }
        }
        let gauge = |count: usize| Value::Gauge(count as f64);
        for (name, value) in [
            ("health_score", Value::Gauge(f64::from(node.health_score))),
            ("members", gauge(node.members)),
            ("members_alive", gauge(node.alive)),
            ("members_failed", gauge(node.failed)),
            ("members_left", gauge(node.left)),
            ("subscribers", gauge(node.subscribers)),
            ("cannot_decrypt", gauge(usize::from(node.cannot_decrypt))),
        ] {
            add(name, value);
        }
        for (queue, stats) in [
            ("members", node.queues.members),
            ("intents", node.queues.intents),
            ("queries", node.queues.queries),
            ("events", node.queues.events),
        ] {
            for (name, value) in [
                ("queue_depth", gauge(stats.depth)),
                ("queue_age_seconds", Value::Gauge(stats.age.as_secs_f64())),
                ("queue_displaced", Value::Counter(stats.displaced)),
            ] {
                let label = Some(("queue", queue.to_owned()));
                let key = Key { name, label };
                readings.push(Reading { key, value });
            }
        }
        let own = self.own.lock().expect("nothing panics with this lock");
        readings.extend(own.iter().map(|(key, value)| Reading {
            key: key.clone(),
            value: *value,
        }));
        readings
    }
}

fn add_one(value: &mut Value) {
    if let Value::Counter(count) = value {
        *count += 1;
    }
}

/// The dump that SIGUSR1 asks for: a line for each number, since the start of the agent.
pub(crate) fn dump(readings: &[Reading]) -> String {
    use std::fmt::Write as _;

    let time = jiff::ZonedDateTime::now().strftime("%Y-%m-%d %H:%M:%S %z");
    let mut text = String::new();
    for Reading { key, value } in readings {
        let name = sink::dotted(key);
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Counter(count) => writeln!(text, "[{time}][C] '{name}': Count: {count}"),
            Value::Gauge(value) => writeln!(text, "[{time}][G] '{name}': {value:.3}"),
            Value::Sample { count, total } => writeln!(
                text,
                "[{time}][S] '{name}': Count: {count} Sum: {:.3}",
                total.as_secs_f64() * 1000.0
            ),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn readings(telemetry: &Telemetry) -> Vec<Reading> {
        let own = telemetry.own.lock().unwrap();
        let reading = |(key, value): (&Key, &Value)| Reading {
            key: key.clone(),
            value: *value,
        };
        own.iter().map(reading).collect()
    }

    #[test]
    fn names_are_bounded_and_known_ones_go_on() {
        let telemetry = Telemetry::default();
        for n in 0..MAX_NAMES + 10 {
            telemetry.count_one_of("serf.events", "name", &n.to_string());
        }
        telemetry.count_one_of("serf.events", "name", "0");
        let readings = readings(&telemetry);
        assert_eq!(readings.len(), MAX_NAMES);
        assert_eq!(readings[0].value, Value::Counter(2));
    }

    #[test]
    fn the_dump_has_a_line_for_each_number() {
        let telemetry = Telemetry::default();
        telemetry.count("agent.ipc.accept");
        let took = Duration::from_millis(1500);
        telemetry.measure("agent.invoke", "script", "a b", took);
        let text = dump(&readings(&telemetry));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("][S] 'serf-agent.agent.invoke.a_b': Count: 1 Sum: 1500.000"));
        assert!(lines[1].ends_with("][C] 'serf-agent.agent.ipc.accept': Count: 1"));
    }
}
