//! The best answer to a small problem, by looking at all.

use super::problem::{Places, Problem};
use super::sequence;
use std::cmp::Ordering;

/// How many answers are few enough to look at all.
const FEW: u64 = 400_000;

/// The best answer, where there are few.
pub(super) fn best(problem: &Problem, known: &Places) -> Option<Places> {
    let mut answers: u64 = 1;
    for item in &problem.items {
        let choices = item.wish.iter().flatten().count() as u64 + 1;
        answers = answers.saturating_mul(choices);
    }
    if answers > FEW {
        return None;
    }
    let mut all = All {
        problem,
        places: vec![None; problem.items.len()],
        used: vec![vec![0; problem.kinds]; problem.room.len()],
        best: known.clone(),
    };
    all.go(0);
    Some(all.best)
}

struct All<'p> {
    problem: &'p Problem,
    places: Places,
    used: Vec<Vec<i64>>,
    best: Places,
}

impl All<'_> {
    fn go(&mut self, item: usize) {
        let Some(details) = self.problem.items.get(item) else {
            let mut places = self.places.clone();
            self.problem.without_needless(&mut places);
            let is_better = self.problem.compare(&places, &self.best) == Ordering::Greater;
            if is_better && sequence::is_possible(self.problem, &places) {
                self.best = places;
            }
            return;
        };
        // Home first, then by number: of equal answers the first one found stays.
        let bins = (0..self.problem.room.len()).filter(|bin| details.home != Some(*bin));
        for bin in details.home.into_iter().chain(bins).collect::<Vec<_>>() {
            let fits = self.used[bin].iter().zip(&details.size).zip(&self.problem.room[bin]);
            let has_room = fits.into_iter().all(|((used, size), room)| used + size <= *room || *size == 0);
            let is_apart = details.apart.iter().all(|other| *other >= item || self.places[*other] != Some(bin));
            if !has_room || !is_apart || details.wish[bin].is_none() {
                continue;
            }
            self.used[bin].iter_mut().zip(&details.size).for_each(|(used, size)| *used += size);
            self.places[item] = Some(bin);
            self.go(item + 1);
            self.used[bin].iter_mut().zip(&details.size).for_each(|(used, size)| *used -= size);
        }
        self.places[item] = None;
        self.go(item + 1);
    }
}
