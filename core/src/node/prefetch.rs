//! Having the processor fetch what will be looked at, for programs with thousands of nodes: the member
//! tables of those do not fit in its caches, and waiting for memory takes longer than the work.

use core::hint;

use super::Node;
use super::timers::Timer;
use crate::message::{Message, RawName, SerfMessage};
use crate::swim::table::AHEAD;
use crate::wire::native::Messages;

/// A packet of so many bytes speaks of so many members that it pays to fetch what is known of them
/// together.
pub(super) const MANY_MESSAGES: usize = 256;

/// With so many rumours it pays to fetch what a packet will tell together.
pub(super) const MANY_RUMOURS: usize = 32;

impl Node {
    /// Has the processor fetch what most inputs need of this node, for a program that drives
    /// thousands of them and has more memory in use than fits in its caches: called before an
    /// input, it makes up one wait for memory of about eight. Changes nothing.
    #[inline]
    pub fn prefetch(&self) {
        // A word of each cache line.
        let lines = self.now.as_nanos()
            ^ u64::from(self.me)
            ^ self.outbox.len() as u64
            ^ u64::from(self.probe.is_some())
            ^ self.timers.at(Timer::Probe).as_nanos()
            ^ self.timers.at(Timer::Stop).as_nanos()
            ^ self.table.len() as u64
            ^ self.counters.datagrams_sent
            ^ self.envelope.label().as_bytes().len() as u64;
        hint::black_box(lines);
    }

    /// True if other nodes of the process draw their members from the same pool: alone, a node has its
    /// own in the caches, and would read each packet twice for nothing.
    pub(super) const fn is_one_of_many(&self) -> bool {
        self.pool.is_some()
    }

    /// Has it fetch what is known of those members that a packet is about.
    #[inline(never)]
    pub(super) fn prefetch_members(&self, messages: Messages<'_>) {
        let subjects = messages.filter_map(|message| subject(&message.ok()?));
        self.table.prefetch(subjects);
    }

    /// Has it fetch what is known of those members that the next packet will tell of.
    #[inline(never)]
    pub(super) fn prefetch_rumours(&self) {
        let mut subjects = [0; AHEAD];
        let mut count = 0;
        // As with members: what is read is not looked at before all of it has been asked for.
        let mut read = 0;
        for (place, subject) in subjects.iter_mut().zip(self.rumours.upcoming()) {
            *place = subject;
            count += 1;
            read ^= self.rumours.peek(subject);
            read ^= self.table.get(subject).map_or(0, |it| it.incarnation);
        }
        hint::black_box(read);
        for subject in &subjects[..count] {
            let record = self.table.get(*subject);
            read ^= record.map_or(0, |it| u32::from(it.profile.addr.port()));
        }
        hint::black_box(read);
    }
}

/// Whom a message is about, if that has to be looked up in the member table.
fn subject<'a>(message: &Message<'a>) -> Option<RawName<'a>> {
    match message {
        Message::Alive(alive) => Some(alive.name),
        Message::Suspect(accusation) | Message::Dead(accusation) => Some(accusation.name),
        Message::Serf(SerfMessage::JoinIntent(join)) => Some(join.node),
        Message::Serf(SerfMessage::LeaveIntent(leave)) => Some(leave.node),
        _ => None,
    }
}
