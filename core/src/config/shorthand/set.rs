//! Which pairs sets of resources come to, in Pacemaker's meaning.

/// One set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set<'s, T> {
    pub(crate) members: &'s [T],
    /// Whether its members depend on each other.
    pub(crate) is_sequential: bool,
    /// Whether what comes after it needs all of them.
    pub(crate) requires_all: bool,
}

/// Places of two members: of which set, and of which member in it.
pub(crate) type Place = (usize, usize);

/// Who follows whom. Within a set, each follows the one before it, or keeps apart from all before it; of two sets the
/// earlier follows the later.
pub(crate) fn colocated<T>(sets: &[Set<'_, T>], keeps_apart: bool) -> Vec<(Place, Place)> {
    let mut pairs = within(sets, keeps_apart, false).map(|(before, member)| (member, before)).collect::<Vec<_>>();
    pairs.extend(between(sets, First, Last));
    pairs
}

/// What goes before what. Of `never_both` every pair counts.
pub(crate) fn ordered<T>(sets: &[Set<'_, T>], never_both: bool) -> Vec<(Place, Place)> {
    let mut pairs = within(sets, never_both, never_both).collect::<Vec<_>>();
    pairs.extend(between(sets, Last, First));
    pairs
}

/// A member with the one before it, or with all before it.
fn within<'s, T>(
    sets: &'s [Set<'_, T>],
    is_with_all: bool,
    is_regardless: bool,
) -> impl Iterator<Item = (Place, Place)> + 's {
    let counts = move |(_, set): &(usize, &Set<'_, T>)| set.is_sequential || is_regardless;
    sets.iter().enumerate().filter(counts).flat_map(move |(at, set)| {
        (0..set.members.len()).flat_map(move |place| {
            let from = if is_with_all { 0 } else { place.saturating_sub(1) };
            (from..place).map(move |before| ((at, before), (at, place)))
        })
    })
}

enum End {
    First,
    Last,
}
use End::{First, Last};

/// Every two neighbours, by these ends of theirs; of a set that is not sequential all are its end.
fn between<T>(sets: &[Set<'_, T>], left: End, right: End) -> Vec<(Place, Place)> {
    let ends = |at: usize, end: &End| -> Vec<Place> {
        let (set, count) = (&sets[at], sets[at].members.len());
        let places = match end {
            _ if !set.is_sequential => 0..count,
            // The last of them stands for all before it, where all are needed.
            Last if !set.requires_all => 0..count,
            First => 0..count.min(1),
            Last => count.saturating_sub(1)..count,
        };
        places.map(|place| (at, place)).collect()
    };
    let neighbours = (1..sets.len()).map(|at| (ends(at - 1, &left), ends(at, &right)));
    neighbours
        .flat_map(|(lefts, rights)| {
            lefts.into_iter().flat_map(move |l| rights.clone().into_iter().map(move |r| (l, r)))
        })
        .collect()
}
