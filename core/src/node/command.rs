//! What the application asks for: join, leave, force-leave, tags.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::outbox::Output;
use super::spread::Subject;
use super::streams::Purpose;
use super::{Node, Phase};
use crate::action::{CommandId, Outcome, StreamFailure};
use crate::error::CommandError;
use crate::event::{Cause, MemberEventKind};
use crate::journal::Input;
use crate::member::Profile;
use crate::swim::accuser::Accuser;
use crate::swim::record::State;
use crate::tags::{self, Tags};
use crate::time::Instant;

/// Seeds that one join dials at once: a slow one does not hold up the others.
const JOIN_FAN_OUT: usize = 8;

/// Seeds that one join takes.
const MAX_SEEDS: usize = 1024;

/// Commands of one kind that may be under way.
pub(super) const MAX_COMMANDS: usize = 256;

/// A join under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Join {
    id: CommandId,
    /// Deliver the user events of the past, too.
    replay: bool,
    /// One seed is enough.
    one_is_enough: bool,
    /// Seeds still to be dialled, last one first.
    waiting: Vec<SocketAddr>,
    dialling: usize,
    contacted: Vec<SocketAddr>,
    failed: Vec<(SocketAddr, StreamFailure)>,
}

impl Node {
    /// Exchanges state with each of `seeds`, which merges the clusters. Ends with
    /// [`Outcome::Join`]; the node has joined if at least one was contacted. Then the seeds are kept, the
    /// last sixteen of all joins: where no member is known at one of them, some one member of the
    /// cluster dials such a seed again in each [`reconnect_interval`](crate::Config::reconnect_interval).
    ///
    /// # Errors
    /// The node is leaving; no seeds, or more than 1,024; more than 256 joins under way.
    pub fn join(&mut self, seeds: &[SocketAddr], now: Instant) -> Result<CommandId, CommandError> {
        self.record_join(seeds, false, now);
        self.begin_join(seeds, false, false, now)
    }

    /// Like [`join`](Self::join), and delivers the recent user events of the cluster that is
    /// joined as if they happened now. A plain join ignores what happened before it.
    ///
    /// # Errors
    /// As for `join`.
    pub fn join_replaying(
        &mut self,
        seeds: &[SocketAddr],
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.record_join(seeds, true, now);
        self.begin_join(seeds, true, false, now)
    }

    fn record_join(&mut self, seeds: &[SocketAddr], replay: bool, now: Instant) {
        let seeds = Cow::Borrowed(seeds);
        self.tape.input(Some(now), || Input::Join { seeds, replay });
    }

    /// Joins through the first of `seeds` that answers, and delivers what was missed.
    pub(super) fn begin_rejoin(
        &mut self,
        seeds: &[SocketAddr],
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.begin_join(seeds, true, true, now)
    }

    /// True while a join is under way that ignores the user events of the past.
    pub(super) fn joins_without_past(&self) -> bool {
        self.joins.iter().any(|join| !join.replay)
    }

    fn begin_join(
        &mut self,
        seeds: &[SocketAddr],
        replay: bool,
        one_is_enough: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
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
            replay,
            one_is_enough,
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
            let wire = self.stranger_wire();
            self.open_sync(Purpose::Join(id), seed, wire);
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
            Ok(()) => {
                join.contacted.push(seed);
                if join.one_is_enough {
                    join.waiting.clear();
                }
            }
            Err(failure) => join.failed.push((seed, failure)),
        }
        if join.dialling > 0 || !join.waiting.is_empty() {
            return self.dial_seeds(id);
        }
        let Join {
            contacted, failed, ..
        } = self.joins.remove(index);
        if !contacted.is_empty() && self.phase == Phase::Running {
            let silent = failed.iter().map(|(seed, _)| *seed);
            self.keep_seeds(contacted.iter().copied().chain(silent));
            self.announce_stay();
            self.sync_soon();
        }
        self.done(id, Outcome::Join { contacted, failed });
    }

    /// Tells everybody that this node leaves, lingers so that they can pass it on, and stops.
    /// Ends with [`Outcome::Spread`]; whether or not everybody could be told, the node has left
    /// and is stopped then.
    ///
    /// # Errors
    /// The node is leaving already, or has left.
    pub fn leave(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        self.tape.input(Some(now), || Input::Leave);
        self.advance(now);
        match self.phase {
            Phase::Running => {}
            Phase::Leaving => return Err(CommandError::AlreadyLeaving),
            Phase::Stopped => return Err(CommandError::NotRunning),
        }
        self.phase = Phase::Leaving;
        self.take_probe();
        let id = self.take_command();
        self.begin_leave(id);
        Ok(id)
    }

    /// Tells everybody to treat a member as having left, so that nobody tries to reach it any
    /// more; with `prune` it is also forgotten. A member that is in fact alive says so, and stays.
    /// Unknown names succeed. Ends with [`Outcome::Spread`].
    ///
    /// # Errors
    /// The node is leaving; no member can have that name; more than 256 commands wait to be spread.
    pub fn force_leave(
        &mut self,
        name: &str,
        prune: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.tape
            .input(Some(now), || Input::ForceLeave { name, prune });
        self.advance(now);
        self.check_running()?;
        self.check_spreads()?;
        let name = self.announce_removal(name, prune)?;
        let id = self.take_command();
        self.await_spread(id, Subject::Intent(name));
        Ok(id)
    }

    /// Replaces this node's tags and tells everybody. Ends with [`Outcome::Spread`].
    ///
    /// # Errors
    /// The encoded tags are too large; the node is leaving; more than 256 commands wait to be
    /// spread.
    pub fn set_tags(&mut self, tags: &Tags, now: Instant) -> Result<CommandId, CommandError> {
        self.tape
            .input(Some(now), || Input::SetTags(Cow::Borrowed(tags)));
        self.advance(now);
        self.check_running()?;
        self.check_spreads()?;
        let record = self.own_record();
        let old = &record.profile;
        let meta = tags::announce(tags, old.versions, self.params.wires)?;
        let changed = old.meta() != meta;
        let incarnation = record.incarnation.saturating_add(1);
        let profile = Profile::new(old.name.clone(), old.addr, old.versions, &meta);
        self.table.set_profile(self.me, Arc::new(profile));
        self.table
            .set_state(self.me, State::Alive, incarnation, self.now);
        self.spread_rumour(self.me, Accuser::member(self.me));
        if changed {
            self.member_event(self.me, MemberEventKind::Update, Cause::Announced);
        }
        let id = self.take_command();
        self.await_spread(id, Subject::Rumour(self.me));
        Ok(id)
    }

    /// Ends the joins that are under way.
    pub(super) fn end_joins(&mut self) {
        for Join {
            id,
            contacted,
            failed,
            ..
        } in core::mem::take(&mut self.joins)
        {
            self.done(id, Outcome::Join { contacted, failed });
        }
    }

    pub(super) fn done(&mut self, id: CommandId, outcome: Outcome) {
        self.push(Output::Done {
            id,
            outcome: Box::new(outcome),
        });
    }

    pub(super) fn take_command(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    pub(super) fn check_running(&self) -> Result<(), CommandError> {
        if self.phase == Phase::Running {
            Ok(())
        } else {
            Err(CommandError::NotRunning)
        }
    }
}
