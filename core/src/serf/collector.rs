//! The asker's side of queries: gathers acks and responses until the deadline (wire-protocol
//! reference, section 8.5).
//!
//! One ack and one response of each member count, and no more than there can be members that send
//! them. What counts is handed on at once; nothing is stored but who has answered.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::member::Name;
use crate::message::QueryResponse;
use crate::serf::query::QueryKey;
use crate::time::Instant;

/// Queries of this node that may be under way at once.
pub(crate) const MAX_OPEN: usize = 1024;

/// What came back from one member.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It received the query and passes the filters.
    Ack {
        /// Who.
        from: Name,
    },
    /// Its answer.
    Response {
        /// Who.
        from: Name,
        /// What it says.
        payload: Arc<[u8]>,
    },
}

/// What became of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuerySummary {
    /// Members that acknowledged it.
    pub acks: usize,
    /// Members that answered it.
    pub responses: usize,
    /// Acks and responses that came more than once, as relayed ones do.
    pub duplicates: u64,
    /// Acks and responses dropped, because there were more than there are members, or
    /// more bytes than so many may send.
    pub dropped: u64,
}

/// What became of a response that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Collected {
    /// For the application.
    New(Answer),
    /// There was one like it from that member before.
    Duplicate,
    /// More members than there are have answered.
    Dropped,
    /// No query of this node waits for it: it is late, or forged.
    Unknown,
}

/// How much one query may gather.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// Members that can be expected to answer: those alive or suspected.
    pub(crate) members: usize,
    /// Bytes that the payload of a response is expected to have at most.
    pub(crate) response_size: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Collector {
    deadline: Instant,
    acks_wanted: bool,
    bounds: Bounds,
    acked: BTreeSet<Name>,
    responded: BTreeSet<Name>,
    bytes: usize,
    summary: QuerySummary,
}

/// The queries of this node that are under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Collectors {
    open: BTreeMap<QueryKey, Collector>,
    by_deadline: BTreeSet<(Instant, QueryKey)>,
}

impl Collectors {
    /// Begins to gather answers to a query, until `deadline`.
    ///
    /// # Errors
    /// [`CommandError::Busy`] if [`MAX_OPEN`] queries are under way.
    pub(crate) fn open(
        &mut self,
        query: QueryKey,
        deadline: Instant,
        acks_wanted: bool,
        bounds: Bounds,
    ) -> Result<(), CommandError> {
        if self.open.len() >= MAX_OPEN {
            return Err(CommandError::Busy { limit: MAX_OPEN });
        }
        self.close(query);
        self.by_deadline.insert((deadline, query));
        let collector = Collector {
            deadline,
            acks_wanted,
            bounds,
            acked: BTreeSet::new(),
            responded: BTreeSet::new(),
            bytes: 0,
            summary: QuerySummary::default(),
        };
        self.open.insert(query, collector);
        Ok(())
    }

    /// Takes in what was received.
    pub(crate) fn receive(&mut self, response: &QueryResponse<'_>, now: Instant) -> Collected {
        match self.open.get_mut(&response.key()) {
            Some(collector) if now < collector.deadline => collector.receive(response),
            _ => Collected::Unknown,
        }
    }

    /// When to [`expire`](Self::expire) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Ends a query whose deadline has passed. To be called until there is none.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(QueryKey, QuerySummary)> {
        let &(deadline, query) = self.by_deadline.first()?;
        if deadline > now {
            return None;
        }
        Some((query, self.close(query)?))
    }

    /// Ends a query before its deadline: its asker has heard enough.
    pub(crate) fn close(&mut self, query: QueryKey) -> Option<QuerySummary> {
        let collector = self.open.remove(&query)?;
        self.by_deadline.remove(&(collector.deadline, query));
        Some(collector.summary)
    }
}

impl Collector {
    fn receive(&mut self, response: &QueryResponse<'_>) -> Collected {
        let ack = response.is_ack();
        if ack && !self.acks_wanted {
            return Collected::Unknown;
        }
        let Ok(from) = Name::try_from(response.from) else {
            return Collected::Unknown;
        };
        let known = if ack {
            &mut self.acked
        } else {
            &mut self.responded
        };
        if known.contains(&from) {
            self.summary.duplicates += 1;
            return Collected::Duplicate;
        }
        let bytes = self.bytes.saturating_add(response.payload.len());
        if known.len() >= self.bounds.responders() || bytes > self.bounds.bytes() {
            self.summary.dropped += 1;
            return Collected::Dropped;
        }
        self.bytes = bytes;
        known.insert(from.clone());
        let answer = if ack {
            self.summary.acks += 1;
            Answer::Ack { from }
        } else {
            self.summary.responses += 1;
            let payload = Arc::from(response.payload);
            Answer::Response { from, payload }
        };
        Collected::New(answer)
    }
}

impl Bounds {
    /// Members may join after the query was asked, and answer, but not without end.
    const fn responders(&self) -> usize {
        self.members.saturating_mul(2).saturating_add(8)
    }

    /// What they may say, and at least what fits in one datagram.
    const fn bytes(&self) -> usize {
        self.responders()
            .saturating_mul(self.response_size)
            .saturating_add(1 << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serf::clock::LamportTime;
    use alloc::format;

    const BOUNDS: Bounds = Bounds {
        members: 3,
        response_size: 1024,
    };

    fn key(ltime: u64, id: u32) -> QueryKey {
        QueryKey {
            ltime: LamportTime::new(ltime),
            id,
        }
    }

    fn response<'a>(query: QueryKey, from: &'a str, payload: &'a [u8]) -> QueryResponse<'a> {
        QueryResponse {
            ltime: query.ltime,
            id: query.id,
            from: from.into(),
            flags: 0,
            payload,
        }
    }

    fn ack(query: QueryKey, from: &str) -> QueryResponse<'_> {
        QueryResponse {
            flags: QueryResponse::ACK,
            ..response(query, from, b"")
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn open(query: QueryKey) -> Collectors {
        let mut collectors = Collectors::default();
        collectors
            .open(query, at(100), true, BOUNDS)
            .expect("there is room");
        collectors
    }

    #[test]
    fn one_ack_and_one_response_of_each_member_count() {
        let query = key(5, 77);
        let mut collectors = open(query);
        let mut receive = |response| collectors.receive(&response, at(1));
        let name = |name| Name::new(name).expect("a valid name");
        let acked = |from| Collected::New(Answer::Ack { from: name(from) });
        let answered = |from, payload: &[u8]| {
            Collected::New(Answer::Response {
                from: name(from),
                payload: Arc::from(payload),
            })
        };
        assert_eq!(receive(ack(query, "a")), acked("a"));
        assert_eq!(receive(response(query, "a", b"1")), answered("a", b"1"));
        assert_eq!(receive(response(query, "b", b"2")), answered("b", b"2"));
        assert_eq!(receive(response(query, "a", b"1")), Collected::Duplicate);
        assert_eq!(receive(ack(query, "a")), Collected::Duplicate);
        let summary = QuerySummary {
            acks: 1,
            responses: 2,
            duplicates: 2,
            dropped: 0,
        };
        assert_eq!(collectors.close(query), Some(summary));
        assert_eq!(collectors.close(query), None);
    }

    #[test]
    fn time_and_id_must_match_and_the_deadline_must_not_have_passed() {
        let query = key(5, 77);
        let mut collectors = open(query);
        for other in [key(5, 78), key(4, 77)] {
            let received = collectors.receive(&response(other, "a", b""), at(1));
            assert_eq!(received, Collected::Unknown);
        }
        let late = collectors.receive(&response(query, "a", b""), at(100));
        assert_eq!(late, Collected::Unknown);
        let nameless = collectors.receive(&response(query, "", b""), at(1));
        assert_eq!(nameless, Collected::Unknown);
    }

    #[test]
    fn acks_that_were_not_asked_for_are_ignored() {
        let query = key(5, 77);
        let mut collectors = Collectors::default();
        collectors
            .open(query, at(100), false, BOUNDS)
            .expect("there is room");
        let received = collectors.receive(&ack(query, "a"), at(1));
        assert_eq!(received, Collected::Unknown);
    }

    #[test]
    fn responders_are_bounded_for_each_query_by_itself() {
        let (flooded, other) = (key(5, 1), key(6, 2));
        let mut collectors = open(flooded);
        collectors
            .open(other, at(100), true, BOUNDS)
            .expect("there is room");
        for n in 0..100 {
            let from = format!("member {n}");
            collectors.receive(&response(flooded, &from, b"payload"), at(1));
        }
        let received = collectors.receive(&response(other, "a", b""), at(1));
        assert!(matches!(received, Collected::New(_)));
        let summary = collectors.close(flooded).expect("it is open");
        assert_eq!(summary.responses, BOUNDS.responders());
        assert_eq!(summary.dropped, 100 - BOUNDS.responders() as u64);
    }

    #[test]
    fn payloads_are_bounded() {
        let query = key(5, 77);
        let mut collectors = open(query);
        let huge = alloc::vec![0; 60_000];
        let received = collectors.receive(&response(query, "a", &huge), at(1));
        assert!(matches!(received, Collected::New(_)));
        let received = collectors.receive(&response(query, "b", &huge), at(1));
        assert_eq!(received, Collected::Dropped);
        let received = collectors.receive(&response(query, "c", b"small"), at(1));
        assert!(matches!(received, Collected::New(_)));
    }

    #[test]
    fn queries_end_in_the_order_of_their_deadlines() {
        let mut collectors = Collectors::default();
        assert_eq!(collectors.deadline(), None);
        for (ltime, deadline) in [(1, 300), (2, 100), (3, 200)] {
            let deadline = at(deadline);
            collectors
                .open(key(ltime, 0), deadline, true, BOUNDS)
                .expect("there is room");
        }
        collectors.receive(&response(key(2, 0), "a", b""), at(1));
        assert_eq!(collectors.deadline(), Some(at(100)));
        assert_eq!(collectors.expire(at(99)), None);
        let (first, summary) = collectors.expire(at(200)).expect("one is due");
        assert_eq!((first, summary.responses), (key(2, 0), 1));
        let (second, _) = collectors.expire(at(200)).expect("one is due");
        assert_eq!(second, key(3, 0));
        assert_eq!(collectors.expire(at(200)), None);
        assert_eq!(collectors.deadline(), Some(at(300)));
    }

    #[test]
    fn queries_under_way_are_bounded() {
        let mut collectors = Collectors::default();
        let mut open = |ltime| collectors.open(key(ltime, 0), at(1), false, BOUNDS);
        for ltime in 0..MAX_OPEN as u64 {
            assert_eq!(open(ltime), Ok(()));
        }
        let busy = CommandError::Busy { limit: MAX_OPEN };
        assert_eq!(open(MAX_OPEN as u64), Err(busy));
    }
}
