//! Large clusters: what finds room at once gets it; for the rest, a few nodes with the most room are looked at together.

use super::problem::{Item, Places, Problem};
use super::solve;
use std::cmp::Reverse;

/// Up to so many pairs of item and bin everything is looked at together.
const SMALL: usize = 20_000;
/// So many bins are looked at together.
const BINS: usize = 12;
/// So many items without a place are looked at together.
const ITEMS: usize = 6;
/// So many windows are looked through.
const WINDOWS: usize = 4;

/// The best answer found.
pub(super) fn solve(problem: &Problem, known: &Places) -> Places {
    if problem.items.len() * problem.room.len() <= SMALL {
        return solve::solve(problem, known, solve::STEPS);
    }
    let mut places: Places = problem.items.iter().map(|item| item.home).collect();
    if !problem.is_valid(&places) {
        return known.clone();
    }
    let mut waiting = put_where_room_is(problem, &mut places);
    for _ in 0..WINDOWS {
        waiting.retain(|ix| places[*ix].is_none());
        let Some(first) = waiting.first().copied() else { break };
        through_window(problem, &mut places, &waiting, first);
        // Who found no place here waits behind the others.
        let seen = ITEMS.min(waiting.len());
        waiting.rotate_left(seen);
    }
    problem.without_needless(&mut places);
    if solve::is_better(problem, &places, known) { places } else { known.clone() }
}

fn free(problem: &Problem, places: &[Option<usize>]) -> Vec<Vec<i64>> {
    let mut free = problem.room.clone();
    for (item, bin) in problem.items.iter().zip(places).filter_map(|(item, bin)| Some((item, (*bin)?))) {
        free[bin].iter_mut().zip(&item.size).for_each(|(free, size)| *free -= size);
    }
    free
}

/// Puts items, the most important and largest first, where they leave least; answers those for which there is no room.
fn put_where_room_is(problem: &Problem, places: &mut Places) -> Vec<usize> {
    let ranks = problem.ranks();
    let mut free = free(problem, places);
    let mut wanted: Vec<usize> = (0..places.len()).filter(|ix| places[*ix].is_none()).collect();
    wanted.sort_by_key(|ix| (Reverse(ranks[*ix]), Reverse(problem.items[*ix].size.clone()), *ix));
    wanted.retain(|ix| {
        let item = &problem.items[*ix];
        let fits = |bin: &usize| {
            item.wish[*bin].is_some()
                && item.size.iter().zip(&free[*bin]).all(|(size, free)| size <= free)
                && item.apart.iter().all(|other| places[*other] != Some(*bin))
        };
        let Some(bin) = (0..free.len()).filter(fits).min_by_key(|bin| (free[*bin].clone(), *bin)) else { return true };
        free[bin].iter_mut().zip(&item.size).for_each(|(free, size)| *free -= size);
        places[*ix] = Some(bin);
        false
    });
    wanted
}

/// Places some that wait, and what is in the roomiest bins for the first of them, anew.
fn through_window(problem: &Problem, places: &mut Places, waiting: &[usize], first: usize) {
    let free = free(problem, places);
    let total: Vec<i64> =
        (0..problem.kinds).map(|kind| problem.room.iter().map(|room| room[kind]).sum::<i64>().max(1)).collect();
    let share = |bin: usize| -> i64 {
        free[bin].iter().zip(&total).map(|(free, total)| free.saturating_mul(1 << 24) / total).sum()
    };
    let mut bins: Vec<usize> = (0..free.len()).filter(|bin| problem.is_allowed(first, *bin)).collect();
    bins.sort_by_key(|bin| (Reverse(share(*bin)), *bin));
    bins.truncate(BINS);
    bins.sort_unstable();
    let is_ready = |ix: &&usize| problem.items[**ix].needs.iter().all(|needed| places[*needed].is_some());
    let here = (0..places.len()).filter(|ix| places[*ix].is_some_and(|bin| bins.contains(&bin)));
    let mut items: Vec<usize> = here.chain(waiting.iter().filter(is_ready).take(ITEMS).copied()).collect();
    items.sort_unstable();
    let part = part(problem, &items, &bins);
    let known = items.iter().map(|ix| places[*ix].and_then(|bin| bins.binary_search(&bin).ok())).collect();
    let found = solve::solve(&part, &known, solve::STEPS / WINDOWS as u64);
    for (ix, bin) in items.iter().zip(found) {
        places[*ix] = bin.map(|bin| bins[bin]);
    }
}

/// Some items and bins of a problem as a problem of its own.
fn part(problem: &Problem, items: &[usize], bins: &[usize]) -> Problem {
    let within = |all: &[usize]| all.iter().filter_map(|ix| items.binary_search(ix).ok()).collect();
    let item = |ix: &usize| {
        let item = &problem.items[*ix];
        Item {
            home: item.home.and_then(|home| bins.binary_search(&home).ok()),
            wish: bins.iter().map(|bin| item.wish[*bin]).collect(),
            apart: within(&item.apart),
            needs: within(&item.needs),
            after: within(&item.after),
            ..item.clone()
        }
    };
    Problem {
        kinds: problem.kinds,
        room: bins.iter().map(|bin| problem.room[*bin].clone()).collect(),
        items: items.iter().map(item).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster where every node but the last is full, with two that do not fit the last one's room as it is.
    fn large(nodes: usize, each: usize) -> Problem {
        let item = |home: Option<usize>, size: i64| Item {
            size: vec![size],
            home,
            is_running: home.is_some(),
            may_move: true,
            wish: vec![Some(0); nodes],
            ..Item::default()
        };
        let mut items: Vec<Item> =
            (0..nodes).flat_map(|node| (0..each).map(move |_| Some(node))).map(|home| item(home, 1)).collect();
        items.extend([item(None, 2), item(None, 2)]);
        let mut room = vec![vec![i64::try_from(each).unwrap_or(0) + 1]; nodes];
        room[nodes - 1] = vec![i64::try_from(each).unwrap_or(0) + 2];
        Problem { kinds: 1, room, items }
    }

    #[test]
    fn a_large_cluster_makes_room_with_one_move() {
        let problem = large(210, 100);
        let nothing = problem.items.iter().map(|item| item.home).collect();
        let places = solve(&problem, &nothing);
        assert!(problem.is_valid(&places));
        assert!(places.iter().all(Option::is_some), "both find room");
        assert_eq!(problem.moves(&places), 1, "one of them at once, the other where one makes way");
    }
}
