//! Running a node's journal again: the same inputs, and the same actions, or the first that differs.

use std::collections::BTreeMap;
use std::fmt;

use serf_core::journal::{
    Damage, Entry, HASH_LEN, Input, MissingKey, Reader, Start, StartError, hash_action,
};
use serf_core::keyring::Key;
use serf_core::{Action, Event, Instant, Node};

/// A journal being run again, input by input.
///
/// The journal may come from a node of a [`World`](crate::World), or from one that ran anywhere
/// else. Every action is compared with its hash in the journal. If all are the same, the node here
/// went through the same states as that one did.
#[derive(Debug)]
pub struct Replay<'a> {
    reader: Reader<'a>,
    keys: Vec<Key>,
    start: Start,
    node: Node,
    now: Instant,
    summary: Summary,
    /// The last input, in words.
    last: String,
    buffer: Vec<u8>,
}

/// What a replay has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many inputs there were of each kind.
    pub inputs: BTreeMap<&'static str, u64>,
    /// How many actions of each kind, all as in the journal.
    pub actions: BTreeMap<&'static str, u64>,
    /// How many events of each kind the node has told its application.
    pub events: BTreeMap<String, u64>,
    /// Bytes of the journal.
    pub bytes: usize,
}

/// One step of a replay.
#[derive(Debug)]
pub enum Step<'a> {
    /// Something went in.
    Input(Input<'a>),
    /// The node did this, as in the journal; with each action how many bytes go with it.
    Actions(Vec<(Action, usize)>),
}

/// Why a replay goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The node does something else than what is in the journal.
    Differs(Box<Difference>),
    /// The rest of the journal cannot be read.
    Damage(Damage),
    /// The node had a key that is not here.
    MissingKey(MissingKey),
    /// The journal does not begin as one should.
    NoStart,
    /// No node can be made as the journal says.
    Start(StartError),
    /// The journal says twice how the node was made.
    SecondStart,
}

/// The first action that is not as in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// After how many inputs.
    pub inputs: u64,
    /// When, by the node's own time.
    pub at: Instant,
    /// The last input before it, in words.
    pub input: String,
    /// Which of the actions after it, from 0.
    pub action: usize,
    /// The hash that the journal has.
    pub expected: [u8; HASH_LEN],
    /// What the node does here, in words.
    pub found: String,
    /// The hash of that.
    pub hash: [u8; HASH_LEN],
}

impl<'a> Replay<'a> {
    /// Makes the node of a journal. `keys` are those that it had, in any order; none if it did not
    /// encrypt.
    ///
    /// # Errors
    /// [`Stop::Damage`], [`Stop::NoStart`] or [`Stop::Start`].
    pub fn new(journal: &'a [u8], keys: Vec<Key>) -> Result<Self, Stop> {
        let mut reader = Reader::new(journal);
        let Some(Entry::Start(start)) = reader.next().map_err(Stop::Damage)? else {
            return Err(Stop::NoStart);
        };
        let node = start.build().map_err(Stop::Start)?;
        Ok(Self {
            reader,
            keys,
            node,
            now: start.at(),
            summary: Summary::default(),
            last: "its start".to_owned(),
            buffer: Vec::new(),
            start,
        })
    }

    /// How the node was made.
    #[must_use]
    pub const fn start(&self) -> &Start {
        &self.start
    }

    /// The node as it is now.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The time of the last input.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What has been seen so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// How many inputs there have been.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.summary.inputs.values().sum()
    }

    /// Does the next thing; `None` at the end of the journal.
    ///
    /// # Errors
    /// See [`Stop`]; it goes no further then.
    pub fn step(&mut self) -> Result<Option<Step<'a>>, Stop> {
        let entry = self.reader.next().map_err(Stop::Damage)?;
        self.summary.bytes = self.reader.offset();
        match entry {
            None => Ok(None),
            Some(Entry::Start(_)) => Err(Stop::SecondStart),
            Some(Entry::Input(after, input)) => {
                // The other half of what the recording does; right in either direction.
                let now = self.now.as_nanos().wrapping_add(after.cast_unsigned());
                self.now = Instant::from_nanos(now);
                input
                    .apply(&mut self.node, self.now, &self.keys)
                    .map_err(Stop::MissingKey)?;
                *self.summary.inputs.entry(input.kind()).or_default() += 1;
                self.last.clear();
                describe(&input, &mut self.last);
                Ok(Some(Step::Input(input)))
            }
            Some(Entry::Actions(hashes)) => {
                self.check(hashes).map(|done| Some(Step::Actions(done)))
            }
        }
    }

    fn check(&mut self, hashes: &[u8]) -> Result<Vec<(Action, usize)>, Stop> {
        let mut done = Vec::new();
        for (nth, expected) in hashes.chunks(HASH_LEN).enumerate() {
            self.buffer.clear();
            let action = self.node.poll_action(&mut self.buffer);
            let hash = hash_action(&action, &self.buffer);
            if hash != *expected {
                let mut wanted = [0; HASH_LEN];
                wanted[..expected.len()].copy_from_slice(expected);
                return Err(Stop::Differs(Box::new(Difference {
                    inputs: self.inputs(),
                    at: self.now,
                    input: self.last.clone(),
                    action: nth,
                    expected: wanted,
                    found: format!("{action:?} with {} bytes", self.buffer.len()),
                    hash,
                })));
            }
            *self.summary.actions.entry(kind(&action)).or_default() += 1;
            if let Action::Event(event) = &action {
                *self.summary.events.entry(event_kind(event)).or_default() += 1;
            }
            done.push((action, self.buffer.len()));
        }
        Ok(done)
    }
}

/// Appends an input in words: payloads by their length.
pub fn describe(input: &Input<'_>, out: &mut String) {
    use fmt::Write as _;
    // Writing into a text does not fail.
    let _ = match input {
        Input::Datagram { from, bytes } => {
            write!(out, "datagram of {} bytes from {from}", bytes.len())
        }
        Input::Accept { from } => write!(out, "stream accepted from {from}"),
        Input::Opened(id) => write!(out, "stream-{id} opened"),
        Input::Data(id, bytes) => write!(out, "{} bytes on stream-{id}", bytes.len()),
        Input::Finished(id) => write!(out, "stream-{id} finished by the peer"),
        Input::Failed(id, why) => write!(out, "stream-{id} failed: {why}"),
        Input::UserEvent { name, payload, .. } => {
            write!(out, "user event '{name}' with {} bytes", payload.len())
        }
        Input::Query { name, payload, .. } => {
            write!(out, "query '{name}' with {} bytes", payload.len())
        }
        Input::Respond { query, payload } => {
            write!(out, "response of {} bytes to {query:?}", payload.len())
        }
        Input::Restore(state) => {
            let members = state.alive().len() + state.failed().len();
            write!(out, "snapshot of {members} members restored")
        }
        other => write!(out, "{other:?}"),
    };
}

const fn kind(action: &Action) -> &'static str {
    match action {
        Action::SendDatagram { .. } => "datagram sent",
        Action::OpenStream { .. } => "stream dialled",
        Action::WriteStream { .. } => "stream written",
        Action::CloseStream { .. } => "stream closed",
        Action::Event(_) => "event",
        Action::Answer { .. } => "answer",
        Action::QueryEnded { .. } => "query ended",
        Action::Done { .. } => "command done",
        Action::Wait(_) => "wait",
    }
}

/// The name of a member event; of others the first word of their text.
fn event_kind(event: &Event) -> String {
    match event {
        Event::Member(change) => change.kind.as_str().to_owned(),
        other => {
            let text = format!("{other:?}");
            let end = text.find(|c: char| !c.is_alphanumeric());
            text[..end.unwrap_or(text.len())].to_owned()
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(difference) => difference.fmt(f),
            Self::Damage(damage) => damage.fmt(f),
            Self::MissingKey(missing) => missing.fmt(f),
            Self::NoStart => f.write_str("it does not begin with how the node was made"),
            Self::Start(error) => write!(f, "no node can be made as it says: {error}"),
            Self::SecondStart => f.write_str("it says twice how the node was made"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |hash: [u8; HASH_LEN]| u32::from_be_bytes(hash);
        write!(
            f,
            "input {} at {:?} ({}), action {}: expected one with the hash {:08x}, found {} with \
             the hash {:08x}",
            self.inputs,
            self.at,
            self.input,
            self.action,
            hex(self.expected),
            self.found,
            hex(self.hash),
        )
    }
}
