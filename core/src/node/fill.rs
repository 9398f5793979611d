//! What goes into a packet besides what it is sent for.
//!
//! What applications say and what the membership has to say share each packet: a storm of the one
//! does not silence the other.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Node;
use super::prefetch::MANY_RUMOURS;
use super::query::QueryNews;
use super::wires::Writer;
use crate::member::Name;
use crate::message::{Accusation, Message, RawName, SerfMessage};
use crate::serf::event::UserEvent;
use crate::serf::intent::IntentNews;
use crate::swim::broadcasts::{Broadcast, Broadcasts, MAX_QUEUED, Offer};
use crate::swim::record::{Record, State};

/// No message is shorter than this on the wire, so a packet with less room is full.
const SHORTEST: usize = 8;

/// What Serf's layer has to tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Queues {
    pub(super) intents: Broadcasts<Arc<IntentNews>>,
    pub(super) queries: Broadcasts<QueryNews>,
    pub(super) events: Broadcasts<UserEvent>,
    /// Whose turn it is to be first in a packet: they take it in turns, so that many of one kind
    /// do not starve the other.
    events_first: bool,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            intents: Broadcasts::new(MAX_QUEUED),
            queries: Broadcasts::new(MAX_QUEUED),
            events: Broadcasts::new(MAX_QUEUED),
            events_first: false,
        }
    }
}

impl Queues {
    /// Gives memory back after a storm.
    pub(super) fn shrink_if_idle(&mut self) {
        self.intents.shrink_if_idle();
        self.queries.shrink_if_idle();
        self.events.shrink_if_idle();
    }

    /// Makes the indexes anew, which are not saved.
    pub(super) fn reindex(&mut self) {
        self.intents.reindex();
        self.queries.reindex();
        self.events.reindex();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.intents.is_empty() && self.queries.is_empty() && self.events.is_empty()
    }
}

impl Node {
    /// Fills a packet up. What applications say gets a quarter of the room at least, intents an eighth
    /// of the rest, and each all that the others leave. Where it does not count, as to somebody who
    /// is dead most likely, each is to be told as often afterwards.
    #[inline(always)]
    pub(super) fn fill(&mut self, writer: &mut impl Writer, counts: bool) {
        if self.to_tell {
            self.fill_with_news(writer, counts);
        }
    }

    #[inline(never)]
    fn fill_with_news(&mut self, writer: &mut impl Writer, counts: bool) {
        let limit = counts.then(|| self.transmit_limit());
        if !self.queues.is_empty() {
            self.fill_from_queues(writer, limit);
        }
        if self.rumours.len() >= MANY_RUMOURS && self.is_one_of_many() {
            self.prefetch_rumours();
        }
        let Self {
            table,
            strangers,
            rumours,
            name,
            ..
        } = self;
        rumours.fill(limit, |subject, by| {
            if writer.remaining() < SHORTEST {
                return Offer::Full;
            }
            let by = || strangers.name(by, table).unwrap_or(name);
            match table.get(subject) {
                Some(record) if push_rumour(writer, record, by) => Offer::Packed,
                _ => Offer::TooLong,
            }
        });
    }

    #[inline(never)]
    fn fill_from_queues(&mut self, writer: &mut impl Writer, limit: Option<u32>) {
        let rumours = !self.rumours.is_empty();
        let Queues {
            intents,
            queries,
            events,
            events_first,
        } = &mut self.queues;
        let mut keep_free = match rumours || !intents.is_empty() {
            true => writer.remaining() / 4 * 3,
            false => 0,
        };
        *events_first = !*events_first;
        if *events_first {
            fill_from(events, writer, keep_free, limit, event_message);
            fill_from(queries, writer, keep_free, limit, QueryNews::message);
        } else {
            fill_from(queries, writer, keep_free, limit, QueryNews::message);
            fill_from(events, writer, keep_free, limit, event_message);
        }
        keep_free = match rumours {
            true => writer.remaining() / 8 * 7,
            false => 0,
        };
        fill_from(intents, writer, keep_free, limit, |news| news.message());
    }
}

/// Packs messages until only `keep_free` bytes are left. If there is room for it at all, one is
/// packed even so, however long it is.
fn fill_from<T: Broadcast>(
    queue: &mut Broadcasts<T>,
    writer: &mut impl Writer,
    keep_free: usize,
    limit: Option<u32>,
    message: impl Fn(&T) -> SerfMessage<'_>,
) {
    if queue.is_empty() {
        return;
    }
    let mut first = true;
    queue.fill(limit, |item| {
        if writer.remaining() < SHORTEST || (!first && writer.remaining() <= keep_free) {
            return Offer::Full;
        }
        if !writer.push(&Message::Serf(message(item))) {
            return Offer::TooLong;
        }
        first = false;
        Offer::Packed
    });
}

/// Packs what is believed of a member; that it is not there is told on the word of `by`.
fn push_rumour<'a>(
    writer: &mut impl Writer,
    record: &'a Record,
    by: impl FnOnce() -> &'a Name,
) -> bool {
    match accusation(record, by) {
        Some(accusation) => writer.push(&accusation),
        None => writer.push_alive(record.incarnation, &record.profile),
    }
}

/// That a member is suspected or dead, on the word of `by`, or that it left, on its own; `None` of one
/// that is alive.
pub(super) fn accusation<'a>(
    record: &'a Record,
    by: impl FnOnce() -> &'a Name,
) -> Option<Message<'a>> {
    let name = &record.profile.name;
    let accusation = |from| Accusation {
        incarnation: record.incarnation,
        name: name.into(),
        from: RawName::from(from),
    };
    match record.state() {
        State::Alive => None,
        State::Suspect => Some(Message::Suspect(accusation(by()))),
        State::Dead => Some(Message::Dead(accusation(by()))),
        State::Left => Some(Message::Dead(accusation(name))),
    }
}

fn event_message(event: &UserEvent) -> SerfMessage<'_> {
    SerfMessage::UserEvent(event.message())
}
