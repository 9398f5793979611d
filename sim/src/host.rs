//! One machine of the world: a node, its state, and what waits for it.

use std::collections::{BTreeMap, VecDeque};

use serf_core::keyring::Keyring;
use serf_core::{
    Answer, CommandId, Identity, Instant, Node, Outcome, Params, QueryKey, QuerySummary, StreamId,
};

use crate::blocked::Held;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::event::Occurrence;
use crate::stream::{ConnectionId, Side};

/// What a node of a world is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started yet, or crashed.
    Down,
    /// Running.
    Running,
    /// Stopped by a debugger, a garbage collector or its hypervisor; inputs pile up.
    Paused,
    /// Left the cluster and ended.
    Left,
}

/// What a node sent and received since the start of the world, over all its lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(C)]
pub struct Usage {
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Bytes in them.
    pub datagram_bytes_sent: u64,
    /// Datagrams handed to the node.
    pub datagrams_received: u64,
    /// Bytes in them.
    pub datagram_bytes_received: u64,
    /// Times the node was woken by its deadline.
    pub ticks: u64,
    /// Datagrams of this node that the network lost.
    pub datagrams_lost: u64,
    /// Datagrams for this node that found it down, or its socket buffer full.
    pub datagrams_dropped: u64,
    /// Streams dialled.
    pub streams_opened: u64,
    /// Bytes written to streams.
    pub stream_bytes_sent: u64,
    /// Bytes received from streams.
    pub stream_bytes_received: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.datagrams_sent += other.datagrams_sent;
        self.datagram_bytes_sent += other.datagram_bytes_sent;
        self.datagrams_received += other.datagrams_received;
        self.datagram_bytes_received += other.datagram_bytes_received;
        self.datagrams_lost += other.datagrams_lost;
        self.datagrams_dropped += other.datagrams_dropped;
        self.streams_opened += other.streams_opened;
        self.stream_bytes_sent += other.stream_bytes_sent;
        self.stream_bytes_received += other.stream_bytes_received;
        self.ticks += other.ticks;
    }
}

/// A node and what surrounds it. In memory, what every event touches comes first.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct Host {
    pub(crate) state: State,
    /// True from the command to leave until the node has left.
    pub(crate) leaving: bool,
    /// True while a slow processor has an input in work.
    pub(crate) working: bool,
    /// True if a slow processor has missed its deadline so far, and the inputs since.
    pub(crate) tick_due: bool,
    /// Whether its messages are held up.
    pub(crate) blocked: bool,
    pub(crate) inputs_before_tick: usize,
    /// Nanoseconds that each input takes, if its processor is slow.
    pub(crate) cpu: Option<u64>,
    /// What it has journalled since its last start, if it is to.
    pub(crate) journal: Option<Vec<u8>>,
    pub(crate) clock: Clock,
    pub(crate) alarm: Alarm,
    sends: Sends,
    pub(crate) usage: Usage,
    /// The node, while it runs, and as it was when it left.
    pub(crate) node: Option<Node>,
    pub(crate) identity: Identity,
    pub(crate) params: Params,
    /// A number for the cluster that it belongs to by the will of whoever set it up.
    pub(crate) apart: u32,
    /// The keys that its next start finds.
    pub(crate) keyring: Option<Keyring>,
    /// How often it was started; each start has a seed of its own.
    pub(crate) starts: u64,
    pub(crate) streams: BTreeMap<StreamId, (ConnectionId, Side)>,
    /// The messages that it has sent since they are held up.
    pub(crate) held: Vec<Held>,
    /// What came in while it could not be taken.
    pub(crate) backlog: VecDeque<Occurrence>,
    pub(crate) backlog_datagrams: usize,
    /// How each command ended, in the order of the ends.
    pub(crate) outcomes: Vec<(CommandId, Outcome)>,
    pub(crate) answers: Vec<(QueryKey, Answer)>,
    pub(crate) ended_queries: Vec<(QueryKey, QuerySummary)>,
    /// Whom to ask again if a join reaches nobody.
    pub(crate) seeds: Vec<usize>,
    /// Whether it wants to hear of the past then.
    pub(crate) seeds_replay: bool,
    /// Where its snapshot is, if it keeps one.
    pub(crate) disk: Option<Box<Disk>>,
    /// Whom it knew when it crashed, a few of them.
    pub(crate) remembered: Vec<usize>,
    /// Whether it ever had another address than at first, or a name that another one had.
    pub(crate) moved: bool,
    /// The highest incarnation that it had in earlier lives.
    pub(crate) last_word: u32,
    /// When something was last done to it from outside.
    pub(crate) disturbed: Instant,
}

impl Host {
    /// Datagrams that a paused node's socket holds; more are dropped. About what the 208 KiB that
    /// Linux grants by default hold of small packets.
    pub(crate) const SOCKET_BUFFER: usize = 256;
    /// Inputs that an adapter reads before it looks at the clock again.
    pub(crate) const INPUTS_PER_WAKE: usize = 128;

    pub(crate) fn new(identity: Identity, params: Params) -> Self {
        Self {
            identity,
            params,
            state: State::Down,
            node: None,
            journal: None,
            apart: 0,
            keyring: None,
            starts: 0,
            alarm: Alarm::default(),
            streams: BTreeMap::new(),
            blocked: false,
            held: Vec::new(),
            backlog: VecDeque::new(),
            backlog_datagrams: 0,
            outcomes: Vec::new(),
            answers: Vec::new(),
            ended_queries: Vec::new(),
            seeds: Vec::new(),
            seeds_replay: false,
            leaving: false,
            usage: Usage::default(),
            clock: Clock::default(),
            cpu: None,
            working: false,
            tick_due: false,
            inputs_before_tick: 0,
            disk: None,
            remembered: Vec::new(),
            moved: false,
            last_word: 0,
            disturbed: Instant::ZERO,
            sends: Sends::default(),
        }
    }

    /// True if it runs as fast as it should, hears and is heard, its clock within a hundredth, and stays.
    pub(crate) fn is_healthy(&self) -> bool {
        const TOLERATED_PPM: u32 = 10_000;
        self.state == State::Running
            && !self.blocked
            && !self.leaving
            && self.cpu.is_none()
            && self.clock.error() <= TOLERATED_PPM
    }

    /// Has the processor fetch what an event will touch: see [`Node::prefetch`].
    #[inline]
    pub(crate) fn prefetch(&self) {
        // A word of each cache line.
        let lines =
            u64::from(self.journal.is_some()) ^ u64::from(self.alarm.generation) ^ self.usage.ticks;
        std::hint::black_box(lines);
        if let Some(node) = &self.node {
            node.prefetch();
        }
    }

    /// The running node.
    pub(crate) fn running(&mut self) -> Option<&mut Node> {
        self.node.as_mut().filter(|_| self.state == State::Running)
    }

    /// Counts what is sent at one instant, so that each packet gets a fate of its own.
    pub(crate) fn nth_sent(&mut self, now: Instant) -> u32 {
        if self.sends.at != now {
            self.sends = Sends { at: now, count: 0 };
        }
        self.sends.count += 1;
        self.sends.count
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sends {
    at: Instant,
    count: u32,
}

/// The one deadline of a node, and the wake-up queued for it.
///
/// A deadline that moves back, as it does with every answered probe, leaves the earlier wake-up in
/// the queue, to be renewed when it comes; only one that moves forward queues another, and the
/// older one is recognised by its generation.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    deadline: Instant,
    /// When the live wake-up comes.
    armed: Instant,
    generation: u32,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            deadline: Instant::FAR_FUTURE,
            armed: Instant::FAR_FUTURE,
            generation: 0,
        }
    }
}

impl Alarm {
    /// Takes a new deadline. Answers the wake-up to queue, if one is needed.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) -> Option<(Instant, u32)> {
        self.deadline = deadline.unwrap_or(Instant::FAR_FUTURE);
        if self.deadline >= self.armed {
            return None;
        }
        self.armed = self.deadline;
        self.generation = self.generation.wrapping_add(1);
        Some((self.armed, self.generation))
    }

    /// A wake-up came. Answers whether it is the live one.
    pub(crate) fn ring(&mut self, generation: u32) -> bool {
        let live = generation == self.generation;
        if live {
            self.armed = Instant::FAR_FUTURE;
        }
        live
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Option<Instant> {
        Some(Instant::from_nanos(nanos))
    }

    #[test]
    fn only_a_deadline_that_moves_forward_needs_a_wake_up() {
        let mut alarm = Alarm::default();
        let (when, first) = alarm.set(at(100)).expect("the first is needed");
        assert_eq!(Some(when), at(100));
        assert_eq!(alarm.set(at(200)), None);
        let (when, second) = alarm.set(at(50)).expect("an earlier one is needed");
        assert_eq!(Some(when), at(50));
        assert!(!alarm.ring(first));
        assert!(alarm.ring(second));
        assert!(alarm.set(at(100)).is_some(), "nothing is queued any more");
    }

    #[test]
    fn no_deadline_needs_no_wake_up() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(None), None);
        assert_eq!(alarm.deadline(), Instant::FAR_FUTURE);
    }
}
