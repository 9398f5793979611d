//! What a node keeps of each member: at most 24 bytes, of which there are n² in a cluster of n.

use alloc::sync::Arc;
use core::mem::size_of;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::{Member, Profile, Status};
use crate::serf::intent::Intent;
use crate::time::{Instant, nanos};
use crate::wire::Wires;

/// A member's state in the gossip protocol. Ordered: at one incarnation, a later state
/// overrides an earlier one, whatever order the news arrives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Alive,
    Suspect,
    Dead,
    Left,
}

impl State {
    /// Alive or suspected: takes part until shown otherwise.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

/// The hot part of a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The cold part, shared with messages under way and, in a simulation, with other nodes.
    pub(crate) profile: Arc<Profile>,
    /// The latest word on whether it stays.
    pub(crate) intent: Intent,
    pub(crate) incarnation: u32,
    /// State in bits 0 and 1, [`SETTLED`], [`CLAIMED`], time of the last change of status above bit 8.
    packed: u32,
}

const _: () = assert!(
    size_of::<Record>() <= 24,
    "the hot member record is the scaling law"
);
const _: () = assert!(
    size_of::<Option<Record>>() == size_of::<Record>(),
    "a free slot costs nothing"
);

const STATE_MASK: u32 = 0b11;
/// Set if it is suspected, and more accusers would make no difference.
const SETTLED: u32 = 0b100;
/// Set if another address has claimed its name since its status last changed.
const CLAIMED: u32 = 0b1000;
const CHANGED_SHIFT: u32 = 8;
const CHANGED_MASK: u32 = u32::MAX >> CHANGED_SHIFT;

/// The time of the last change is kept in steps of 2^28 ns (0.27 s). 24 bits of them wrap after
/// 52 days; no limit that is compared with an age may exceed 30 days (see `Params::new`).
const CHANGED_STEP_BITS: u32 = 28;

const fn steps(now: Instant) -> u32 {
    (now.as_nanos() >> CHANGED_STEP_BITS) as u32 & CHANGED_MASK
}

impl Record {
    pub(crate) fn new(profile: Arc<Profile>, incarnation: u32, state: State, now: Instant) -> Self {
        let mut record = Self {
            profile,
            intent: Intent::NONE,
            incarnation,
            packed: 0,
        };
        record.set_state(state, now);
        record
    }

    pub(crate) const fn state(&self) -> State {
        match self.packed & STATE_MASK {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Dead,
            _ => State::Left,
        }
    }

    /// Changes the state and notes the time. Only the table calls this, as it counts states.
    pub(super) fn set_state(&mut self, state: State, now: Instant) {
        self.packed = state as u32 | (steps(now) << CHANGED_SHIFT);
    }

    /// True if it is suspected, and more accusers would make no difference.
    pub(crate) const fn is_settled(&self) -> bool {
        self.packed & SETTLED != 0
    }

    pub(super) fn settle(&mut self, settled: bool) {
        self.packed = (self.packed & !SETTLED) | if settled { SETTLED } else { 0 };
    }

    /// True if another address has claimed its name since its status last changed.
    pub(crate) const fn is_claimed(&self) -> bool {
        self.packed & CLAIMED != 0
    }

    pub(super) fn claim(&mut self) {
        self.packed |= CLAIMED;
    }

    /// Time since the last change of status, to a third of a second. Exact to 52 days.
    pub(crate) const fn age(&self, now: Instant) -> Duration {
        let steps = steps(now).wrapping_sub(self.packed >> CHANGED_SHIFT) & CHANGED_MASK;
        Duration::from_nanos((steps as u64) << CHANGED_STEP_BITS)
    }

    /// True if it has been dead or left for at least `limit`.
    pub(crate) fn gone_for(&self, limit: Duration, now: Instant) -> bool {
        !self.state().is_live() && nanos(self.age(now)) >= nanos(limit)
    }

    /// The status that an operator sees: gone without a word is failed, gone after one is left,
    /// whether the word was the member's own or an operator's.
    pub(crate) const fn status(&self) -> Status {
        match (self.state(), self.intent.is_leave()) {
            (State::Alive | State::Suspect, false) => Status::Alive,
            (State::Alive | State::Suspect, true) => Status::Leaving,
            (State::Dead, false) => Status::Failed,
            (State::Dead, true) | (State::Left, _) => Status::Left,
        }
    }

    /// True if it is live, and said to leave.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.state().is_live() && self.intent.is_leave()
    }

    /// A copy for the application of a node that speaks these wires.
    pub(crate) fn to_member(&self, wires: Wires) -> Member {
        Member {
            profile: Arc::clone(&self.profile),
            incarnation: self.incarnation,
            intent: self.intent,
            status: self.status(),
            suspected: self.state() == State::Suspect,
            wire: wires.best(self.profile.native),
        }
    }
}
