//! Full state exchange (push/pull): with whom and when, and what is taken from it (wire-protocol
//! reference, sections 6.5 and 6.12). [`streams`](super::streams) carries it.

use core::net::SocketAddr;
use core::time::Duration;

use super::gossip::MUCH_NEWS;
use super::healing::{Accused, Differences};
use super::streams::{Fault, Purpose};
use super::timers::Timer;
use super::{Node, Phase};
use crate::action::StreamFailure;
use crate::member::VersionRange;
use crate::message::{Accusation, Sync, SyncEntry, SyncState};
use crate::serf::intent::Intent;
use crate::swim::record::{Record, State};
use crate::swim::scaling;
use crate::swim::table::Slot;
use crate::time::nanos;
use crate::wire::{Wire, memberlist, native};

/// No entry of an exchange takes fewer bytes, in either wire.
const SHORTEST_ENTRY: usize = 16;

impl Node {
    /// Exchanges state with one random live member, unless the last exchange still runs.
    pub(super) fn begin_periodic_sync(&mut self) {
        let wait = self.sync_wait();
        self.timers.set(Timer::Sync, self.now + wait);
        self.exchanged_announcements();
        if self.phase != Phase::Running || self.streams.any(Purpose::Periodic) {
            return;
        }
        let key = self.sync_rng.next_u64();
        let partner = self.random_member(key, |record| record.state() == State::Alive);
        if let Some(record) = partner.and_then(|slot| self.table.get(slot)) {
            let wire = self.wire_to(&record.profile);
            self.open_sync(Purpose::Periodic, record.profile.addr, wire);
        }
    }

    /// After a join the next few exchanges come early, whatever the size of the cluster: the seed
    /// may have been a newcomer itself, and gossip says nothing of those who have not changed.
    pub(super) fn sync_soon(&mut self) {
        if let Some(wait) = self.sync_once_soon() {
            self.early_sync = wait;
        }
    }

    /// Brings the next exchange forward, and answers for when, if there are any.
    pub(super) fn sync_once_soon(&mut self) -> Option<Duration> {
        let wait = self.soon()?;
        self.timers.set_earlier(Timer::Sync, self.now + wait);
        Some(wait)
    }

    /// How long an early exchange waits: an eighth to a quarter of the interval. `None` if there are no
    /// exchanges.
    pub(super) fn soon(&mut self) -> Option<Duration> {
        let soon = nanos(self.params.push_pull_interval / 8);
        (soon > 0).then(|| Duration::from_nanos(soon + self.sync_rng.below(soon)))
    }

    /// How long until the next exchange: each of the early ones twice as long as before. While gossip is
    /// far behind, they come as often as in a small cluster, as what it does not tell, nothing else does.
    fn sync_wait(&mut self) -> Duration {
        let base = self.params.push_pull_interval;
        let regular = scaling::push_pull_interval(base, self.table.live());
        let longest = match self.rumours.len() > MUCH_NEWS {
            true => base,
            false => regular,
        };
        if self.early_sync >= base {
            return longest;
        }
        self.early_sync *= 2;
        self.early_sync.min(longest)
    }

    /// Takes over what a peer knows. Its word that a member is dead only makes this node suspect
    /// that member, for the shortest time: it can still refute. `dialled` is true if this node chose the peer.
    pub(super) fn merge(
        &mut self,
        sync: &Sync<'_>,
        peer: SocketAddr,
        wire: Wire,
        dialled: bool,
    ) -> Result<(), Fault> {
        let mut versions = VersionRange::EMPTY;
        self.table.census().survey(&mut versions);
        versions.merge(sync.versions);
        if !versions.is_compatible() {
            return Err(StreamFailure::Incompatible);
        }
        let newcomer = dialled && self.table.len() <= 1;
        if newcomer {
            // The peer's word, as far as it can be true.
            let most = (sync.entries.len() / SHORTEST_ENTRY).min(self.params.max_members as usize);
            self.table.reserve((sync.count as usize).min(most));
        }
        match wire {
            Wire::Native => {
                let count = |node: &mut Self, _| node.counters.dropped_malformed += 1;
                let skip = |entries: &mut native::SyncEntries<'_>, known: &Record| {
                    entries.skip_known(&known.profile.announced, known.intent, known.incarnation)
                };
                self.merge_entries(native::SyncEntries::new(sync), skip, count);
            }
            Wire::Memberlist => {
                let origin = self.origin(peer);
                let entries = memberlist::SyncEntries::new(sync, origin);
                self.merge_entries(entries, |_, _| false, Self::count_refused);
            }
        }
        self.merge_state(sync, wire, newcomer);
        Ok(())
    }

    /// Takes in what can be read, and lets the rest be counted. `skip` steps over an entry that says
    /// nothing but what the record does, if it can tell so at a glance.
    fn merge_entries<'a, E, I: Iterator<Item = Result<SyncEntry<'a>, E>>>(
        &mut self,
        mut entries: I,
        skip: impl Fn(&mut I, &Record) -> bool,
        count: impl Fn(&mut Self, E),
    ) {
        let own_name = self.name.clone();
        let mut differences = Differences::default();
        // What is new here is passed on, also by a newcomer to whom all of it is new: where many
        // join at once, those who learnt of a member this way are most of those who could tell.
        let mut near = 0;
        loop {
            while near != self.me
                && let Some(record) = self.table.get(near)
                && record.state() != State::Dead
                && skip(&mut entries, record)
            {
                near += 1;
            }
            let Some(entry) = entries.next() else {
                break;
            };
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    count(self, error);
                    continue;
                }
            };
            let alive = entry.alive;
            let known = self.table.find_near(near, alive.name);
            let record = known.and_then(|slot| self.table.get(slot));
            let (state, incarnation) = (record.map(Record::state), record.map(|it| it.incarnation));
            if let Some(slot) = known {
                near = slot + 1;
                let dead = state == Some(State::Dead);
                differences.returned += usize::from(dead && entry.state == SyncState::Alive);
                if self.says_nothing_new(slot, &entry) {
                    continue;
                }
            }
            let accusation = |from| Accusation {
                incarnation: alive.incarnation,
                name: alive.name,
                from,
            };
            match entry.state {
                SyncState::Alive => self.on_alive(&alive),
                // The peer may have heard it from the same accuser: that confirms nothing.
                SyncState::Suspect
                    if state == Some(State::Suspect) && incarnation == Some(alive.incarnation) => {}
                SyncState::Suspect | SyncState::Dead => {
                    // Whoever is suspected is a member still. Nobody confirms what is said of one that
                    // he does not know, nor believes what others find out of it.
                    if known.is_none() && entry.state == SyncState::Suspect {
                        self.on_alive(&alive);
                    }
                    let accused = Accused {
                        accusation: accusation((&own_name).into()),
                        dead: entry.state == SyncState::Dead,
                    };
                    match state == Some(State::Alive) && known != Some(self.me) {
                        true => differences.accused.push(accused),
                        false => self.on_accused_by_peer(&accused),
                    }
                }
                SyncState::Left => self.on_dead(&accusation(alive.name), None),
            }
            if entry.intent != Intent::NONE
                && let Some(slot) = self.table.find(alive.name)
                && self
                    .table
                    .get(slot)
                    .is_some_and(|r| entry.intent > r.intent)
            {
                self.on_exchanged_intent(slot, entry.intent);
            }
        }
        self.settle_differences(&differences);
    }

    /// True of nearly every entry: the member is known, by an announcement that is not older. What is
    /// said of it as an announcement then changes nothing (see [`on_alive`](Self::on_alive)).
    fn says_nothing_new(&self, slot: Slot, entry: &SyncEntry<'_>) -> bool {
        entry.state == SyncState::Alive
            && slot != self.me
            && self.table.get(slot).is_some_and(|record| {
                entry.alive.incarnation <= record.incarnation
                    && entry.alive.addr == record.profile.addr
                    && entry.intent <= record.intent
            })
    }
}
