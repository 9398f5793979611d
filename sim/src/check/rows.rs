//! A small number for each pair of nodes, most of which are zero.

/// Two bytes for each pair of observer and member, for observers that have any.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows(Vec<Vec<u16>>);

impl Rows {
    pub(super) fn get(&self, observer: usize, member: usize) -> u16 {
        let row = self.0.get(observer);
        row.and_then(|row| row.get(member)).copied().unwrap_or(0)
    }

    /// True if nothing is known to this observer.
    pub(super) fn is_clear(&self, observer: usize) -> bool {
        self.0.get(observer).is_none_or(Vec::is_empty)
    }

    pub(super) fn set(&mut self, observer: usize, member: usize, value: u16) {
        if self.0.len() <= observer {
            self.0.resize(observer + 1, Vec::new());
        }
        let row = &mut self.0[observer];
        if row.len() <= member {
            if value == 0 {
                return;
            }
            row.resize(member + 1, 0);
        }
        row[member] = value;
    }

    pub(super) fn clear(&mut self, observer: usize) {
        if let Some(row) = self.0.get_mut(observer) {
            *row = Vec::new();
        }
    }
}
