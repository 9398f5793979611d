//! Clusters that are there from the start: nodes that know each other without having joined.

use alloc::sync::Arc;
use core::time::Duration;

use super::Node;
use super::timers::Timer;
use crate::config::Identity;
use crate::error::CommandError;
use crate::member::Profile;
use crate::swim::record::{Record, State};
use crate::swim::scaling;
use crate::tags;
use crate::time::{Instant, nanos};
use crate::wire::Wires;

impl Node {
    /// Takes a member that speaks these wires for alive as if it had announced itself long ago:
    /// under incarnation 1, without telling anybody or reporting an event. One that is known
    /// already is left as it is, and so is the table when it is full. Meant for simulations and
    /// tests; a journal does not record it. See [`twin`](Self::twin).
    ///
    /// # Errors
    /// As for [`new`](Self::new): its tags are too large, or its address cannot be reached.
    pub fn acquaint(&mut self, member: &Identity, wires: Wires) -> Result<(), CommandError> {
        let Identity { name, addr, .. } = member;
        if addr.ip().is_unspecified() || addr.port() == 0 {
            return Err(CommandError::UnspecifiedAddress { addr: *addr });
        }
        let meta = tags::announce(&member.tags, member.versions, wires)?;
        let room = self.table.len() < self.params.max_members as usize;
        if room && self.table.find(name.into()).is_none() {
            let profile = Profile::new(name.clone(), *addr, member.versions, &meta);
            let record = Record::new(Arc::new(profile), 1, State::Alive, self.now);
            self.table.insert(record);
            self.events.follow(self.clocks.event.time());
        }
        Ok(())
    }

    /// Another member as it would be if it knew just what this node knows of members, clocks,
    /// events and queries, and had this node's settings, label and keys. The two share the pages
    /// of the member table until one of them writes, so that a cluster of nodes which all know
    /// each other takes hardly more memory than one of them.
    ///
    /// Nothing is in progress at it, it has nothing to tell and its application has heard of
    /// nobody. `seed` and `now` as for [`new`](Self::new). `None` if this node does not hold the
    /// member as alive; its own name is as good as any other.
    #[must_use]
    pub fn twin(&self, name: &str, seed: [u8; 32], now: Instant) -> Option<Self> {
        let me = self.table.find(name.into())?;
        let record = self.table.get(me)?;
        if record.state() != State::Alive {
            return None;
        }
        let profile = &record.profile;
        let identity = Identity {
            name: profile.name.clone(),
            addr: profile.addr,
            tags: tags::decode(profile.meta()),
            versions: profile.versions,
            label: self.envelope.label().clone(),
        };
        let mut twin = Self::unannounced(identity, self.params.clone(), seed, now).ok()?;
        twin.me = me;
        twin.table = self.table.clone();
        twin.pool.clone_from(&self.pool);
        twin.clocks = self.clocks.clone();
        twin.intents = self.intents.clone();
        twin.events = self.events.clone();
        twin.queries = self.queries.clone();
        twin.suspicions = self.suspicions.clone();
        twin.strangers = self.strangers.clone();
        twin.to_tell = false;
        if twin.timers.is_set(Timer::Sync) {
            let interval =
                scaling::push_pull_interval(self.params.push_pull_interval, self.table.live());
            let wait = twin.sync_rng.below(nanos(interval).saturating_add(1));
            twin.timers
                .set(Timer::Sync, twin.now + Duration::from_nanos(wait));
        }
        match self.keyring() {
            Some(keys) => Some(twin.with_keyring(keys.clone())),
            None => Some(twin),
        }
    }
}
