//! Queries of this node, and the answers on their way to whoever asked.

use std::collections::BTreeMap;

use async_channel::{Receiver, Sender, TrySendError, unbounded};
use serf_core::{Answer, QueryKey, QuerySummary};

/// Answers that wait for an asker to take them; further ones are lost to it, and counted.
const MAX_WAITING: usize = 65_536;

#[derive(Debug)]
enum Item {
    Answer(Answer),
    End(QuerySummary, u64),
}

/// The answers to one query, as they come. From [`Handle::query`](crate::Handle::query).
///
/// Taking them slowly, or not at all, holds up nobody else. Dropping this ends the query.
#[derive(Debug)]
pub struct Answers {
    query: QueryKey,
    items: Receiver<Item>,
    summary: Option<(QuerySummary, u64)>,
}

impl Answers {
    /// The next answer; waits for one. `None` when the time of the query is over, or the node has
    /// stopped.
    ///
    /// Dropping the returned future loses nothing.
    pub async fn next(&mut self) -> Option<Answer> {
        if self.summary.is_some() {
            return None;
        }
        match self.items.recv().await {
            Ok(Item::Answer(answer)) => Some(answer),
            Ok(Item::End(summary, lost)) => {
                self.summary = Some((summary, lost));
                None
            }
            Err(_) => None,
        }
    }

    /// Which query this is.
    #[must_use]
    pub fn query(&self) -> QueryKey {
        self.query
    }

    /// What came back in all, once [`next`](Self::next) has said that this is all. `None` before
    /// that, and if the node stopped first.
    #[must_use]
    pub fn summary(&self) -> Option<QuerySummary> {
        self.summary.map(|(summary, _)| summary)
    }

    /// How many answers were lost because they were not taken; zero before the end.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.summary.map_or(0, |(_, lost)| lost)
    }
}

/// The driver's side.
#[derive(Debug, Default)]
pub(crate) struct Askers(BTreeMap<QueryKey, Asking>);

#[derive(Debug)]
struct Asking {
    items: Sender<Item>,
    lost: u64,
}

impl Askers {
    pub(crate) fn open(&mut self, query: QueryKey) -> Answers {
        let (sender, items) = unbounded();
        let asking = Asking {
            items: sender,
            lost: 0,
        };
        self.0.insert(query, asking);
        Answers {
            query,
            items,
            summary: None,
        }
    }

    /// Hands an answer on. False if nobody asks any more.
    pub(crate) fn answer(&mut self, query: QueryKey, answer: Answer) -> bool {
        let Some(asking) = self.0.get_mut(&query) else {
            return false;
        };
        if asking.items.len() >= MAX_WAITING {
            asking.lost += 1;
            return true;
        }
        match asking.items.try_send(Item::Answer(answer)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => unreachable!("the channel has no bound of its own"),
            Err(TrySendError::Closed(_)) => false,
        }
    }

    pub(crate) fn end(&mut self, query: QueryKey, summary: QuerySummary) {
        if let Some(asking) = self.0.remove(&query) {
            // Nobody listens any more if the answers were dropped.
            let _ = asking.items.try_send(Item::End(summary, asking.lost));
        }
    }
}
