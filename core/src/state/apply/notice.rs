//! Notices: what is owed to the instances of clones comes, is told, or is dropped with the session of its node.

use super::stale;
use crate::id::{NodeId, ResourceId, SessionId};
use crate::planted::{Mistake, planted};
use crate::state::notice::{NOTICES_KEPT, PHASES};
use crate::state::{
    ActionKind, AgentError, Changes, ClusterState, EventKind, Notice, NoticeStep, Noticed, Notices, Outcome, Refusal,
    Roles, Round, Seen,
};
use std::collections::{BTreeMap, BTreeSet};

impl ClusterState {
    pub(super) fn notice_steps(&mut self, steps: &[NoticeStep]) -> Result<Outcome, Refusal> {
        let mut has_changed = false;
        for step in steps {
            has_changed |= self.notifies(step.resource()) && self.notice_step(step);
        }
        if has_changed { Ok(Outcome::Done) } else { stale("these notices are not wanted any more") }
    }

    fn notice_step(&mut self, step: &NoticeStep) -> bool {
        match step {
            NoticeStep::Open { resource, operation, nodes, todo } => self.open_round(resource, *operation, nodes, todo),
            NoticeStep::Close { resource, number } => self.close_round(resource, *number),
            NoticeStep::Fenced { resource, todo } => self.tell_of_fence(resource, todo),
            NoticeStep::Rest { resource } => {
                let notices = self.notices.get_mut(resource).filter(|it| it.round.is_none() && it.before.is_some());
                let Some(notices) = notices else { return false };
                (notices.before, notices.done) = (None, Changes::default());
                true
            }
        }
    }

    fn open_round(
        &mut self,
        resource: &ResourceId,
        operation: ActionKind,
        nodes: &BTreeSet<NodeId>,
        todo: &Changes,
    ) -> bool {
        if self.notices.get(resource).is_some_and(|notices| notices.round.is_some()) || !PHASES.contains(&operation) {
            return false;
        }
        let before = self.begin_changes(resource);
        let notices = self.notices.entry(resource.clone()).or_default();
        // Of its own operation nothing is named that is not in this batch, or done.
        let mut changes = notices.done.and(todo);
        if let (Some(list), Some(done)) = (changes.of_mut(operation), notices.done.of(operation)) {
            *list = done | nodes;
        }
        let number = self.owe(resource, false, operation, (before, changes.clone()));
        if let Some(notices) = self.notices.get_mut(resource) {
            notices.round = Some(Round { number, operation, nodes: nodes.clone(), changes });
        }
        true
    }

    /// What came of a batch is told; where nothing did, there is nothing to tell.
    fn close_round(&mut self, resource: &ResourceId, number: u64) -> bool {
        let notices = self.notices.get_mut(resource);
        let Some(notices) = notices.filter(|it| it.round.as_ref().is_some_and(|round| round.number == number)) else {
            return false;
        };
        let was_told = notices.working().is_some();
        notices.owed.retain(|notice| notice.is_post);
        let Some(round) = notices.round.take() else { return false };
        let before = notices.before.clone().unwrap_or_default();
        let (operation, is_done) = (round.operation, |node: &&NodeId| self.is_done(resource, node, round.operation));
        let is_told = |node: &&NodeId| is_done(node) || planted(Mistake::TellTheUndone);
        let done: BTreeSet<NodeId> = round.nodes.iter().filter(is_told).cloned().collect();
        if done.is_empty() || !was_told {
            return true;
        }
        let mut changes = round.changes;
        if let Some(notices) = self.notices.get_mut(resource)
            && let (Some(list), Some(told)) = (notices.done.of_mut(operation), changes.of_mut(operation))
        {
            list.extend(done.iter().cloned());
            told.clone_from(list);
        }
        self.owe(resource, true, operation, (before, changes));
        self.record_notice(resource, operation, &done);
        true
    }

    fn is_done(&self, resource: &ResourceId, node: &NodeId, operation: ActionKind) -> bool {
        let seen = self.activity(resource, node).map(|activity| &activity.seen);
        match operation {
            ActionKind::Start => seen.is_some_and(Seen::is_running),
            ActionKind::Promote => seen == Some(&Seen::Promoted),
            ActionKind::Demote => seen == Some(&Seen::Running),
            _ => seen == Some(&Seen::Stopped),
        }
    }

    /// What a fence ended is told like what an operation ended.
    fn tell_of_fence(&mut self, resource: &ResourceId, todo: &Changes) -> bool {
        let Some(notices) = self.notices.get_mut(resource).filter(|notices| !notices.fenced.is_empty()) else {
            return false;
        };
        let fenced = std::mem::take(&mut notices.fenced);
        notices.done = notices.done.and(&fenced);
        let Changes { demote, stop, .. } = notices.done.clone();
        let changes = Changes { demote, stop, ..notices.done.and(todo) };
        let told = (notices.before.clone().unwrap_or_default(), changes);
        for (operation, nodes) in [(ActionKind::Demote, &fenced.demote), (ActionKind::Stop, &fenced.stop)] {
            if !nodes.is_empty() {
                self.owe(resource, true, operation, told.clone());
                self.record_notice(resource, operation, nodes);
            }
        }
        true
    }

    /// Where the clone was when its changes began: now, where they begin now.
    fn begin_changes(&mut self, resource: &ResourceId) -> Roles {
        let now = self.roles(resource);
        self.notices.entry(resource.clone()).or_default().before.get_or_insert(now).clone()
    }

    /// A notice to every instance that is there; its number.
    fn owe(
        &mut self,
        resource: &ResourceId,
        is_post: bool,
        operation: ActionKind,
        (before, changes): (Roles, Changes),
    ) -> u64 {
        let sessions = self.nodes.iter().filter_map(|(node, at)| Some((node.clone(), at.living_session()?.id.clone())));
        let to: BTreeMap<NodeId, SessionId> = sessions.collect();
        let notices = self.notices.entry(resource.clone()).or_default();
        // One entry makes two of a clone at most.
        let first = self.index.saturating_mul(2);
        let number = notices.owed.last().map_or(first, |last| first.max(last.number.saturating_add(1)));
        notices.owed.push(Notice { number, is_post, operation, before, changes, to });
        self.drop_what_nobody_is_owed(resource);
        number
    }

    /// An entry has changed something: what is owed to nobody any more goes.
    pub(super) fn settle_notices(&mut self, outcome: Outcome) -> Outcome {
        let all: Vec<ResourceId> = self.notices.keys().cloned().collect();
        for resource in all {
            self.drop_what_nobody_is_owed(&resource);
            let is_over =
                |it: &Notices| it.before.is_none() && it.round.is_none() && it.owed.is_empty() && it.fenced.is_empty();
            if !self.notifies(&resource) || self.notices.get(&resource).is_some_and(is_over) {
                self.notices.remove(&resource);
            }
        }
        outcome
    }

    fn drop_what_nobody_is_owed(&mut self, resource: &ResourceId) {
        let Some(notices) = self.notices.get(resource) else { return };
        let mut owed = notices.owed.clone();
        for notice in &mut owed {
            let kept = notice.to.keys().filter(|node| self.is_still_owed(resource, notice, node)).cloned();
            let kept: BTreeSet<NodeId> = kept.collect();
            notice.to.retain(|node, _| kept.contains(node));
        }
        owed.retain(|notice| !notice.to.is_empty());
        let late = owed.len().saturating_sub(NOTICES_KEPT);
        owed.drain(..late);
        if let Some(notices) = self.notices.get_mut(resource) {
            notices.owed = owed;
        }
    }

    /// Its host is proven off: what it had was stopped by that, and what was promoted there is not any more.
    pub(super) fn owe_for_fence(&mut self, node: &NodeId, released: &[ResourceId]) {
        for resource in released.iter().filter(|resource| self.notifies(resource)).cloned().collect::<Vec<_>>() {
            let was_promoted = self.may_have_been_promoted(&resource, node);
            self.begin_changes(&resource);
            let Some(notices) = self.notices.get_mut(&resource) else { continue };
            notices.fenced.stop.insert(node.clone());
            if was_promoted {
                notices.fenced.demote.insert(node.clone());
            }
        }
    }

    fn may_have_been_promoted(&self, resource: &ResourceId, node: &NodeId) -> bool {
        self.activity(resource, node).is_some_and(|activity| {
            let changes = activity.claim.as_ref().map(|claim| claim.kind);
            activity.seen == Seen::Promoted || matches!(changes, Some(ActionKind::Promote | ActionKind::Demote))
        })
    }

    /// An instance was told. That its agent failed at that is told to people, and holds nothing up.
    pub(super) fn noticed(&mut self, noticed: &Noticed) -> Result<Outcome, Refusal> {
        let Noticed { speaker, resource, operation, error, took } = noticed;
        let is_notice = |kind: ActionKind| kind == ActionKind::Notify;
        let open = self.activity(resource, &speaker.node).and_then(|activity| activity.claim.as_ref());
        if !open.is_some_and(|claim| is_notice(claim.kind)) {
            return stale(format!("nothing is being told to {resource} on {}", speaker.node));
        }
        let claim = self.take_claim(speaker, resource, *operation)?;
        self.finish_action(claim.action, false);
        self.pay(resource, &speaker.node, claim.notice);
        if let Some(error) = error {
            self.record_deaf(resource, &speaker.node, error);
            self.record_took(*took);
        }
        Ok(Outcome::Done)
    }

    /// Nothing more of this notice is owed to this node.
    pub(super) fn pay(&mut self, resource: &ResourceId, node: &NodeId, number: Option<u64>) {
        let owed = self.notices.get_mut(resource).into_iter().flat_map(|notices| &mut notices.owed);
        for notice in owed.filter(|notice| Some(notice.number) == number) {
            notice.to.remove(node);
        }
    }

    pub(super) fn record_deaf(&mut self, resource: &ResourceId, node: &NodeId, error: &AgentError) {
        let text = format!("notify of {resource} on {node} failed, which holds nothing up: {}", error.text);
        self.record(EventKind::Failed, Some(node), Some(resource), text);
    }

    fn record_notice(&mut self, resource: &ResourceId, operation: ActionKind, nodes: &BTreeSet<NodeId>) {
        let to = self.notices.get(resource).and_then(|notices| notices.owed.last()).map(|notice| &notice.to);
        let to: Vec<&str> = to.into_iter().flatten().map(|(node, _)| node.as_str()).collect();
        if to.is_empty() {
            return;
        }
        let on: Vec<&str> = nodes.iter().map(NodeId::as_str).collect();
        let was = match operation {
            ActionKind::Start => "started",
            ActionKind::Promote => "promoted",
            ActionKind::Demote => "demoted",
            _ => "stopped",
        };
        let text = format!("{resource} on {} is told that it was {was} on {}", to.join(", "), on.join(", "));
        self.record(EventKind::Notified, None, Some(resource), text);
    }
}
