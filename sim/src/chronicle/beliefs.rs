//! Who takes whom for failed.

use serf_core::Name;

/// One bit for each pair of observer and member, for observers that take anybody for failed.
#[derive(Debug, Default)]
pub(super) struct Beliefs {
    rows: Vec<Vec<u64>>,
    /// By member: how many take it for failed.
    about: Vec<u32>,
    /// By observer: how many it takes for failed.
    of: Vec<u32>,
    /// The most of each since the last sample.
    most_about: Vec<u32>,
    most_of: Vec<u32>,
    names: Vec<Option<Name>>,
}

impl Beliefs {
    pub(super) fn set(&mut self, observer: usize, member: usize, failed: bool) {
        let known = self.rows.get(observer);
        let bit = 1 << (member % 64);
        let before = known
            .and_then(|row| row.get(member / 64))
            .is_some_and(|word| word & bit != 0);
        if before == failed {
            return;
        }
        grow(&mut self.rows, observer);
        grow(&mut self.rows[observer], member / 64);
        grow(&mut self.about, member);
        grow(&mut self.most_about, member);
        grow(&mut self.of, observer);
        grow(&mut self.most_of, observer);
        self.rows[observer][member / 64] ^= bit;
        match failed {
            true => {
                self.about[member] += 1;
                self.of[observer] += 1;
                let (about, of) = (self.about[member], self.of[observer]);
                self.most_about[member] = self.most_about[member].max(about);
                self.most_of[observer] = self.most_of[observer].max(of);
            }
            false => {
                self.about[member] -= 1;
                self.of[observer] -= 1;
            }
        }
    }

    /// The node has ended, and with it what it believed.
    pub(super) fn forget(&mut self, observer: usize) {
        if self.of(observer) == 0 {
            return;
        }
        for (word, bits) in std::mem::take(&mut self.rows[observer])
            .into_iter()
            .enumerate()
        {
            for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
                self.about[word * 64 + bit] -= 1;
            }
        }
        self.of[observer] = 0;
    }

    /// The node was started: it believes nothing and, if it has another name, nobody believes
    /// anything of it.
    pub(super) fn start(&mut self, node: usize, name: &Name) {
        self.forget(node);
        grow(&mut self.names, node);
        let before = self.names[node].replace(name.clone());
        if before.is_some_and(|before| before != *name) {
            for observer in 0..self.rows.len() {
                self.set(observer, node, false);
            }
        }
    }

    /// The most that took the member for failed at once, and the most that it took for failed
    /// itself, since this was asked last: what is over within a second is not to be missed.
    pub(super) fn take_most(&mut self, node: usize) -> (u32, u32) {
        let take = |most: &mut Vec<u32>, now: u32| {
            let most = most.get_mut(node);
            most.map_or(now, |most| std::mem::replace(most, now))
        };
        let (about, of) = (self.about(node), self.of(node));
        (
            take(&mut self.most_about, about),
            take(&mut self.most_of, of),
        )
    }

    pub(super) fn about(&self, member: usize) -> u32 {
        self.about.get(member).copied().unwrap_or(0)
    }

    pub(super) fn of(&self, observer: usize) -> u32 {
        self.of.get(observer).copied().unwrap_or(0)
    }
}

fn grow<T: Default + Clone>(list: &mut Vec<T>, place: usize) {
    if list.len() <= place {
        list.resize(place + 1, T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_pairs_and_end_with_the_observer() {
        let mut beliefs = Beliefs::default();
        beliefs.set(1, 70, true);
        beliefs.set(1, 70, true);
        beliefs.set(2, 70, true);
        beliefs.set(2, 3, true);
        assert_eq!((beliefs.about(70), beliefs.of(2)), (2, 2));
        beliefs.set(2, 70, false);
        assert_eq!((beliefs.about(70), beliefs.of(2)), (1, 1));
        beliefs.forget(1);
        beliefs.forget(9);
        assert_eq!((beliefs.about(70), beliefs.of(1)), (0, 0));
        assert_eq!(beliefs.about(3), 1);
    }

    #[test]
    fn what_is_over_by_the_next_sample_is_in_it() {
        let mut beliefs = Beliefs::default();
        beliefs.set(1, 3, true);
        beliefs.set(2, 3, true);
        beliefs.set(1, 3, false);
        assert_eq!(beliefs.take_most(3), (2, 0));
        assert_eq!(beliefs.take_most(1), (0, 1));
        assert_eq!(beliefs.take_most(3), (1, 0));
        assert_eq!(beliefs.take_most(1), (0, 0));
    }

    #[test]
    fn nobody_believes_anything_of_a_new_name() {
        let name = |text| Name::new(text).expect("short enough");
        let mut beliefs = Beliefs::default();
        beliefs.start(3, &name("a"));
        beliefs.set(2, 3, true);
        beliefs.start(3, &name("a"));
        assert_eq!(beliefs.about(3), 1);
        beliefs.start(3, &name("b"));
        assert_eq!(beliefs.about(3), 0);
    }
}
