//! User events: what an application tells all members (wire-protocol reference, section 8.4).

use core::ops::Range;

use super::Node;
use crate::error::CommandError;
use crate::event::Event;
use crate::journal::Input;
use crate::message;
use crate::serf::clock::LamportTime;
use crate::serf::event::UserEvent;
use crate::serf::limits::check_user_event;
use crate::serf::window::Refused;
use crate::time::Instant;

/// What a packet has besides the messages in it, at the most; an event must leave room for it.
pub(super) const PACKET_OVERHEAD: usize = 64;

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
        self.tape.input(Some(now), || Input::UserEvent {
            name,
            payload,
            coalesce,
        });
        self.advance(now);
        self.check_running()?;
        let ltime = self.clocks.event.time();
        let event = message::UserEvent {
            ltime,
            name,
            payload,
            coalesce,
        };
        let fits = self.packet_room().saturating_sub(PACKET_OVERHEAD);
        let limit = self.params.user_event_size_limit.min(fits);
        check_user_event(&event, limit).map_err(CommandError::TooLarge)?;
        self.clocks.event.tick();
        let taken = self.events.insert(&event, self.clocks.event.time());
        self.tell_missed();
        if let Ok(event) = taken {
            self.deliver_user_event(event.clone());
            self.spread_user_event(event);
        }
        Ok(ltime)
    }

    /// An event came by gossip.
    pub(super) fn on_user_event(&mut self, event: &message::UserEvent<'_>) {
        let expected = self.clocks.event.time();
        if let Some(event) = self.take_user_event(event) {
            if event.ltime > expected {
                self.notice_gap(expected..event.ltime);
            }
            self.spread_user_event(event);
        }
    }

    /// Delivers an event unless it was delivered before, is too old, or cannot be.
    pub(super) fn take_user_event(&mut self, event: &message::UserEvent<'_>) -> Option<UserEvent> {
        if !self.clocks.event.witness(event.ltime) {
            self.counters.dropped_implausible += 1;
            return None;
        }
        let taken = self.events.insert(event, self.clocks.event.time());
        self.tell_missed();
        match taken {
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

    /// Tells the application of what this node will not hear of any more. To be called after all that
    /// may make the event buffer forget.
    pub(super) fn tell_missed(&mut self) {
        for Range { start, end } in self.events.take_missed() {
            self.event(Event::EventsMissed {
                from: start,
                until: end,
            });
        }
    }

    fn deliver_user_event(&mut self, event: UserEvent) {
        self.counters.user_events += 1;
        self.event(Event::User(event));
    }

    fn spread_user_event(&mut self, event: UserEvent) {
        self.queues.events.push(event, self.now);
        self.arm_gossip();
    }

    /// The time that the next user event will have.
    #[must_use]
    pub fn event_time(&self) -> LamportTime {
        self.clocks.event.time()
    }
}
