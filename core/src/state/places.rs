//! What is known of one resource on each node, and on which of them that is anything but that it is stopped there.
//!
//! A cluster has nodes times resources pairs, and in all but a few of them nothing is and nothing was. Those few are told
//! apart here whenever something is written, so that a plan need not look at the others. It is derived: it is not stored, and
//! made anew from what is.

use super::Activity;
use crate::id::NodeId;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// One resource on all nodes. It is read like the map that it is stored as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<NodeId, Activity>")]
pub struct Places {
    known: BTreeMap<NodeId, Activity>,
    /// In their order.
    touched: Vec<NodeId>,
}

/// What is known on one node, while it is changed.
pub(crate) struct Change<'p> {
    node: &'p NodeId,
    activity: &'p mut Activity,
    touched: &'p mut Vec<NodeId>,
}

impl Places {
    /// Where there is anything about it but that it is known to be stopped, in the order of the nodes' names.
    pub fn touched(&self) -> impl Iterator<Item = (&NodeId, &Activity)> {
        self.touched.iter().filter_map(|node| self.known.get_key_value(node))
    }

    /// Whether those are told apart rightly.
    pub(super) fn is_sound(&self) -> bool {
        self.touched == touched(&self.known)
    }

    pub(crate) fn get_mut(&mut self, node: &NodeId) -> Option<Change<'_>> {
        let (node, activity) = self.known.range_mut(node..=node).next()?;
        Some(Change { node, activity, touched: &mut self.touched })
    }

    pub(super) fn get_or_insert(&mut self, node: &NodeId, make: impl FnOnce() -> Activity) -> Change<'_> {
        if !self.known.contains_key(node) {
            self.known.insert(node.clone(), make());
        }
        self.get_mut(node).expect("it was inserted where it was not")
    }

    /// Changes what is known on every node.
    pub(crate) fn change_each(&mut self, mut change: impl FnMut(&NodeId, &mut Activity)) {
        self.known.iter_mut().for_each(|(node, activity)| change(node, activity));
        self.touched = touched(&self.known);
    }

    pub(super) fn remove(&mut self, node: &NodeId) {
        self.known.remove(node);
        self.touched.retain(|other| other != node);
    }
}

fn touched(known: &BTreeMap<NodeId, Activity>) -> Vec<NodeId> {
    known.iter().filter(|(_, activity)| activity.is_touched()).map(|(node, _)| node.clone()).collect()
}

impl From<BTreeMap<NodeId, Activity>> for Places {
    fn from(known: BTreeMap<NodeId, Activity>) -> Self {
        Self { touched: touched(&known), known }
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known.serialize(serializer)
    }
}

impl Deref for Places {
    type Target = BTreeMap<NodeId, Activity>;

    fn deref(&self) -> &Self::Target {
        &self.known
    }
}

impl<'p> IntoIterator for &'p Places {
    type Item = (&'p NodeId, &'p Activity);
    type IntoIter = std::collections::btree_map::Iter<'p, NodeId, Activity>;

    fn into_iter(self) -> Self::IntoIter {
        self.known.iter()
    }
}

impl Deref for Change<'_> {
    type Target = Activity;

    fn deref(&self) -> &Activity {
        self.activity
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut Activity {
        self.activity
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        match (self.touched.binary_search(self.node), self.activity.is_touched()) {
            (Err(place), true) => self.touched.insert(place, self.node.clone()),
            (Ok(place), false) => _ = self.touched.remove(place),
            _ => {}
        }
    }
}
