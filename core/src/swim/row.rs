//! A row of numbers that grows at its end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::swim::tiers::Index;

/// About as many as a packet tells of.
const PIECE: usize = 64;

/// Numbers in pieces of memory that never move: after a partition a node has a number of every
/// member in its rows, and a row in one piece would have up to twice the room that it needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Index>", into = "Vec<Index>")]
pub(super) struct Row {
    #[expect(clippy::vec_box, reason = "a piece must not move as the row grows")]
    pieces: Vec<Box<[Index; PIECE]>>,
    len: usize,
}

impl Row {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The number at a place of the row; there has to be one.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Index {
        self.pieces[place / PIECE][place % PIECE]
    }

    pub(super) fn set(&mut self, place: usize, number: Index) {
        self.pieces[place / PIECE][place % PIECE] = number;
    }

    pub(super) fn push(&mut self, number: Index) {
        let (piece, place) = (self.len / PIECE, self.len % PIECE);
        if piece == self.pieces.len() {
            self.pieces.push(Box::new([0; PIECE]));
        }
        self.pieces[piece][place] = number;
        self.len += 1;
    }

    /// Forgets what lies behind so many, and gives its memory back.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.pieces.truncate(self.len.div_ceil(PIECE));
        if self.pieces.is_empty() {
            self.pieces = Vec::new();
        }
    }
}

impl From<Vec<Index>> for Row {
    fn from(numbers: Vec<Index>) -> Self {
        let mut row = Self::default();
        numbers.into_iter().for_each(|number| row.push(number));
        row
    }
}

impl From<Row> for Vec<Index> {
    fn from(row: Row) -> Self {
        (0..row.len).map(|place| row.at(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_is_as_a_vector_but_holds_no_more_than_it_needs(
            ops in prop::collection::vec((any::<bool>(), 0..300_u32), 1..100),
        ) {
            let (mut row, mut model) = (Row::default(), Vec::new());
            for (grow, number) in ops {
                if grow {
                    for number in 0..number {
                        row.push(number);
                        model.push(number);
                    }
                } else {
                    row.truncate(number as usize);
                    model.truncate(number as usize);
                }
                if let Some(last) = row.len().checked_sub(1) {
                    row.set(last / 2, number);
                    model[last / 2] = number;
                }
                prop_assert_eq!(Vec::from(row.clone()), model.clone());
                prop_assert_eq!(row.pieces.len(), model.len().div_ceil(PIECE));
                row = Row::from(Vec::from(row));
            }
        }
    }
}
