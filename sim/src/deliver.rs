//! The machine: hands what happens to the nodes and carries out what they ask for.

use std::mem;
use std::net::SocketAddr;

use serf_core::{Action, Event, Instant, Outcome};

use crate::blocked::Held;
use crate::check::What;
use crate::event::Occurrence;
use crate::host::{Host, State};
use crate::trace::Entry;
use crate::world::World;

impl World {
    // Always inlined, as what it calls: for what happens most, calls cost as much as the work.
    #[inline(always)]
    pub(crate) fn happen(&mut self, occurrence: Occurrence) {
        let (due, ticked) = match occurrence {
            Occurrence::Wake { node } => (self.wake(node as usize), true),
            Occurrence::Datagram { from, to, payload } => {
                let due = self.datagram(from as usize, to as usize, payload, false);
                (due, false)
            }
            other => return self.happen_seldom(other),
        };
        if let Some(node) = due {
            self.drain_now(node, ticked);
        }
    }

    #[inline(never)]
    fn happen_seldom(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Work { node } => self.work(node as usize),
            Occurrence::Op(op) => self.apply(*op),
            input => {
                if let Some(node) = self.input(input, false) {
                    self.drain(node, false);
                }
            }
        }
    }

    /// What the node takes for the time.
    pub(crate) fn local(&self, node: usize) -> Instant {
        self.hosts[node].clock.local(self.now)
    }

    /// A deadline has come. Answers the node if it has something to do now.
    #[inline(always)]
    fn wake(&mut self, node: usize) -> Option<usize> {
        let host = &mut self.hosts[node];
        host.alarm.ring();
        // The deadline of a paused node is looked at when it goes on.
        if host.state != State::Running {
            return None;
        }
        if host.cpu.is_some() && !host.blocked && !host.backlog.is_empty() {
            host.tick_due = true;
            return None;
        }
        host.tick(self.now);
        self.trace.add(Entry::Tick, self.now.as_nanos(), node, 0);
        Some(node)
    }

    pub(crate) fn tick(&mut self, node: usize) {
        self.hosts[node].tick(self.now);
        self.trace.add(Entry::Tick, self.now.as_nanos(), node, 0);
        self.drain(node, true);
    }

    /// Hands a datagram or a segment to its node, or puts it aside for one that is paused or slow,
    /// unless it has waited there already. Answers the node that has something to do now.
    pub(crate) fn input(&mut self, occurrence: Occurrence, waited: bool) -> Option<usize> {
        match occurrence {
            Occurrence::Datagram { from, to, payload } => {
                self.datagram(from as usize, to as usize, payload, waited)
            }
            Occurrence::Segment { connection, to } => self.segment(connection, to, waited),
            Occurrence::Wake { .. } | Occurrence::Work { .. } | Occurrence::Op(_) => None,
        }
    }

    #[inline(always)]
    fn datagram(
        &mut self,
        from: usize,
        to: usize,
        payload: Vec<u8>,
        waited: bool,
    ) -> Option<usize> {
        let source = self.address_of(from);
        let now = self.now;
        let host = &mut self.hosts[to];
        if host.holds_back(waited) {
            if host.backlog_datagrams < Host::SOCKET_BUFFER {
                host.backlog_datagrams += 1;
                let (from, to) = (from as u32, to as u32);
                self.put_aside(to as usize, Occurrence::Datagram { from, to, payload });
            } else {
                host.usage.datagrams_dropped += 1;
                self.network.faults.socket_overflows += 1;
                self.pool.give(payload);
            }
            return None;
        }
        if host.state != State::Running {
            host.usage.datagrams_dropped += 1;
            self.pool.give(payload);
            return None;
        }
        host.usage.datagrams_received += 1;
        host.usage.datagram_bytes_received += payload.len() as u64;
        // Its bytes are in the hash since they were sent; what damages them is drawn from the seed.
        let number = (payload.len() as u64) << 32 | from as u64;
        self.trace.add(Entry::Datagram, now.as_nanos(), to, number);
        let now = host.clock.local(now);
        if let Some(node) = host.running() {
            node.handle_datagram(source, &payload, now);
        }
        self.pool.give(payload);
        Some(to)
    }

    // Actions.

    /// Carries out what a node asks for, until it waits.
    pub(crate) fn drain(&mut self, node: usize, ticked: bool) {
        self.drain_now(node, ticked);
    }

    #[inline(always)]
    fn drain_now(&mut self, node: usize, ticked: bool) {
        debug_assert!(self.pool.next.is_empty());
        while let Some(it) = self.hosts[node].running() {
            let action = it.poll_action(&mut self.pool.next);
            match action {
                // Neither of the two has anything to drop, which the compiler does not see.
                Action::SendDatagram { to } => {
                    mem::forget(action);
                    let payload = self.pool.take_written();
                    self.send_datagram(node, to, payload);
                }
                Action::Wait(until) => {
                    mem::forget(action);
                    let writes = self.wait(node, until, ticked);
                    if !writes {
                        return;
                    }
                    break;
                }
                other => self.carry_out(node, other),
            }
        }
        self.write_down(node);
    }

    /// Has what a node keeps of itself written, after it has been drained.
    #[inline(never)]
    fn write_down(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        if let (Some(disk), Some(it), State::Running) = (&mut host.disk, &host.node, host.state) {
            disk.settled(it, self.now);
        }
        if let (Some(journal), Some(it)) = (&mut host.journal, &mut host.node) {
            it.take_journal(journal);
        }
    }

    /// What is less frequent than a datagram.
    #[inline(never)]
    fn carry_out(&mut self, node: usize, action: Action) {
        let now = self.now.as_nanos();
        match action {
            Action::SendDatagram { .. } | Action::Wait(_) => {}
            Action::OpenStream { id, to } => {
                self.trace.add(Entry::OpenStream, now, node, id.as_u64());
                self.open_stream(node, id, to);
            }
            Action::WriteStream { id } => {
                let payload = self.pool.take_written();
                self.trace.add(Entry::WriteStream, now, node, id.as_u64());
                self.trace.bytes(&payload);
                self.write_stream(node, id, payload);
            }
            Action::CloseStream { id, abort } => {
                self.trace.add(Entry::CloseStream, now, node, id.as_u64());
                self.close_stream(node, id, abort);
            }
            Action::Event(event) => {
                self.trace.add(Entry::Event, now, node, 0);
                self.trace.event(&event);
                if let (true, Event::Query(query)) = (self.answering, &event) {
                    let (local, name) = (self.local(node), self.name(node).clone());
                    if let Some(it) = self.hosts[node].running() {
                        // It is not late, and a name is not too long.
                        let _ = it.respond(query.key, name.as_bytes(), local);
                    }
                }
                if let Some(disk) = &mut self.hosts[node].disk {
                    disk.event(&event, self.now);
                }
                self.views_changed |= matches!(event, Event::Member(_));
                self.observe(node, What::Event(&event));
            }
            Action::Answer { query, answer } => {
                self.trace.add(Entry::Answer, now, node, query.id.into());
                let answered = What::Answered {
                    query,
                    answer: &answer,
                };
                self.observe(node, answered);
                self.hosts[node].answers.push((query, answer));
            }
            Action::QueryEnded { query, summary } => {
                self.trace
                    .add(Entry::QueryEnded, now, node, query.id.into());
                self.hosts[node].ended_queries.push((query, summary));
            }
            Action::Done { id, outcome } => {
                self.trace.add(Entry::Done, now, node, id.as_u64());
                if let Outcome::Join { contacted, .. } = &outcome {
                    for addr in contacted {
                        if let Some(other) = self.node_at(*addr) {
                            self.clusters.join(node, other);
                        }
                    }
                    self.retry_join(node, !contacted.is_empty());
                }
                self.hosts[node].outcomes.push((id, outcome));
            }
        }
    }

    /// Answers whether the node keeps anything that has to be written now.
    #[inline(always)]
    fn wait(&mut self, node: usize, until: Option<Instant>, ticked: bool) -> bool {
        let number = until.map_or(u64::MAX, Instant::as_nanos);
        self.trace
            .add(Entry::Wait, self.now.as_nanos(), node, number);
        let host = &mut self.hosts[node];
        let until = until.map(|until| host.clock.world(until));
        let wake = || Occurrence::Wake { node: node as u32 };
        host.alarm.set(until, &mut self.queue, wake);
        let writes = host.disk.is_some() || host.journal.is_some();
        self.observe(node, What::Waits { until, ticked });
        if until.is_none() {
            self.end(node, State::Left);
        }
        writes
    }

    #[inline(always)]
    pub(crate) fn send_datagram(&mut self, from: usize, to: SocketAddr, payload: Vec<u8>) {
        let now = self.now.as_nanos();
        self.trace
            .add(Entry::SendDatagram, now, from, payload.len() as u64);
        self.trace.bytes(&payload);
        self.observe(
            from,
            What::Datagram {
                to,
                bytes: &payload,
            },
        );
        let host = &mut self.hosts[from];
        host.usage.datagrams_sent += 1;
        host.usage.datagram_bytes_sent += payload.len() as u64;
        if host.blocked {
            return host.held.push(Held::Datagram { to, payload });
        }
        let nth = host.nth_sent(self.now);
        self.transmit_nth(from, to, payload, nth);
    }

    /// A datagram leaves its node.
    pub(crate) fn transmit(&mut self, from: usize, to: SocketAddr, payload: Vec<u8>) {
        let nth = self.hosts[from].nth_sent(self.now);
        self.transmit_nth(from, to, payload, nth);
    }

    #[inline(always)]
    fn transmit_nth(&mut self, from: usize, to: SocketAddr, payload: Vec<u8>, nth: u32) {
        let Some(to) = self.node_at(to) else {
            return self.lose(from, payload);
        };
        let now = self.now.as_nanos();
        let delay = self
            .network
            .plain_datagram((from, to), payload.len(), now, nth);
        let Some(delay) = delay else {
            return self.transmit_with_faults(from, to, payload, nth);
        };
        let (from, to) = (from as u32, to as u32);
        let arrival = Occurrence::Datagram { from, to, payload };
        self.queue.push(now.saturating_add(delay), arrival);
    }

    /// The same where more can happen to it than that it takes some time.
    #[inline(never)]
    fn transmit_with_faults(&mut self, from: usize, to: usize, mut payload: Vec<u8>, nth: u32) {
        let now = self.now.as_nanos();
        self.replay(from, to, &payload, nth);
        let times = self.network.datagram((from, to), &mut payload, now, nth);
        let [Some(first), second] = times else {
            return self.lose(from, payload);
        };
        let (from, to) = (from as u32, to as u32);
        if let Some(second) = second {
            let mut copy = self.pool.take();
            copy.extend_from_slice(&payload);
            let twin = Occurrence::Datagram {
                from,
                to,
                payload: copy,
            };
            self.queue.push(now.saturating_add(second), twin);
        }
        let arrival = Occurrence::Datagram { from, to, payload };
        self.queue.push(now.saturating_add(first), arrival);
    }

    fn lose(&mut self, from: usize, payload: Vec<u8>) {
        self.hosts[from].usage.datagrams_lost += 1;
        self.pool.give(payload);
    }

    /// Perhaps delivers an old datagram on the occasion of this one.
    fn replay(&mut self, from: usize, to: usize, payload: &[u8], nth: u32) {
        let now = self.now.as_nanos();
        if let Some((delay, (from, to, payload))) =
            self.network.replay((from, to), payload, now, nth)
        {
            let old = Occurrence::Datagram { from, to, payload };
            self.queue.push(now.saturating_add(delay), old);
        }
    }
}
