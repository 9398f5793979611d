//! What an application holds of its node.

use std::net::SocketAddr;
use std::sync::Arc;

use async_channel::Receiver;
use serf_core::{
    Coordinate, KeyOperation, KeyReport, LamportTime, Member, Name, Outcome, QueryKey, QueryParams,
    Tags,
};

use crate::adapter::Resolver;
use crate::address::{Address, Host};
use crate::command::{Asker, Call, Kind, Question, UserEvent, first};
use crate::error::{AnswerError, CallError, JoinError, SeedFailure, SeedFailureReason, Stopped};
use crate::events::{Events, Subscriptions};
use crate::query::Answers;
use crate::stats::Stats;

/// A running node. Clones are cheap and stand for the same node.
///
/// When the last one is dropped, the node shuts down as with [`Handle::shutdown`]: others will
/// see it fail. Call [`Handle::leave`] first to part in good order.
///
/// A call whose future is dropped midway is not undone; only its outcome is lost.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Name,
    pub(crate) bind_addr: SocketAddr,
    pub(crate) advertise_addr: SocketAddr,
    pub(crate) asker: Asker,
    pub(crate) subscriptions: Subscriptions,
    /// Closed when the driver is gone.
    pub(crate) stopped: Receiver<()>,
    pub(crate) resolver: Resolver,
}

impl Handle {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.shared.name
    }

    /// The address that is bound, with the real port if 0 was asked for.
    #[must_use]
    pub fn bind_addr(&self) -> SocketAddr {
        self.shared.bind_addr
    }

    /// The address that others are told to reach the node at.
    #[must_use]
    pub fn advertise_addr(&self) -> SocketAddr {
        self.shared.advertise_addr
    }

    /// Joins a cluster through any of its members, exchanging state with every one of `seeds`.
    ///
    /// A seed is `host`, `host:port`, `ip`, `ip:port`, `[v6]`, `[v6]:port` or a bare IPv6
    /// address, with a `nodename/` in front if you like. Without a port it is the port that this
    /// node has bound. All addresses that a name resolves to are tried, a few at a time and each
    /// for at most three times [`stream_timeout`](serf_core::Config::stream_timeout): to connect, until
    /// it answers, and for the answer. Ends when every address was tried.
    ///
    /// # Errors
    /// Not one exchange succeeded; every address is listed with its reason. Or the node refused
    /// (no seeds, too many, it is leaving) or has stopped.
    pub async fn join<S: AsRef<str>>(&self, seeds: &[S]) -> Result<Joined, JoinError> {
        self.join_through(seeds, false).await
    }

    /// Joins as [`join`](Self::join) does, and is also told the recent user events of the cluster
    /// that is joined, as if they happened now. A plain join passes over what happened before it.
    ///
    /// # Errors
    /// As `join`.
    pub async fn join_replaying<S: AsRef<str>>(&self, seeds: &[S]) -> Result<Joined, JoinError> {
        self.join_through(seeds, true).await
    }

    async fn join_through<S: AsRef<str>>(
        &self,
        seeds: &[S],
        replay: bool,
    ) -> Result<Joined, JoinError> {
        let stopped = async {
            self.stopped().await;
            Err(Stopped)
        };
        let resolving = async { Ok(self.resolve(seeds).await) };
        let (targets, mut failed) = first(resolving, stopped).await?;
        if targets.is_empty() && !failed.is_empty() {
            return Err(JoinError::Unreachable(failed));
        }
        let addrs = targets.iter().map(|(addr, _)| *addr).collect();
        let call = Call::Join {
            seeds: addrs,
            replay,
        };
        let outcome = self.call(call).await?;
        let Outcome::Join {
            contacted,
            failed: unreached,
        } = outcome
        else {
            unreachable!("a join ends with its own kind of outcome");
        };
        failed.extend(unreached.into_iter().map(|(addr, failure)| {
            let seed = targets.iter().find(|(target, _)| *target == addr);
            SeedFailure {
                seed: seed.map_or_else(|| addr.to_string(), |(_, seed)| seed.clone()),
                addr: Some(addr),
                reason: SeedFailureReason::Exchange(failure),
            }
        }));
        if contacted.is_empty() {
            return Err(JoinError::Unreachable(failed));
        }
        Ok(Joined { contacted, failed })
    }

    /// Leaves the cluster in good order: tells the others, gives them time to pass it on, then
    /// stops the node. When this returns, the node has stopped and its sockets are closed.
    ///
    /// # Errors
    /// The node is leaving already, or has stopped.
    pub async fn leave(&self) -> Result<Left, CallError> {
        let Spread { complete, packets } = self.spread(Call::Leave).await?;
        self.stopped().await;
        Ok(Left { complete, packets })
    }

    /// Declares a failed member to have left, so that nobody tries to reach it any more; with
    /// `prune` it is also forgotten at once. A name that nobody has is no error.
    ///
    /// # Errors
    /// The node is leaving or has stopped.
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<Spread, CallError> {
        let name = name.to_owned();
        self.spread(Call::ForceLeave { name, prune }).await
    }

    /// Sends an event to all members, this one included: each is told it once, as
    /// [`Event::User`](serf_core::Event::User). Returns its time; with its name and payload that
    /// is its identity. Nobody answers it, and its spreading is not waited for.
    ///
    /// With `coalesce`, receivers may pass on only the latest of several events of this name that
    /// come in quick succession.
    ///
    /// # Errors
    /// The event is larger than [`user_event_size_limit`](serf_core::Config::user_event_size_limit)
    /// or than fits in a packet, or the node is leaving or has stopped.
    pub async fn user_event(
        &self,
        name: &str,
        payload: &[u8],
        coalesce: bool,
    ) -> Result<LamportTime, CallError> {
        let event = UserEvent {
            name: name.to_owned(),
            payload: payload.to_owned(),
            coalesce,
        };
        self.shared
            .asker
            .ask(|reply| Kind::UserEvent(event, reply))
            .await?
    }

    /// Asks all members, this one included, or those that pass the filters in `params`. They are
    /// told it as [`Event::Query`](serf_core::Event::Query); their answers are streamed as they
    /// come, until the time of the query is over.
    ///
    /// # Errors
    /// The query is larger than [`query_size_limit`](serf_core::Config::query_size_limit) or than
    /// fits in a packet, a filter cannot be used, or the node is leaving or has stopped.
    pub async fn query(
        &self,
        name: &str,
        payload: &[u8],
        params: QueryParams,
    ) -> Result<Answers, CallError> {
        let question = Question {
            name: name.to_owned(),
            payload: payload.to_owned(),
            params,
        };
        self.shared
            .asker
            .ask(|reply| Kind::Query(question, reply))
            .await?
    }

    /// Answers a query that came as [`Event::Query`](serf_core::Event::Query), once.
    ///
    /// # Errors
    /// It was answered before, its asker does not listen any more, or the answer is larger than
    /// [`query_response_size_limit`](serf_core::Config::query_response_size_limit) or than fits in
    /// a packet; or the node has stopped.
    pub async fn respond(&self, query: QueryKey, payload: &[u8]) -> Result<(), AnswerError> {
        let payload = payload.to_owned();
        let answer = |reply| Kind::Respond(query, payload, reply);
        Ok(self.shared.asker.ask(answer).await??)
    }

    /// Has every member, this one included, do something with a key; waits until all have answered
    /// or the time for it is over. The report says who did it, who could not, and who was silent.
    ///
    /// To rotate: install the new key, use it, remove the old one, each when the report of the step
    /// before is [complete](KeyReport::is_complete).
    ///
    /// # Errors
    /// The node is leaving or has stopped, or too many queries are under way.
    pub async fn key_operation(&self, operation: KeyOperation) -> Result<KeyReport, CallError> {
        match self.call(Call::Keys(operation)).await? {
            Outcome::Keys(report) => Ok(report),
            _ => unreachable!("a key operation ends with its own kind of outcome"),
        }
    }

    /// Where a member is, this node included, in the space of round trips; the estimated round
    /// trip between two is [`Coordinate::distance_to`]. `None` if the member is not known or was
    /// not heard of yet, or if [`coordinates`](serf_core::Config::coordinates) are off.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn coordinate(&self, member: &str) -> Result<Option<Coordinate>, Stopped> {
        let member = member.to_owned();
        let ask = |reply| Kind::Coordinate(member, reply);
        self.shared.asker.ask(ask).await
    }

    /// Replaces the node's tags and tells the others.
    ///
    /// # Errors
    /// The tags are too large, or the node is leaving or has stopped.
    pub async fn set_tags(&self, tags: Tags) -> Result<Spread, CallError> {
        self.spread(Call::SetTags(tags)).await
    }

    /// All members that this node knows, of any status, itself included, in no meaningful order.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn members(&self) -> Result<Vec<Member>, Stopped> {
        self.shared.asker.ask(Kind::Members).await
    }

    /// The node itself, as a member.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn local(&self) -> Result<Member, Stopped> {
        self.shared.asker.ask(Kind::Local).await
    }

    /// The node in numbers.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn stats(&self) -> Result<Stats, Stopped> {
        self.shared.asker.ask(Kind::Stats).await
    }

    /// Subscribes to events from now on. Each subscriber gets all of them, and none slows the
    /// node or another subscriber; see [`Events`].
    ///
    /// Subscribe first, then ask for [`members`](Self::members), to miss nothing.
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.subscriptions.subscribe()
    }

    /// Stops the node without leaving: others will see it fail. When this returns, the node has
    /// stopped and its sockets are closed. Does nothing to a node that has stopped.
    pub async fn shutdown(&self) {
        if self.shared.asker.tell(Kind::Shutdown).await.is_ok() {
            self.stopped().await;
        }
    }

    /// Waits until the node has stopped, for whatever reason.
    pub async fn stopped(&self) {
        // Nothing is ever sent: this ends when the driver drops its end.
        let _ = self.shared.stopped.recv().await;
    }

    async fn call(&self, call: Call) -> Result<Outcome, CallError> {
        self.shared
            .asker
            .ask(|reply| Kind::Call(call, reply))
            .await?
    }

    async fn spread(&self, call: Call) -> Result<Spread, CallError> {
        match self.call(call).await? {
            Outcome::Spread { complete, packets } => Ok(Spread { complete, packets }),
            _ => unreachable!("only a join ends otherwise"),
        }
    }

    /// The addresses behind the seeds, each once and with its seed; and the seeds without any.
    async fn resolve<S: AsRef<str>>(
        &self,
        seeds: &[S],
    ) -> (Vec<(SocketAddr, String)>, Vec<SeedFailure>) {
        let own_port = self.shared.bind_addr.port();
        // All lookups start before the first is waited for.
        let lookups: Vec<_> = seeds
            .iter()
            .map(|seed| {
                let address = Address::parse_seed(seed.as_ref())?;
                let port = address.port.unwrap_or(own_port);
                Ok(match address.host {
                    Host::Ip(ip) => Lookup::Done(SocketAddr::new(ip, port)),
                    Host::Name(name) => Lookup::Pending(self.shared.resolver.resolve(name, port)),
                })
            })
            .collect();
        let (mut targets, mut failed) = (Vec::new(), Vec::new());
        for (seed, lookup) in seeds.iter().zip(lookups) {
            let seed = seed.as_ref();
            let found = match lookup {
                Ok(Lookup::Done(addr)) => Ok(vec![addr]),
                Ok(Lookup::Pending(lookup)) => match lookup.await {
                    Ok(found) if found.is_empty() => Err("no addresses".to_owned()),
                    Ok(found) => Ok(found),
                    Err(error) => Err(error.to_string()),
                }
                .map_err(SeedFailureReason::Unresolved),
                Err(malformed) => Err(SeedFailureReason::Malformed(malformed)),
            };
            match found {
                Ok(found) => {
                    for addr in found {
                        if !targets.iter().any(|(target, _)| *target == addr) {
                            targets.push((addr, seed.to_owned()));
                        }
                    }
                }
                Err(reason) => failed.push(SeedFailure {
                    seed: seed.to_owned(),
                    addr: None,
                    reason,
                }),
            }
        }
        (targets, failed)
    }
}

enum Lookup {
    Done(SocketAddr),
    Pending(crate::adapter::Resolving),
}

/// How a join went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Joined {
    /// The addresses with which state was exchanged: at least one.
    pub contacted: Vec<SocketAddr>,
    /// The seeds and addresses that failed, and why.
    pub failed: Vec<SeedFailure>,
}

/// How a leave went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// True if the others were told as often as it takes for all to hear, or if there were no
    /// others; false if that took longer than
    /// [`broadcast_timeout`](serf_core::Config::broadcast_timeout).
    pub complete: bool,
    /// In how many packets it was sent to others by then.
    pub packets: u32,
}

/// How spreading a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// True if the message was sent as often as it takes for all to hear, or if there was nobody
    /// to tell; false if that takes longer than
    /// [`broadcast_timeout`](serf_core::Config::broadcast_timeout). It is sent on in either case.
    pub complete: bool,
    /// In how many packets it was sent to others by then.
    pub packets: u32,
}
