//! What resources would rather have, as far as there is room left: nobody else is disturbed for it.

use super::problem::{Places, Problem};
use super::sequence;
use std::cmp::Reverse;

/// The same with items where they score more, the most important first, until nobody can do better alone.
pub(super) fn granted(problem: &Problem, mut places: Places) -> Places {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|ix| (Reverse(problem.items[*ix].priority), *ix));
    let mut used = vec![vec![0; problem.kinds]; problem.room.len()];
    for (item, bin) in problem.items.iter().zip(&places).filter_map(|(item, bin)| Some((item, (*bin)?))) {
        used[bin].iter_mut().zip(&item.size).for_each(|(used, size)| *used += size);
    }
    // Each change raises the sum of what is scored, so it ends by itself; this is for what is not foreseen.
    for _ in 0..places.len() {
        let mut changed = false;
        for ix in order.iter().copied() {
            changed |= improve(problem, &mut places, &mut used, ix);
        }
        if !changed {
            break;
        }
    }
    places
}

fn improve(problem: &Problem, places: &mut Places, used: &mut [Vec<i64>], ix: usize) -> bool {
    let item = &problem.items[ix];
    let Some(now) = places[ix].filter(|_| item.home.is_none() || item.may_move) else { return false };
    let fits = |bin: &usize| {
        item.wish[*bin] > item.wish[now]
            && item
                .size
                .iter()
                .zip(&used[*bin])
                .zip(&problem.room[*bin])
                .all(|((size, used), room)| size + used <= *room)
            && item.apart.iter().all(|other| places[*other] != Some(*bin))
    };
    let mut better: Vec<usize> = (0..problem.room.len()).filter(fits).collect();
    better.sort_by_key(|bin| (Reverse(item.wish[*bin]), *bin));
    for bin in better {
        places[ix] = Some(bin);
        if sequence::is_possible(problem, places) {
            used[now].iter_mut().zip(&item.size).for_each(|(used, size)| *used -= size);
            used[bin].iter_mut().zip(&item.size).for_each(|(used, size)| *used += size);
            return true;
        }
        places[ix] = Some(now);
    }
    false
}
