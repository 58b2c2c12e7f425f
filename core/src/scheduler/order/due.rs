//! What is still to be looked at: a set of small numbers that gives its smallest first.

/// Bits, and for each word of bits one that says whether it has any; so on up to a single word.
pub(super) struct Due(Vec<Vec<u64>>);

impl Due {
    /// All numbers below this.
    pub(super) fn all(count: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = count;
        loop {
            let full = |word: usize| match bits - word * 64 {
                0 => 0,
                left @ 1..64 => (1 << left) - 1,
                _ => u64::MAX,
            };
            let words = bits.div_ceil(64).max(1);
            levels.push((0..words).map(full).collect());
            if words == 1 {
                return Self(levels);
            }
            bits = words;
        }
    }

    /// Adds a number below the count.
    pub(super) fn insert(&mut self, number: usize) {
        let mut at = number;
        for level in &mut self.0 {
            level[at / 64] |= 1 << (at % 64);
            at /= 64;
        }
    }

    /// Takes the smallest.
    pub(super) fn first(&mut self) -> Option<usize> {
        let mut at = 0;
        for level in self.0.iter().rev() {
            let word = level[at];
            if word == 0 {
                return None;
            }
            at = at * 64 + word.trailing_zeros() as usize;
        }
        let mut taken = at;
        for level in &mut self.0 {
            level[taken / 64] &= !(1 << (taken % 64));
            if level[taken / 64] != 0 {
                break;
            }
            taken /= 64;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::Due;
    use std::collections::BTreeSet;

    #[test]
    fn it_gives_what_a_sorted_set_gives() {
        for count in [0, 1, 63, 64, 65, 4096, 4097, 300_000] {
            let (mut due, mut known) = (Due::all(count), (0..count).collect::<BTreeSet<usize>>());
            let mut seed = 1_usize;
            for _ in 0..2000 {
                let first = due.first();
                assert_eq!(first, known.pop_first(), "of {count}");
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if count > 0 && seed.is_multiple_of(3) {
                    let number = (seed >> 20) % count;
                    due.insert(number);
                    known.insert(number);
                }
            }
            let rest: Vec<usize> = std::iter::from_fn(|| due.first()).collect();
            assert!(rest.into_iter().eq(known), "of {count}");
        }
    }
}
