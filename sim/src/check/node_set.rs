//! Nodes by index, a bit for each.

/// A set of nodes that grows with the highest of them.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeSet(Vec<u64>);

impl NodeSet {
    pub(super) fn contains(&self, node: usize) -> bool {
        let word = self.0.get(node / 64).copied().unwrap_or_default();
        word & bit(node) != 0
    }

    pub(super) fn insert(&mut self, node: usize) {
        if self.0.len() <= node / 64 {
            self.0.resize(node / 64 + 1, 0);
        }
        self.0[node / 64] |= bit(node);
    }

    pub(super) fn remove(&mut self, node: usize) {
        if let Some(word) = self.0.get_mut(node / 64) {
            *word &= !bit(node);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

fn bit(node: usize) -> u64 {
    1 << (node % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_and_go_one_by_one() {
        let mut set = NodeSet::default();
        set.remove(70);
        for node in [0, 63, 64, 200, 64] {
            set.insert(node);
        }
        assert_eq!(set.len(), 4);
        set.remove(64);
        let held: Vec<usize> = (0..300).filter(|node| set.contains(*node)).collect();
        assert_eq!(held, [0, 63, 200]);
    }
}
