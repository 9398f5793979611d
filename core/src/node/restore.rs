//! Going on after a restart (wire-protocol reference, sections 8.10 and 10.1).

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Node;
use crate::action::CommandId;
use crate::error::CommandError;
use crate::journal::Input;
use crate::member::{Name, Profile, Versions};
use crate::serf::clock::{LamportClock, LamportTime};
use crate::serf::snapshot::State as Snapshot;
use crate::swim::order::Order;
use crate::swim::record::{Record, State};
use crate::time::Instant;

/// Members of the snapshot that a rejoin tries before it gives up; the failed are retried one by
/// one ever after.
const MAX_TRIED: usize = 256;

impl Node {
    /// Takes up what an earlier run of this node knew. To be called once, before any input.
    ///
    /// The clocks go on from where they stood, so that events and queries from before are not
    /// delivered again, and those missed since then are. All members that the snapshot knows
    /// count as failed until they are heard of: those that went down together with this node are
    /// seen to be missing, and are retried. Follow it with [`rejoin`](Self::rejoin).
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.tape
            .input(None, || Input::Restore(Cow::Borrowed(snapshot)));
        let restored = [
            restore_clock(&mut self.clocks.member, snapshot.clock()),
            restore_clock(&mut self.clocks.event, snapshot.event_clock()),
            restore_clock(&mut self.clocks.query, snapshot.query_clock()),
        ];
        let refused = restored.iter().filter(|restored| !**restored).count();
        self.counters.dropped_implausible += refused as u64;
        self.queries.raise_minimum(self.clocks.query.time());
        for (name, &addr) in snapshot.alive().iter().chain(snapshot.failed()) {
            self.restore_member(name, addr);
        }
        // Who knows of nobody and of no event, as after it left, comes back as a new node does.
        if self.table.len() > 1 || snapshot.event_clock() > 0 {
            self.events.restore(self.clocks.event.time());
        }
    }

    fn restore_member(&mut self, name: &Name, addr: SocketAddr) {
        let room = self.table.len() < self.params.max_members as usize;
        let reachable = addr.port() != 0 && !addr.ip().is_unspecified();
        if !room || !reachable || self.table.find(name.into()).is_some() {
            return;
        }
        // No announcement has incarnation zero: the first that is heard counts.
        let profile = Profile::new(name.clone(), addr, Versions::CURRENT, &[]);
        let record = Record::new(Arc::new(profile), 0, State::Dead, self.now);
        self.table.insert(record);
    }

    /// Dials the failed members in random order until one answers, and exchanges state with it.
    /// Events that were missed are delivered. Ends with [`Outcome::Join`](crate::Outcome::Join),
    /// in which at most eight addresses were contacted.
    ///
    /// # Errors
    /// As for [`join`](Self::join): no members have failed, among others.
    pub fn rejoin(&mut self, now: Instant) -> Result<CommandId, CommandError> {
        self.tape.input(Some(now), || Input::Rejoin);
        self.advance(now);
        // Under another name it may be in its own snapshot, and would answer itself.
        let own = self.addr;
        let order = Order::new(self.sync_rng.next_u64(), self.table.slots());
        let failed: Vec<SocketAddr> = order
            .filter_map(|slot| self.table.get(slot))
            .filter(|record| record.state() == State::Dead)
            .map(|record| record.profile.addr)
            .filter(|addr| *addr != own)
            .take(MAX_TRIED)
            .collect();
        self.begin_rejoin(&failed, now)
    }
}

/// Moves a clock past the last time that the snapshot knows. False if that cannot be.
fn restore_clock(clock: &mut LamportClock, last: u64) -> bool {
    last == 0 || clock.adopt(LamportTime::new(last))
}
