//! What the application asks for: join, leave, force-leave, tags.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::exchange::Purpose;
use super::outbox::Output;
use super::timers::Timer;
use super::{Node, Phase};
use crate::action::{CommandId, Outcome, StreamFailure};
use crate::error::CommandError;
use crate::event::{Cause, MemberEventKind};
use crate::member::Profile;
use crate::swim::record::State;
use crate::swim::rumours::{Claim, Rumour};
use crate::swim::table::Slot;
use crate::tags::{self, Tags};
use crate::time::Instant;

/// Seeds that one join dials at once: a slow one does not hold up the others.
const JOIN_FAN_OUT: usize = 8;

/// Seeds that one join takes.
const MAX_SEEDS: usize = 1024;

/// Commands of one kind that may be under way.
const MAX_COMMANDS: usize = 256;

/// A join under way.
#[derive(Debug, Clone)]
pub(super) struct Join {
    id: CommandId,
    /// Seeds still to be dialled, last one first.
    waiting: Vec<SocketAddr>,
    dialling: usize,
    contacted: Vec<SocketAddr>,
    failed: Vec<(SocketAddr, StreamFailure)>,
}

/// A command that waits until everybody has been told something.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    id: CommandId,
    /// The member that the message is about.
    subject: Slot,
    pub(super) deadline: Instant,
    /// Forget the member then.
    prune: bool,
}

/// The leave under way.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    id: CommandId,
    /// Everybody has been told.
    complete: bool,
}

impl Node {
    /// Exchanges state with each of `seeds`, which merges the clusters. Ends with
    /// [`Outcome::Join`]; the node has joined if at least one was contacted.
    ///
    /// # Errors
    /// The node is leaving; no seeds, or more than 1,024; more than 256 joins under way.
    pub fn join(&mut self, seeds: &[SocketAddr], now: Instant) -> Result<CommandId, CommandError> {
        self.advance(now);
        self.check_running()?;
        if seeds.is_empty() {
            return Err(CommandError::NoSeeds);
        }
        if seeds.len() > MAX_SEEDS {
            return Err(CommandError::TooManySeeds {
                count: seeds.len(),
                limit: MAX_SEEDS,
            });
        }
        if self.joins.len() >= MAX_COMMANDS {
            return Err(CommandError::Busy {
                limit: MAX_COMMANDS,
            });
        }
        let id = self.take_command();
        let waiting = seeds.iter().rev().copied().collect();
        self.joins.push(Join {
            id,
            waiting,
            dialling: 0,
            contacted: Vec::new(),
            failed: Vec::new(),
        });
        self.dial_seeds(id);
        Ok(id)
    }

    fn dial_seeds(&mut self, id: CommandId) {
        while let Some(join) = self.joins.iter_mut().find(|join| join.id == id) {
            if join.dialling >= JOIN_FAN_OUT {
                break;
            }
            let Some(seed) = join.waiting.pop() else {
                break;
            };
            join.dialling += 1;
            self.open_sync(Purpose::Join(id), seed);
        }
    }

    /// A seed was contacted, or was not.
    pub(super) fn on_seed_done(
        &mut self,
        id: CommandId,
        seed: SocketAddr,
        result: Result<(), StreamFailure>,
    ) {
        let Some(index) = self.joins.iter().position(|join| join.id == id) else {
            return;
        };
        let join = &mut self.joins[index];
        join.dialling -= 1;
        match result {
            Ok(()) => join.contacted.push(seed),
            Err(failure) => join.failed.push((seed, failure)),
        }
        if join.dialling > 0 || !join.waiting.is_empty() {
            return self.dial_seeds(id);
        }
        let Join {
            contacted, failed, ..
        } = self.joins.remove(index);
        self.done(id, Outcome::Join { contacted, failed });
    }

    /// Tells everybody that this node leaves, lingers so that they can pass it on, and stops.
    /// Ends with [`Outcome::Spread`]; whether or not everybody could be told, the node has left
    /// and is stopped then.
    ///
    /// # Errors
    /// The node is leaving already, or has left.
    pub fn leave(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        self.advance(now);
        match self.phase {
            Phase::Running => {}
            Phase::Leaving => return Err(CommandError::AlreadyLeaving),
            Phase::Stopped => return Err(CommandError::NotRunning),
        }
        self.phase = Phase::Leaving;
        self.take_probe();
        let incarnation = self.own_record().incarnation;
        self.table.set_leaving(self.me, true);
        let alone = self.table.live() <= 1;
        self.table
            .set_state(self.me, State::Left, incarnation, self.now);
        let claim = Claim::Dead(self.name.clone());
        self.spread_rumour(Rumour {
            subject: self.me,
            claim,
            incarnation,
        });
        let id = self.take_command();
        self.leave = Some(Leave {
            id,
            complete: false,
        });
        self.await_spread(id, self.me, alone);
        Ok(id)
    }

    /// Treats a failed member as having left, so that nobody tries to reach it any more; with
    /// `prune` it is also forgotten at once. A member that is in fact alive stays: it would refute
    /// at once. Unknown names succeed. Ends with [`Outcome::Spread`].
    ///
    /// # Errors
    /// The node is leaving, or more than 256 commands wait to be spread.
    pub fn force_leave(
        &mut self,
        name: &str,
        prune: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.advance(now);
        self.check_running()?;
        self.check_spreads()?;
        let id = self.take_command();
        let found = self.table.find(name.into()).filter(|&slot| slot != self.me);
        let record = found.and_then(|slot| Some((slot, self.table.get(slot)?)));
        let by = self.name.clone();
        match record.map(|(slot, record)| (slot, record.state(), record)) {
            Some((slot, State::Dead, record)) => {
                // Told in its own name: that is what makes it left and not failed.
                let (own, incarnation) = (record.profile.name.clone(), record.incarnation);
                self.bury(slot, State::Left, incarnation, own, Cause::ForceLeft { by });
                let deadline = self.now + self.params.broadcast_timeout;
                let alone = self.table.live() <= 1;
                let subject = slot;
                self.await_told(
                    Spread {
                        id,
                        subject,
                        deadline,
                        prune,
                    },
                    alone,
                );
            }
            Some((slot, State::Left, _)) if prune => {
                self.forget(slot, Cause::ForceLeft { by });
                self.done(id, Outcome::Spread { complete: true });
            }
            _ => self.done(id, Outcome::Spread { complete: true }),
        }
        Ok(id)
    }

    /// Replaces this node's tags and tells everybody. Ends with [`Outcome::Spread`].
    ///
    /// # Errors
    /// The encoded tags are too large; the node is leaving; more than 256 commands wait to be
    /// spread.
    pub fn set_tags(&mut self, tags: &Tags, now: Instant) -> Result<CommandId, CommandError> {
        self.advance(now);
        self.check_running()?;
        self.check_spreads()?;
        let meta = tags::encode(tags)?.into_boxed_slice();
        let record = self.own_record();
        let changed = record.profile.meta != meta;
        let incarnation = record.incarnation.saturating_add(1);
        let profile = Profile {
            meta,
            ..Profile::clone(&record.profile)
        };
        self.table.set_profile(self.me, Arc::new(profile));
        self.table
            .set_state(self.me, State::Alive, incarnation, self.now);
        self.spread_rumour(Rumour {
            subject: self.me,
            claim: Claim::Alive,
            incarnation,
        });
        if changed {
            self.member_event(self.me, MemberEventKind::Update, Cause::Announced);
        }
        let id = self.take_command();
        self.await_spread(id, self.me, self.table.live() <= 1);
        Ok(id)
    }

    /// Ends the command once the rumour about `subject` has been told, or now if `at_once`.
    fn await_spread(&mut self, id: CommandId, subject: Slot, at_once: bool) {
        let deadline = self.now + self.params.broadcast_timeout;
        self.await_told(
            Spread {
                id,
                subject,
                deadline,
                prune: false,
            },
            at_once,
        );
    }

    fn await_told(&mut self, spread: Spread, at_once: bool) {
        self.spreads.push(spread);
        if at_once {
            self.spread_ended(self.spreads.len() - 1, true);
        }
    }

    /// Ends the commands whose rumour has just been sent as often as it should.
    pub(super) fn finish_spreads(&mut self) {
        while let Some(subject) = self.rumours.take_finished() {
            let waiting = |spreads: &[Spread]| spreads.iter().position(|s| s.subject == subject);
            while let Some(index) = waiting(&self.spreads) {
                self.spread_ended(index, true);
            }
        }
    }

    pub(super) fn expire_spreads(&mut self) {
        let late = |spreads: &[Spread], now| spreads.iter().position(|s| s.deadline <= now);
        while let Some(index) = late(&self.spreads, self.now) {
            self.spread_ended(index, false);
        }
    }

    fn spread_ended(&mut self, index: usize, complete: bool) {
        let Spread {
            id, subject, prune, ..
        } = self.spreads.remove(index);
        if prune {
            self.forget(
                subject,
                Cause::ForceLeft {
                    by: self.name.clone(),
                },
            );
        }
        match &mut self.leave {
            Some(leave) if leave.id == id => {
                leave.complete = complete;
                self.timers
                    .set(Timer::Stop, self.now + self.params.leave_propagate_delay);
            }
            _ => self.done(id, Outcome::Spread { complete }),
        }
    }

    /// The end of a leave.
    pub(super) fn stop(&mut self) {
        self.table.set_leaving(self.me, false);
        self.phase = Phase::Stopped;
        self.close_all_streams();
        for Join {
            id,
            contacted,
            failed,
            ..
        } in core::mem::take(&mut self.joins)
        {
            self.done(id, Outcome::Join { contacted, failed });
        }
        for Spread { id, .. } in core::mem::take(&mut self.spreads) {
            self.done(id, Outcome::Spread { complete: false });
        }
        if let Some(Leave { id, complete }) = self.leave.take() {
            self.done(id, Outcome::Spread { complete });
        }
    }

    fn done(&mut self, id: CommandId, outcome: Outcome) {
        self.push(Output::Done {
            id,
            outcome: Box::new(outcome),
        });
    }

    fn take_command(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    fn check_running(&self) -> Result<(), CommandError> {
        if self.phase == Phase::Running {
            Ok(())
        } else {
            Err(CommandError::NotRunning)
        }
    }

    fn check_spreads(&self) -> Result<(), CommandError> {
        if self.spreads.len() < MAX_COMMANDS {
            Ok(())
        } else {
            Err(CommandError::Busy {
                limit: MAX_COMMANDS,
            })
        }
    }
}
