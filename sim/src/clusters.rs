//! Which nodes have to do with each other: what joins have connected.

/// Disjoint sets of lives of nodes. A node that starts is alone; a join that reaches somebody
/// makes two sets one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clusters {
    /// The present life of each node.
    life: Vec<u32>,
    /// The parent of each life; a root is its own.
    parent: Vec<u32>,
    size: Vec<u32>,
}

impl Clusters {
    pub(crate) fn start(&mut self, node: usize) {
        let life = self.parent.len() as u32;
        self.parent.push(life);
        self.size.push(1);
        if self.life.len() <= node {
            self.life.resize(node + 1, life);
        }
        self.life[node] = life;
    }

    pub(crate) fn join(&mut self, one: usize, other: usize) {
        let (mut small, mut large) = (self.of(one), self.of(other));
        if small == large || small == u32::MAX || large == u32::MAX {
            return;
        }
        if self.size[small as usize] > self.size[large as usize] {
            std::mem::swap(&mut small, &mut large);
        }
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
    }

    /// A number for the set of a node, until the next join.
    pub(crate) fn of(&self, node: usize) -> u32 {
        let Some(&life) = self.life.get(node) else {
            return u32::MAX;
        };
        let mut root = life;
        while self.parent[root as usize] != root {
            root = self.parent[root as usize];
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_connect_and_a_new_life_is_alone() {
        let mut clusters = Clusters::default();
        (0..4).for_each(|node| clusters.start(node));
        assert_ne!(clusters.of(0), clusters.of(1));
        clusters.join(0, 1);
        clusters.join(2, 3);
        clusters.join(3, 1);
        assert!((1..4).all(|node| clusters.of(node) == clusters.of(0)));
        clusters.start(0);
        assert_ne!(clusters.of(0), clusters.of(1));
        assert_eq!(clusters.of(1), clusters.of(3));
    }
}
