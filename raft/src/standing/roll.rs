//! Whom a store shows itself to: the members, as its own log has them or as another member's log that is newer.
//!
//! Who was away while others came back under new raft ids, or were removed, finds too few of those it knows; and a store
//! that holds no membership knows nobody. Members that take part tell such a one how the members are now. It opens
//! nothing by that: a majority of those it is told of has to take its store. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::types::{MemberId, Node, StoredMembership};
use crate::wire::{LogIdV1, MembershipV1};

/// The same, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RollV1 {
    at: Option<LogIdV1>,
    membership: MembershipV1,
}

/// A membership, and where in the log it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    at: Option<LogIdV1>,
    /// Those who vote: one set, or two that have to agree while it changes.
    sets: Vec<BTreeSet<MemberId>>,
    nodes: BTreeMap<MemberId, Node>,
}

impl Roll {
    pub(crate) fn of(membership: &StoredMembership) -> Self {
        let nodes = membership.membership().nodes().map(|(id, node)| (*id, node.clone())).collect();
        Self {
            at: membership.log_id().as_ref().map(Into::into),
            sets: membership.membership().get_joint_config().clone(),
            nodes,
        }
    }

    /// Later in the log, by the order in which logs are compared for a vote.
    fn is_newer_than(&self, other: &Self) -> bool {
        let at = |roll: &Self| roll.at.map(|id| (id.term, id.index));
        at(self) > at(other)
    }

    /// Whether this says more to a member than what its own log has. What names it not is not about it.
    pub(crate) fn is_news_to(&self, me: MemberId, own: &Self) -> bool {
        self.nodes.contains_key(&me) && self.is_newer_than(own)
    }

    /// Takes over what is newer.
    pub(crate) fn renew(&mut self, other: Self) -> bool {
        let is_newer = other.is_newer_than(self);
        if is_newer {
            *self = other;
        }
        is_newer
    }

    /// Whether those who took the store of a member are, with it, a majority of each set. A majority of a membership that
    /// is in any log shares a member with each that could commit before it: with each that this store could have promised
    /// something to.
    pub(crate) fn is_enough(&self, me: MemberId, taken: &BTreeSet<MemberId>) -> bool {
        let has = |id: &&MemberId| **id == me || taken.contains(*id);
        !self.sets.is_empty() && self.sets.iter().all(|set| set.iter().filter(has).count() > set.len() / 2)
    }

    /// All but this one.
    pub(crate) fn others(&self, me: MemberId) -> impl Iterator<Item = (MemberId, Node)> {
        self.nodes.iter().filter(move |(id, _)| **id != me).map(|(id, node)| (*id, node.clone()))
    }
}

impl From<&Roll> for RollV1 {
    fn from(roll: &Roll) -> Self {
        let node = |(id, node): (&MemberId, &Node)| (*id, node.into());
        let configs = roll.sets.iter().map(|set| set.iter().copied().collect()).collect();
        Self { at: roll.at, membership: MembershipV1 { configs, nodes: roll.nodes.iter().map(node).collect() } }
    }
}

impl TryFrom<RollV1> for Roll {
    type Error = CodecError;

    fn try_from(sent: RollV1) -> Result<Self, CodecError> {
        let membership = sent.membership.into_membership()?;
        Ok(Self::of(&StoredMembership::new(sent.at.map(Into::into), membership)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll(term: u64, index: u64, sets: &[&[u64]]) -> Roll {
        let sets: Vec<BTreeSet<u64>> = sets.iter().map(|set| set.iter().copied().collect()).collect();
        let nodes = sets.iter().flatten().map(|id| (*id, Node::default())).collect();
        Roll { at: Some(LogIdV1 { term, index }), sets, nodes }
    }

    #[test]
    fn a_majority_of_each_set_has_to_take_it() {
        let three = roll(1, 1, &[&[1, 2, 3]]);
        assert!(!three.is_enough(1, &[].into()));
        assert!(three.is_enough(1, &[3].into()));
        assert!(roll(1, 1, &[&[1]]).is_enough(1, &[].into()));
        // A learner counts for nothing.
        assert!(!three.is_enough(4, &[1].into()) && three.is_enough(4, &[1, 2].into()));
        // Three of the five in both sets, and one of the old three.
        let changing = roll(1, 1, &[&[1, 2, 3], &[1, 4, 5]]);
        assert!(!changing.is_enough(1, &[4, 5].into()) && changing.is_enough(1, &[2, 4].into()));
        assert!(!Roll::default().is_enough(1, &[2, 3].into()), "who knows nobody asks nobody");
    }

    #[test]
    fn only_what_is_newer_and_names_it_is_news() {
        let own = roll(3, 10, &[&[1, 2, 3]]);
        assert!(roll(3, 20, &[&[1, 5, 6]]).is_news_to(1, &own));
        assert!(roll(2, 1, &[&[1, 5, 6]]).is_news_to(1, &Roll::default()), "one that knows nobody takes any");
        assert!(!roll(3, 10, &[&[1, 5, 6]]).is_news_to(1, &own));
        assert!(!roll(2, 30, &[&[1, 5, 6]]).is_news_to(1, &own), "of an older term");
        assert!(!roll(4, 20, &[&[4, 5, 6]]).is_news_to(1, &own), "it is no member there");
        let mut held = own.clone();
        assert!(!held.renew(roll(3, 9, &[&[1]])) && held == own);
        assert!(held.renew(roll(4, 9, &[&[1, 2]])) && held.is_enough(1, &[2].into()));
    }

    #[test]
    fn it_is_sent_and_read_again_and_nonsense_is_refused() {
        let changing = roll(4, 7, &[&[1, 2, 3], &[1, 4, 5]]);
        assert_eq!(Roll::try_from(RollV1::from(&changing)), Ok(changing));
        let no_node = RollV1 { at: None, membership: MembershipV1 { configs: vec![vec![1]], nodes: Vec::new() } };
        assert!(Roll::try_from(no_node).is_err());
    }
}
