//! Changes that people ask for: configuration, a node's intent, cleanup.

use super::stale;
use crate::config::{Config, ConfigPatch, Primitive};
use crate::id::{NodeId, ResourceId};
use crate::state::{
    ARMING_LEVEL, Activity, ClusterState, EventKind, Intent, Outcome, REVISIONS_KEPT, Refusal, Revision, Seen, Severity,
};
use std::collections::BTreeMap;

impl ClusterState {
    pub(super) fn configure(
        &mut self,
        actor: &str,
        base: u64,
        patch: &ConfigPatch,
        diff: &str,
    ) -> Result<Outcome, Refusal> {
        if base != self.revision {
            return stale(format!(
                "the configuration is at revision {} by now, and this change was made from {base}: look at it again and repeat the change",
                self.revision
            ));
        }
        let mut new = self.config.clone();
        patch.apply_to(&mut new);
        let shared = self.one_disk(&new);
        if !shared.is_empty() {
            let each: Vec<String> = shared.iter().map(ToString::to_string).collect();
            return Err(Refusal::Invalid(each.join("\n")));
        }
        let old = std::mem::replace(&mut self.config, new);
        self.settle_unlooked(&old);
        self.keep_definitions(&old);
        self.renew_treatment();
        self.forget_mended(&old);
        self.revision += 1;
        self.revisions.push_back(Revision {
            number: self.revision,
            actor: actor.to_owned(),
            at: self.now,
            diff: diff.to_owned(),
        });
        while self.revisions.len() > REVISIONS_KEPT {
            self.revisions.pop_front();
        }
        self.forget_sensors(&old);
        if self.level >= ARMING_LEVEL {
            self.renew_drills(&old);
        }
        self.first_look(&old);
        self.forget_gone();
        let configured = &self.config.primitives;
        self.preferences.retain(|resource, _| configured.contains_key(resource));
        self.cancel_planned(|action| !action.claimed);
        self.record(
            EventKind::Configured,
            None,
            None,
            format!("{actor} changed the configuration (revision {})", self.revision),
        );
        Ok(Outcome::Revision(self.revision))
    }

    /// What runs and was not started by a claim is stopped by what was configured until now; what is no longer
    /// configured at all is also looked for by that.
    fn keep_definitions(&mut self, old: &Config) {
        for (resource, primitive) in &old.primitives {
            let configured = self.config.primitives.get(resource);
            if configured == Some(primitive) {
                continue;
            }
            let definitions: BTreeMap<NodeId, Primitive> =
                self.nodes.keys().map(|node| (node.clone(), self.definition_on(primitive, node))).collect();
            let Some(places) = self.resources.get_mut(resource) else { continue };
            places.change_each(|node, activity| {
                let is_there = !matches!(activity.seen, Seen::Stopped | Seen::Unknown(_));
                if (is_there || (configured.is_none() && !activity.is_stopped())) && activity.definition.is_none() {
                    activity.definition = definitions.get(node).or(Some(primitive)).cloned();
                }
            });
        }
    }

    /// discovery: what is configured no more, and was not looked for on a node, is not looked for there now.
    fn settle_unlooked(&mut self, old: &Config) {
        let now = self.now;
        for (resource, looked_for) in &old.shorthand.looked_for {
            if self.config.primitives.contains_key(resource) {
                continue;
            }
            let Some(places) = self.resources.get_mut(resource) else { continue };
            places.change_each(|node, activity| {
                let is_unknown = matches!(activity.seen, Seen::Unknown(_)) && activity.claim.is_none();
                if is_unknown && activity.definition.is_none() && looked_for.forbids(node).is_some() {
                    activity.see(Seen::Stopped, now);
                }
            });
        }
    }

    /// What runs is what it was started as, and is treated as it is configured now: how often it is looked at, how long its
    /// operations may take and what their failures mean, and whether it is an instance of a clone. Else what ran before it
    /// was made promotable would have no role, and would be stopped without having been demoted.
    fn renew_treatment(&mut self) {
        for (resource, primitive) in &self.config.primitives {
            let Some(places) = self.resources.get_mut(resource) else { continue };
            places.change_each(|_, activity| {
                let definition = activity.definition.as_mut();
                let Some(definition) = definition.filter(|it| it.agent == primitive.agent) else { return };
                definition.operations.clone_from(&primitive.operations);
                if primitive.clone_spec().is_some() {
                    definition.clone_as(primitive);
                }
            });
        }
    }

    /// An agent that could not work with what it was given gets another chance when that was changed.
    fn forget_mended(&mut self, old: &Config) {
        for (resource, primitive) in &old.primitives {
            let as_before = |now: &Primitive| {
                now.agent == primitive.agent && now.params == primitive.params && now.ruled == primitive.ruled
            };
            if self.config.primitives.get(resource).is_none_or(as_before) {
                continue;
            }
            let Some(places) = self.resources.get_mut(resource) else { continue };
            places.change_each(|_, activity| {
                if activity.last_failure.as_ref().is_some_and(|failure| failure.severity > Severity::Soft) {
                    activity.last_failure = None;
                    activity.failures = 0;
                    activity.failed.clear();
                }
            });
        }
    }

    /// first-look: a resource that is new or managed again is Unknown on every session not ended, until it was looked
    /// for there.
    fn first_look(&mut self, old: &Config) {
        let (first, now) = (self.first_operation(), self.now);
        let living: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(node, state)| state.living_session().is_some() && !self.is_witness(node))
            .map(|(node, _)| node.clone())
            .collect();
        let vms = self.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device()).map(|(id, _)| id);
        let new: Vec<ResourceId> = vms
            .filter(|id| !old.primitives.contains_key(*id) || (old.is_hands_off(id) && !self.config.is_hands_off(id)))
            .cloned()
            .collect();
        for resource in new {
            let is_new = !old.primitives.contains_key(&resource);
            let why = if is_new { "newly defined" } else { "managed again; to be looked at" };
            let nodes = self.resources.entry(resource).or_default();
            for node in &living {
                let unknown = || Activity { operation: first, ..Activity::unknown(why, now) };
                let mut activity = nodes.get_or_insert(node, unknown);
                // What lives on as an orphan keeps its claim and its number, and runs on where it ran.
                if activity.claim.is_none() && !(is_new && activity.seen.is_running()) {
                    activity.operation = activity.operation.next();
                    activity.see(Seen::Unknown(why.to_owned()), now);
                }
            }
        }
    }

    pub(super) fn set_intent(&mut self, actor: &str, node: &NodeId, intent: Intent) -> Result<Outcome, Refusal> {
        let now = self.now;
        let Some(state) = self.nodes.get_mut(node) else {
            return Err(Refusal::Invalid(format!("there is no node {node}")));
        };
        let was = std::mem::replace(&mut state.intent, intent);
        // Whoever wants it back calls a shutdown off, where one was asked for.
        state.leaving &= intent != Intent::Active;
        state.asked = None;
        let living = state.living_session().is_some();
        if was == Intent::Maintenance && intent != Intent::Maintenance && living {
            // first-look: nobody watched while it was in maintenance.
            for mut activity in self.resources.values_mut().filter_map(|nodes| nodes.get_mut(node)) {
                if activity.claim.is_none() {
                    activity.operation = activity.operation.next();
                    activity.see(Seen::Unknown("its node was in maintenance; to be looked at".to_owned()), now);
                }
            }
        }
        self.cancel_unclaimed_of(node);
        self.record(EventKind::Intent, Some(node), None, format!("{actor} set {node} to {}", intent.word()));
        Ok(Outcome::Done)
    }

    pub(super) fn cleanup(
        &mut self,
        actor: &str,
        resource: &ResourceId,
        node: Option<&NodeId>,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let is_gone = !self.config.primitives.contains_key(resource);
        let Some(nodes) = self.resources.get_mut(resource) else {
            return Err(Refusal::Invalid(format!("there is no resource {resource}")));
        };
        nodes.change_each(|name, activity| {
            // Where an orphan is stopped there is nothing to look for it by.
            if node.is_some_and(|node| node != name) || (is_gone && activity.is_stopped()) {
                return;
            }
            activity.forget_failures();
            activity.stop_failed = false;
            if activity.claim.is_none() && !activity.seen.is_running() {
                activity.operation = activity.operation.next();
                activity.see(Seen::Unknown("cleaned up; to be looked at".to_owned()), now);
            }
        });
        // A node that was proven dead needs no look.
        self.settle_ended(resource);
        self.cancel_unclaimed_for(resource);
        self.record(EventKind::Configured, node, Some(resource), format!("{actor} cleaned up {resource}"));
        Ok(Outcome::Done)
    }

    fn settle_ended(&mut self, resource: &ResourceId) {
        let now = self.now;
        let living: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, state)| state.living_session().is_some())
            .map(|(node, _)| node.clone())
            .collect();
        if let Some(nodes) = self.resources.get_mut(resource) {
            nodes.change_each(|node, activity| {
                if !living.contains(node) {
                    activity.see(Seen::Stopped, now);
                }
            });
        }
    }
}

impl Intent {
    /// The word of the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "online",
            Self::Standby => "standby",
            Self::Maintenance => "maintenance",
            Self::Drain => "drain",
        }
    }
}
