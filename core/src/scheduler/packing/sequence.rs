//! Whether moves can be done one after another: what arrives finds room, although what leaves later is still there.

use super::problem::Problem;

/// How many steps the search for an order may take.
const STEPS: u32 = 3_000;

/// Whether some order of the moves to these places never overfills a bin nor brings together what must be apart. What is
/// started arrives when all that leaves has left, unless a move waits for it.
pub(super) fn is_possible(problem: &Problem, places: &[Option<usize>]) -> bool {
    order(problem, places).is_some()
}

/// Such an order: the items that move, and those they wait for.
pub(super) fn order(problem: &Problem, places: &[Option<usize>]) -> Option<Vec<usize>> {
    let moves: Vec<usize> = (0..places.len())
        .filter(|ix| {
            let item = &problem.items[*ix];
            item.home.is_some() && item.may_move && places[*ix].is_some() && places[*ix] != item.home
        })
        .collect();
    if moves.is_empty() {
        return Some(Vec::new());
    }
    // Those a move waits for arrive in between, with those they wait for.
    let mut events = moves.clone();
    let mut next = 0;
    while let Some(at) = events.get(next).copied() {
        next += 1;
        for first in &problem.items[at].after {
            let goes = moves.contains(first);
            if goes {
                // The order between them holds for what leaves as well as for what arrives, and each would wait.
                return None;
            }
            let arrives = places[*first].is_some() && places[*first] != problem.items[*first].home;
            if arrives && !events.contains(first) {
                events.push(*first);
            }
        }
    }
    let mut now =
        Now { problem, places, at: vec![None; places.len()], used: Vec::new(), done: Vec::new(), steps: STEPS };
    now.used = vec![vec![0; problem.kinds]; problem.room.len()];
    for (ix, item) in problem.items.iter().enumerate() {
        // What is stopped, or stopped and started elsewhere, has left before anything else.
        if let Some(home) = item.home
            && (places[ix] == Some(home) || (places[ix].is_some() && item.may_move))
        {
            now.put(ix, home);
        }
    }
    now.go(&mut events).then_some(now.done)
}

/// The state in between.
struct Now<'p> {
    problem: &'p Problem,
    places: &'p [Option<usize>],
    at: Vec<Option<usize>>,
    used: Vec<Vec<i64>>,
    done: Vec<usize>,
    steps: u32,
}

impl Now<'_> {
    fn put(&mut self, item: usize, bin: usize) {
        self.used[bin].iter_mut().zip(&self.problem.items[item].size).for_each(|(used, size)| *used += size);
        self.at[item] = Some(bin);
    }

    fn take(&mut self, item: usize) {
        let Some(bin) = self.at[item].take() else { return };
        self.used[bin].iter_mut().zip(&self.problem.items[item].size).for_each(|(used, size)| *used -= size);
    }

    fn can(&self, item: usize, left: &[usize]) -> bool {
        let Some(bin) = self.places[item] else { return false };
        let details = &self.problem.items[item];
        let sums = self.used[bin].iter().zip(&details.size).zip(&self.problem.room[bin]);
        sums.into_iter().all(|((used, size), room)| used + size <= *room || *size == 0)
            && details.apart.iter().all(|other| self.at[*other] != Some(bin))
            && details.after.iter().all(|first| !left.contains(first))
    }

    fn go(&mut self, left: &mut Vec<usize>) -> bool {
        if left.is_empty() {
            return true;
        }
        for place in 0..left.len() {
            if self.steps == 0 {
                return false;
            }
            self.steps -= 1;
            let item = left[place];
            if !self.can(item, left) {
                continue;
            }
            let before = self.at[item];
            let bin = self.places[item].expect("what can arrive has a place");
            left.remove(place);
            self.take(item);
            self.put(item, bin);
            self.done.push(item);
            if self.go(left) {
                return true;
            }
            self.done.pop();
            self.take(item);
            if let Some(before) = before {
                self.put(item, before);
            }
            left.insert(place, item);
        }
        false
    }
}
