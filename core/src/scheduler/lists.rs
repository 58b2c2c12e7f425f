//! Many short lists in one piece of memory: what touches each action of thousands.

/// A list of numbers for each of several places.
pub(super) struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Lists for so many places, from pairs of place and item; a list keeps the pairs' order.
    pub(super) fn of(places: usize, pairs: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let mut starts = vec![0_u32; places + 1];
        for (place, _) in pairs.clone() {
            starts[place + 1] += 1;
        }
        for place in 0..places {
            starts[place + 1] += starts[place];
        }
        let mut items = vec![0; starts[places] as usize];
        let mut ends = starts.clone();
        for (place, item) in pairs {
            items[ends[place] as usize] = u32::try_from(item).expect("no plan has four thousand million of anything");
            ends[place] += 1;
        }
        Self { starts, items }
    }

    /// The list of one place.
    pub(super) fn at(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let (from, to) = (self.starts[place] as usize, self.starts[place + 1] as usize);
        self.items[from..to].iter().map(|item| *item as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Lists;

    #[test]
    fn every_place_has_its_items_in_order() {
        let pairs = [(2, 7), (0, 1), (2, 5), (3, 9), (2, 6)];
        let lists = Lists::of(5, pairs.into_iter());
        let all: Vec<Vec<usize>> = (0..5).map(|place| lists.at(place).collect()).collect();
        assert_eq!(all, [vec![1], vec![], vec![7, 5, 6], vec![9], vec![]]);
        assert_eq!(Lists::of(0, std::iter::empty()).items.len(), 0);
    }
}
