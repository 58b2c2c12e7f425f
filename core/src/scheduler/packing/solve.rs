//! The way to an answer: everything that runs at home and the others with as few moves as possible; then, if that does not
//! succeed, the most important ones one after another.

use super::problem::{Places, Problem, Rank};
use super::search::{Budget, Search};
use super::{exact, sequence};
use std::cmp::{Ordering, Reverse};

/// What one plan may look at, in changes.
pub(super) const STEPS: u64 = 3_000_000;
/// How many moves are tried, one limit after the other.
const LIMITS: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 24, usize::MAX];

/// The best answer found; at least as good as the one that is known.
pub(super) fn solve(problem: &Problem, known: &Places, steps: u64) -> Places {
    let stays = stays(problem);
    let nothing = vec![None; problem.items.len()];
    let start = if is_better(problem, &stays, &nothing) { stays } else { nothing };
    if let Some(best) = exact::best(problem, &start) {
        return best;
    }
    let mut solver = Solver { problem, ranks: problem.ranks(), budget: Budget(steps) };
    let mut answer = solver.answer();
    problem.without_needless(&mut answer);
    let best = if is_better(problem, &answer, &start) { answer } else { start };
    if is_better(problem, known, &best) { known.clone() } else { best }
}

/// Whether this answer can be given and is better.
pub(super) fn is_better(problem: &Problem, answer: &Places, than: &Places) -> bool {
    problem.is_valid(answer)
        && sequence::is_possible(problem, answer)
        && (!problem.is_valid(than) || problem.compare(answer, than) == Ordering::Greater)
}

/// Everything that has a home stays there.
fn stays(problem: &Problem) -> Places {
    let mut places: Places = problem.items.iter().map(|item| item.home).collect();
    problem.without_needless(&mut places);
    places
}

struct Solver<'p> {
    problem: &'p Problem,
    ranks: Vec<Rank>,
    budget: Budget,
}

impl Solver<'_> {
    fn answer(&mut self) -> Places {
        let homes: Places = self.problem.items.iter().map(|item| item.home).collect();
        let mut wanted: Vec<usize> = (0..homes.len()).filter(|ix| homes[*ix].is_none()).collect();
        wanted.sort_by_key(|ix| (Reverse(self.ranks[*ix]), self.weight(*ix), *ix));
        if self.may_fit(&homes, &wanted)
            && let Some(found) = self.all(&homes, &wanted, self.budget.0 / 2)
        {
            return found;
        }
        let by_one = self.one_by_one(&homes, &wanted);
        let placed = |places: &Places| places.iter().flatten().count();
        // All but the largest of the least important: perhaps more than one by one.
        let missing = homes.len() - placed(&by_one);
        let mut best = by_one;
        for fewer in 1..=missing.min(4) {
            let Some(last) = wanted.last().map(|ix| self.ranks[*ix]) else { break };
            let droppable = wanted.iter().filter(|ix| self.ranks[**ix] == last && self.is_free(**ix)).count();
            if droppable < fewer {
                break;
            }
            let kept = &wanted[..wanted.len() - fewer];
            if !self.may_fit(&homes, kept) {
                continue;
            }
            if let Some(found) = self.all(&homes, kept, self.budget.0 / 2) {
                if self.problem.compare(&found, &best) == Ordering::Greater {
                    best = found;
                }
                break;
            }
        }
        best
    }

    /// Nothing needs it.
    fn is_free(&self, item: usize) -> bool {
        self.problem.items.iter().all(|other| !other.needs.contains(&item))
    }

    fn weight(&self, item: usize) -> i64 {
        let total = |kind: usize| self.problem.room.iter().map(|room| room[kind]).sum::<i64>().max(1);
        let sizes = self.problem.items[item].size.iter().enumerate();
        sizes.map(|(kind, size)| size.saturating_mul(1 << 24) / total(kind)).sum()
    }

    /// Whether there is room for these at all, bins aside. What no item uses up to the last is no room.
    fn may_fit(&self, homes: &Places, wanted: &[usize]) -> bool {
        (0..self.problem.kinds).all(|kind| {
            let size = |ix: usize| self.problem.items[ix].size[kind];
            let unit = (0..homes.len()).map(size).fold(0, greatest_common_divisor).max(1);
            let room: i64 = self.problem.room.iter().map(|room| room[kind].max(0) / unit * unit).sum();
            let at_home = (0..homes.len()).filter(|ix| homes[*ix].is_some()).map(size).sum::<i64>();
            at_home + wanted.iter().map(|ix| size(*ix)).sum::<i64>() <= room
        })
    }

    /// Places for all of these, with as few moves as can be found.
    fn all(&mut self, homes: &Places, wanted: &[usize], steps: u64) -> Option<Places> {
        let mut tries = Budget(self.budget.part(steps));
        self.budget.0 -= tries.0;
        let share = tries.0 / (LIMITS.len() as u64);
        let mut found = None;
        for (turn, limit) in LIMITS.iter().enumerate() {
            let mut search = Search::new(self.problem, homes);
            if !search.add(wanted) {
                break;
            }
            // What early turns did not use is there for later ones.
            let share = share.max(tries.0 / (LIMITS.len() - turn) as u64);
            if search.run(*limit, share, &mut tries) {
                found = Some(search.places());
                break;
            }
        }
        if let Some(places) = &mut found {
            self.fewer_moves(homes, wanted, places, &mut tries);
        }
        self.budget.0 += tries.0;
        found
    }

    /// The same with fewer moves, as long as that is found.
    fn fewer_moves(&self, homes: &Places, wanted: &[usize], places: &mut Places, tries: &mut Budget) {
        loop {
            let moves = self.problem.moves(places);
            if moves == 0 || tries.0 == 0 {
                return;
            }
            let mut search = Search::new(self.problem, homes);
            if !search.add(wanted) || !search.run(moves - 1, tries.0, tries) {
                return;
            }
            *places = search.places();
        }
    }

    /// One after another, the most important first and then the smallest; what is less important makes way.
    fn one_by_one(&mut self, homes: &Places, wanted: &[usize]) -> Places {
        let mut places = homes.clone();
        let mut waiting: Vec<usize> = wanted.to_vec();
        // What runs is too much already: the least important of it waits too.
        let mut running: Vec<usize> = (0..homes.len()).filter(|ix| homes[*ix].is_some()).collect();
        running.sort_by_key(|ix| (self.ranks[*ix], Reverse(self.weight(*ix)), *ix));
        let mut leaving = running.iter();
        while self.fit(&places, None, self.budget.0 / 8).map(|found| places = found).is_none() {
            let Some(ix) = leaving.next() else { break };
            places[*ix] = None;
            waiting.push(*ix);
        }
        let mut turns = waiting.len() * 2;
        while !waiting.is_empty() && turns > 0 {
            turns -= 1;
            waiting.sort_by_key(|ix| (Reverse(self.ranks[*ix]), self.weight(*ix), *ix));
            let item = waiting.remove(0);
            if self.problem.items[item].needs.iter().any(|needed| places[*needed].is_none()) {
                continue;
            }
            let share = self.budget.0 / (waiting.len() as u64 + 3);
            if let Some(found) = self.fit(&places, Some(item), share) {
                places = found;
            } else if let Some((found, gone)) = self.make_way(&places, item) {
                places = found;
                waiting.extend(gone);
            }
        }
        places
    }

    /// Places for those somewhere and one more.
    fn fit(&mut self, places: &Places, item: Option<usize>, steps: u64) -> Option<Places> {
        let mut search = Search::new(self.problem, places);
        if !search.add(&item.into_iter().collect::<Vec<_>>()) {
            return None;
        }
        let moved = search.moved();
        for more in [0, 1, 2, 4, usize::MAX] {
            if search.run(moved.saturating_add(more), steps / 5, &mut self.budget) {
                return Some(search.places());
            }
            search = Search::new(self.problem, places);
            search.add(&item.into_iter().collect::<Vec<_>>());
        }
        None
    }

    /// Lets the least important go until there is room for a more important one.
    fn make_way(&mut self, places: &Places, item: usize) -> Option<(Places, Vec<usize>)> {
        let priority = self.ranks[item].0;
        let is_less = |ix: &usize| places[*ix].is_some() && self.ranks[*ix].0 < priority;
        let mut less: Vec<usize> = (0..places.len()).filter(is_less).collect();
        less.sort_by_key(|ix| (self.ranks[*ix], Reverse(self.weight(*ix)), *ix));
        let mut fewer = places.clone();
        let mut gone = Vec::new();
        for victim in less {
            fewer[victim] = None;
            gone.push(victim);
            if let Some(found) = self.fit(&fewer, Some(item), self.budget.0 / 64) {
                return Some((found, gone));
            }
        }
        None
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { greatest_common_divisor(b, a % b) }
}
