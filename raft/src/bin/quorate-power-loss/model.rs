//! What the store was told, what it acknowledged, and so what it must still hold.

use std::collections::BTreeMap;

use quorate_raft::probe::{Contents, Item};

/// What the writer says between the store's calls to the kernel.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// An operation was handed to the store.
    Begun(usize, Operation),
    /// The store said it is durable.
    Acknowledged(usize),
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Append(Vec<Item>),
    Vote(u64, u64),
    /// Everything from this index on is removed.
    TruncateFrom(u64),
    /// Everything up to this index is removed.
    Purge(u64),
}

impl Operation {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Append(items) => {
                let ends: Vec<_> = items.iter().map(|(term, index, data)| (*term, *index, data.len())).collect();
                format!("append {ends:?}")
            }
            other => format!("{other:?}"),
        }
    }
}

/// What one index may hold: the newest acknowledged entry, or one begun later, or nothing if
/// a removal was begun later.
#[derive(Debug, Clone, Default)]
struct Slot<'a> {
    allowed: Vec<&'a Item>,
    may_be_missing: bool,
}

/// What a store may hold at a moment.
#[derive(Debug, Default)]
pub(crate) struct Model<'a> {
    slots: BTreeMap<u64, Slot<'a>>,
    votes: Vec<(u64, u64)>,
    vote_may_be_missing: bool,
    purged_least: Option<u64>,
    purged_most: Option<u64>,
    pub(crate) acknowledged: usize,
}

impl<'a> Model<'a> {
    /// From what was there at first and the notes since, in order.
    pub(crate) fn new(before: &'a Contents, notes: impl Iterator<Item = &'a Note>) -> Self {
        let mut model = Self {
            votes: before.vote.into_iter().collect(),
            vote_may_be_missing: before.vote.is_none(),
            purged_least: before.purged,
            purged_most: before.purged,
            ..Self::default()
        };
        for item in &before.entries {
            model.slots.insert(item.1, Slot { allowed: vec![item], may_be_missing: false });
        }
        let mut open: BTreeMap<usize, &Operation> = BTreeMap::new();
        for note in notes {
            match note {
                Note::Begun(number, operation) => {
                    model.begin(operation);
                    open.insert(*number, operation);
                }
                Note::Acknowledged(number) => {
                    model.acknowledged += 1;
                    if let Some(operation) = open.remove(number) {
                        model.acknowledge(operation);
                    }
                }
            }
        }
        model
    }

    fn begin(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Append(items) => {
                for item in items {
                    let slot = self.slots.entry(item.1);
                    slot.or_insert(Slot { allowed: Vec::new(), may_be_missing: true }).allowed.push(item);
                }
            }
            Operation::Vote(term, node) => self.votes.push((*term, *node)),
            Operation::TruncateFrom(index) => {
                self.slots.range_mut(index..).for_each(|(_, slot)| slot.may_be_missing = true);
            }
            Operation::Purge(index) => {
                self.slots.range_mut(..=index).for_each(|(_, slot)| slot.may_be_missing = true);
                self.purged_most = Some(*index);
            }
        }
    }

    fn acknowledge(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Append(items) => {
                for item in items {
                    self.slots.insert(item.1, Slot { allowed: vec![item], may_be_missing: false });
                }
            }
            Operation::Vote(term, node) => {
                self.votes.retain(|vote| *vote >= (*term, *node));
                self.vote_may_be_missing = false;
            }
            Operation::TruncateFrom(index) => drop(self.slots.split_off(index)),
            Operation::Purge(index) => {
                self.slots = self.slots.split_off(&(index + 1));
                self.purged_least = Some(*index);
            }
        }
    }

    /// Whether a store holds what it must and nothing it was never given.
    pub(crate) fn check(&self, found: &Contents) -> Result<(), String> {
        match found.vote {
            None if self.vote_may_be_missing => {}
            Some(vote) if self.votes.contains(&vote) => {}
            other => return Err(format!("the vote is {other:?}, it may be {:?}", self.votes)),
        }
        if found.purged < self.purged_least || found.purged > self.purged_most {
            let (least, most) = (self.purged_least, self.purged_most);
            return Err(format!("purged up to {:?}, not within {least:?}..={most:?}", found.purged));
        }
        let held: BTreeMap<u64, &Item> = found.entries.iter().map(|item| (item.1, item)).collect();
        for (index, slot) in &self.slots {
            match held.get(index) {
                Some(item) if slot.allowed.contains(item) => {}
                None if slot.may_be_missing => {}
                None => return Err(format!("acknowledged entry {index} is lost")),
                Some(item) => return Err(format!("entry {index} of term {} is not the one written", item.0)),
            }
        }
        match held.keys().find(|index| !self.slots.contains_key(index)) {
            Some(index) => Err(format!("entry {index} is back, though its removal was acknowledged")),
            None => Ok(()),
        }
    }
}
