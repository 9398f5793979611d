//! Who stays and who goes: join and leave intents (wire-protocol reference, sections 8.2 and 8.9).
//!
//! The membership below knows who answers. Intents say what a silence means: one announced by a
//! leave is a departure, any other a failure. They are spread like news, ordered by the member
//! clock, and wait in a buffer where they come before their member.

use alloc::sync::Arc;
use core::time::Duration;

use super::{Node, Phase};
use crate::error::CommandError;
use crate::event::{Cause, MemberEventKind};
use crate::member::{Name, Status};
use crate::message::{JoinIntent, LeaveIntent, MemberTime, Message, RawName, SerfMessage};
use crate::serf::clock::LamportTime;
use crate::serf::intent::{Intent, IntentNews};
use crate::swim::broadcasts::Broadcast;
use crate::swim::table::Slot;
use crate::time::Instant;

/// Members that may wait to be pruned once they have left.
const MAX_PRUNES: usize = 1024;

impl Broadcast for Arc<IntentNews> {
    type Subject = Name;

    fn subject(&self) -> Option<&Name> {
        Some(&self.name)
    }
}

impl IntentNews {
    pub(super) fn message(&self) -> SerfMessage<'_> {
        let (ltime, node) = (self.intent.ltime(), (&self.name).into());
        match self.intent.is_leave() {
            true => SerfMessage::LeaveIntent(LeaveIntent {
                ltime,
                node,
                prune: self.prune,
            }),
            false => SerfMessage::JoinIntent(JoinIntent { ltime, node }),
        }
    }
}

impl Node {
    /// An intent came by gossip.
    pub(super) fn on_intent(&mut self, name: RawName<'_>, intent: Intent, prune: bool) {
        if !self.clocks.member.witness(intent.ltime()) {
            self.counters.dropped_implausible += 1;
            return;
        }
        let news = match self.table.find(name) {
            None => self.intents.insert(name, intent, self.now),
            Some(slot) => self
                .take_intent(slot, intent, Cause::Departed)
                .then(|| self.name_of(slot))
                .flatten(),
        };
        let Some(name) = news else { return };
        self.spread_intent(name.clone(), intent, prune);
        if prune && intent.is_leave() {
            self.prune(&name);
        }
    }

    /// Takes over an intent that a peer told in a state exchange. It is not passed on: whoever
    /// missed it gets it the same way.
    pub(super) fn on_exchanged_intent(&mut self, slot: Slot, intent: Intent) {
        if self.clocks.member.witness(intent.ltime()) {
            self.take_intent(slot, intent, Cause::Departed);
        } else {
            self.counters.dropped_implausible += 1;
        }
    }

    /// Takes over what a peer of the reference system tells: the time of the latest intent, and
    /// whether the member has left. One that is about to leave looks like one that stays, so a
    /// time that is known already says nothing.
    pub(super) fn on_member_time(&mut self, member: &MemberTime<'_>) {
        let Some(slot) = self.table.find(member.name) else {
            return;
        };
        let known = self.table.get(slot).map(|record| record.intent.ltime());
        if known.is_some_and(|known| member.ltime > known) {
            let intent = match member.left {
                true => Intent::leave(member.ltime),
                false => Intent::join(member.ltime),
            };
            self.on_exchanged_intent(slot, intent);
        }
    }

    /// Believes an intent about a known member, unless one that counts more is known. True if it
    /// is news, which are to be passed on.
    fn take_intent(&mut self, slot: Slot, intent: Intent, cause: Cause) -> bool {
        let Some(record) = self.table.get(slot) else {
            return false;
        };
        if intent <= record.intent {
            if slot == self.me && intent.is_leave() && self.phase == Phase::Running {
                // Somebody has not heard the later word.
                self.spread_intent(self.name.clone(), record.intent, false);
            }
            return false;
        }
        if slot == self.me && intent.is_leave() {
            // Somebody says that this node leaves. It does not, unless it said so itself.
            if self.phase == Phase::Running {
                self.counters.refutations += 1;
                self.announce_stay();
            }
            return false;
        }
        let before = record.status();
        self.table.set_intent(slot, intent, self.now);
        let after = self.table.get(slot).map(|record| record.status());
        match (before, after) {
            (Status::Failed, Some(Status::Left)) => {
                self.member_event(slot, MemberEventKind::Leave, cause);
            }
            (Status::Left, Some(Status::Failed)) => {
                self.member_event(slot, MemberEventKind::Failed, Cause::LeaveWithdrawn);
            }
            _ => {}
        }
        true
    }

    /// What a live member should hear first of all when it is spoken to: that it is said to leave.
    /// If that is not so, it says so. Else whoever missed its word when that went round would have
    /// to wait for a state exchange.
    pub(super) fn said_to_leave<'a>(&self, name: RawName<'a>) -> Option<Message<'a>> {
        if self.table.leaving() == 0 {
            return None;
        }
        let record = self.table.get(self.table.find(name)?)?;
        record.is_leaving().then(|| {
            Message::Serf(SerfMessage::LeaveIntent(LeaveIntent {
                ltime: record.intent.ltime(),
                node: name,
                prune: false,
            }))
        })
    }

    /// What was heard of a member before the member itself.
    pub(super) fn recall_intent(&mut self, slot: Slot) {
        let name = self.name_of(slot);
        if let Some(intent) = name.and_then(|name| self.intents.take(&name)) {
            self.table.set_intent(slot, intent, self.now);
        }
    }

    /// Tells everybody that this node is here to stay.
    pub(super) fn announce_stay(&mut self) {
        let intent = Intent::join(self.clocks.member.tick());
        self.table.set_intent(self.me, intent, self.now);
        self.spread_intent(self.name.clone(), intent, false);
    }

    /// Tells everybody that this node leaves. Who hears of its silence later knows why.
    pub(super) fn announce_leave(&mut self) {
        let intent = Intent::leave(self.clocks.member.tick());
        self.table.set_intent(self.me, intent, self.now);
        self.spread_intent(self.name.clone(), intent, false);
    }

    /// Tells everybody that a member is to be treated as having left. False if it is this node.
    pub(super) fn announce_removal(
        &mut self,
        name: &str,
        prune: bool,
    ) -> Result<Name, CommandError> {
        let name = Name::new(name).map_err(CommandError::InvalidName)?;
        let intent = Intent::leave(self.clocks.member.tick());
        let by = self.name.clone();
        match self.table.find((&name).into()) {
            Some(slot) => {
                self.take_intent(slot, intent, Cause::ForceLeft { by });
            }
            None => {
                let _ = self.intents.insert((&name).into(), intent, self.now);
            }
        }
        if name != self.name {
            self.spread_intent(name.clone(), intent, prune);
            if prune {
                self.prune(&name);
            }
        }
        Ok(name)
    }

    /// The time that the next join or leave will have.
    #[must_use]
    pub fn member_time(&self) -> LamportTime {
        self.clocks.member.time()
    }

    fn spread_intent(&mut self, name: Name, intent: Intent, prune: bool) {
        let news = IntentNews {
            name,
            intent,
            prune,
        };
        let news = match &self.pool {
            Some(pool) => pool.share(news),
            None => Arc::new(news),
        };
        self.queues.intents.push(news, self.now);
        self.arm_gossip();
    }

    fn name_of(&self, slot: Slot) -> Option<Name> {
        let record = self.table.get(slot)?;
        Some(record.profile.name.clone())
    }

    /// Forgets a member that is gone, or, if it is about to go, once it should be.
    fn prune(&mut self, name: &Name) {
        let record = |node: &Self| {
            let slot = node.table.find(name.into())?;
            Some((slot, node.table.get(slot)?.clone()))
        };
        let Some((slot, record)) = record(self) else {
            return;
        };
        match record.status() {
            Status::Left | Status::Failed => {
                let by = self.name.clone();
                self.forget(slot, Cause::ForceLeft { by });
                // Or the same intent, coming round again, would pass for news.
                let _ = self.intents.insert(name.into(), record.intent, self.now);
            }
            Status::Leaving if self.prunes.len() < MAX_PRUNES => {
                let at = self.now + self.departure_time();
                self.prunes.push((at, name.clone()));
            }
            Status::Leaving | Status::Alive => {}
        }
    }

    /// How long a member may take to be gone after it said that it leaves.
    fn departure_time(&self) -> Duration {
        self.params
            .broadcast_timeout
            .saturating_mul(2)
            .saturating_add(self.params.leave_propagate_delay)
    }

    /// Forgets those whose time to go has passed. One that is still here has changed its mind.
    pub(super) fn expire_prunes(&mut self) {
        let now = self.now;
        let due = |prunes: &[(Instant, Name)]| prunes.iter().position(|(at, _)| *at <= now);
        while let Some(index) = due(&self.prunes) {
            let (_, name) = self.prunes.swap_remove(index);
            let slot = self.table.find((&name).into());
            let record = slot.and_then(|slot| self.table.get(slot));
            if record.is_some_and(|record| !record.state().is_live()) {
                self.prune(&name);
            }
        }
    }
}
