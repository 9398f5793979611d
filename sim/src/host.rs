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
use crate::queue::{Queue, Ticket};
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
            u64::from(self.journal.is_some()) ^ self.alarm.deadline().as_nanos() ^ self.usage.ticks;
        std::hint::black_box(lines);
        if let Some(node) = &self.node {
            node.prefetch();
        }
    }

    /// The running node.
    pub(crate) fn running(&mut self) -> Option<&mut Node> {
        self.node.as_mut().filter(|_| self.state == State::Running)
    }

    /// Tells the node what time it is.
    #[inline(always)]
    pub(crate) fn tick(&mut self, now: Instant) {
        self.usage.ticks += 1;
        let now = self.clock.local(now);
        if let Some(it) = self.running() {
            it.handle_tick(now);
        }
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

/// The one deadline of a node, and the wake-up queued for it, which moves with it.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    deadline: Instant,
    queued: Option<Ticket>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            deadline: Instant::FAR_FUTURE,
            queued: None,
        }
    }
}

impl Alarm {
    /// Takes a new deadline; `wake` is queued for it.
    #[inline(always)]
    pub(crate) fn set(
        &mut self,
        deadline: Option<Instant>,
        queue: &mut Queue<Occurrence>,
        wake: impl FnOnce() -> Occurrence,
    ) {
        let before = std::mem::replace(&mut self.deadline, deadline.unwrap_or(Instant::FAR_FUTURE));
        match (self.queued, deadline) {
            (Some(_), Some(at)) if at == before => {}
            (Some(ticket), Some(at)) => queue.move_to(ticket, at.as_nanos()),
            (Some(ticket), None) => {
                queue.remove(ticket);
                self.queued = None;
            }
            (None, Some(at)) => self.queued = Some(queue.push(at.as_nanos(), wake())),
            (None, None) => {}
        }
    }

    /// The wake-up came: none is queued any more.
    pub(crate) fn ring(&mut self) {
        self.queued = None;
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
    fn one_wake_up_moves_with_the_deadline_and_goes_when_there_is_none() {
        let (mut alarm, mut queue) = (Alarm::default(), Queue::new());
        for deadline in [at(100), at(200), at(50), at(50)] {
            alarm.set(deadline, &mut queue, || Occurrence::Wake { node: 0 });
            assert_eq!(queue.len(), 1);
        }
        assert_eq!(queue.pop_until(u64::MAX).map(|(at, _)| at), Some(50));
        alarm.ring();
        alarm.set(at(50), &mut queue, || Occurrence::Wake { node: 0 });
        assert_eq!(queue.len(), 1, "none was queued any more");
        alarm.set(None, &mut queue, || Occurrence::Wake { node: 0 });
        assert!(queue.is_empty());
        assert_eq!(alarm.deadline(), Instant::FAR_FUTURE);
    }
}
