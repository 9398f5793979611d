//! Queries that a client asks, and its answers to those that others ask.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serf_core::{Name, Query, QueryKey, QueryParams};
use serf_tokio::{Answer, Answers, Handle};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::subscription::Output;
use crate::rpc::codec::Bytes;
use crate::rpc::protocol::{QueryRecord, QueryRequest, error, query};

/// Queries that may wait for the answer of one client; for one more the oldest is forgotten.
const MAX_PENDING: usize = 1024;

/// The beginning of names that only Serf itself asks for, and the one that clients may use.
const INTERNAL: &str = "_serf_";
const PING: &str = "_serf_ping";

/// The queries that a connection was told of and that can still be answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    last_id: u64,
    open: BTreeMap<u64, (QueryKey, Instant)>,
}

impl Pending {
    /// Takes a query in, and numbers it.
    pub(super) fn add(&self, query: &Query) -> u64 {
        let now = Instant::now();
        let mut told = self.0.lock().expect("nothing panics with this lock");
        told.open.retain(|_, (_, deadline)| *deadline > now);
        if told.open.len() >= MAX_PENDING {
            told.open.pop_first();
        }
        told.last_id += 1;
        let (id, deadline) = (told.last_id, now.checked_add(query.timeout));
        if let Some(deadline) = deadline {
            told.open.insert(id, (query.key, deadline));
        }
        id
    }

    /// The query of this number, unless its time is over.
    pub(super) fn find(&self, id: u64) -> Option<QueryKey> {
        let told = self.0.lock().expect("nothing panics with this lock");
        let (key, deadline) = told.open.get(&id)?;
        (*deadline > Instant::now()).then_some(*key)
    }
}

/// Asks what a client wants to know. The failure is for the client.
pub(super) async fn ask(handle: &Handle, request: QueryRequest) -> Result<Answers, String> {
    let Bytes(payload) = request.payload.unwrap_or_default();
    let name = request.name;
    tracing::debug!(
        target: "agent",
        "Requesting query send: {name}. Payload: {:?}",
        String::from_utf8_lossy(&payload)
    );
    if name.starts_with(INTERNAL) && !(name == PING && payload.is_empty()) {
        return Err(error::QUERY_PREFIX.to_owned());
    }
    let nodes = request.filter_nodes.unwrap_or_default();
    let nodes: Result<Vec<Name>, _> = nodes.iter().map(|name| Name::new(name)).collect();
    let params = QueryParams {
        filter_nodes: nodes.map_err(|error| error.to_string())?,
        filter_tags: request.filter_tags.unwrap_or_default(),
        request_ack: request.request_ack,
        relay_factor: request.relay_factor,
        // None at all is a time that is over at once.
        timeout: (request.timeout != 0)
            .then(|| Duration::from_nanos(u64::try_from(request.timeout).unwrap_or_default())),
    };
    let asked = handle.query(&name, &payload, params).await;
    asked.map_err(|error| error.to_string())
}

/// Sends the answers to a query as they come, and says when its time is over; or ends it when told
/// to stop.
pub(super) async fn pass_on(
    seq: u64,
    mut answers: Answers,
    output: Output,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            _ = &mut stop => return Ok(()),
        };
        let Some(answer) = answer else { break };
        let record = match answer {
            Answer::Ack { from } => QueryRecord {
                kind: query::ACK.to_owned(),
                from: from.to_string(),
                payload: None,
            },
            Answer::Response { from, payload } => QueryRecord {
                kind: query::RESPONSE.to_owned(),
                from: from.to_string(),
                payload: (!payload.is_empty()).then(|| Bytes(payload.to_vec())),
            },
            other => {
                tracing::debug!(target: "agent.ipc", "No record for {other:?}");
                continue;
            }
        };
        output.send(seq, "", Some(&record)).await?;
    }
    if answers.lost() > 0 {
        let lost = answers.lost();
        tracing::warn!(target: "agent.ipc", "Dropped {lost} answers to a query of a slow client");
    }
    let done = QueryRecord {
        kind: query::DONE.to_owned(),
        ..QueryRecord::default()
    };
    output.send(seq, "", Some(&done)).await
}

#[cfg(test)]
mod tests {
    use serf_core::{LamportTime, QueryFlags, message};

    use super::*;

    fn query(timeout: Duration) -> Query {
        Query::from(&message::Query {
            ltime: LamportTime::new(1),
            id: 1,
            source: ([127, 0, 0, 1], 7946).into(),
            source_name: "b".into(),
            filters: message::Filters::Native(&[]),
            flags: QueryFlags::default(),
            relay_factor: 0,
            timeout,
            name: "load",
            payload: &[],
        })
    }

    #[test]
    fn queries_can_be_answered_by_number_until_their_time_is_over() {
        let pending = Pending::default();
        let over = pending.add(&query(Duration::ZERO));
        let open = pending.add(&query(Duration::from_secs(60)));
        assert_eq!((over, open), (1, 2));
        assert!(pending.find(over).is_none() && pending.find(open).is_some());
        assert!(pending.find(3).is_none());
    }

    #[test]
    fn a_client_that_answers_nothing_costs_a_bounded_amount() {
        let pending = Pending::default();
        for _ in 0..MAX_PENDING + 3 {
            pending.add(&query(Duration::from_secs(60)));
        }
        assert!(pending.find(3).is_none() && pending.find(4).is_some());
        assert_eq!(pending.0.lock().unwrap().open.len(), MAX_PENDING);
    }
}
