//! A small number for each pair of nodes, most of which are zero.

use serf_core::Name;

/// By how many members a row grows.
const STEP: usize = 256;

/// Two bytes for each pair of observer and member, for observers that have any.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    rows: Vec<Vec<u16>>,
    /// By node, as it was when the node was started last.
    names: Vec<Option<Name>>,
}

impl Rows {
    pub(super) fn get(&self, observer: usize, member: usize) -> u16 {
        let row = self.rows.get(observer);
        row.and_then(|row| row.get(member)).copied().unwrap_or(0)
    }

    /// True if nothing is known to this observer.
    pub(super) fn is_clear(&self, observer: usize) -> bool {
        self.rows.get(observer).is_none_or(Vec::is_empty)
    }

    pub(super) fn set(&mut self, observer: usize, member: usize, value: u16) {
        if self.rows.len() <= observer {
            self.rows.resize(observer + 1, Vec::new());
        }
        let row = &mut self.rows[observer];
        if row.len() <= member {
            if value == 0 {
                return;
            }
            // Not twice as much as is needed, as there is one for each pair of nodes.
            let len = (member + 1).next_multiple_of(STEP);
            row.reserve_exact(len - row.len());
            row.resize(len, 0);
        }
        row[member] = value;
    }

    /// A node was started: it knows nothing and, if it has another name, nobody knows it.
    pub(super) fn start(&mut self, node: usize, name: &Name) {
        if let Some(row) = self.rows.get_mut(node) {
            *row = Vec::new();
        }
        if self.names.len() <= node {
            self.names.resize(node + 1, None);
        }
        let before = self.names[node].replace(name.clone());
        if before.is_some_and(|before| before != *name) {
            let columns = self.rows.iter_mut().filter_map(|row| row.get_mut(node));
            columns.for_each(|number| *number = 0);
        }
    }
}
