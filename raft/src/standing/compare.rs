//! Which hash of the state is right, by the word of the majority. Pure.

use std::collections::BTreeMap;

use super::HashV1;
use crate::types::MemberId;

/// Hashes by the index they were taken at, and by who took them.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    at: BTreeMap<u64, BTreeMap<MemberId, [u8; 32]>>,
}

/// So many indices are remembered.
const KEPT: usize = 8;

impl Hashes {
    /// Takes in what a member said.
    pub(crate) fn note(&mut self, member: MemberId, hashes: &[HashV1]) {
        for (index, hash) in hashes {
            self.at.entry(*index).or_default().insert(member, *hash);
        }
        while self.at.len() > KEPT {
            self.at.pop_first();
        }
    }

    /// The newest index at which hashes differ: what is right there, and who is wrong. Where no majority of the voters
    /// says the same, the leader's word counts once all that are asked have answered: its state is what was acted on.
    pub(crate) fn verdict(&self, leader: MemberId, voters: &[MemberId]) -> Option<(HashV1, Vec<MemberId>)> {
        self.at.iter().rev().find_map(|(index, said)| {
            let first = said.values().next()?;
            if said.values().all(|hash| hash == first) {
                return None;
            }
            let votes = |hash: &[u8; 32]| voters.iter().filter(|voter| said.get(voter) == Some(hash)).count();
            let by_majority = said.values().find(|hash| votes(hash) > voters.len() / 2);
            let all_said = voters.iter().all(|voter| said.contains_key(voter));
            let right = by_majority.or_else(|| said.get(&leader).filter(|_| all_said))?;
            let wrong = said.iter().filter(|(_, hash)| *hash != right).map(|(member, _)| *member).collect();
            Some(((*index, *right), wrong))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 32] = [1; 32];
    const B: [u8; 32] = [2; 32];

    fn verdict(said: &[(MemberId, [u8; 32])], voters: &[MemberId]) -> Option<(HashV1, Vec<MemberId>)> {
        let mut hashes = Hashes::default();
        said.iter().for_each(|(member, hash)| hashes.note(*member, &[(50, *hash)]));
        hashes.verdict(1, voters)
    }

    #[test]
    fn the_majority_is_right_even_against_the_leader() {
        let voters = [1, 2, 3];
        assert_eq!(verdict(&[(1, A), (2, A), (3, A)], &voters), None);
        assert_eq!(verdict(&[(1, A), (2, A), (3, B)], &voters), Some(((50, A), vec![3])));
        assert_eq!(verdict(&[(1, B), (2, A), (3, A)], &voters), Some(((50, A), vec![1])));
        // A learner is judged and does not judge.
        assert_eq!(verdict(&[(1, A), (2, A), (3, A), (4, B)], &voters), Some(((50, A), vec![4])));
    }

    #[test]
    fn without_a_majority_nobody_is_wrong_before_all_have_spoken() {
        assert_eq!(verdict(&[(1, A), (3, B)], &[1, 2, 3]), None);
        assert_eq!(verdict(&[(1, A), (2, B)], &[1, 2]), Some(((50, A), vec![2])));
    }
}
