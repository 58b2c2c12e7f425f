//! What a store shows of itself, and what its peers remember of it: an older one is found out.
//!
//! A member that came back with less than it once acknowledged could vote again, or help to lose what was committed;
//! openraft itself only asserts against it. So before any raft traffic a member shows how often its store was opened, its
//! vote and its last entry, and peers that have seen more refuse it. What they have seen is kept on their disks. It is
//! pure here: `record` keeps, `task` talks.

pub(crate) mod compare;
pub(crate) mod record;
pub(crate) mod roll;
pub(crate) mod task;

use serde::{Deserialize, Serialize};

use crate::types::MemberId;
use crate::wire::{LogIdV1, VoteV1};

/// What a member shows before it takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShowV1 {
    /// The store's id.
    pub(crate) store: String,
    /// How often it was opened; it rises with each start.
    pub(crate) opened: u64,
    /// Drawn at this start: two that show the same count are told apart.
    pub(crate) run: u64,
    pub(crate) vote: Option<VoteV1>,
    pub(crate) last: Option<LogIdV1>,
}

/// The answer: nothing, or why the store is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShowReplyV1 {
    pub(crate) refused: Option<String>,
}

/// The most that was seen of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenV1 {
    pub(crate) store: String,
    pub(crate) opened: u64,
    pub(crate) run: u64,
    pub(crate) vote: Option<VoteV1>,
    /// The last committed entry it acknowledged. What was not committed may be gone.
    pub(crate) acknowledged: Option<LogIdV1>,
}

/// A state's hash: after which entry, and what.
pub(crate) type HashV1 = (u64, [u8; 32]);

/// From the leader to all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TellV1 {
    pub(crate) seen: Vec<(MemberId, SeenV1)>,
    /// The state's hash as it is right, by the word of the majority.
    pub(crate) right: Option<HashV1>,
}

/// Where a member stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TellReplyV1 {
    pub(crate) hashes: Vec<HashV1>,
    pub(crate) last: Option<u64>,
    pub(crate) purged: Option<u64>,
    pub(crate) applied: Option<u64>,
    pub(crate) snapshot: Option<u64>,
    pub(crate) disk_percent: u8,
    pub(crate) full: bool,
}

/// How a vote compares: only a lower one tells of a store that lost something.
fn is_lower(shown: Option<VoteV1>, seen: VoteV1) -> bool {
    let Some(shown) = shown else { return true };
    shown.term < seen.term || shown.term == seen.term && seen.committed && !shown.committed
}

fn is_higher(new: VoteV1, than: Option<VoteV1>) -> bool {
    than.is_none_or(|old| (new.term, new.committed) > (old.term, old.committed))
}

impl SeenV1 {
    /// Why a store that shows this is not the one that was seen, or an older copy of it.
    pub(crate) fn refuses(&self, shown: &ShowV1) -> Option<String> {
        if !self.store.is_empty() && self.store != shown.store {
            return Some(format!("store {} has this raft id, and store {} asks for it", self.store, shown.store));
        }
        if shown.opened < self.opened {
            return Some(format!(
                "it was opened {} times so far, and {} times were seen: an older copy of this store",
                shown.opened, self.opened
            ));
        }
        if shown.opened == self.opened && self.run != 0 && shown.run != self.run {
            return Some(format!(
                "it shows opening {}, and another start has shown that: an older copy of this store, or a second one",
                shown.opened
            ));
        }
        if let Some(seen) = self.vote.filter(|seen| is_lower(shown.vote, *seen)) {
            let term = shown.vote.map_or(0, |vote| vote.term);
            return Some(format!("its vote is of term {term}, and one of term {} was seen: an older copy", seen.term));
        }
        let less = |seen: &LogIdV1| shown.last.is_none_or(|last| last.index < seen.index || last.term < seen.term);
        if let Some(seen) = self.acknowledged.filter(less) {
            let last = shown.last.map_or(0, |last| last.index);
            return Some(format!(
                "its log ends at entry {last}, and it had acknowledged entry {}: an older copy",
                seen.index
            ));
        }
        None
    }

    /// Remembers what was shown; answers whether that is more than was known.
    pub(crate) fn note_shown(&mut self, shown: &ShowV1) -> bool {
        let before = self.clone();
        self.store.clone_from(&shown.store);
        (self.opened, self.run) = (shown.opened, shown.run);
        if let Some(vote) = shown.vote {
            self.note_vote(vote);
        }
        *self != before
    }

    /// Remembers a vote.
    pub(crate) fn note_vote(&mut self, vote: VoteV1) -> bool {
        let more = is_higher(vote, self.vote);
        if more {
            self.vote = Some(vote);
        }
        more
    }

    /// Remembers an acknowledged entry that is committed.
    pub(crate) fn note_acknowledged(&mut self, id: LogIdV1) -> bool {
        let more = self.acknowledged.is_none_or(|known| known.index < id.index);
        if more {
            self.acknowledged = Some(id);
        }
        more
    }

    /// Takes over what another has seen.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let before = self.clone();
        if other.opened > self.opened {
            self.store.clone_from(&other.store);
            (self.opened, self.run) = (other.opened, other.run);
        }
        if let Some(vote) = other.vote {
            self.note_vote(vote);
        }
        if let Some(id) = other.acknowledged {
            self.note_acknowledged(id);
        }
        *self != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64, committed: bool) -> VoteV1 {
        VoteV1 { term, node: 1, committed }
    }

    fn shown(opened: u64, term: u64, last: u64) -> ShowV1 {
        let last = Some(LogIdV1 { term, index: last });
        ShowV1 { store: "s".to_owned(), opened, run: opened * 10, vote: Some(vote(term, true)), last }
    }

    fn seen() -> SeenV1 {
        let mut seen = SeenV1::default();
        assert_eq!(seen.refuses(&shown(3, 7, 100)), None);
        assert!(seen.note_shown(&shown(3, 7, 100)));
        assert!(seen.note_acknowledged(LogIdV1 { term: 7, index: 120 }));
        seen
    }

    #[test]
    fn who_comes_back_with_all_it_had_is_taken() {
        let seen = seen();
        assert_eq!(seen.refuses(&shown(4, 7, 120)), None);
        assert_eq!(seen.refuses(&shown(4, 9, 500)), None);
        // The same start shows itself again.
        assert_eq!(seen.refuses(&shown(3, 7, 130)), None);
        // An uncommitted tail may shrink: nothing of it was remembered.
        assert_eq!(seen.refuses(&shown(5, 8, 120)), None);
    }

    #[test]
    fn who_comes_back_with_less_is_refused() {
        let seen = seen();
        let refused = |shown: ShowV1, word: &str| {
            let why = seen.refuses(&shown).unwrap_or_default();
            assert!(why.contains(word), "{shown:?}: {why}");
        };
        refused(shown(2, 7, 200), "opened 2 times");
        refused(ShowV1 { run: 5, ..shown(3, 7, 200) }, "opening 3");
        refused(shown(4, 6, 200), "term 6");
        refused(ShowV1 { vote: Some(vote(7, false)), ..shown(4, 7, 200) }, "term 7");
        refused(ShowV1 { vote: None, ..shown(4, 7, 200) }, "term 0");
        refused(shown(4, 7, 119), "ends at entry 119");
        refused(ShowV1 { last: Some(LogIdV1 { term: 6, index: 300 }), ..shown(4, 7, 0) }, "acknowledged entry 120");
        refused(ShowV1 { last: None, ..shown(4, 7, 0) }, "ends at entry 0");
        refused(ShowV1 { store: "other".to_owned(), ..shown(4, 7, 200) }, "store s has this raft id");
    }

    #[test]
    fn what_others_saw_counts_and_never_lowers() {
        let mut mine = SeenV1::default();
        assert!(mine.merge(&seen()) && !mine.merge(&seen()));
        assert!(mine.refuses(&shown(4, 7, 119)).is_some());
        assert!(!mine.merge(&SeenV1::default()));
        assert_eq!(mine, seen());
        assert!(!mine.note_vote(vote(6, true)) && mine.note_vote(vote(8, false)));
    }
}
