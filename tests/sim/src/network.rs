//! The network between members: cuts, loss, delay and lateness by link.

use crate::dice::Dice;

/// All links.
pub(crate) struct Network {
    /// Who is not reached from whom: `cut[from][to]` counts the faults that cut it.
    cut: Vec<Vec<u32>>,
    /// Per thousand.
    pub(crate) loss: u64,
    /// Per thousand messages that arrive seconds late.
    pub(crate) late: u64,
}

impl Network {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { cut: vec![vec![0; hosts]; hosts], loss: 0, late: 0 }
    }

    /// Cuts or mends one direction of a link.
    pub(crate) fn cut(&mut self, from: usize, to: usize, cut: bool) {
        let count = &mut self.cut[from][to];
        *count = if cut { *count + 1 } else { count.saturating_sub(1) };
    }

    /// Whether these two reach each other.
    pub(crate) fn is_whole(&self, a: usize, b: usize) -> bool {
        self.cut[a][b] == 0 && self.cut[b][a] == 0
    }

    /// Everything is whole again.
    pub(crate) fn heal(&mut self) {
        *self = Self::new(self.cut.len());
    }

    /// After how long a message arrives, if it does.
    pub(crate) fn way(&self, from: usize, to: usize, dice: &mut Dice) -> Option<u64> {
        if self.cut[from][to] > 0 || (self.loss > 0 && dice.chance(self.loss)) {
            return None;
        }
        if self.late > 0 && dice.chance(self.late) {
            return Some(dice.of(300..=9000));
        }
        Some(dice.of(1..=4))
    }
}
