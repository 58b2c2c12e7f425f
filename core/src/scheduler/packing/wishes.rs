//! What resources would rather have, as far as there is room left: nobody else is disturbed for it.

use super::problem::{Places, Problem};
use super::sequence;
use std::cmp::Reverse;

/// The same with items where they score more, the most important first, until nobody can do better alone.
pub(super) fn granted(problem: &Problem, mut places: Places) -> Places {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|ix| (Reverse(problem.items[*ix].priority), *ix));
    // Each change raises the sum of what is scored, so it ends by itself; this is for what is not foreseen.
    for _ in 0..places.len() {
        let mut changed = false;
        for ix in order.iter().copied() {
            changed |= improve(problem, &mut places, ix);
        }
        if !changed {
            break;
        }
    }
    places
}

fn improve(problem: &Problem, places: &mut Places, ix: usize) -> bool {
    let item = &problem.items[ix];
    let Some(now) = places[ix].filter(|_| item.home.is_none() || item.may_move) else { return false };
    let mut better: Vec<usize> = (0..problem.room.len()).filter(|bin| item.wish[*bin] > item.wish[now]).collect();
    better.sort_by_key(|bin| (Reverse(item.wish[*bin]), *bin));
    for bin in better {
        places[ix] = Some(bin);
        if problem.is_valid(places) && sequence::is_possible(problem, places) {
            return true;
        }
        places[ix] = Some(now);
    }
    false
}
