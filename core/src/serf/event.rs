//! User events as applications see them (wire-protocol reference, section 8.4).

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message;
use crate::serf::clock::LamportTime;
use crate::swim::broadcasts::Broadcast;

/// An event that an application on some member sent to all members; cheap to clone.
///
/// Events are ordered by time, name and payload, which together are an event's identity: each is
/// delivered once. All members agree on this order, but not on the order of delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserEvent {
    /// When it was sent, by the event clock of the cluster.
    pub ltime: LamportTime,
    /// Its name.
    pub name: Arc<str>,
    /// What the application says with it.
    pub payload: Arc<[u8]>,
    /// True if of several events of this name in quick succession only the latest matters.
    pub coalesce: bool,
}

impl UserEvent {
    /// The event as a message.
    #[must_use]
    pub fn message(&self) -> message::UserEvent<'_> {
        message::UserEvent {
            ltime: self.ltime,
            name: &self.name,
            payload: &self.payload,
            coalesce: self.coalesce,
        }
    }
}

impl Broadcast for UserEvent {
    type Subject = ();

    /// None: two events are never about the same thing.
    fn subject(&self) -> Option<&()> {
        None
    }
}

impl From<&message::UserEvent<'_>> for UserEvent {
    fn from(event: &message::UserEvent<'_>) -> Self {
        Self {
            ltime: event.ltime,
            name: Arc::from(event.name),
            payload: Arc::from(event.payload),
            coalesce: event.coalesce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_a_message_and_back() {
        let message = message::UserEvent {
            ltime: LamportTime::new(3),
            name: "deploy",
            payload: b"v1.2.3",
            coalesce: true,
        };
        assert_eq!(UserEvent::from(&message).message(), message);
    }
}
