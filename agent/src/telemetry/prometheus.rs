//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use super::{Key, Reading, Value};

/// The numbers as Prometheus reads them.
pub(crate) fn render(readings: &[Reading]) -> String {
    let mut text = String::with_capacity(8192);
    let mut last = String::new();
    // All of a family have to stand together.
    let mut readings: Vec<&Reading> = readings.iter().collect();
    readings.sort_by(|a, b| a.key.cmp(&b.key));
    for Reading { key, value } in readings {
        let base = base(key.name);
        let (kind, name) = match value {
            Value::Counter(_) => ("counter", format!("{base}_total")),
            Value::Gauge(_) => ("gauge", base),
            Value::Sample { .. } => ("summary", format!("{base}_seconds")),
        };
        // Writing to a string cannot fail.
        if name != last {
            let _ = writeln!(text, "# TYPE {name} {kind}");
        }
        let labels = labels(key);
        let _ = match value {
            Value::Counter(count) => writeln!(text, "{name}{labels} {count}"),
            Value::Gauge(value) => writeln!(text, "{name}{labels} {value}"),
            Value::Sample { count, total } => writeln!(
                text,
                "{name}_sum{labels} {}\n{name}_count{labels} {count}",
                total.as_secs_f64()
            ),
        };
        last = name;
    }
    text
}

fn base(name: &str) -> String {
    let name = name.replace(['.', '-'], "_");
    match name.starts_with("serf_") {
        true => name,
        false => format!("serf_{name}"),
    }
}

fn labels(key: &Key) -> String {
    let Some((name, value)) = &key.label else {
        return String::new();
    };
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Telemetry;
    use super::super::tests::readings;
    use super::*;

    #[test]
    fn families_have_one_type_line_and_labels_are_escaped() {
        let telemetry = Telemetry::default();
        telemetry.count("agent.ipc.accept");
        telemetry.count_one_of("serf.events", "name", "a\"b");
        telemetry.count_one_of("serf.events", "name", "c\n");
        telemetry.measure("agent.invoke", "script", "x", Duration::from_millis(250));
        let expected = "# TYPE serf_agent_invoke_seconds summary\n\
            serf_agent_invoke_seconds_sum{script=\"x\"} 0.25\n\
            serf_agent_invoke_seconds_count{script=\"x\"} 1\n\
            # TYPE serf_agent_ipc_accept_total counter\n\
            serf_agent_ipc_accept_total 1\n\
            # TYPE serf_events_total counter\n\
            serf_events_total{name=\"a\\\"b\"} 1\n\
            serf_events_total{name=\"c\\n\"} 1\n";
        assert_eq!(render(&readings(&telemetry)), expected);
    }
}
