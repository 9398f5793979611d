//! What is believed of whom: announcements, suspicion, death, refutation
//! (wire-protocol reference, sections 6.2 to 6.6).
//!
//! News about a member is ordered by (incarnation, state), later states overriding earlier ones:
//! alive, suspect, dead, left. Whatever the order in which announcements and deaths arrive, the
//! same ones lead every node to the same belief. Two rules keep the gone from coming back by
//! themselves: only an announcement revives, and only one of a higher incarnation.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::timers::Timer;
use super::wires::Dest;
use super::{Node, Phase};
use crate::event::{Cause, Event, MemberEventKind};
use crate::member::{Name, Profile, Status, Versions};
use crate::message::{Accusation, Alive};
use crate::swim::accuser::Accuser;
use crate::swim::pool;
use crate::swim::record::{Record, State};
use crate::swim::scaling::Scale;
use crate::swim::suspicion::Suspicion;
use crate::swim::table::Slot;
use crate::tags::META_LIMIT;

/// The furthest that news may be ahead of what is known. Incarnations grow by one per refutation
/// or change of tags; one that leaps is damaged or forged, and believing it would leave its
/// subject no number to refute with.
const MAX_LEAP: u32 = 1 << 24;

impl Node {
    // Always inlined, like the decoding: most announcements are read and forgotten in registers.
    #[inline(always)]
    pub(super) fn on_alive(&mut self, alive: &Alive<'_>) {
        let Some(slot) = self.table.find(alive.name) else {
            return self.add_member(alive);
        };
        let Some(record) = self.table.get(slot) else {
            return;
        };
        let old_news = alive.incarnation <= record.incarnation && slot != self.me;
        if old_news && record.profile.addr == alive.addr {
            return;
        }
        self.on_news(slot, alive);
    }

    /// An announcement that is not what is known already. Kept apart from the above, by far the
    /// most frequent end of a message.
    #[inline(never)]
    fn on_news(&mut self, slot: Slot, alive: &Alive<'_>) {
        let Some(record) = self.table.get(slot) else {
            return;
        };
        let moved = !same_endpoint(record.profile.addr, alive.addr);
        if slot == self.me {
            return self.on_alive_about_self(alive, moved);
        }
        if !moved && alive.incarnation <= record.incarnation {
            return;
        }
        if !self.is_plausible(alive, record.incarnation) {
            return;
        }
        if moved && !self.may_move(slot) {
            return self.name_conflict(slot, alive.addr);
        }
        let Some(record) = self.table.get(slot) else {
            return;
        };
        let (before, intent) = (record.state(), record.intent);
        let flapping =
            before == State::Dead && !record.gone_for(self.params.flap_timeout, self.now);
        let changed = moved || record.profile.meta() != alive.meta;
        let same_form =
            record.profile.addr == alive.addr && record.profile.versions == alive.versions;
        if changed || !same_form {
            let name = record.profile.name.clone();
            let profile = self.intern(&name, alive);
            self.table.set_profile(slot, profile);
        }
        self.count_announcement();
        self.suspicions.remove(slot);
        self.table
            .set_state(slot, State::Alive, alive.incarnation, self.now);
        self.spread_rumour(slot, Accuser::member(slot));
        if before == State::Dead {
            self.count_return();
        }
        if !before.is_live() {
            // Back again: whatever was said of its leaving is over.
            self.table.set_intent(slot, intent.withdrawn(), self.now);
            self.counters.flaps += u64::from(flapping);
            self.member_event(slot, MemberEventKind::Join, Cause::Announced);
        } else if changed {
            self.member_event(slot, MemberEventKind::Update, Cause::Announced);
        }
    }

    #[inline(never)]
    fn add_member(&mut self, alive: &Alive<'_>) {
        let Ok(name) = Name::try_from(alive.name) else {
            self.counters.dropped_invalid_member += 1;
            return;
        };
        if !self.is_plausible(alive, 0) || !self.make_room() {
            return;
        }
        self.count_announcement();
        let profile = self.intern(&name, alive);
        let record = Record::new(profile, alive.incarnation, State::Alive, self.now);
        let slot = self.table.insert(record);
        self.recall_intent(slot);
        self.spread_rumour(slot, Accuser::member(slot));
        self.member_event(slot, MemberEventKind::Join, Cause::Announced);
    }

    /// Somebody repeats what this node said, or something else under its name.
    fn on_alive_about_self(&mut self, alive: &Alive<'_>, moved: bool) {
        let record = self.own_record();
        if self.phase != Phase::Running {
            return;
        }
        if moved {
            // Whatever its incarnation: the rival may have changed less often.
            return self.name_conflict(self.me, alive.addr);
        }
        if alive.incarnation < record.incarnation {
            return;
        }
        let own = alive.incarnation == record.incarnation
            && record.profile.meta() == alive.meta
            && record.profile.versions == alive.versions;
        if !own && self.is_plausible(alive, record.incarnation) {
            // From an earlier run of this node, most likely.
            self.refute(alive.incarnation, None);
        }
    }

    /// Whether an announcement can be true; if not, counts it.
    fn is_plausible(&mut self, alive: &Alive<'_>, known: u32) -> bool {
        let versions_ok = |min: u8, max: u8| min != 0 && min <= max;
        let Versions {
            protocol_min,
            protocol_max,
            ..
        } = alive.versions;
        let valid = versions_ok(protocol_min, protocol_max)
            && alive.meta.len() <= META_LIMIT
            && alive.incarnation > 0
            && alive.addr.port() != 0
            && !alive.addr.ip().is_unspecified();
        if !valid {
            self.counters.dropped_invalid_member += 1;
        }
        valid && !self.leaps(alive.incarnation, known)
    }

    /// True, and counted, if `incarnation` is ahead of what is known by more than can be.
    fn leaps(&mut self, incarnation: u32, known: u32) -> bool {
        let leaps = incarnation > known.saturating_add(MAX_LEAP);
        self.counters.dropped_implausible += u64::from(leaps);
        leaps
    }

    /// A name may move to another address if its holder left, or has been dead for long enough.
    fn may_move(&self, slot: Slot) -> bool {
        let Some(record) = self.table.get(slot) else {
            return false;
        };
        let reclaim = self.params.dead_reclaim;
        match record.status() {
            Status::Alive | Status::Leaving => false,
            Status::Failed => !reclaim.is_zero() && record.gone_for(reclaim, self.now),
            Status::Left => true,
        }
    }

    fn name_conflict(&mut self, slot: Slot, claimant: SocketAddr) {
        self.counters.name_conflicts += 1;
        if let Some(record) = self.table.get(slot) {
            let holder = record.to_member(self.params.wires);
            let live = record.state() == State::Alive;
            self.event(Event::NameConflict { holder, claimant });
            // If it has moved, the sooner its old self is found dead, the better.
            if live && slot != self.me {
                self.contested = Some(slot);
            }
        }
        match slot == self.me {
            true => self.begin_vote(claimant),
            false => self.table.claim(slot),
        }
    }

    pub(super) fn on_suspect(&mut self, suspect: &Accusation<'_>) {
        let Some((slot, state, known)) = self.accused(suspect) else {
            return;
        };
        if slot == self.me {
            return self.on_accused(suspect);
        }
        if !state.is_live() {
            return;
        }
        let same = state == State::Suspect && suspect.incarnation == known;
        // By far the most frequent end: another copy of what everybody knows by now.
        if same && self.table.get(slot).is_some_and(Record::is_settled) {
            return;
        }
        // The refutation that raised the incarnation came from another address: so it is not the member
        // that is suspected here who is accused anew, and that one has no more time for it.
        let claimed = self.table.get(slot).is_some_and(Record::is_claimed);
        if claimed && state == State::Suspect && !same {
            return;
        }
        let Some(accuser) = self.strangers.accuser(suspect.from, &self.table) else {
            self.counters.dropped_unknown_member += 1;
            return;
        };
        if same {
            self.confirm(slot, accuser);
        } else {
            self.suspect(slot, suspect.incarnation, accuser);
        }
    }

    /// The member that is accused, its state and its incarnation; `None` for one that is not
    /// known, and for what was refuted already or cannot be.
    fn accused(&mut self, accusation: &Accusation<'_>) -> Option<(Slot, State, u32)> {
        let Some(slot) = self.table.find(accusation.name) else {
            self.counters.dropped_unknown_member += 1;
            return None;
        };
        let record = self.table.get(slot)?;
        let (state, known) = (record.state(), record.incarnation);
        let current = accusation.incarnation >= known && !self.leaps(accusation.incarnation, known);
        current.then_some((slot, state, known))
    }

    /// Begins to suspect a live member.
    pub(super) fn suspect(&mut self, slot: Slot, incarnation: u32, accuser: Accuser) {
        self.suspicions.remove(slot);
        self.table
            .set_state(slot, State::Suspect, incarnation, self.now);
        let members = self.table.live();
        let wanted = self.params.suspicion_mult.saturating_sub(2);
        // Without enough others to confirm there is no point in waiting for them.
        let others = members.saturating_sub(2);
        let enough = self.params.lifeguard.suspicion && others >= wanted as usize;
        let wanted = if enough { wanted } else { 0 };
        let scale = Scale::of(members);
        let suspicion = Suspicion::new(accuser, wanted, scale, &self.params, self.now);
        self.table.settle(slot, suspicion.is_settled());
        self.suspicions.insert(slot, suspicion);
        self.counters.suspicions += 1;
        self.spread_rumour(slot, accuser);
        let by = self.strangers.name(accuser, &self.table);
        if let (Some(by), Some(record)) = (by, self.table.get(slot)) {
            let (by, member) = (by.clone(), record.to_member(self.params.wires));
            self.event(Event::Suspected { member, by });
        }
    }

    /// A peer holds a member for dead: it has had its time to refute there, so that what it gets here in
    /// all is the shortest, enough to hear of it and answer.
    pub(super) fn on_held_dead(&mut self, dead: &Accusation<'_>) {
        self.on_suspect(dead);
        let slot = self.table.find(dead.name);
        let suspected = |record: &Record| {
            record.state() == State::Suspect && record.incarnation == dead.incarnation
        };
        if let Some(slot) = slot.filter(|&slot| self.table.get(slot).is_some_and(suspected)) {
            self.suspicions.hasten(slot, &self.params, self.now);
            self.table.settle(slot, true);
        }
    }

    /// Another member suspects it, too: the more, the sooner it is believed.
    pub(super) fn confirm(&mut self, slot: Slot, accuser: Accuser) {
        let news = self
            .suspicions
            .confirm(slot, accuser, &self.params, self.now);
        if let Some(settled) = news {
            if settled {
                self.table.settle(slot, true);
            }
            self.spread_rumour(slot, accuser);
        }
    }

    /// Declares those dead that did not refute in time.
    pub(super) fn expire_suspicions(&mut self) {
        while let Some((slot, suspicion)) = self.suspicions.take_due(self.now) {
            let Some(record) = self.table.get(slot) else {
                continue;
            };
            self.counters.suspicions_expired += 1;
            let name = |accuser| self.strangers.name(accuser, &self.table).cloned();
            let accusers = suspicion.accusers().filter_map(name).collect();
            let cause = Cause::SuspicionExpired { accusers };
            let (incarnation, own) = (record.incarnation, Accuser::member(self.me));
            self.bury(slot, State::Dead, incarnation, own, cause);
        }
    }

    /// Lengthens running suspicions by the time for which the whole process stood still: while it
    /// could not hear, silence was no evidence. Standing still is also a sign of poor health.
    pub(super) fn make_up_for_stall(&mut self, late: Duration) {
        if late < self.params.probe_interval || !self.params.lifeguard.suspicion {
            return;
        }
        self.counters.stalls += 1;
        self.adjust_health(1);
        self.suspicions.postpone(late);
    }

    /// `from` is who told it in a packet of gossip.
    pub(super) fn on_dead(&mut self, dead: &Accusation<'_>, from: Option<Dest>) {
        let Some((slot, state, known)) = self.accused(dead) else {
            return self.correct(dead, from);
        };
        if slot == self.me {
            self.on_accused(dead);
            return self.come_back();
        }
        let left = dead.from == dead.name;
        let news = match state {
            State::Alive | State::Suspect => true,
            State::Dead => left || dead.incarnation > known,
            State::Left => dead.incarnation > known,
        };
        if !news {
            return;
        }
        let by = self.strangers.accuser(dead.from, &self.table);
        let name = by.and_then(|by| self.strangers.name(by, &self.table));
        let (Some(by), Some(name)) = (by, name) else {
            self.counters.dropped_unknown_member += 1;
            return;
        };
        let (state, cause) = match left {
            true => (State::Left, Cause::Departed),
            false => (State::Dead, Cause::Declared { by: name.clone() }),
        };
        self.bury(slot, state, dead.incarnation, by, cause);
    }

    /// Believes that a member is gone, and passes it on.
    pub(super) fn bury(
        &mut self,
        slot: Slot,
        state: State,
        incarnation: u32,
        by: Accuser,
        cause: Cause,
    ) {
        self.counters.burials += 1;
        self.suspicions.remove(slot);
        let status = |node: &Self| node.table.get(slot).map(Record::status);
        let before = status(self);
        self.table.set_state(slot, state, incarnation, self.now);
        let after = status(self);
        self.spread_rumour(slot, by);
        if before == after {
            return;
        }
        match after {
            Some(Status::Failed) => self.member_event(slot, MemberEventKind::Failed, cause),
            // Its silence is what it, or somebody for it, had announced.
            _ if state == State::Dead => {
                self.member_event(slot, MemberEventKind::Leave, Cause::Departed);
            }
            _ => self.member_event(slot, MemberEventKind::Leave, cause),
        }
    }

    /// Somebody says that this node has failed, or left.
    fn on_accused(&mut self, accusation: &Accusation<'_>) {
        if self.phase == Phase::Running {
            self.refute(accusation.incarnation, Name::try_from(accusation.from).ok());
        }
    }

    /// Announces this node anew, above the incarnation at which it was spoken of.
    fn refute(&mut self, said: u32, accuser: Option<Name>) {
        let incarnation = self.own_record().incarnation.max(said).saturating_add(1);
        self.table
            .set_state(self.me, State::Alive, incarnation, self.now);
        self.spread_rumour(self.me, Accuser::member(self.me));
        self.counters.refutations += 1;
        self.event(Event::Refuted {
            accuser,
            incarnation,
        });
        self.adjust_health(1);
    }

    /// Forgets members that have been gone for so long that no stale news of them is about.
    pub(super) fn reap(&mut self) {
        self.timers
            .set(Timer::Reap, self.now + self.params.reap_interval);
        self.intents.expire(self.now);
        self.responder.expire(self.now);
        if self.table.len() == self.table.live() {
            return;
        }
        let expired: Vec<Slot> = self
            .table
            .iter()
            .filter(|&(slot, record)| {
                let limit = match record.status() {
                    Status::Left => self.params.tombstone_timeout,
                    _ => self.params.reconnect_timeout,
                };
                slot != self.me && record.gone_for(limit, self.now)
            })
            .map(|(slot, _)| slot)
            .collect();
        for slot in expired {
            self.forget(slot, Cause::Expired);
        }
    }

    /// Makes sure that one more member can be taken in, at the expense of the longest gone.
    fn make_room(&mut self) -> bool {
        if self.table.len() < self.params.max_members as usize {
            return true;
        }
        let gone = self
            .table
            .iter()
            .filter(|&(slot, record)| slot != self.me && !record.state().is_live());
        match gone
            .max_by_key(|(_, record)| record.age(self.now))
            .map(|(slot, _)| slot)
        {
            Some(slot) => {
                self.forget(slot, Cause::Evicted);
                true
            }
            None => {
                self.counters.dropped_table_full += 1;
                false
            }
        }
    }

    /// Erases a member.
    pub(super) fn forget(&mut self, slot: Slot, cause: Cause) {
        self.suspicions.remove(slot);
        self.rumours.remove(slot);
        self.abandon_probe_of(slot);
        self.forget_distance(slot);
        self.member_event(slot, MemberEventKind::Reap, cause);
        if let Some(record) = self.table.remove(slot) {
            self.forget_accuser(slot, &record.profile.name);
        }
    }

    /// Whom a member that is forgotten has accused stays accused by that name; by this node's own
    /// if there are too many of the kind.
    fn forget_accuser(&mut self, slot: Slot, name: &Name) {
        if self.suspicions.is_empty() && self.rumours.is_empty() {
            return;
        }
        let stranger = self.strangers.accuser(name.into(), &self.table);
        let (old, new) = (
            Accuser::member(slot),
            stranger.unwrap_or(Accuser::member(self.me)),
        );
        self.suspicions.replace_accuser(old, new);
        self.rumours.replace_accuser(old, new);
    }

    fn intern(&self, name: &Name, alive: &Alive<'_>) -> Arc<Profile> {
        match &self.pool {
            Some(pool) => pool.intern(name, alive),
            None => Arc::new(pool::profile(name.clone(), alive)),
        }
    }
}

/// The same endpoint, in whichever form the address was written.
pub(super) fn same_endpoint(a: SocketAddr, b: SocketAddr) -> bool {
    a == b || (a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical())
}
