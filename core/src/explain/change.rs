//! Looking for the smallest number that changes a placement, by trying.

use super::{Change, What};
use crate::score::Score;
use std::cell::Cell;

/// So many placements are tried for one explanation: each is a plan of the whole cluster.
const MOST_TRIALS: u32 = 200;

/// How many trials are left.
#[derive(Debug)]
pub(super) struct Budget(Cell<u32>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(MOST_TRIALS))
    }

    /// One trial; false without trying where none is left.
    pub(super) fn spend(&self, holds: impl FnOnce() -> bool) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0 && holds()
    }

    /// The least number up to `most` for which it holds; it holds for every larger one. The guess is tried first.
    pub(super) fn least(&self, guess: i64, most: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
        // What needs nothing cannot do with less.
        if most < 1 {
            return None;
        }
        let is_so = |number: i64| self.spend(|| holds(number));
        let guess = guess.clamp(1, most);
        let (mut too_few, mut enough) = if is_so(guess) {
            if guess == 1 || !is_so(guess - 1) {
                return Some(guess);
            }
            (0, guess - 1)
        } else if guess < most && is_so(most) {
            (guess, most)
        } else {
            return None;
        };
        while enough - too_few > 1 {
            if self.0.get() == 0 {
                return Some(enough);
            }
            let middle = too_few + (enough - too_few) / 2;
            if is_so(middle) { enough = middle } else { too_few = middle }
        }
        Some(enough)
    }

    /// By how much a score has to rise for a node to win.
    pub(super) fn rise(&self, behind: i64, wins: impl Fn(Score) -> bool) -> Option<Score> {
        self.least(behind.max(0) + 1, Score::INFINITY.value(), |by| wins(Score::new(by))).map(Score::new)
    }
}

/// `n2 would win if its score rose by 51`
pub(super) fn rise(node: &str, by: Score, command: Option<String>) -> Change {
    let words = format!("{node} would win if its score rose by {by}");
    Change { what: What::Score { by }, place: node.to_owned(), words, command, or: None }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn the_least_number_is_found_from_any_guess() {
        let check = |guess: i64, least: i64, wanted: Option<i64>| {
            assert_eq!(Budget::new().least(guess, 1_000_000, |number| number >= least), wanted, "{guess} {least}");
        };
        check(51, 51, Some(51));
        check(1, 51, Some(51));
        check(400, 51, Some(51));
        check(-5, 1, Some(1));
        check(10, 1_000_000, Some(1_000_000));
        check(10, 1_000_001, None);
    }
}
