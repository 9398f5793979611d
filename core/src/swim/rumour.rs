//! What is told of members.

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::swim::broadcasts::Broadcast;
use crate::swim::table::Slot;

/// One thing to tell about one member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rumour {
    /// Whom it is about.
    pub(crate) subject: Slot,
    pub(crate) claim: Claim,
    pub(crate) incarnation: u32,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Claim {
    /// It is alive, as announced; the announcement is taken from the member table.
    Alive,
    /// It is suspected, by the named member.
    Suspect(Name),
    /// It is dead, says the named member; or it left, if that is its own name.
    Dead(Name),
}

impl Broadcast for Rumour {
    type Subject = Slot;

    fn subject(&self) -> Option<&Slot> {
        Some(&self.subject)
    }
}
