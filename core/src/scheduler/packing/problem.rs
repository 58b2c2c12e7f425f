//! The packing problem without names: items of some size, bins with some room, what may be where. Plain data, and how two
//! answers compare.

use std::cmp::Ordering;

/// Where each item is; `None` is nowhere.
pub(super) type Places = Vec<Option<usize>>;

/// Items to be put into bins.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem {
    /// How many kinds of capacity count.
    pub(super) kinds: usize,
    /// The room of each bin, kind after kind, without what is fixed there.
    pub(super) room: Vec<Vec<i64>>,
    /// What is to be put somewhere.
    pub(super) items: Vec<Item>,
}

/// Resources that must be together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// What it needs, kind after kind.
    pub(super) size: Vec<i64>,
    /// Where it runs now, if it may go on there.
    pub(super) home: Option<usize>,
    /// It runs now, somewhere that is not lost.
    pub(super) is_running: bool,
    /// It runs where it must not stay; only told live.
    pub(super) must_leave: bool,
    /// It can be moved without a stop.
    pub(super) may_move: bool,
    /// What it scores in each bin; nothing where it must not be.
    pub(super) wish: Vec<Option<i64>>,
    /// What must not be in the same bin.
    pub(super) apart: Vec<usize>,
    /// More important ones first.
    pub(super) priority: i64,
    /// What must be somewhere for this one to run.
    pub(super) needs: Vec<usize>,
    /// What must have arrived before this one may leave its home.
    pub(super) after: Vec<usize>,
}

/// How important it is that an item is somewhere: its own or of what needs it. What runs comes before what does not.
pub(super) type Rank = (i64, bool);

impl Problem {
    pub(super) fn is_allowed(&self, item: usize, bin: usize) -> bool {
        self.items[item].wish[bin].is_some()
    }

    /// Items that are not where they were, and still somewhere.
    pub(super) fn moves(&self, places: &[Option<usize>]) -> usize {
        let moved =
            |(item, place): (&Item, &Option<usize>)| item.home.is_some() && place.is_some() && *place != item.home;
        self.items.iter().zip(places).filter(|pair| moved(*pair)).count()
    }

    /// The ranks, with those of what needs an item.
    pub(super) fn ranks(&self) -> Vec<Rank> {
        let mut ranks: Vec<Rank> = self.items.iter().map(|item| (item.priority, item.is_running)).collect();
        // Each round passes a rank on by one; a chain is as long as there are items at most.
        for _ in 0..self.items.len() {
            let mut changed = false;
            for (ix, item) in self.items.iter().enumerate() {
                for needed in &item.needs {
                    if ranks[*needed] < ranks[ix] {
                        (ranks[*needed], changed) = (ranks[ix], true);
                    }
                }
            }
            if !changed {
                break;
            }
        }
        ranks
    }

    /// Takes away what would be somewhere for nothing, since what it needs is nowhere.
    pub(super) fn without_needless(&self, places: &mut Places) {
        loop {
            let lacks = |ix: &usize| self.items[*ix].needs.iter().any(|needed| places[*needed].is_none());
            let Some(ix) = (0..places.len()).find(|ix| places[*ix].is_some() && lacks(ix)) else { return };
            places[ix] = None;
        }
    }

    /// The better answer is greater: more of the most important are somewhere, then fewer moves, then better wishes.
    pub(super) fn compare(&self, a: &[Option<usize>], b: &[Option<usize>]) -> Ordering {
        let classes = self.classes();
        let count = |places: &[Option<usize>], class: &(i64, u8)| {
            (0..places.len()).filter(|ix| self.class(*ix, places[*ix]) == Some(*class)).count()
        };
        for class in classes.iter().rev() {
            let by_class = count(a, class).cmp(&count(b, class));
            if by_class.is_ne() {
                return by_class;
            }
        }
        let by_moves = self.moves(b).cmp(&self.moves(a));
        let wish = |places: &[Option<usize>]| -> i64 {
            self.items.iter().zip(places).filter_map(|(item, place)| item.wish[(*place)?]).sum()
        };
        by_moves.then_with(|| wish(a).cmp(&wish(b)))
    }

    /// As what an item counts in its place. What has to be stopped to get there counts as what does not run: it must not
    /// make room for its like. What must leave its home counts less than what may stay, which is not stopped for it.
    fn class(&self, ix: usize, place: Option<usize>) -> Option<(i64, u8)> {
        let item = &self.items[ix];
        let has_to_go = item.home.is_some() || item.must_leave;
        let is_stopped = has_to_go && place != item.home && !item.may_move;
        let class = if !item.is_running || is_stopped { 0 } else { 1 + u8::from(!item.must_leave) };
        place.map(|_| (item.priority, class))
    }

    /// Every priority with what runs and what does not, least important first.
    fn classes(&self) -> Vec<(i64, u8)> {
        let mut classes: Vec<(i64, u8)> =
            self.items.iter().flat_map(|item| (0..3).map(|class| (item.priority, class))).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Whether an answer keeps every rule.
    pub(super) fn is_valid(&self, places: &[Option<usize>]) -> bool {
        let mut used = vec![vec![0; self.kinds]; self.room.len()];
        for (ix, item) in self.items.iter().enumerate() {
            let Some(bin) = places[ix] else { continue };
            if !self.is_allowed(ix, bin) || item.apart.iter().any(|other| places[*other] == Some(bin)) {
                return false;
            }
            used[bin].iter_mut().zip(&item.size).for_each(|(used, size)| *used += size);
        }
        used.iter().zip(&self.room).all(|(used, room)| used.iter().zip(room).all(|(used, room)| used <= room))
    }
}
