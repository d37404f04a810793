//! A blob's bytes as they lie in `Blobs`: pieces, each whole, numbered from 0, and by the sender that brought it.

use serde::{Deserialize, Serialize};

/// Pieces of equal size by the same sender, behind each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run(u64, u32, u32);

/// The pieces of one blob or upload, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces(Vec<Run>);

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub number: u32,
    pub sender: u32,
    pub bytes: u64,
}

impl Piece {
    /// Its key in `Blobs`: no tenant's request names it.
    pub fn place(&self, id: &str) -> String {
        format!("store/{id}.{}.{}", self.number, self.sender)
    }
}

impl Pieces {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|run| run.2).sum()
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|run| run.0 * u64::from(run.2)).sum()
    }

    /// One more of that size, by that sender.
    pub fn next(&self, bytes: u64, sender: u32) -> Piece {
        Piece {
            number: self.count(),
            sender,
            bytes,
        }
    }

    /// Adds the piece that [`Pieces::next`] made.
    pub fn push(&mut self, piece: Piece) {
        match self.0.last_mut() {
            Some(run) if (run.0, run.1) == (piece.bytes, piece.sender) => run.2 += 1,
            _ => self.0.push(Run(piece.bytes, piece.sender, 1)),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Piece> + '_ {
        let each = self
            .0
            .iter()
            .flat_map(|run| std::iter::repeat_n((run.0, run.1), run.2 as usize));
        each.zip(0..)
            .map(|((bytes, sender), number)| Piece { number, sender, bytes })
    }

    /// Those that hold bytes from `offset` on, and how many bytes of the first lie before it.
    pub fn from(&self, offset: u64) -> (Vec<Piece>, u64) {
        let mut before = offset;
        let rest = self.iter().skip_while(|piece| {
            let passed = piece.bytes <= before;
            if passed {
                before -= piece.bytes;
            }
            passed
        });
        let rest = rest.collect();
        (rest, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[(u64, u32)]) -> Pieces {
        let mut all = Pieces::default();
        for (bytes, sender) in pieces {
            all.push(all.next(*bytes, *sender));
        }
        all
    }

    #[test]
    fn many_equal_pieces_take_little_room() {
        let all = of(&vec![(4 << 20, 1); 1_280]);
        assert_eq!((all.count(), all.bytes()), (1_280, 5 << 30));
        assert_eq!(serde_json::to_string(&all).expect("JSON"), "[[4194304,1,1280]]");
        assert_eq!(all.iter().last().expect("some").number, 1_279);
    }

    #[test]
    fn reading_begins_within_a_piece() {
        let all = of(&[(10, 1), (10, 1), (3, 1), (10, 2)]);
        let numbers = |offset| {
            let (rest, before) = all.from(offset);
            (rest.iter().map(|p| (p.number, p.sender)).collect::<Vec<_>>(), before)
        };
        assert_eq!(numbers(0), (vec![(0, 1), (1, 1), (2, 1), (3, 2)], 0));
        assert_eq!(numbers(10), (vec![(1, 1), (2, 1), (3, 2)], 0));
        assert_eq!(numbers(22), (vec![(2, 1), (3, 2)], 2));
        assert_eq!(numbers(33), (vec![], 0));
    }
}
