//! The agent's log: what is printed, and what monitors are sent.
//!
//! Lines look as they always did, `2026/01/31 12:00:00 [INFO] agent: text`. They come in as
//! `tracing` events; the target names the component. The last [`KEPT`] lines of any level are
//! kept for monitors that come later and may want more detail than is printed.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::span;

use crate::syslog::Syslog;

/// How many lines are kept, and how many a slow monitor may fall behind.
pub const KEPT: usize = 512;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// What a developer wants to know.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look at.
    Warn,
    /// What went wrong.
    Err,
}

impl Level {
    /// The word for it in a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Err => "ERR",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a level. Holds the text in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let text = text.to_uppercase();
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Err]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(UnknownLevel(text))
    }
}

impl From<&tracing::Level> for Level {
    fn from(level: &tracing::Level) -> Self {
        match *level {
            tracing::Level::TRACE => Self::Trace,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::INFO => Self::Info,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::ERROR => Self::Err,
        }
    }
}

/// How lines are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As they always were.
    Text,
    /// One JSON object each, with `time`, `level`, `component`, `message` and the fields.
    Json,
}

/// One line, without its end.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// All of it, time and level included.
    pub text: Arc<str>,
    /// What is printed, if that is not the text.
    printed: Option<Arc<str>>,
}

#[cfg(test)]
impl Line {
    pub(crate) fn plain(level: Level, text: &str) -> Self {
        let text = text.into();
        let printed = None;
        Self {
            level,
            text,
            printed,
        }
    }
}

/// The log of one agent. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    monitors: broadcast::Sender<Line>,
    format: Format,
    syslog: Option<Syslog>,
}

#[derive(Debug)]
struct State {
    kept: VecDeque<Line>,
    printed_from: Level,
    /// Set once the start is over: until then lines wait, so that they do not get between the
    /// lines that tell of the start.
    printing: bool,
}

impl Log {
    /// A log that prints lines from this level on, once [`Log::release`] has been called, and
    /// passes them to the system's logger at once.
    #[must_use]
    pub fn new(printed_from: Level, format: Format, syslog: Option<Syslog>) -> Self {
        let state = State {
            kept: VecDeque::with_capacity(KEPT),
            printed_from,
            printing: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                monitors: broadcast::Sender::new(KEPT),
                format,
                syslog,
            }),
        }
    }

    /// Makes this the log of the whole process. Later calls, on any log, do nothing.
    pub fn install(&self) {
        let _ = tracing::subscriber::set_global_default(Collector(self.clone()));
    }

    /// Prints what has waited, and everything from now on.
    pub fn release(&self) {
        let mut state = self.state();
        state.printing = true;
        let waited = state.kept.iter();
        for line in waited.filter(|line| line.level >= state.printed_from) {
            print(line);
        }
    }

    /// Changes from which level on lines are printed.
    pub fn set_level(&self, level: Level) {
        self.state().printed_from = level;
    }

    /// The lines that are kept, and a receiver of all that come after them. A receiver that
    /// falls [`KEPT`] lines behind loses the oldest.
    #[must_use]
    pub fn subscribe(&self) -> (Vec<Line>, broadcast::Receiver<Line>) {
        // Under the lock, so that no line comes twice or is missed.
        let state = self.state();
        let receiver = self.shared.monitors.subscribe();
        (state.kept.iter().cloned().collect(), receiver)
    }

    /// Adds a line with the present time.
    pub fn record(&self, level: Level, component: &str, text: &str) {
        self.record_with(level, component, text, &[]);
    }

    fn record_with(&self, level: Level, component: &str, message: &str, fields: &[StoredField]) {
        let now = jiff::ZonedDateTime::now();
        let mut text = message.trim_end().to_owned();
        for (name, value) in fields {
            // Writing to a string cannot fail.
            let _ = write!(text, " {name}={value}");
        }
        let time = now.strftime("%Y/%m/%d %H:%M:%S");
        let line = Line {
            level,
            text: format!("{time} [{level}] {component}: {text}").into(),
            printed: (self.shared.format == Format::Json)
                .then(|| json(&now, level, component, message, fields).into()),
        };
        let mut state = self.state();
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(line.clone());
        if level >= state.printed_from {
            if let Some(syslog) = &self.shared.syslog {
                syslog.send(level, component, &text);
            }
            if state.printing {
                print(&line);
            }
        }
        // Nobody may be listening.
        let _ = self.shared.monitors.send(line);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .expect("nothing panics while the log is locked")
    }
}

fn print(line: &Line) {
    let mut out = std::io::stdout().lock();
    // There is nowhere to complain about a closed standard output.
    let _ = match &line.printed {
        Some(printed) => writeln!(out, "{printed}"),
        None => writeln!(out, "    {}", line.text),
    };
}

fn json(
    now: &jiff::ZonedDateTime,
    level: Level,
    component: &str,
    message: &str,
    fields: &[StoredField],
) -> String {
    let mut object = serde_json::Map::new();
    // Fields first: none may take the place of what every line has.
    for (name, value) in fields {
        object.insert((*name).to_owned(), value.as_str().into());
    }
    let time = format!("{:.3}", now.timestamp());
    for (name, value) in [
        ("time", time.as_str()),
        ("level", level.as_str()),
        ("component", component),
        ("message", message.trim_end()),
    ] {
        object.insert(name.to_owned(), value.into());
    }
    serde_json::Value::Object(object).to_string()
}

/// Takes `tracing` events.
struct Collector(Log);

/// The component that a module belongs to, or `None` for code that is not ours.
fn component(target: &str) -> Option<&str> {
    match target {
        "agent" | "agent.ipc" | "agent.mdns" | "serf" | "memberlist" => Some(target),
        target if target.starts_with("serf_core::swim") => Some("memberlist"),
        target if target.starts_with("serf_agent") => Some("agent"),
        target if target.starts_with("serf_") => Some("serf"),
        _ => None,
    }
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // The agent reports changes of the membership itself, in the words that operators know.
        let reported = metadata.target() == "serf_runtime::driver"
            && *metadata.level() == tracing::Level::INFO;
        metadata.is_event() && !reported && component(metadata.target()).is_some()
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let Some(component) = component(metadata.target()) else {
            return;
        };
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        self.0
            .record_with(metadata.level().into(), component, &message, &fields);
    }

    // Spans are not shown.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The name of a field of an event, and its value as text.
type StoredField = (&'static str, String);

/// The message of an event and its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: Vec<StoredField>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            // Writing to a string cannot fail.
            "message" => drop(write!(self.message, "{value:?}")),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.fields.push((name, value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_read_in_any_case() {
        assert_eq!("warn".parse(), Ok(Level::Warn));
        assert!(Level::Trace < Level::Debug && Level::Warn < Level::Err);
        let unknown = "bogus".parse::<Level>();
        assert_eq!(unknown, Err(UnknownLevel("BOGUS".to_owned())));
    }

    #[test]
    fn the_newest_lines_are_kept_and_later_ones_reach_subscribers() {
        let log = Log::new(Level::Err, Format::Text, None);
        for n in 0..KEPT + 3 {
            log.record(Level::Debug, "agent", &n.to_string());
        }
        let (kept, mut receiver) = log.subscribe();
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].text.ends_with(" [DEBUG] agent: 3"), "{:?}", kept[0]);
        assert!(receiver.try_recv().is_err());
        log.record(Level::Warn, "serf", "more");
        let line = receiver.try_recv().unwrap();
        assert!(line.text.ends_with(" [WARN] serf: more"));
    }

    #[test]
    fn a_line_begins_with_the_time() {
        let log = Log::new(Level::Err, Format::Text, None);
        log.record(Level::Info, "agent", "x");
        let (kept, _) = log.subscribe();
        let shape: String = kept[0]
            .text
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000/00/00 00:00:00 [INFO] agent: x");
    }

    #[test]
    fn structured_lines_are_json_and_monitors_still_see_text() {
        let log = Log::new(Level::Err, Format::Json, None);
        let fields = [("peer", "b\"c".to_owned()), ("level", "x".to_owned())];
        log.record_with(Level::Warn, "agent", "look\n", &fields);
        let (kept, _) = log.subscribe();
        assert!(
            kept[0]
                .text
                .ends_with("[WARN] agent: look peer=b\"c level=x")
        );
        let printed = kept[0].printed.as_deref().unwrap();
        let value: serde_json::Value = serde_json::from_str(printed).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["message"], "look");
        assert_eq!(value["peer"], "b\"c");
        assert!(value["time"].as_str().unwrap().ends_with('Z'), "{value}");
    }

    #[test]
    fn targets_become_components_and_foreign_ones_are_left_out() {
        assert_eq!(component("serf_core::swim::probe"), Some("memberlist"));
        assert_eq!(component("serf_tokio"), Some("serf"));
        assert_eq!(component("agent.ipc"), Some("agent.ipc"));
        assert_eq!(component("mio::poll"), None);
    }
}
