//! The latest word on whether a member stays or goes.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::serf::clock::{CEILING, LamportTime};

/// The word that a member joined, or that it leaves, with the time of that on the member clock.
///
/// Intents are totally ordered, and of two about the same member the larger counts: the later one,
/// and of two of the same time the one to stay. So every node that has heard the same intents, in
/// whatever order and however often, holds the same one. (The reference system lets the first of
/// one time win, and its nodes may disagree for good.)
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Intent(u64);

impl Intent {
    /// Nothing is known; any other one counts more.
    pub const NONE: Self = Self(0);

    /// It joined, or means to stay.
    #[must_use]
    pub const fn join(ltime: LamportTime) -> Self {
        Self::leave(ltime).withdrawn()
    }

    /// It leaves, or is to be treated as having left. At time zero nothing ever happens: that is
    /// [`NONE`](Self::NONE).
    #[must_use]
    pub const fn leave(ltime: LamportTime) -> Self {
        // What is not a possible time is refused wherever it is read; see `LamportClock`.
        let time = if ltime.get() < CEILING.get() {
            ltime.get()
        } else {
            CEILING.get() - 1
        };
        Self(time << 1)
    }

    /// As it is on the native wire, a number that grows with what counts.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// When, by the member clock; zero for [`NONE`](Self::NONE).
    #[must_use]
    pub const fn ltime(self) -> LamportTime {
        LamportTime::new(self.0 >> 1)
    }

    /// True if it is to leave.
    #[must_use]
    pub const fn is_leave(self) -> bool {
        self.0 & 1 == 0 && self.0 != 0
    }

    /// The same without the leave: what a member's return makes of its last intent.
    #[must_use]
    pub const fn withdrawn(self) -> Self {
        Self(self.0 | 1)
    }
}

/// An intent on its way to everybody.
#[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct IntentNews {
    pub(crate) name: Name,
    pub(crate) intent: Intent,
    pub(crate) prune: bool,
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.is_leave() {
            true => "leave",
            false => "join",
        };
        write!(f, "{what}@{}", self.ltime())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_counts_and_of_one_time_the_one_to_stay() {
        let (at5, at6) = (LamportTime::new(5), LamportTime::new(6));
        assert!(Intent::NONE < Intent::leave(LamportTime::new(1)));
        assert!(Intent::leave(at5) < Intent::join(at5));
        assert!(Intent::join(at5) < Intent::leave(at6));
        assert_eq!(Intent::leave(at5).withdrawn(), Intent::join(at5));
    }

    #[test]
    fn time_and_kind_are_kept() {
        let at = LamportTime::new(77);
        assert_eq!(Intent::leave(at).ltime(), at);
        assert_eq!(Intent::join(at).ltime(), at);
        assert!(Intent::leave(at).is_leave());
        assert!(!Intent::join(at).is_leave());
        assert!(!Intent::NONE.is_leave());
        assert!(!Intent::NONE.withdrawn().is_leave());
    }

    #[test]
    fn an_impossible_time_does_not_overflow() {
        let never = LamportTime::new(u64::MAX);
        assert!(Intent::leave(never).is_leave());
        assert!(Intent::leave(never) < Intent::join(never));
    }
}
