//! Which colocation binds what to what, with no circle among them. Whoever follows in a circle would chase itself; so a
//! bond that would close one is read the other way round: who is kept apart, or drawn together, stays the same.

use crate::config::InRole;
use crate::id::ResourceId;
use crate::score::Score;
use crate::state::ClusterState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// One colocation: `resource` follows `with`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bond<'s> {
    pub(super) id: &'s str,
    pub(super) score: Score,
    pub(super) resource: &'s ResourceId,
    pub(super) with: &'s ResourceId,
    pub(super) role: Option<InRole>,
    pub(super) with_role: Option<InRole>,
}

/// All colocations by name.
pub(super) fn bonds(state: &ClusterState) -> Vec<Bond<'_>> {
    let all = state.config.colocations.iter();
    let counts = |bond: &Bond<'_>| bond.score != Score::ZERO && bond.resource != bond.with;
    let read = all.map(|(id, it)| {
        let (role, with_role) = (it.role, it.with_role);
        Bond { id, score: it.score, resource: &it.resource, with: &it.with, role, with_role }
    });
    let mut bonds: Vec<Bond<'_>> = in_sum(read.filter(&counts)).into_iter().filter(&counts).collect();
    let circles = circles(&bonds);
    let is_in_one = |bond: &Bond<'_>| circles.contains(bond.resource) && circles.contains(bond.with);
    let mut open: Vec<usize> = (0..bonds.len()).filter(|place| is_in_one(&bonds[*place])).collect();
    // What is forbidden stands first, then what must be, then the stronger wish.
    open.sort_by_key(|place| {
        let score = bonds[*place].score;
        (!score.forbids(), Reverse(score.value().abs()))
    });
    let mut followed: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    for place in open {
        let bond = &mut bonds[place];
        if leads(&followed, bond.with, bond.resource) {
            std::mem::swap(&mut bond.resource, &mut bond.with);
            std::mem::swap(&mut bond.role, &mut bond.with_role);
        }
        followed.entry(bond.resource).or_default().push(bond.with);
    }
    // What was turned round may be wished of the same two already.
    in_sum(bonds.into_iter()).into_iter().filter(counts).collect()
}

/// What is wished of the same two more than once is one wish, by its first name: for and against each other they would be rounded
/// apart.
fn in_sum<'s>(bonds: impl Iterator<Item = Bond<'s>>) -> Vec<Bond<'s>> {
    let mut all: Vec<Bond<'s>> = Vec::new();
    let is_wish = |bond: &Bond<'_>| !bond.score.forbids() && bond.score != Score::INFINITY;
    let ends = |bond: &Bond<'s>| (bond.resource, bond.with, bond.role, bond.with_role);
    let mut wishes: BTreeMap<_, usize> = BTreeMap::new();
    for bond in bonds {
        let place = is_wish(&bond).then(|| *wishes.entry(ends(&bond)).or_insert(all.len()));
        match place.and_then(|place| all.get_mut(place)) {
            Some(first) => {
                let most = Score::INFINITY.value() - 1;
                first.score = Score::new((first.score.value() + bond.score.value()).clamp(-most, most));
            }
            None => all.push(bond),
        }
    }
    all
}

/// What is left when everything that follows nothing is taken away, again and again: circles, and what follows them.
fn circles<'s>(bonds: &[Bond<'s>]) -> BTreeSet<&'s ResourceId> {
    let mut followers: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    let mut follows: BTreeMap<&ResourceId, usize> = BTreeMap::new();
    for bond in bonds {
        followers.entry(bond.with).or_default().push(bond.resource);
        follows.entry(bond.with).or_default();
        *follows.entry(bond.resource).or_default() += 1;
    }
    let mut free: Vec<&ResourceId> = follows.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        follows.remove(id);
        for follower in followers.get(id).into_iter().flatten() {
            if let Some(count) = follows.get_mut(follower) {
                *count -= 1;
                if *count == 0 {
                    free.push(follower);
                }
            }
        }
    }
    follows.into_keys().collect()
}

/// Whether one follows another, directly or not.
fn leads(followed: &BTreeMap<&ResourceId, Vec<&ResourceId>>, from: &ResourceId, to: &ResourceId) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(followed.get(at).into_iter().flatten());
        }
    }
    false
}
