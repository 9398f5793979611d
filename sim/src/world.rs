//! A world: nodes, the network between them, and the time in which everything happens.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serf_core::{
    Answer, CommandId, Event, Identity, Instant, Name, Node, Outcome, Params, ProfilePool,
    QueryKey, QuerySummary,
};

use crate::builder::Builder;
use crate::check::{Check, Checks, Observation, Tally, Truth, Views, What};
use crate::clusters::Clusters;
use crate::event::Occurrence;
use crate::failure::Failure;
use crate::faults::Faults;
use crate::host::{Host, State, Usage};
use crate::network::Network;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::stream::Streams;
use crate::trace::{Trace, TraceHash};

/// How often a condition that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How often checks look at the whole world.
const CHECKS_LOOK: Duration = Duration::from_secs(5);

/// Thousands of nodes under virtual time.
///
/// Everything that happens follows from the seed and from what is called: the same calls on a
/// world of the same seed have the same results, to the last bit, on every platform. Nodes are
/// named by their index, in the order in which they were added. Node 0 has the name `node-0`
/// and the address `10.0.0.1:7946`, and so on.
///
/// Time stands still except in the `run_` methods.
pub struct World {
    pub(crate) seed: u64,
    pub(crate) now: Instant,
    pub(crate) queue: Queue<Occurrence>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) params: Params,
    pub(crate) network: Network,
    pub(crate) streams: Streams,
    pub(crate) pool: Pool,
    /// One copy of each member's profile for all nodes.
    pub(crate) profiles: ProfilePool,
    pub(crate) trace: Trace,
    /// Always there, but while they look.
    pub(crate) checks: Option<Box<Checks>>,
    next_look: Instant,
    pub(crate) clusters: Clusters,
    pub(crate) failure: Option<Failure>,
    /// Whether anything has changed since views were last compared.
    pub(crate) views_changed: bool,
    /// Whether every node answers each query with its name.
    pub(crate) answering: bool,
    /// Bytes of a stream that are handed to a node at once.
    pub(crate) stream_chunk: usize,
    /// Nodes by addresses that are not those they were added with.
    pub(crate) homes: HashMap<SocketAddr, usize, FixedState>,
    /// When something last happened to the network as a whole.
    pub(crate) network_disturbed: Instant,
    log: Option<Vec<Logged>>,
    pub(crate) index_of: HashMap<Name, usize, FixedState>,
    /// Whether any two nodes have one name.
    pub(crate) names_shared: bool,
    /// The highest incarnation that was said under a name by those who have given it up.
    pub(crate) given_up: HashMap<Name, u32, FixedState>,
    occurrences: u64,
}

/// An event that a node gave to its application.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// When.
    pub at: Instant,
    /// At which node.
    pub node: usize,
    /// What.
    pub event: Event,
}

impl World {
    /// Starts to describe a world.
    pub fn builder(seed: u64) -> Builder {
        Builder::new(seed)
    }

    pub(crate) fn new(seed: u64, params: Params, network: Network, stream_chunk: usize) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            queue: Queue::new(),
            hosts: Vec::new(),
            params,
            network,
            streams: Streams::default(),
            pool: Pool::default(),
            profiles: ProfilePool::new(),
            trace: Trace::new(seed),
            checks: None,
            next_look: Instant::ZERO + CHECKS_LOOK,
            clusters: Clusters::default(),
            failure: None,
            views_changed: true,
            answering: false,
            stream_chunk,
            homes: HashMap::with_hasher(FixedState::with_seed(0)),
            network_disturbed: Instant::ZERO,
            log: None,
            index_of: HashMap::with_hasher(FixedState::with_seed(0)),
            names_shared: false,
            given_up: HashMap::with_hasher(FixedState::with_seed(0)),
            occurrences: 0,
        }
    }

    // Looking.

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time in the world; it starts at zero.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many nodes there are, running or not.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether a world is empty"
    )]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// What a node is doing.
    ///
    /// # Panics
    /// Like all methods that take an index, if there is no such node.
    #[must_use]
    pub fn state(&self, node: usize) -> State {
        self.hosts[node].state
    }

    /// The node itself, for its members and counters; none while it is down.
    #[must_use]
    pub fn node(&self, node: usize) -> Option<&Node> {
        self.hosts[node].node.as_ref()
    }

    /// A node's name.
    #[must_use]
    pub fn name(&self, node: usize) -> &Name {
        &self.hosts[node].identity.name
    }

    /// The index of the node of that name; of two, the one that had it first and still runs.
    #[must_use]
    pub fn index_of(&self, name: &Name) -> Option<usize> {
        self.index_of.get(name).copied()
    }

    /// How many running nodes hold the member in this status. A node that does not know it holds
    /// it in none.
    #[must_use]
    pub fn holders(&self, member: usize, status: serf_core::Status) -> usize {
        let name = self.name(member);
        self.running()
            .filter(|node| {
                let known = self.node(*node).and_then(|it| it.member(name));
                known.is_some_and(|known| known.status() == status)
            })
            .count()
    }

    /// The indices of the running nodes.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|node| self.state(*node) == State::Running)
    }

    /// What has come back to a node's query so far.
    pub fn answers(&self, node: usize, query: QueryKey) -> impl Iterator<Item = &Answer> {
        let answers = self.hosts[node].answers.iter();
        answers.filter_map(move |(key, answer)| (*key == query).then_some(answer))
    }

    /// What came back to a node's query in all, once it is over.
    #[must_use]
    pub fn query_summary(&self, node: usize, query: QueryKey) -> Option<QuerySummary> {
        let mut ended = self.hosts[node].ended_queries.iter().rev();
        ended
            .find(|(key, _)| *key == query)
            .map(|(_, summary)| *summary)
    }

    /// How a command of a node ended, if it has.
    #[must_use]
    pub fn outcome(&self, node: usize, command: CommandId) -> Option<&Outcome> {
        let mut outcomes = self.hosts[node].outcomes.iter().rev();
        outcomes
            .find(|(id, _)| *id == command)
            .map(|(_, outcome)| outcome)
    }

    /// What one node sent and received.
    #[must_use]
    pub fn usage(&self, node: usize) -> Usage {
        self.hosts[node].usage
    }

    /// What all nodes sent and received.
    #[must_use]
    pub fn total_usage(&self) -> Usage {
        self.hosts.iter().fold(Usage::default(), |mut sum, host| {
            sum += host.usage;
            sum
        })
    }

    /// How often each fault really happened so far.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.network.faults
    }

    /// Every event of every node since [`World::log_events`] was called, in order.
    #[must_use]
    pub fn events(&self) -> &[Logged] {
        self.log.as_deref().unwrap_or_default()
    }

    /// The hash over every input and action so far.
    #[must_use]
    pub fn trace_hash(&self) -> TraceHash {
        self.trace.hash()
    }

    /// How many entries of the event queue have been worked off.
    #[must_use]
    pub fn occurrences(&self) -> u64 {
        self.occurrences
    }

    /// Entries waiting in the event queue, and connections that are open.
    #[must_use]
    pub fn pending(&self) -> (usize, usize) {
        (self.queue.len(), self.streams.len())
    }

    /// Compares every node's view of the cluster with the truth.
    #[must_use]
    pub fn views(&self) -> Views {
        Views::of(self)
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn is_blocked(&self, node: usize) -> bool {
        self.hosts[node].blocked
    }

    pub(crate) fn is_leaving(&self, node: usize) -> bool {
        self.hosts[node].leaving
    }

    /// A number for what joins have connected with the node since it started.
    pub(crate) fn cluster_of(&self, node: usize) -> u32 {
        self.clusters.of(node)
    }

    /// True if the node ever had an address other than the one that it was added with, or a name
    /// that another one had: then it had to claim that anew, for which any incarnation will do.
    pub(crate) fn has_moved(&self, node: usize) -> bool {
        self.hosts[node].moved
    }

    /// The highest incarnation that a node has ever had.
    pub(crate) fn highest_incarnation(&self, node: usize) -> u32 {
        let host = &self.hosts[node];
        let now = host.node.as_ref().map_or(0, |it| it.local().incarnation());
        host.last_word.max(now)
    }

    /// The highest incarnation that a node, or another one that has its name or had it, ever said under it.
    pub(crate) fn highest_claimed(&self, node: usize) -> u32 {
        if !self.names_shared {
            return self.highest_incarnation(node);
        }
        let namesakes = (0..self.len()).filter(|other| self.name(*other) == self.name(node));
        let all = namesakes.map(|other| self.highest_incarnation(other));
        let given_up = self.given_up.get(self.name(node)).copied();
        all.chain(given_up).max().unwrap_or_default()
    }

    /// Since when nothing has been done to any node or the network, provided that now nothing is
    /// cut, no node is paused, slow or leaving, and the network is a fair one, in which nothing
    /// waits any more that could not be sent before.
    #[must_use]
    pub fn quiet_since(&self) -> Option<Instant> {
        if !self.network.is_fair(&self.params) {
            return None;
        }
        let mut since = self.network_disturbed.max(self.network.busy_until());
        if since > self.now {
            return None;
        }
        for host in &self.hosts {
            if !matches!(host.state, State::Down | State::Left) && !host.is_healthy() {
                return None;
            }
            since = since.max(host.disturbed);
        }
        Some(since)
    }

    // Watching.

    /// Adds a check, which sees everything from now on, in the place of one of the same name. It
    /// should be added before nodes start; [`Builder::check`] is the usual way.
    pub fn check(&mut self, check: impl Check + 'static) {
        self.checks.get_or_insert_default().add(Box::new(check));
    }

    /// How often each check had something to judge so far, and what else it counted.
    #[must_use]
    pub fn tallies(&self) -> Vec<(&'static str, Tally)> {
        let checks = self.checks.iter();
        checks.flat_map(|checks| checks.tallies()).collect()
    }

    /// The check of this type, if it watches this world, for what it has found out.
    #[must_use]
    pub fn find_check<T: Check>(&self) -> Option<&T> {
        self.checks.as_ref()?.find()
    }

    /// Keeps every event from now on for [`World::events`]; n nodes that join produce n² of them.
    pub fn log_events(&mut self) {
        self.log.get_or_insert_default();
    }

    #[inline(always)]
    pub(crate) fn observe(&mut self, node: usize, what: What<'_>) {
        // Where this is called, the kind is known: it costs a load and a comparison.
        let watched = self.checks.as_ref().is_some_and(|it| it.want(&what));
        if watched || self.log.is_some() {
            self.note(node, what);
        }
    }

    #[inline(never)]
    fn note(&mut self, node: usize, what: What<'_>) {
        if let (What::Event(event), Some(log)) = (what, &mut self.log) {
            log.push(Logged {
                at: self.now,
                node,
                event: event.clone(),
            });
        }
        let Some(mut checks) = self.checks.take_if(|checks| checks.want(&what)) else {
            return;
        };
        let seen = Observation {
            at: self.now,
            node,
            what,
            world: self,
        };
        let verdict = checks.observe(&seen);
        self.checks = Some(checks);
        self.note_verdict(verdict);
    }

    fn look(&mut self) {
        self.next_look = self.now + CHECKS_LOOK;
        if let Some(mut checks) = self.checks.take() {
            let verdict = checks.look(self);
            self.checks = Some(checks);
            self.note_verdict(verdict);
        }
    }

    fn note_verdict(&mut self, verdict: Result<(), (&'static str, String)>) {
        if let Err((expected, found)) = verdict
            && self.failure.is_none()
        {
            self.failure = Some(self.failure(expected, found));
        }
    }

    // Running.

    /// Lets this much time pass.
    ///
    /// # Errors
    /// When a check fails; the world stands still at that moment.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Failure> {
        self.run_to(self.now + time)
    }

    /// Lets time pass until `done` is true, and answers how much. It is asked every 20 milliseconds.
    ///
    /// # Errors
    /// When a check fails, or if `limit` passes first; `what` is waited for and goes in the
    /// message.
    pub fn run_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<Duration, Failure> {
        let start = self.now;
        while !done(self) {
            if self.now.since(start) >= limit {
                let found = format!("not within {limit:?}; {}", self.views());
                return Err(self.failure(what, found));
            }
            self.run_to((self.now + LOOK).min(start + limit))?;
        }
        Ok(self.now.since(start))
    }

    /// Lets time pass until every running node holds the true view of the cluster (see [`Views`]),
    /// and answers how long that took.
    ///
    /// # Errors
    /// When a check fails, or if `limit` passes first: then with the nodes that are wrong and the
    /// members that they are wrong about.
    pub fn run_until_converged(&mut self, limit: Duration) -> Result<Duration, Failure> {
        if let Some(took) = self.try_to_converge(limit)? {
            return Ok(took);
        }
        let views = self.views();
        Err(self.failure(&format!("views agree within {limit:?}"), views.to_string()))
    }

    /// The same, but that it is no failure if `limit` passes first: then `None`.
    ///
    /// # Errors
    /// When a check fails.
    pub fn try_to_converge(&mut self, limit: Duration) -> Result<Option<Duration>, Failure> {
        // Most changes of a view are told as events. A member that was said to leave and stays is
        // not, so there is a look every second anyway.
        const ANYWAY: Duration = Duration::from_secs(1);
        self.views_changed = true;
        let start = self.now;
        let mut looked = start;
        loop {
            let changed = std::mem::take(&mut self.views_changed);
            if changed || self.now.since(looked) >= ANYWAY {
                looked = self.now;
                let truth = Truth::of(self);
                if truth.numbers_match(self) && truth.judge(self).agree() {
                    return Ok(Some(self.now.since(start)));
                }
            }
            if self.now.since(start) >= limit {
                return Ok(None);
            }
            self.run_to((self.now + LOOK).min(start + limit))?;
        }
    }

    /// A failure of this world, here and now, for what a test finds by itself.
    #[must_use]
    pub fn failure(&self, expected: &str, found: String) -> Failure {
        Failure {
            seed: self.seed,
            at: self.now,
            expected: expected.to_owned(),
            found,
            trace: self.trace.hash(),
        }
    }

    fn run_to(&mut self, end: Instant) -> Result<(), Failure> {
        while self.failure.is_none() {
            let stop = end.min(self.next_look);
            while let Some((at, occurrence)) = self.queue.pop_until(stop.as_nanos()) {
                self.now = Instant::from_nanos(at);
                self.occurrences += 1;
                self.prefetch_next();
                self.happen(occurrence);
                if let Some(failure) = &self.failure {
                    return Err(failure.clone());
                }
            }
            self.now = stop;
            if stop == self.next_look {
                self.look();
            }
            if stop == end {
                break;
            }
        }
        // A world in which something is wrong stays that way.
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Has the processor fetch what the next event will most likely touch, while this one happens.
    #[inline]
    fn prefetch_next(&self) {
        if let Some(Occurrence::Wake { node } | Occurrence::Datagram { to: node, .. }) =
            self.queue.likely_next()
        {
            self.hosts[*node as usize].prefetch();
        }
    }

    // Addresses and names.

    pub(crate) fn push_host(&mut self, params: Params) -> usize {
        let index = self.hosts.len();
        let name = Name::new(&format!("node-{index}")).expect("short enough");
        self.index_of.insert(name.clone(), index);
        self.hosts
            .push(Host::new(Identity::new(name, address(index)), params));
        index
    }

    /// The address of a node.
    pub(crate) fn address_of(&self, node: usize) -> SocketAddr {
        if self.homes.is_empty() {
            return address(node);
        }
        self.hosts[node].identity.addr
    }

    /// The node at an address.
    #[inline(always)]
    pub(crate) fn node_at(&self, addr: SocketAddr) -> Option<usize> {
        match self.homes.is_empty() {
            true => self.first_node_at(addr),
            false => self.node_at_home(addr),
        }
    }

    /// The same when nodes have moved.
    #[inline(never)]
    fn node_at_home(&self, addr: SocketAddr) -> Option<usize> {
        let found = self.homes.get(&addr).copied();
        found
            .or_else(|| self.first_node_at(addr))
            .filter(|node| self.hosts[*node].identity.addr == addr)
    }

    /// The node that was added with an address.
    #[inline(always)]
    fn first_node_at(&self, addr: SocketAddr) -> Option<usize> {
        let ip = match addr {
            SocketAddr::V4(addr) => *addr.ip(),
            SocketAddr::V6(addr) => addr.ip().to_ipv4_mapped()?,
        };
        let index = ip.to_bits().checked_sub(FIRST_ADDRESS)? as usize;
        (index < self.hosts.len() && addr.port() == PORT).then_some(index)
    }
}

/// 10.0.0.1.
const FIRST_ADDRESS: u32 = 0x0a00_0001;
const PORT: u16 = 7946;

/// The address of the nth move: 11.0.0.1 and so on.
pub(crate) fn new_home(nth: usize) -> SocketAddr {
    let ip = Ipv4Addr::from_bits(FIRST_ADDRESS + (1 << 24) + nth as u32);
    SocketAddr::new(ip.into(), PORT)
}

/// The address of a node.
///
/// # Panics
/// Past the 16 million of 10.0.0.0/8.
pub(crate) fn address(index: usize) -> SocketAddr {
    assert!(index < 0x00ff_fffe, "a world has at most 16,777,214 nodes");
    SocketAddr::new(
        Ipv4Addr::from_bits(FIRST_ADDRESS + index as u32).into(),
        PORT,
    )
}
