//! What a log of records amounts to.

use alloc::collections::BTreeMap;
use core::net::SocketAddr;

use super::Record;
use crate::member::Name;
use serde::{Deserialize, Serialize};

/// A log is never compacted before it has this many bytes.
const MIN_COMPACTION: u64 = 128 * 1024;
/// What a line about a member takes, roughly.
const BYTES_PER_MEMBER: u64 = 128;
/// How much longer than necessary a log may grow.
const SLACK: u64 = 2;

/// What a node knew when it stopped, or, kept up to date record by record, what its log says now.
///
/// Its size is that of the cluster; there is no further bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    rejoin_after_leave: bool,
    alive: BTreeMap<Name, SocketAddr>,
    failed: BTreeMap<Name, SocketAddr>,
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    left: bool,
}

impl State {
    /// The state of an empty log. With `rejoin_after_leave`, a leave forgets nothing.
    #[must_use]
    pub fn new(rejoin_after_leave: bool) -> Self {
        Self {
            rejoin_after_leave,
            ..Self::default()
        }
    }

    /// Members that took part, with their addresses, in the order of their names. The node itself
    /// is usually among them.
    #[must_use]
    pub fn alive(&self) -> &BTreeMap<Name, SocketAddr> {
        &self.alive
    }

    /// Members that had failed, with their last addresses, in the order of their names.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<Name, SocketAddr> {
        &self.failed
    }

    /// The Lamport time of membership. Any number that was in the file.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// The Lamport time of the last user event: those up to it have been delivered. Any number
    /// that was in the file.
    #[must_use]
    pub fn event_clock(&self) -> u64 {
        self.event_clock
    }

    /// The Lamport time of the last query: those up to it have been delivered. Any number that was
    /// in the file.
    #[must_use]
    pub fn query_clock(&self) -> u64 {
        self.query_clock
    }

    /// True if the node left of its own will and no member was alive for it after that.
    #[must_use]
    pub fn left(&self) -> bool {
        self.left
    }

    /// Takes the next record of the log.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Alive { name, addr } => {
                self.failed.remove(name);
                self.alive.insert(name.clone(), *addr);
                self.left = false;
            }
            Record::NotAlive { name } => {
                self.failed.remove(name);
                self.alive.remove(name);
            }
            Record::Failed { name, addr } => {
                self.alive.remove(name);
                self.failed.insert(name.clone(), *addr);
            }
            // The last one counts, not the largest: after a leave a node may start over.
            Record::Clock(time) => self.clock = *time,
            Record::EventClock(time) => self.event_clock = *time,
            Record::QueryClock(time) => self.query_clock = *time,
            Record::Leave => {
                if !self.rejoin_after_leave {
                    *self = Self::new(false);
                }
                self.left = true;
            }
        }
    }

    /// The shortest log that amounts to this state.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let alive = self.alive.iter().map(|(name, addr)| Record::Alive {
            name: name.clone(),
            addr: *addr,
        });
        let failed = self.failed.iter().map(|(name, addr)| Record::Failed {
            name: name.clone(),
            addr: *addr,
        });
        // After the alive, as whoever is alive later takes it back; before the rest, as it may forget
        // that.
        let leave = self.left.then_some(Record::Leave);
        let clocks = [
            Record::Clock(self.clock),
            Record::EventClock(self.event_clock),
            Record::QueryClock(self.query_clock),
        ];
        alive.chain(leave).chain(failed).chain(clocks)
    }

    /// A log of more bytes than this should be replaced by [`records`](Self::records).
    #[must_use]
    pub fn compaction_threshold(&self) -> u64 {
        let members = (self.alive.len() + self.failed.len()) as u64;
        MIN_COMPACTION.max(members * BYTES_PER_MEMBER * SLACK)
    }
}
