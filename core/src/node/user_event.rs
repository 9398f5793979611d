//! User events: what an application tells all members (wire-protocol reference, section 8.4).

use alloc::vec::Vec;
use core::ops::Range;

use super::Node;
use crate::error::CommandError;
use crate::event::Event;
use crate::message::{self, Clocks, StateEntry};
use crate::serf::clock::LamportTime;
use crate::serf::event::UserEvent;
use crate::serf::limits::check_user_event;
use crate::serf::window::Refused;
use crate::time::Instant;
use crate::wire::native::{StateEntries, StateWriter};

/// What a packet has besides the messages in it, at the most; an event must leave room for it.
const PACKET_OVERHEAD: usize = 64;

/// How far the user state of an exchange may grow: the clocks and the whole event buffer.
const STATE_BUDGET: usize = 2 << 20;

impl Node {
    /// Sends an event to all members, this one included. Returns its time; with its name and
    /// payload that is its identity. It needs no answer, and is not waited for.
    ///
    /// With `coalesce`, receivers may deliver only the latest of several events of this name that
    /// come in quick succession.
    ///
    /// # Errors
    /// The node is leaving; the event is larger than `user_event_size_limit`, or than fits in a
    /// packet.
    pub fn user_event(
        &mut self,
        name: &str,
        payload: &[u8],
        coalesce: bool,
        now: Instant,
    ) -> Result<LamportTime, CommandError> {
        self.advance(now);
        self.check_running()?;
        let ltime = self.event_clock.time();
        let event = message::UserEvent {
            ltime,
            name,
            payload,
            coalesce,
        };
        let fits = self.params.packet_budget.saturating_sub(PACKET_OVERHEAD);
        let limit = self.params.user_event_size_limit.min(fits);
        check_user_event(&event, limit).map_err(CommandError::TooLarge)?;
        self.event_clock.tick();
        if let Ok(event) = self.events.insert(&event, self.event_clock.time()) {
            self.deliver_user_event(event.clone());
            self.spread_user_event(event);
        }
        Ok(ltime)
    }

    /// An event came by gossip.
    pub(super) fn on_user_event(&mut self, event: &message::UserEvent<'_>) {
        if let Some(event) = self.take_user_event(event) {
            self.spread_user_event(event);
        }
    }

    /// Delivers an event unless it was delivered before, is too old, or cannot be.
    fn take_user_event(&mut self, event: &message::UserEvent<'_>) -> Option<UserEvent> {
        if !self.event_clock.witness(event.ltime) {
            self.counters.dropped_implausible += 1;
            return None;
        }
        match self.events.insert(event, self.event_clock.time()) {
            Ok(event) => {
                self.deliver_user_event(event.clone());
                Some(event)
            }
            Err(refused) => {
                let counter = match refused {
                    Refused::Duplicate => &mut self.counters.duplicate_events,
                    Refused::TooOld => &mut self.counters.dropped_old_events,
                    Refused::Full => &mut self.counters.dropped_flooding_events,
                };
                *counter += 1;
                None
            }
        }
    }

    fn deliver_user_event(&mut self, event: UserEvent) {
        self.counters.user_events += 1;
        self.event(Event::User(event));
    }

    fn spread_user_event(&mut self, event: UserEvent) {
        self.counters.displaced_broadcasts += u64::from(!self.broadcasts.push(event));
        self.arm_gossip();
    }

    /// What Serf adds to a state exchange: its clocks and its recent events.
    pub(super) fn write_state(&self) -> Vec<u8> {
        let mut state = Vec::new();
        let clocks = Clocks {
            event: self.event_clock.time(),
            ..Clocks::default()
        };
        let mut writer = StateWriter::new(&mut state, &clocks, STATE_BUDGET);
        for event in self.events.iter() {
            if !writer.push_event(&event.message()) {
                break;
            }
        }
        state
    }

    /// Takes over what a peer adds to a state exchange: delivers the events that were missed.
    /// They are not passed on; whoever missed them, too, gets them the same way.
    ///
    /// `newcomer` is true if nobody but this node was known before the exchange, and it chose the
    /// peer: then there is no clock of its own to hold an implausible one against.
    pub(super) fn merge_state(&mut self, sync: &message::Sync<'_>, newcomer: bool) {
        for entry in StateEntries::new(sync.user_state) {
            match entry {
                Ok(StateEntry::Clocks(clocks)) => {
                    self.merge_event_clock(clocks.event, sync.join, newcomer);
                }
                Ok(StateEntry::Event(event)) => {
                    self.take_user_event(&event);
                }
                // Intents are not exchanged yet.
                Ok(StateEntry::Member(_)) => {}
                Err(_) => self.counters.dropped_malformed += 1,
            }
        }
    }

    fn merge_event_clock(&mut self, peer: LamportTime, join: bool, newcomer: bool) {
        let own = self.event_clock.time();
        let last = peer.before(1);
        let believed = match newcomer {
            true => self.event_clock.adopt(last),
            false => self.event_clock.witness(last),
        };
        if !believed {
            self.counters.dropped_implausible += 1;
            return;
        }
        if join && self.joins_without_past() {
            self.events.raise_minimum(peer);
        } else if !newcomer && let Some(Range { start, end }) = self.events.missed(own, peer) {
            self.event(Event::EventsMissed {
                from: start,
                until: end,
            });
        }
    }

    /// How many user events wait to be spread; at most 4,096.
    #[must_use]
    pub fn queued_events(&self) -> usize {
        self.broadcasts.len()
    }

    /// The time that the next user event will have.
    #[must_use]
    pub fn event_time(&self) -> LamportTime {
        self.event_clock.time()
    }
}
