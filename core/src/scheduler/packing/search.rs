//! Finds a place for each of some items by local search: bins may be overfull on the way, and are emptied by shifting one
//! item or swapping two, never back to where one just came from. Only so many items that run may be away from home.

use super::problem::{Places, Problem};
use super::sequence;

/// Where an item is that takes no part.
const NOWHERE: usize = usize::MAX;
/// What one bin's whole room of one kind weighs when it is missing.
const WHOLE: i64 = 1 << 40;

/// How much may still be tried; counted in looks at one change, for a clock would make plans differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(pub(super) u64);

impl Budget {
    /// A part of it, at most what is left.
    pub(super) fn part(&self, steps: u64) -> u64 {
        steps.min(self.0)
    }
}

/// The state of one search.
pub(super) struct Search<'p> {
    problem: &'p Problem,
    weight: Vec<i64>,
    at: Vec<usize>,
    /// By item, bin and bin, kind after kind: flat, for this is looked at again and again.
    size: Vec<i64>,
    room: Vec<i64>,
    used: Vec<i64>,
    members: Vec<Vec<usize>>,
    moved: usize,
    over: Vec<i64>,
    /// By item and bin: until when it may not go there.
    tabu: Vec<u64>,
    round: u64,
    noise: u64,
}

/// One change: an item to a bin, and perhaps one from there to the first one's bin.
#[derive(Clone, Copy, Debug)]
struct Change {
    item: usize,
    to: usize,
    other: Option<usize>,
}

impl<'p> Search<'p> {
    /// Begins with what is somewhere there; the others take no part.
    pub(super) fn new(problem: &'p Problem, places: &[Option<usize>]) -> Self {
        let bins = problem.room.len();
        let total = |kind: usize| problem.room.iter().map(|room| room[kind].max(0)).sum::<i64>();
        let weight = (0..problem.kinds).map(|kind| WHOLE / (total(kind) / bins.max(1) as i64).max(1)).collect();
        let mut search = Self {
            problem,
            weight,
            at: vec![NOWHERE; places.len()],
            size: problem.items.iter().flat_map(|item| item.size.iter().copied()).collect(),
            room: problem.room.iter().flatten().copied().collect(),
            used: vec![0; problem.kinds * bins],
            members: vec![Vec::new(); bins],
            moved: 0,
            over: vec![0; bins],
            tabu: vec![0; places.len() * bins],
            round: 1,
            noise: 0x9E37_79B9_7F4A_7C15,
        };
        for (item, place) in places.iter().enumerate() {
            if let Some(bin) = place {
                search.put(item, *bin);
            }
        }
        search
    }

    /// What was reached.
    pub(super) fn places(&self) -> Places {
        self.at.iter().map(|at| (*at != NOWHERE).then_some(*at)).collect()
    }

    /// How many that run are away from home.
    pub(super) fn moved(&self) -> usize {
        self.moved
    }

    fn is_away(&self, item: usize, bin: usize) -> bool {
        self.problem.items[item].home.is_some_and(|home| home != bin)
    }

    fn put(&mut self, item: usize, bin: usize) {
        let kinds = self.problem.kinds;
        for kind in 0..kinds {
            self.used[bin * kinds + kind] += self.size[item * kinds + kind];
        }
        self.members[bin].push(item);
        self.at[item] = bin;
        self.moved += usize::from(self.is_away(item, bin));
        self.over[bin] = self.over_now(bin);
    }

    fn take(&mut self, item: usize) {
        let bin = self.at[item];
        let kinds = self.problem.kinds;
        for kind in 0..kinds {
            self.used[bin * kinds + kind] -= self.size[item * kinds + kind];
        }
        if let Some(place) = self.members[bin].iter().position(|member| *member == item) {
            self.members[bin].remove(place);
        }
        self.moved -= usize::from(self.is_away(item, bin));
        self.at[item] = NOWHERE;
        self.over[bin] = self.over_now(bin);
    }

    /// What an item needs.
    #[inline]
    fn size_of(&self, item: usize) -> &[i64] {
        let kinds = self.problem.kinds;
        &self.size[item * kinds..(item + 1) * kinds]
    }

    /// What is used of a bin, and what it has.
    #[inline]
    fn fill(&self, bin: usize) -> (&[i64], &[i64]) {
        let kinds = self.problem.kinds;
        let range = bin * kinds..(bin + 1) * kinds;
        (&self.used[range.clone()], &self.room[range])
    }

    /// How overfull a bin is.
    fn over_now(&self, bin: usize) -> i64 {
        let (used, room) = self.fill(bin);
        let each = used.iter().zip(room).zip(&self.weight);
        each.map(|((used, room), weight)| (used - room).max(0).saturating_mul(*weight)).sum()
    }

    /// How overfull it would be with one item more.
    #[inline]
    fn over_with(&self, bin: usize, more: usize) -> i64 {
        let (used, room) = self.fill(bin);
        let each = used.iter().zip(room).zip(self.size_of(more)).zip(&self.weight);
        each.map(|(((used, room), more), weight)| (used + more - room).max(0).saturating_mul(*weight)).sum()
    }

    /// How overfull it would be with one item instead of another.
    #[inline]
    fn over_instead(&self, bin: usize, more: usize, less: usize) -> i64 {
        let (used, room) = self.fill(bin);
        let sizes = self.size_of(more).iter().zip(self.size_of(less));
        let each = used.iter().zip(room).zip(sizes).zip(&self.weight);
        each.map(|(((used, room), (more, less)), weight)| (used + more - less - room).max(0).saturating_mul(*weight))
            .sum()
    }

    /// How overfull it would be without an item.
    fn over_without(&self, bin: usize, less: usize) -> i64 {
        let (used, room) = self.fill(bin);
        let each = used.iter().zip(room).zip(self.size_of(less)).zip(&self.weight);
        each.map(|(((used, room), less), weight)| (used - less - room).max(0).saturating_mul(*weight)).sum()
    }

    fn total(&self) -> i64 {
        self.over.iter().sum()
    }

    fn may_be(&self, item: usize, bin: usize, without: Option<usize>) -> bool {
        let details = &self.problem.items[item];
        details.wish[bin].is_some()
            && details.apart.iter().all(|other| self.at[*other] != bin || Some(*other) == without)
    }

    /// Puts items that take no part yet where they overfill least, the largest first. Not possible if one fits nowhere,
    /// room aside.
    pub(super) fn add(&mut self, items: &[usize]) -> bool {
        let mut items = items.to_vec();
        let weight = |item: &usize| -> i64 {
            self.problem.items[*item]
                .size
                .iter()
                .zip(&self.weight)
                .map(|(size, weight)| size.saturating_mul(*weight))
                .sum()
        };
        items.sort_by_key(|item| (std::cmp::Reverse(weight(item)), *item));
        for item in items {
            let fits = (0..self.problem.room.len()).filter(|bin| self.may_be(item, *bin, None));
            let worse = |bin: usize| self.over_with(bin, item) - self.over[bin];
            // Where it leaves least.
            let left = |bin: usize| -> i64 {
                let (used, room) = self.fill(bin);
                let sums = used.iter().zip(room).zip(&self.weight);
                sums.map(|((used, room), weight)| (room - used).saturating_mul(*weight)).sum()
            };
            let Some(bin) = fits.min_by_key(|bin| (worse(*bin), left(*bin), *bin)) else { return false };
            self.put(item, bin);
        }
        true
    }

    /// Searches until nothing is overfull and the moves can be done, with at most so many items away from home. Uses up
    /// at most so many steps of the budget.
    pub(super) fn run(&mut self, limit: usize, steps: u64, budget: &mut Budget) -> bool {
        let mut left = budget.part(steps);
        budget.0 -= left;
        let mut best = i64::MAX;
        let is_done = loop {
            let total = self.total();
            best = best.min(total);
            if total == 0 && self.moved <= limit {
                if sequence::is_possible(self.problem, &self.places()) {
                    break true;
                }
                // As full as allowed, and no way there: on with something else.
                self.tabu_all_moved();
            }
            if left == 0 {
                break false;
            }
            self.round += 1;
            let Some(change) = self.best_change(limit, best, &mut left) else {
                if left > 0 && self.round > self.tabu.iter().copied().max().unwrap_or(0) {
                    break false;
                }
                left = left.saturating_sub(16);
                continue;
            };
            self.make(change);
        };
        budget.0 += left;
        is_done
    }

    fn tabu_all_moved(&mut self) {
        let bins = self.problem.room.len();
        for item in 0..self.at.len() {
            let bin = self.at[item];
            if bin != NOWHERE && self.is_away(item, bin) {
                self.take(item);
                self.put(item, self.problem.items[item].home.unwrap_or(bin));
                self.tabu[item * bins + bin] = self.round + 40;
            }
        }
    }

    fn make(&mut self, change: Change) {
        let bins = self.problem.room.len();
        let from = self.at[change.item];
        let mut noise = || {
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.noise >> 33
        };
        let tenure = 4 + noise() % 8;
        self.take(change.item);
        if let Some(other) = change.other {
            self.take(other);
            self.put(other, from);
            self.tabu[other * bins + change.to] = self.round + tenure;
        }
        self.put(change.item, change.to);
        self.tabu[change.item * bins + from] = self.round + tenure;
    }

    /// The best change that is not forbidden, or leads to what was never reached before.
    fn best_change(&mut self, limit: usize, best: i64, left: &mut u64) -> Option<Change> {
        let bins = self.problem.room.len();
        let total = self.total();
        let mut found: Option<((i64, usize, u64), Change)> = None;
        let mut noise = self.noise;
        let mut offer = |search: &Self, delta: i64, moved: usize, change: Change| {
            let from = search.at[change.item];
            let is_tabu = search.tabu[change.item * bins + change.to] > search.round
                || change.other.is_some_and(|other| search.tabu[other * bins + from] > search.round);
            if moved > limit.max(search.moved)
                || (moved > limit && moved >= search.moved)
                || (is_tabu && total + delta >= best)
            {
                return;
            }
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (delta, moved, noise >> 40);
            if found.as_ref().is_none_or(|(known, _)| key < *known) {
                found = Some((key, change));
            }
        };
        for from in 0..bins {
            let is_over = self.over[from] > 0;
            for item in self.members[from].iter().copied() {
                let details = &self.problem.items[item];
                let is_movable = details.home.is_none() || details.may_move;
                // What is away may go home at any time, to let another move.
                if !is_movable || !(is_over || self.is_away(item, from)) {
                    continue;
                }
                let without = self.over_without(from, item) - self.over[from];
                let away = self.moved - usize::from(self.is_away(item, from));
                for to in 0..bins {
                    if to == from || !(is_over || details.home == Some(to)) || details.wish[to].is_none() {
                        continue;
                    }
                    *left = left.saturating_sub(1);
                    let moved = away + usize::from(self.is_away(item, to));
                    if self.may_be(item, to, None) {
                        let delta = without + self.over_with(to, item) - self.over[to];
                        offer(self, delta, moved, Change { item, to, other: None });
                    }
                    for other in self.members[to].iter().copied() {
                        let theirs = &self.problem.items[other];
                        if !(theirs.home.is_none() || theirs.may_move) {
                            continue;
                        }
                        let moved =
                            moved - usize::from(self.is_away(other, to)) + usize::from(self.is_away(other, from));
                        if moved > limit.max(self.moved)
                            || (moved >= self.moved && self.size_of(item) == self.size_of(other))
                        {
                            continue;
                        }
                        *left = left.saturating_sub(1);
                        let delta = self.over_instead(from, other, item) - self.over[from]
                            + self.over_instead(to, item, other)
                            - self.over[to];
                        if !self.may_be(item, to, Some(other)) || !self.may_be(other, from, Some(item)) {
                            continue;
                        }
                        offer(self, delta, moved, Change { item, to, other: Some(other) });
                    }
                }
            }
        }
        let found = found.map(|(_, change)| change);
        self.noise = noise;
        found
    }
}
