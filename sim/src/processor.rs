//! Inputs that have to wait: those of a paused or blocked node, and those of one with a slow
//! processor.

use std::time::Duration;

use crate::check::Deed;
use crate::event::Occurrence;
use crate::host::{Host, State};
use crate::link::nanos;
use crate::world::World;

impl Host {
    /// True if inputs are put aside for now; those that `waited` are handed over.
    pub(crate) fn holds_back(&self, waited: bool) -> bool {
        match self.state {
            State::Paused => true,
            State::Running => self.blocked || self.cpu.is_some() && !waited,
            State::Down | State::Left => false,
        }
    }
}

impl World {
    /// Makes a node's processor slow: each input takes this long, one after the other, and the
    /// others wait, as far as a socket buffer holds. Deadlines are looked at when no input waits,
    /// or after 128 of them. `None` makes it fast again.
    pub fn set_cpu(&mut self, node: usize, per_input: Option<Duration>) {
        self.note_op(node, Deed::SetCpu);
        self.hosts[node].cpu = per_input.map(nanos);
        let takes = self.state(node) == State::Running && !self.hosts[node].blocked;
        if per_input.is_none() && takes {
            self.work_off_backlog(node);
        }
    }

    pub(crate) fn put_aside(&mut self, node: usize, input: Occurrence) {
        self.hosts[node].backlog.push_back(input);
        self.begin_work(node);
    }

    /// Has a slow processor take up the next input, if it has one and nothing else to do.
    fn begin_work(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let takes = host.state == State::Running && !host.blocked;
        let idle = takes && !host.working && !host.backlog.is_empty();
        if let Some(cost) = host.cpu
            && idle
        {
            host.working = true;
            let at = self.now.as_nanos().saturating_add(cost);
            self.queue.push(at, Occurrence::Work { node: node as u32 });
        }
    }

    /// A slow processor is done with an input.
    pub(crate) fn work(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.working = false;
        // It was paused, blocked, crashed or became fast in the meantime; all of these see to the
        // rest.
        if host.state != State::Running || host.blocked || host.cpu.is_none() {
            return;
        }
        if let Some(input) = host.backlog.pop_front() {
            host.backlog_datagrams -= usize::from(matches!(input, Occurrence::Datagram { .. }));
            host.inputs_before_tick += 1;
            self.network.faults.slow_inputs += 1;
            if let Some(node) = self.input(input, true) {
                self.drain(node, false);
            }
        }
        let host = &mut self.hosts[node];
        let read = host.backlog.is_empty() || host.inputs_before_tick >= Host::INPUTS_PER_WAKE;
        if host.tick_due && read {
            host.tick_due = false;
            host.inputs_before_tick = 0;
            if host.state == State::Running {
                self.tick(node);
            }
        }
        self.begin_work(node);
    }

    /// On a node that goes on: reads a bounded number of inputs, then ticks, until nothing waits.
    pub(crate) fn work_off_backlog(&mut self, node: usize) {
        if self.hosts[node].cpu.is_some() && !self.hosts[node].backlog.is_empty() {
            self.hosts[node].tick_due = self.hosts[node].alarm.deadline() <= self.now;
            return self.begin_work(node);
        }
        let mut waiting = std::mem::take(&mut self.hosts[node].backlog);
        self.hosts[node].backlog_datagrams = 0;
        self.network.faults.late_inputs += waiting.len() as u64;
        loop {
            let batch = waiting.len().min(Host::INPUTS_PER_WAKE);
            for occurrence in waiting.drain(..batch) {
                self.input(occurrence, true);
            }
            // Draining first lets the node say what its deadline is after those inputs.
            self.drain(node, false);
            let host = &self.hosts[node];
            if host.state == State::Running && host.alarm.deadline() <= self.now {
                self.tick(node);
            }
            if waiting.is_empty() {
                return;
            }
        }
    }
}
