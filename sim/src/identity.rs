//! Who a node is to others: its name, its address, its cluster, the versions that it announces.

use serf_core::wire::label::Label;
use serf_core::{Name, Versions};

use crate::host::State;
use crate::world::{World, new_home};

impl World {
    /// Gives a node that is down the name of another one, which may run: then there are two of one
    /// name, at two addresses.
    pub fn share_name(&mut self, node: usize, with: usize) {
        if node == with || !matches!(self.state(node), State::Down | State::Left) {
            return;
        }
        let name = self.name(with).clone();
        let old = std::mem::replace(&mut self.hosts[node].identity.name, name);
        self.give_up_name(node, &old);
        self.hosts[node].last_word = 0;
        // Whoever has the name in the end claims it from the other's address.
        self.hosts[node].moved = true;
        self.hosts[with].moved = true;
        self.names_shared = true;
        self.network.faults.shared_names += 1;
    }

    /// Gives a node that is down the address of another that is down, as happens where addresses
    /// are handed out again. That one gets a new address, in case that it comes back.
    pub fn take_address(&mut self, node: usize, from: usize) {
        let down = |node| matches!(self.state(node), State::Down | State::Left);
        if node == from || !down(node) || !down(from) {
            return;
        }
        let address = self.address_of(from);
        let home = new_home(self.homes.len());
        self.homes.insert(home, from);
        self.hosts[from].identity.addr = home;
        self.homes.insert(address, node);
        self.hosts[node].identity.addr = address;
        self.hosts[from].moved = true;
        self.hosts[node].moved = true;
        self.network.faults.taken_addresses += 1;
    }

    /// Gives a node a label, from its next start on: those with another one do not hear it.
    pub fn set_label(&mut self, node: usize, label: Label) {
        self.hosts[node].identity.label = label;
    }

    /// Has a node announce other protocol versions, from its next start on.
    pub fn set_versions(&mut self, node: usize, versions: Versions) {
        self.hosts[node].identity.versions = versions;
    }

    /// Says that these nodes are a cluster of their own, which nobody else is to know. Nothing
    /// keeps them apart but their keys and labels; this is what [`World::views`] and checks
    /// compare with.
    pub fn set_apart(&mut self, nodes: impl IntoIterator<Item = usize>) {
        let highest = self.hosts.iter().map(|host| host.apart).max();
        let apart = highest.unwrap_or(0) + 1;
        for node in nodes {
            self.hosts[node].apart = apart;
        }
    }

    /// True if two nodes are of one cluster.
    pub(crate) fn is_together(&self, one: usize, other: usize) -> bool {
        self.hosts[one].apart == self.hosts[other].apart
    }

    /// The node that another one joins its cluster through: the first other one of it.
    pub(crate) fn door(&self, node: usize) -> usize {
        let mut others = (0..self.len()).filter(|other| *other != node);
        others
            .find(|other| self.is_together(node, *other))
            .unwrap_or(node)
    }

    /// True if another node claims the name of this one, so that one of the two is no member for
    /// the others.
    pub(crate) fn is_contested(&self, node: usize) -> bool {
        self.names_shared && self.shares_name(node)
    }

    fn shares_name(&self, node: usize) -> bool {
        let name = self.name(node);
        let has_it = |other: &usize| *other != node && self.name(*other) == name;
        (0..self.len()).any(|other| has_it(&other))
    }

    /// The node starts: the name is its own, unless somebody else has it and runs.
    pub(crate) fn take_up_name(&mut self, node: usize) {
        if self.names_shared && self.holder(self.name(node)).is_none() {
            let name = self.name(node).clone();
            self.index_of.insert(name, node);
        }
    }

    /// The node has ended: if another one of its name runs, that one has it now.
    pub(crate) fn pass_on_name(&mut self, node: usize) {
        if !self.names_shared || self.holder(self.name(node)).is_some() {
            return;
        }
        let name = self.name(node).clone();
        let heir = self.running().find(|other| *self.name(*other) == name);
        if let Some(heir) = heir {
            self.index_of.insert(name, heir);
        }
    }

    /// A node that is down has taken another name: if a running one has the old one, too, it has
    /// it alone now.
    pub(crate) fn give_up_name(&mut self, node: usize, old: &Name) {
        let said = self.given_up.entry(old.clone()).or_default();
        *said = self.hosts[node].last_word.max(*said);
        if self.index_of.get(old) != Some(&node) {
            return;
        }
        let heir = self.running().find(|other| self.name(*other) == old);
        match heir {
            Some(heir) => self.index_of.insert(old.clone(), heir),
            None => self.index_of.remove(old),
        };
    }

    /// Who has a name and is up.
    fn holder(&self, name: &Name) -> Option<usize> {
        let holder = self.index_of(name)?;
        matches!(self.state(holder), State::Running | State::Paused).then_some(holder)
    }
}
