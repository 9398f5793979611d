//! The half of a driver that needs neither timer nor sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_channel::{Receiver, Sender};
use serf_core::{
    Action, CommandId, Counters, Event, Instant, Node, Outcome, Params, Status, StreamId,
    StreamInput,
};
use tracing::{Level, debug, enabled, info};

use crate::clock::Clock;
use crate::command::{self, Call, Command, Kind, Reply};
use crate::error::CallError;
use crate::events::Publisher;
use crate::keeper::Keeper;
use crate::query::Askers;
use crate::recorder::Recorder;
use crate::sockets::canonical;
use crate::stats::{SocketCounters, Stats};

/// What the adapter has to do next, as answered by [`Driver::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Io {
    /// Send the buffer as one datagram. Count what the system refuses, and go on.
    Send {
        /// Where to.
        to: SocketAddr,
    },
    /// Connect to `to` and report [`StreamInput::Opened`] or [`StreamInput::Failed`].
    Open {
        /// The id to report under.
        id: StreamId,
        /// Where to.
        to: SocketAddr,
    },
    /// Append the buffer to what is to be written to the stream.
    Write {
        /// Which stream.
        id: StreamId,
    },
    /// Write out what is left, then close. Nothing needs to be reported about it any more.
    Close {
        /// Which stream.
        id: StreamId,
        /// Close at once and write nothing more.
        abort: bool,
    },
    /// Wait for input, at the longest until this instant.
    Wait(Instant),
    /// The node has stopped: end all tasks, close the sockets, then drop the driver.
    Stop,
}

/// A node and everything around it that is the same on every runtime: its callers, its
/// subscribers, its clock and its log.
///
/// The adapter owns the sockets, the timer and the loop. One turn of the loop:
///
/// 1. [`poll`](Self::poll) and do as told, until it answers [`Io::Wait`] or [`Io::Stop`].
/// 2. Sleep until that instant, or until a socket or a command is ready.
/// 3. [`wake`](Self::wake): the clock is read, once.
/// 4. Pass on what the sockets hold, up to some bound ([`datagram`](Self::datagram),
///    [`accept`](Self::accept), [`stream`](Self::stream)).
/// 5. Only then [`tick`](Self::tick). After a stall the ack that a probe waits for is often in
///    the socket already; a late scheduler must not turn into a false suspicion.
/// 6. Pass on commands, up to some bound ([`command`](Self::command)).
///
/// None of this blocks or waits. When the driver is dropped, pending calls and subscriptions end
/// and [`Handle::stopped`](crate::Handle::stopped) resolves, so drop it last.
#[derive(Debug)]
pub struct Driver {
    /// What the sockets did; the adapter counts.
    pub counters: SocketCounters,
    node: Node,
    clock: Clock,
    now: Instant,
    /// When the next tick is due, as of the last drain.
    deadline: Instant,
    /// Those that wait for an outcome. The node bounds them.
    calls: BTreeMap<CommandId, Reply<Result<Outcome, CallError>>>,
    askers: Askers,
    publisher: Publisher,
    keeper: Keeper,
    recorder: Recorder,
    stopping: bool,
    logged: Counters,
    /// Closes when the driver is dropped; the last field, so that it is the last to go.
    _alive: Sender<()>,
}

impl Driver {
    /// The second value ends (never yields) when the driver is dropped.
    pub(crate) fn new(
        node: Node,
        clock: Clock,
        publisher: Publisher,
        keeper: Keeper,
        recorder: Recorder,
    ) -> (Self, Receiver<()>) {
        let (alive, stopped) = async_channel::bounded(1);
        let driver = Self {
            counters: SocketCounters::default(),
            logged: *node.counters(),
            node,
            clock,
            now: clock.now(),
            deadline: Instant::ZERO,
            calls: BTreeMap::new(),
            askers: Askers::default(),
            publisher,
            keeper,
            recorder,
            stopping: false,
            _alive: alive,
        };
        (driver, stopped)
    }

    /// Reads the clock. All inputs until the next wake count as happening now.
    pub fn wake(&mut self) {
        self.now = self.clock.now();
        self.counters.wakes += 1;
    }

    /// True if a tick is due. Then it is worth asking the socket itself what it holds, should
    /// the runtime have told only what it held a while ago.
    #[must_use]
    pub fn due(&self) -> bool {
        self.deadline <= self.now
    }

    /// A datagram arrived.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.node.handle_datagram(canonical(from), bytes, self.now);
    }

    /// A peer connected. `None` if it is refused: close the connection.
    pub fn accept(&mut self, from: SocketAddr) -> Option<StreamId> {
        let accepted = self.node.accept_stream(canonical(from), self.now);
        match accepted {
            Some(_) => self.counters.streams_accepted += 1,
            None => self.counters.refused_connections += 1,
        }
        accepted
    }

    /// Something happened on a stream.
    pub fn stream(&mut self, id: StreamId, input: StreamInput<'_>) {
        self.node.handle_stream(id, input, self.now);
    }

    /// Lets timers fire, if any are due.
    pub fn tick(&mut self) {
        if self.due() {
            self.node.handle_tick(self.now);
        }
        if enabled!(Level::DEBUG) {
            self.log_drops();
        }
    }

    /// Starts what a handle asks for, or answers it.
    pub fn command(&mut self, command: Command) {
        match command.0 {
            Kind::Call(call, reply) => self.call(call, reply),
            Kind::UserEvent(event, reply) => {
                let command::UserEvent {
                    name,
                    payload,
                    coalesce,
                } = event;
                let sent = self.node.user_event(&name, &payload, coalesce, self.now);
                reply.send(sent.map_err(CallError::Refused));
            }
            Kind::Query(question, reply) => {
                let command::Question {
                    name,
                    payload,
                    params,
                } = question;
                let asked = self.node.query(&name, &payload, &params, self.now);
                let answers = asked.map(|query| self.askers.open(query));
                reply.send(answers.map_err(CallError::Refused));
            }
            Kind::Respond(query, payload, reply) => {
                reply.send(self.node.respond(query, &payload, self.now));
            }
            Kind::Coordinate(member, reply) => reply.send(self.node.coordinate(&member)),
            Kind::Members(reply) => reply.send(self.node.members().collect()),
            Kind::Local(reply) => reply.send(self.node.local()),
            Kind::Stats(reply) => reply.send(self.stats()),
            Kind::Shutdown => self.stop(),
        }
    }

    /// Stops the node without leaving; the next [`poll`](Self::poll) answers [`Io::Stop`].
    /// Also for when the last handle is gone.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// What to do next. Bytes that go with it replace what is in `buf`.
    pub fn poll(&mut self, buf: &mut Vec<u8>) -> Io {
        loop {
            buf.clear();
            if self.stopping {
                return Io::Stop;
            }
            return match self.node.poll_action(buf) {
                Action::SendDatagram { to } => Io::Send { to },
                Action::OpenStream { id, to } => {
                    self.counters.streams_dialled += 1;
                    Io::Open { id, to }
                }
                Action::WriteStream { id } => Io::Write { id },
                Action::CloseStream { id, abort } => Io::Close { id, abort },
                Action::Event(event) => {
                    log(&event);
                    self.keeper.event(&event, &self.node);
                    self.publisher.publish(event);
                    continue;
                }
                Action::Answer { query, answer } => {
                    if !self.askers.answer(query, answer) {
                        self.node.end_query(query, self.now);
                    }
                    continue;
                }
                Action::QueryEnded { query, summary } => {
                    self.askers.end(query, summary);
                    continue;
                }
                Action::Done { id, outcome } => {
                    if let Some(reply) = self.calls.remove(&id) {
                        reply.send(Ok(outcome));
                    }
                    continue;
                }
                Action::Wait(Some(deadline)) => {
                    self.keeper.settled(&self.node, self.now);
                    self.recorder.settled(&mut self.node, self.now);
                    self.deadline = deadline;
                    Io::Wait(deadline)
                }
                Action::Wait(None) => Io::Stop,
            };
        }
    }

    /// Waits until what the node leaves on disk is there, or has failed to get there. For the end,
    /// when the sockets are closed; a disk that hangs is not to be waited for for long.
    pub async fn finish_files(&mut self) {
        self.keeper.close().await;
        self.recorder.close(&mut self.node, self.now).await;
    }

    /// The clock that the instants of [`Io::Wait`] refer to.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The settings of the node.
    #[must_use]
    pub fn params(&self) -> &Params {
        self.node.params()
    }

    fn call(&mut self, call: Call, reply: Reply<Result<Outcome, CallError>>) {
        let (node, now) = (&mut self.node, self.now);
        let leaves = matches!(call, Call::Leave);
        let begun = match call {
            Call::Join {
                seeds,
                replay: false,
            } => node.join(&seeds, now),
            Call::Join {
                seeds,
                replay: true,
            } => node.join_replaying(&seeds, now),
            Call::Leave => node.leave(now),
            Call::ForceLeave { name, prune } => node.force_leave(&name, prune, now),
            Call::SetTags(tags) => node.set_tags(&tags, now),
            Call::Keys(operation) => node.key_operation(&operation, now),
        };
        match begun {
            Ok(id) => {
                if leaves {
                    self.keeper.leaves(&self.node);
                }
                self.calls.insert(id, reply);
            }
            Err(refusal) => reply.send(Err(refusal.into())),
        }
    }

    fn stats(&self) -> Stats {
        let (mut failed, mut left) = (0, 0);
        for member in self.node.members() {
            match member.status() {
                Status::Alive => {}
                Status::Failed => failed += 1,
                Status::Leaving | Status::Left => left += 1,
            }
        }
        Stats {
            counters: *self.node.counters(),
            sockets: self.counters,
            health_score: self.node.health_score(),
            members: self.node.member_count(),
            alive: self.node.alive_count(),
            failed,
            left,
            queues: self.node.queues(),
            member_time: self.node.member_time(),
            event_time: self.node.event_time(),
            query_time: self.node.query_time(),
            coordinate_resets: self.node.coordinate_resets(),
            encrypted: self.node.keyring().is_some(),
            cannot_decrypt: self.node.cannot_decrypt(),
            snapshot: self.keeper.snapshot_status(),
            subscribers: self.publisher.subscribers(),
        }
    }

    /// Logs what the node dropped or refused since the last time.
    fn log_drops(&mut self) {
        let current = *self.node.counters();
        if current == self.logged {
            return;
        }
        for ((counter, now), (_, before)) in current.iter().zip(self.logged.iter()) {
            let notable = ["dropped_", "skipped_", "refused_", "failed_", "timed_out_"];
            if now > before && notable.iter().any(|prefix| counter.starts_with(prefix)) {
                debug!(counter, count = now - before, total = now, "dropped");
            }
        }
        self.logged = current;
    }
}

fn log(event: &Event) {
    match event {
        Event::Member(change) => info!(
            event = change.kind.as_str(),
            member = change.member.name().as_str(),
            addr = %change.member.addr(),
            cause = ?change.cause,
            "membership changed"
        ),
        other => debug!(event = ?other, "event"),
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};
    use serf_core::{Config, Identity, Name};

    use super::*;
    use crate::command::{Asker, Commands};
    use crate::error::Stopped;
    use crate::events::{self, Events};

    struct Bench {
        driver: Driver,
        asker: Asker,
        commands: Commands,
        events: Events,
        stopped: Receiver<()>,
    }

    fn bench() -> Bench {
        let identity = Identity::new(Name::new("a").unwrap(), "127.0.0.1:1".parse().unwrap());
        let params = Params::new(Config {
            leave_propagate_delay: std::time::Duration::ZERO,
            ..Config::local()
        });
        let clock = Clock::new();
        let node = Node::new(identity, params.unwrap(), [1; 32], clock.now()).unwrap();
        let (publisher, subscriptions) = events::channel(8);
        let events = subscriptions.subscribe();
        let (driver, stopped) = Driver::new(
            node,
            clock,
            publisher,
            Keeper::default(),
            Recorder::default(),
        );
        let (asker, commands) = command::channel();
        Bench {
            driver,
            asker,
            commands,
            events,
            stopped,
        }
    }

    impl Bench {
        /// One turn of a loop without sockets: the last thing that the driver asks for.
        fn turn(&mut self) -> Io {
            self.driver.wake();
            self.driver.tick();
            while let Some(command) = self.commands.try_next() {
                self.driver.command(command);
            }
            loop {
                let io = self.driver.poll(&mut Vec::new());
                if matches!(io, Io::Wait(_) | Io::Stop) {
                    return io;
                }
            }
        }
    }

    fn join(reply: Reply<Result<Outcome, CallError>>) -> Kind {
        let seeds = vec!["127.0.0.1:2".parse().unwrap()];
        let replay = false;
        Kind::Call(Call::Join { seeds, replay }, reply)
    }

    #[test]
    fn questions_are_answered_and_events_handed_out() {
        let mut bench = bench();
        assert!(matches!(bench.turn(), Io::Wait(_)));
        let Some(Ok(Event::Member(own))) = block_on(bench.events.next()) else {
            panic!("the node itself joins");
        };
        let asker = bench.asker.clone();
        let mut asked = Box::pin(asker.ask(Kind::Local));
        assert!(block_on(poll_once(&mut asked)).is_none());
        let _ = bench.turn();
        assert_eq!(block_on(asked), Ok(own.member));
    }

    #[test]
    fn a_call_ends_with_its_own_outcome() {
        let mut bench = bench();
        let asker = bench.asker.clone();
        let mut joining = Box::pin(asker.ask(join));
        assert!(block_on(poll_once(&mut joining)).is_none());
        let command = bench.commands.try_next().unwrap();
        bench.driver.command(command);
        let Io::Open { id, to } = bench.driver.poll(&mut Vec::new()) else {
            panic!("the seed should be dialled");
        };
        let refused = serf_core::StreamFailure::Refused;
        bench.driver.stream(id, StreamInput::Failed(refused));
        let _ = bench.turn();
        let outcome = block_on(joining).unwrap().unwrap();
        let failed = vec![(to, refused)];
        let contacted = vec![];
        assert_eq!(outcome, Outcome::Join { contacted, failed });
    }

    #[test]
    fn the_node_stops_when_it_has_left() {
        let mut bench = bench();
        let asker = bench.asker.clone();
        let mut leaving = Box::pin(asker.ask(|reply| Kind::Call(Call::Leave, reply)));
        assert!(block_on(poll_once(&mut leaving)).is_none());
        while bench.turn() != Io::Stop {}
        let outcome = block_on(leaving).unwrap().unwrap();
        assert!(matches!(outcome, Outcome::Spread { complete: true, .. }));
    }

    #[test]
    fn shutdown_stops_at_once_and_whoever_waits_is_told() {
        let mut bench = bench();
        let asker = bench.asker.clone();
        let mut joining = Box::pin(asker.ask(join));
        assert!(block_on(poll_once(&mut joining)).is_none());
        let _ = bench.turn();
        let mut shutdown = Box::pin(asker.tell(Kind::Shutdown));
        assert_eq!(block_on(poll_once(&mut shutdown)), Some(Ok(())));
        assert_eq!(bench.turn(), Io::Stop);
        assert!(!bench.stopped.is_closed());
        drop(bench.driver);
        assert_eq!(block_on(joining), Err(Stopped));
        assert!(block_on(bench.stopped.recv()).is_err());
        while let Some(event) = block_on(bench.events.next()) {
            event.unwrap();
        }
    }
}
