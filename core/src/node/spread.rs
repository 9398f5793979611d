//! Commands that wait until everybody has been told something, the leave above all.

use serde::{Deserialize, Serialize};

use super::command::MAX_COMMANDS;
use super::timers::Timer;
use super::{Node, Phase};
use crate::action::{CommandId, Outcome};
use crate::error::CommandError;
use crate::event::{Cause, MemberEventKind};
use crate::member::Name;
use crate::swim::accuser::Accuser;
use crate::swim::record::State;
use crate::swim::table::Slot;
use crate::time::Instant;

/// A command that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spread {
    id: CommandId,
    subject: Subject,
    pub(super) deadline: Instant,
}

/// What everybody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Subject {
    /// The rumour about a member.
    Rumour(Slot),
    /// The intent about one.
    Intent(Name),
}

/// The leave under way. First everybody is told that this node will go, and then that it has gone:
/// so nobody takes its silence for a failure, in whatever order the two arrive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Leave {
    id: CommandId,
    /// When to stop waiting for the second.
    deadline: Instant,
    complete: bool,
    packets: u32,
}

impl Node {
    pub(super) fn check_spreads(&self) -> Result<(), CommandError> {
        if self.spreads.len() < MAX_COMMANDS {
            Ok(())
        } else {
            Err(CommandError::Busy {
                limit: MAX_COMMANDS,
            })
        }
    }

    /// Ends the command once everybody has been told, or now if there is nobody else.
    pub(super) fn await_spread(&mut self, id: CommandId, subject: Subject) {
        let deadline = self.now + self.params.broadcast_timeout;
        self.await_spread_until(deadline, id, subject);
    }

    fn await_spread_until(&mut self, deadline: Instant, id: CommandId, subject: Subject) {
        self.spreads.push(Spread {
            id,
            subject,
            deadline,
        });
        // One that leaves is no longer live itself.
        let others = self.table.live() - usize::from(self.own_record().state().is_live());
        if others == 0 {
            self.spread_ended(self.spreads.len() - 1, true);
        }
    }

    /// Ends the commands whose message has just been sent as often as it should.
    pub(super) fn finish_spreads(&mut self) {
        while let Some(slot) = self.rumours.take_finished() {
            self.finish_spread(&Subject::Rumour(slot));
        }
        while let Some(name) = self.queues.intents.take_finished() {
            self.finish_spread(&Subject::Intent(name));
        }
    }

    fn finish_spread(&mut self, subject: &Subject) {
        let waiting = |spreads: &[Spread]| spreads.iter().position(|s| s.subject == *subject);
        while let Some(index) = waiting(&self.spreads) {
            self.spread_ended(index, true);
        }
    }

    pub(super) fn expire_spreads(&mut self) {
        let late = |spreads: &[Spread], now| spreads.iter().position(|s| s.deadline <= now);
        while let Some(index) = late(&self.spreads, self.now) {
            self.spread_ended(index, false);
        }
    }

    fn spread_ended(&mut self, index: usize, complete: bool) {
        let Spread { id, subject, .. } = self.spreads.remove(index);
        let told = match &subject {
            Subject::Rumour(slot) => self.rumours.told(*slot),
            Subject::Intent(name) => self.queues.intents.told(name),
        };
        let packets = told.unwrap_or_else(|| self.transmit_limit());
        match &mut self.leave {
            Some(leave) if leave.id == id => {
                leave.complete &= complete;
                leave.packets = packets;
                match subject {
                    Subject::Intent(_) => self.depart(),
                    Subject::Rumour(_) => self
                        .timers
                        .set(Timer::Stop, self.now + self.params.leave_propagate_delay),
                }
            }
            _ => self.done(id, Outcome::Spread { complete, packets }),
        }
    }

    /// The beginning of a leave.
    pub(super) fn begin_leave(&mut self, id: CommandId) {
        let timeout = self.params.broadcast_timeout;
        self.leave = Some(Leave {
            id,
            deadline: self.now + timeout,
            complete: true,
            packets: 0,
        });
        self.announce_leave();
        let subject = Subject::Intent(self.name.clone());
        self.await_spread_until(self.now + timeout / 2, id, subject);
    }

    /// Everybody knows that this node will go: it goes.
    fn depart(&mut self) {
        let Some(Leave { id, deadline, .. }) = self.leave else {
            return;
        };
        let incarnation = self.own_record().incarnation;
        self.table
            .set_state(self.me, State::Left, incarnation, self.now);
        self.member_event(self.me, MemberEventKind::Leave, Cause::Departed);
        self.spread_rumour(self.me, Accuser::member(self.me));
        self.await_spread_until(deadline, id, Subject::Rumour(self.me));
    }

    /// The end of a leave.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Stopped;
        self.close_all_streams();
        self.end_joins();
        for Spread { id, subject, .. } in core::mem::take(&mut self.spreads) {
            let told = match &subject {
                Subject::Rumour(slot) => self.rumours.told(*slot),
                Subject::Intent(name) => self.queues.intents.told(name),
            };
            let (complete, packets) = (false, told.unwrap_or(0));
            self.done(id, Outcome::Spread { complete, packets });
        }
        self.end_queries();
        if let Some(Leave {
            id,
            complete,
            packets,
            ..
        }) = self.leave.take()
        {
            self.done(id, Outcome::Spread { complete, packets });
        }
    }
}
