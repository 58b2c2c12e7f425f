//! Moves and bans: how they begin, and the four ways in which they end.

use super::stale;
use crate::id::{NodeId, ResourceId};
use crate::state::ClusterState;
use crate::state::{Ended, EventKind, Outcome, Preference, Refusal, Wish};
use std::time::Duration;

impl ClusterState {
    pub(super) fn prefer(
        &mut self,
        actor: &str,
        resource: &ResourceId,
        node: &NodeId,
        wish: Wish,
        lasts: Option<Duration>,
    ) -> Result<Outcome, Refusal> {
        let invalid = |why: String| Err(Refusal::Invalid(why));
        if self.config.primitives.get(resource).is_none_or(|primitive| primitive.is_fence_device()) {
            return invalid(format!("there is no resource {resource}"));
        }
        if !self.nodes.contains_key(node) {
            return invalid(format!("there is no node {node}"));
        }
        let until = lasts.map(|lasts| self.now.after(lasts));
        let of_it = self.preferences.entry(resource.clone()).or_default();
        if wish != Wish::Ban {
            // A resource goes one way at a time.
            of_it.retain(|_, other| other.wish == Wish::Ban);
        }
        let preference = Preference { wish, by: actor.to_owned(), at: self.now, until };
        let text = format!("{actor} asked for {resource}: {}{}", preference.words(node), lifetime(lasts));
        of_it.insert(node.clone(), preference);
        self.cancel_unclaimed_for(resource);
        self.record(EventKind::Preference, Some(node), Some(resource), text);
        Ok(Outcome::Done)
    }

    pub(super) fn clear(
        &mut self,
        actor: &str,
        resource: &ResourceId,
        node: Option<&NodeId>,
    ) -> Result<Outcome, Refusal> {
        let of_it = self.preferences.get(resource);
        let gone: Vec<NodeId> = of_it
            .into_iter()
            .flat_map(|nodes| nodes.keys())
            .filter(|about| node.is_none_or(|node| node == *about))
            .cloned()
            .collect();
        if gone.is_empty() {
            return Err(Refusal::Invalid(format!("nobody asked for {resource} to be moved or banned")));
        }
        self.cancel_unclaimed_for(resource);
        for about in gone {
            self.end_preference(resource, &about, &format!("{actor} cleared it"));
        }
        Ok(Outcome::Done)
    }

    pub(super) fn end_preferences(&mut self, ended: &[Ended]) -> Result<Outcome, Refusal> {
        let stands = |one: &&Ended| {
            let found = self.preferences.get(&one.resource).and_then(|nodes| nodes.get(&one.node));
            found.is_some_and(|preference| preference.at == one.at)
        };
        let standing: Vec<Ended> = ended.iter().filter(stands).cloned().collect();
        if standing.is_empty() {
            return stale("none of these was still asked for");
        }
        for one in standing {
            self.end_preference(&one.resource, &one.node, &one.why);
        }
        Ok(Outcome::Done)
    }

    /// What is over by time goes.
    pub(super) fn wake(&mut self) -> Result<Outcome, Refusal> {
        let now = self.now;
        let all = self.preferences.iter();
        let over: Vec<(ResourceId, NodeId)> = all
            .flat_map(|(resource, nodes)| nodes.iter().map(move |(node, one)| (resource, node, one)))
            .filter(|(_, _, one)| one.is_over(now))
            .map(|(resource, node, _)| (resource.clone(), node.clone()))
            .collect();
        for (resource, node) in over {
            self.end_preference(&resource, &node, "its lifetime is over");
        }
        for (resource, node, at) in self.failures_that_lapse() {
            if at > now {
                continue;
            }
            if let Some(mut activity) = self.resources.get_mut(&resource).and_then(|nodes| nodes.get_mut(&node)) {
                activity.forget_failures();
            }
            let text = format!("the failures of {resource} on {node} are forgotten after its failure-timeout");
            self.record(EventKind::Preference, Some(&node), Some(&resource), text);
        }
        Ok(Outcome::Done)
    }

    fn end_preference(&mut self, resource: &ResourceId, node: &NodeId, why: &str) {
        let Some(nodes) = self.preferences.get_mut(resource) else { return };
        let Some(preference) = nodes.remove(node) else { return };
        if nodes.is_empty() {
            self.preferences.remove(resource);
        }
        let text = format!("{resource} is free again of its {}: {why}", preference.words(node));
        self.record(EventKind::Preference, Some(node), Some(resource), text);
    }
}

fn lifetime(lasts: Option<Duration>) -> String {
    lasts.map_or_else(String::new, |lasts| format!(", for {} s", lasts.as_secs()))
}
