//! Which records a node's snapshot gets, and when.

use alloc::vec::Vec;

use super::{Record, State};
use crate::event::{Event, MemberEventKind};
use crate::node::Node;

/// Turns what happens to a node into the records of its snapshot.
///
/// Whoever drives the node passes it every event, and the node itself whenever it has been drained
/// and at least half a second has passed, and appends what comes out to the log, in that order.
#[derive(Debug, Clone)]
pub struct Recorder {
    clock: u64,
    event_clock: u64,
    query_clock: u64,
}

impl Recorder {
    /// Goes on after a log that amounts to `state`.
    #[must_use]
    pub fn new(state: &State) -> Self {
        Self {
            clock: state.clock(),
            event_clock: state.event_clock(),
            query_clock: state.query_clock(),
        }
    }

    /// What to append for an event.
    pub fn event(&mut self, event: &Event, out: &mut Vec<Record>) {
        match event {
            Event::Member(change) => {
                let (name, addr) = (change.member.name().clone(), change.member.addr());
                match change.kind {
                    MemberEventKind::Join | MemberEventKind::Update => {
                        out.push(Record::Alive { name, addr });
                    }
                    MemberEventKind::Leave | MemberEventKind::Reap => {
                        out.push(Record::NotAlive { name });
                    }
                    MemberEventKind::Failed => out.extend(Record::failure(name, addr)),
                }
            }
            Event::User(event) if event.ltime.get() > self.event_clock => {
                self.event_clock = event.ltime.get();
                out.push(Record::EventClock(self.event_clock));
            }
            _ => {}
        }
    }

    /// What to append for the clocks of a node that have moved on.
    pub fn clocks(&mut self, node: &Node, out: &mut Vec<Record>) {
        let clock = node.member_time().before(1).get();
        if clock > self.clock {
            self.clock = clock;
            out.push(Record::Clock(clock));
        }
        let clock = node.query_time().before(1).get();
        if clock > self.query_clock {
            self.query_clock = clock;
            out.push(Record::QueryClock(clock));
        }
    }
}
