//! The answering side of queries: which ones are still open for an answer (wire-protocol
//! reference, section 8.5).

use alloc::collections::BTreeMap;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::message;
use crate::serf::limits::SizeError;
use crate::serf::query::{Query, QueryFlags, QueryKey};
use crate::time::Instant;

/// Queries that are kept open for an answer. When there are more, the oldest by its Lamport time
/// makes room, and counts as past its deadline.
pub(crate) const MAX_OPEN: usize = 1024;

/// Where the answer to a query goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplyTo {
    pub(crate) addr: SocketAddr,
    pub(crate) name: Option<Name>,
    /// Whether it understands the native wire, as far as it has said so.
    pub(crate) native: bool,
    /// Through how many other members it also travels.
    pub(crate) relay_factor: u8,
}

/// Why a query could not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// It was answered before.
    AlreadySent,
    /// The asker no longer listens, or there never was such a query.
    PastDeadline,
    /// The answer is too large.
    TooLarge(SizeError),
}

/// The words are those of the reference system, as scripts may look for them.
impl fmt::Display for RespondError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadySent => f.write_str("response already sent"),
            Self::PastDeadline => f.write_str("response is past the deadline"),
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RespondError {}

impl From<SizeError> for RespondError {
    fn from(error: SizeError) -> Self {
        Self::TooLarge(error)
    }
}

impl From<&message::Query<'_>> for ReplyTo {
    fn from(query: &message::Query<'_>) -> Self {
        Self {
            addr: query.source,
            name: Name::try_from(query.source_name).ok(),
            native: query.flags.contains(QueryFlags::NATIVE),
            relay_factor: query.relay_factor,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    deadline: Instant,
    reply_to: ReplyTo,
    answered: bool,
}

/// The queries that the application may still answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Responder {
    open: BTreeMap<QueryKey, Open>,
}

impl Responder {
    /// Opens a query that was just received for an answer, and returns it as the application is
    /// to see it.
    pub(crate) fn open(&mut self, query: &message::Query<'_>, now: Instant) -> Query {
        let reply_to = ReplyTo::from(query);
        let query = Query::from(query);
        if self.open.len() >= MAX_OPEN {
            self.expire(now);
        }
        while self.open.len() >= MAX_OPEN {
            self.open.pop_first();
        }
        let open = Open {
            deadline: now + query.timeout,
            reply_to,
            answered: false,
        };
        self.open.insert(query.key, open);
        query
    }

    /// Where the answer to a query goes, if it may be answered. Once the answer is on its way,
    /// call [`answered`](Self::answered).
    ///
    /// # Errors
    /// It was answered, or it is too late.
    pub(crate) fn reply_to(&self, query: QueryKey, now: Instant) -> Result<&ReplyTo, RespondError> {
        let open = self.open.get(&query).ok_or(RespondError::PastDeadline)?;
        if open.answered {
            return Err(RespondError::AlreadySent);
        }
        if now > open.deadline {
            return Err(RespondError::PastDeadline);
        }
        Ok(&open.reply_to)
    }

    /// From now on the query counts as answered.
    pub(crate) fn answered(&mut self, query: QueryKey) {
        if let Some(open) = self.open.get_mut(&query) {
            open.answered = true;
        }
    }

    /// Forgets queries whose deadline has passed. They cannot be answered in any case; this gives
    /// back the memory.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.open.retain(|_, open| now <= open.deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Filters;
    use crate::serf::clock::LamportTime;
    use crate::serf::query::QueryFlags;
    use alloc::string::ToString;
    use core::time::Duration;

    fn query(ltime: u64) -> message::Query<'static> {
        message::Query {
            ltime: LamportTime::new(ltime),
            id: 7,
            source: "127.0.0.1:7946".parse().expect("an address"),
            source_name: "asker".into(),
            filters: Filters::default(),
            flags: QueryFlags::default(),
            relay_factor: 2,
            timeout: Duration::from_millis(100),
            name: "load",
            payload: b"",
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_query_can_be_answered_once() {
        let mut responder = Responder::default();
        let query = responder.open(&query(1), at(0));
        let expected = ReplyTo {
            addr: query.source,
            name: Some(Name::new("asker").expect("a valid name")),
            native: false,
            relay_factor: 2,
        };
        assert_eq!(responder.reply_to(query.key, at(1)), Ok(&expected));
        // An answer that was too large does not count.
        assert_eq!(responder.reply_to(query.key, at(100)), Ok(&expected));
        responder.answered(query.key);
        let error = responder
            .reply_to(query.key, at(100))
            .expect_err("it is refused");
        assert_eq!(error.to_string(), "response already sent");
    }

    #[test]
    fn a_query_cannot_be_answered_after_its_deadline() {
        let mut responder = Responder::default();
        let query = responder.open(&query(1), at(0));
        let error = responder
            .reply_to(query.key, at(101))
            .expect_err("it is refused");
        assert_eq!(error.to_string(), "response is past the deadline");
        responder.expire(at(100));
        assert!(responder.reply_to(query.key, at(100)).is_ok());
        responder.expire(at(101));
        assert!(responder.open.is_empty());
        let error = responder.reply_to(query.key, at(101));
        assert_eq!(error, Err(RespondError::PastDeadline));
    }

    #[test]
    fn the_oldest_of_too_many_makes_room() {
        let mut responder = Responder::default();
        for ltime in 1..=MAX_OPEN as u64 + 1 {
            responder.open(&query(ltime), at(0));
        }
        assert_eq!(responder.open.len(), MAX_OPEN);
        let key = |ltime| QueryKey {
            ltime: LamportTime::new(ltime),
            id: 7,
        };
        assert!(responder.reply_to(key(1), at(0)).is_err());
        assert!(responder.reply_to(key(2), at(0)).is_ok());
    }

    #[test]
    fn an_endless_timeout_does_not_overflow() {
        let mut responder = Responder::default();
        let endless = message::Query {
            timeout: Duration::from_nanos(u64::MAX),
            ..query(1)
        };
        let query = responder.open(&endless, at(5));
        assert!(responder.reply_to(query.key, at(1 << 40)).is_ok());
    }
}
