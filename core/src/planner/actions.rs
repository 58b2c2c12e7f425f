//! What is against what is wanted: probes, stops and starts, and which waits for which.

use super::eligible::never_again;
use super::placement::Wanted;
use super::role_order::Goal;
use super::rolling::Renewal;
use super::room::Turns;
use super::survey::Survey;
use super::{Blocked, Plan};
use crate::config::OnFail;
use crate::id::{ActionId, NodeId, Operation, ResourceId};
use crate::planted::{Mistake, planted};
use crate::state::{Action, ActionKind, Activity, ClusterState, Intent, Liveness, NewAction, Seen, Standing};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A look that takes no longer than this to be sure is no news.
const UNSURE_AFTER: Duration = Duration::from_secs(3);

/// Actions that lead from what is to what is wanted.
pub(super) fn changes<'a>(
    state: &'a Survey<'a>,
    wanted: &BTreeMap<ResourceId, Wanted>,
    turns: &Turns,
    plan: &mut Plan,
) {
    let orphan = match state.properties().maintenance_mode {
        true => Wanted::HandsOff,
        false => Wanted::Stopped("it is not configured any more".to_owned()),
    };
    let mut draft = Draft {
        state,
        actions: Vec::new(),
        places: BTreeMap::new(),
        kept: BTreeSet::new(),
        left_out: BTreeSet::new(),
        called_off: BTreeSet::new(),
        wake: None,
        renewals: Vec::new(),
    };
    // Both in the order of ids: fence devices are neither wanted nor known.
    let mut configured = wanted.iter().peekable();
    for id in state.all() {
        let want = match configured.next_if(|(wanted, _)| *wanted == id) {
            Some((_, want)) => want,
            None if state.resources.contains_key(id) => &orphan,
            None => continue,
        };
        if state.primitive(id).is_some_and(|primitive| primitive.clone_spec().is_some()) {
            plan.report.blocked.extend(draft.clone_resource(id, want));
            if let Some(promoted) = plan.report.promoted.get(id) {
                plan.report.blocked.extend(draft.roles(id, want, promoted));
            }
        } else if let Some(blocked) = draft.resource(id, want, None) {
            plan.report.blocked.push(blocked);
        }
    }
    plan.report.blocked.extend(draft.roll());
    draft.start_in_turn();
    let goal = Goal { wanted, promoted: &plan.report.promoted };
    let blocked = draft.constraint_edges(goal);
    plan.report.blocked.extend(blocked);
    plan.report.blocked.extend(draft.room_edges(turns));
    draft.promote_what_stays();
    let told = draft.changes_to_tell(goal);
    draft.demote_before_stops();
    draft.hold_until_told(told, plan);
    draft.settle(plan);
}

pub(super) struct Draft<'a> {
    pub(super) state: &'a Survey<'a>,
    pub(super) actions: Vec<NewAction>,
    /// The places of a resource's actions among them.
    places: BTreeMap<ResourceId, Vec<u32>>,
    /// Planned actions that still fit and are not drafted anew: they wait for what is under way.
    pub(super) kept: BTreeSet<ActionId>,
    /// Drafted actions that have to wait for what no plan can bring yet.
    pub(super) left_out: BTreeSet<u32>,
    /// When something that waits for time alone has waited long enough.
    wake: Option<Timestamp>,
    /// Migrations under way that are not wanted any more.
    pub(super) called_off: BTreeSet<ActionId>,
    /// Instances of clones that have to be restarted.
    pub(super) renewals: Vec<Renewal>,
}

impl Draft<'_> {
    /// What is to be done for one resource, or for the instance of a clone on one node; what it waits for, if it does.
    pub(super) fn resource(&mut self, id: &ResourceId, want: &Wanted, only: Option<&NodeId>) -> Option<Blocked> {
        if self.migration(id, want) || *want == Wanted::HandsOff {
            return None;
        }
        let (mut active, mut failed) = (Vec::new(), Vec::new());
        let (mut busy, mut unknown) = (false, false);
        let (mut waits, mut unsure) = (None, None);
        let state = self.state;
        let touched = state.touched(id).iter().filter(|it| only.is_none_or(|only| only == it.node));
        for (node, touched) in touched.map(|it| (it.node, it)) {
            let Some(at) = touched.at else { continue };
            let standing = touched.standing();
            if standing == Standing::NotActive {
                continue;
            }
            if !at.is_online() {
                if planted(Mistake::LostIsDead) || !self.state.stands_against(id, node) {
                    continue;
                }
                waits = Some(waits_for(self.state, id, node, at.liveness));
                continue;
            }
            match standing {
                Standing::Busy => busy = true,
                Standing::Unknown(_) if at.intent == Intent::Maintenance => unknown = true,
                // It stands there, that much is known: a stop destroys it.
                Standing::Unknown(_) if self.is_paused(id, node) && matches!(want, Wanted::Stopped(_)) => {
                    active.push(node);
                }
                Standing::Unknown(why) => {
                    unknown = true;
                    let final_error = never_again(self.state, id, node);
                    unsure = unsure.or(self.unsure(id, node, &why));
                    if !self.stop_failed(id, node) && final_error.is_none() {
                        let kind = self.resolve(id, node, want);
                        self.add(kind, id, node, why, Vec::new());
                    }
                }
                Standing::Failed(why) => match self.after_failure(id, node) {
                    OnFail::Ignore => active.push(node),
                    OnFail::Block if matches!(want, Wanted::On(..)) => return Some(left_to_a_person(id, node, &why)),
                    // What is to follow of its role is `promotion`'s to say.
                    OnFail::Demote => active.push(node),
                    OnFail::Block | OnFail::Restart | OnFail::Stop | OnFail::Fence => {
                        active.push(node);
                        failed.push(node);
                    }
                },
                // What it did beside another nobody knows: it is started anew.
                Standing::Active if self.is_copy_to_restart(id, node) => {
                    active.push(node);
                    failed.push(node);
                }
                Standing::Active => active.push(node),
                Standing::NotActive => {}
            }
        }
        if busy || unknown {
            if !unknown && waits.is_none() {
                self.keep(id, want, &active, &failed);
            }
            return waits.or(unsure).filter(|_| active.is_empty() && matches!(want, Wanted::On(..)));
        }
        // What failed is stopped where it is, even where it is to be started again.
        self.move_to(id, want, &active, &failed, waits)
    }

    /// What is to follow when a resource is there and does not work.
    fn after_failure(&self, id: &ResourceId, node: &NodeId) -> OnFail {
        let config = &self.state.config;
        let failed = self.state.activity(id, node).map_or("monitor", Activity::failed_operation);
        let spec = self.state.definition(id, node).map(|primitive| primitive.operation(failed, &config.op_defaults));
        spec.map_or(OnFail::Restart, |spec| spec.consequence(self.state.properties().stonith_enabled))
    }

    fn is_copy_to_restart(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.activity(id, node).is_some_and(Activity::is_copy_to_restart)
    }

    fn is_paused(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.activity(id, node).is_some_and(|activity| matches!(activity.seen, Seen::Paused(_)))
    }

    /// What nobody could say for a while and is not wanted is stopped without knowing: the stop has ways of its own.
    fn resolve(&mut self, id: &ResourceId, node: &NodeId, want: &Wanted) -> ActionKind {
        let since = self.state.activity(id, node).filter(|_| matches!(want, Wanted::Stopped(_))).map(|it| it.since);
        let Some(due) = since.map(|since| since.after(UNSURE_AFTER)) else { return ActionKind::Probe };
        if self.state.now >= due {
            return ActionKind::Stop;
        }
        self.wake = Some(self.wake.map_or(due, |wake| wake.min(due)));
        ActionKind::Probe
    }

    /// What stands against a start, when a node could not say for a while whether it has the resource.
    fn unsure(&self, id: &ResourceId, node: &NodeId, why: &str) -> Option<Blocked> {
        let since = self.state.activity(id, node)?.since;
        if self.state.now.since(since) < UNSURE_AFTER {
            return None;
        }
        let is_paused = self.is_paused(id, node);
        let what = if is_paused { "it stands still on" } else { "it may be active on" };
        let mend = is_paused.then(|| format!("resume it on {node}, or: qrm resource stop {id}"));
        Some(Blocked { resource: id.clone(), why: format!("{what} {node}: {why}"), mend })
    }

    /// While one of its actions is under way, what was planned to follow stays planned.
    fn keep(&mut self, id: &ResourceId, want: &Wanted, active: &[&NodeId], failed: &[&NodeId]) {
        let target = match want {
            Wanted::On(node, _) => Some(node),
            Wanted::Stopped(_) | Wanted::HandsOff | Wanted::Each(_) => None,
        };
        let still_fits = |action: &&Action| match action.kind {
            ActionKind::Start => target == Some(&action.node),
            ActionKind::Stop => {
                active.contains(&&action.node) && (target != Some(&action.node) || failed.contains(&&action.node))
            }
            ActionKind::Probe
            | ActionKind::Migrate
            | ActionKind::Incoming
            | ActionKind::Handover
            | ActionKind::Reload
            | ActionKind::Promote
            | ActionKind::Demote
            | ActionKind::Notify => false,
        };
        let planned = self.state.actions.values().filter(|action| action.resource == *id && !action.claimed);
        self.kept.extend(planned.filter(still_fits).map(|action| action.id));
    }

    fn move_to(
        &mut self,
        id: &ResourceId,
        want: &Wanted,
        active: &[&NodeId],
        failed: &[&NodeId],
        waits: Option<Blocked>,
    ) -> Option<Blocked> {
        let (target, reason) = match want {
            Wanted::On(node, reason) => (Some(node), reason),
            Wanted::Stopped(reason) => (None, reason),
            Wanted::HandsOff | Wanted::Each(_) => return None,
        };
        let unwatched = |node: &&&NodeId| self.state.node(node).is_some_and(|at| at.intent == Intent::Maintenance);
        if let (Some(node), 2..) = (active.iter().find(unwatched), active.len()) {
            let why =
                format!("it runs elsewhere too than on {node}, which is in maintenance: nothing is stopped blindly");
            let mend = Some(format!("when it is at rest: qrm node ready {node}"));
            return Some(Blocked { resource: id.clone(), why, mend });
        }
        if waits.is_some() && active.len() == 1 && target.is_some_and(|target| !active.contains(&target)) {
            // It could be stopped and not be started: it runs on until it can move.
            return waits;
        }
        if let (&[source], Some(target)) = (active, target)
            && source != target
            && !failed.contains(&source)
            && self.may_migrate(id, source, target)
        {
            self.add_migration(id, source, target, reason);
            return None;
        }
        let mut stops = Vec::new();
        for node in active.iter().filter(|node| Some(**node) != target || failed.contains(node)) {
            if self.stop_failed(id, node) {
                return None;
            }
            let why = match target {
                Some(target) if target == *node && self.is_copy_to_restart(id, node) => {
                    "it was active on more than one node, and is started again".to_owned()
                }
                Some(target) if target == *node => "it failed, and is started again".to_owned(),
                Some(target) if active.len() == 1 => self.why_it_moves(id, node, target, reason),
                Some(_) => "it is active on more than one node".to_owned(),
                None => reason.clone(),
            };
            stops.push(self.add(ActionKind::Stop, id, node, why, Vec::new()));
        }
        if let (&[node], Some(target)) = (active, target)
            && node == target
            && failed.is_empty()
            && waits.is_none()
        {
            self.take_over(id, node);
            return None;
        }
        let Some(target) = target.filter(|target| !active.contains(target)) else {
            return waits.filter(|_| active.is_empty() && target.is_none_or(|target| !self.held_at(id, target)));
        };
        if waits.is_some() {
            return waits.filter(|_| !self.held_at(id, target));
        }
        if planted(Mistake::SkipOneCopy) {
            stops.clear();
        }
        if let Some(rest) = self.rest(id, target) {
            return Some(rest);
        }
        self.add(ActionKind::Start, id, target, format!("it should run, and runs nowhere: {reason}"), stops);
        None
    }

    /// A guest that crashes as soon as it runs is not restarted in a hot loop.
    fn rest(&mut self, id: &ResourceId, target: &NodeId) -> Option<Blocked> {
        let activity = self.state.activity(id, target)?;
        let until = activity.rests_until().filter(|until| *until > self.state.now)?;
        self.wake = Some(self.wake.map_or(until, |wake| wake.min(until)));
        let crashes = activity.crashes;
        let last = activity.last_failure.as_ref().map_or(until, |failure| failure.at);
        let why = format!(
            "it crashed {crashes} times in a row on {target}: it is started again {} s after the last crash",
            until.since(last).as_secs()
        );
        Some(Blocked { resource: id.clone(), why, mend: Some(format!("at once: qrm resource cleanup {id}")) })
    }

    /// It is where it should be, on a node that is only looked after.
    fn held_at(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.nodes.get(node).is_some_and(|at| at.liveness != Liveness::Lost)
            && self.state.standing(id, node) != Standing::NotActive
    }

    pub(super) fn stop_failed(&self, id: &ResourceId, node: &NodeId) -> bool {
        self.state.activity(id, node).is_some_and(|activity| activity.stop_failed)
    }

    pub(super) fn add(
        &mut self,
        kind: ActionKind,
        id: &ResourceId,
        node: &NodeId,
        reason: String,
        after_new: Vec<u32>,
    ) -> u32 {
        let basis = self.state.activity(id, node).map_or(Operation(0), |activity| activity.operation);
        let place = u32::try_from(self.actions.len()).expect("a plan has fewer actions than a u32 counts");
        self.places.entry(id.clone()).or_default().push(place);
        self.actions.push(NewAction {
            kind,
            resource: id.clone(),
            node: node.clone(),
            peer: None,
            basis,
            after_new,
            after: Vec::new(),
            reason,
        });
        place
    }

    /// What is drafted of a resource, in the order of drafting.
    pub(super) fn drafts_of(&self, id: &ResourceId) -> impl Iterator<Item = (u32, &NewAction)> {
        let places = self.places.get(id).into_iter().flatten();
        places.map(|place| (*place, &self.actions[*place as usize]))
    }

    /// Actions of a resource that are under way, or planned and not drafted anew.
    pub(super) fn pending(&self, id: &ResourceId, kinds: &[ActionKind]) -> Vec<ActionId> {
        let is_pending = |action: &&Action| action.claimed || self.kept.contains(&action.id);
        let of_it = self.state.actions.values().filter(|action| action.resource == *id && kinds.contains(&action.kind));
        of_it.filter(is_pending).map(|action| action.id).collect()
    }

    /// Whether this planned action stays though it is not drafted anew.
    pub(super) fn is_kept(&self, id: ActionId) -> bool {
        self.kept.contains(&id)
    }

    pub(super) fn find(&self, kind: ActionKind, id: &ResourceId) -> Vec<u32> {
        self.drafts_of(id).filter(|(_, action)| action.kind == kind).map(|(place, _)| place).collect()
    }

    /// Keeps what is planned already, cancels what is not wanted any more, adds the rest.
    fn settle(self, plan: &mut Plan) {
        let Self { state, actions, mut kept, left_out, called_off, wake, .. } = self;
        plan.wake = plan.wake.into_iter().chain(wake).min();
        let existing: BTreeMap<(ActionKind, &ResourceId, &NodeId), &Action> =
            state.actions.values().map(|action| ((action.kind, &action.resource, &action.node), action)).collect();
        let mut place_of: BTreeMap<u32, Result<u32, ActionId>> = BTreeMap::new();
        let mut waiting: Vec<(u32, NewAction)> =
            (0..).zip(actions).filter(|(place, _)| !left_out.contains(place)).collect();
        let mut added: BTreeSet<(ResourceId, NodeId)> = BTreeSet::new();
        // What waits for others comes after them; what waits for itself in a circle of orders never comes.
        loop {
            let is_ready = |action: &NewAction| action.after_new.iter().all(|before| place_of.contains_key(before));
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, action)| is_ready(action));
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for (place, mut action) in ready {
                // One at a time of a resource on a node: what follows there is planned on what this one comes to.
                let of = (action.resource.clone(), action.node.clone());
                if added.contains(&of) || is_second(state, &kept, &action) {
                    continue;
                }
                let (new, old): (Vec<_>, Vec<_>) =
                    action.after_new.iter().map(|before| place_of[before]).partition(Result::is_ok);
                action.after_new = new.into_iter().filter_map(Result::ok).collect();
                action.after.extend(old.into_iter().filter_map(Result::err));
                let planned = existing.get(&(action.kind, &action.resource, &action.node));
                let planned = planned.filter(|planned| planned.peer == action.peer);
                if let Some(planned) = planned.filter(|planned| waits_enough(planned, &action)) {
                    kept.insert(planned.id);
                    place_of.insert(place, Err(planned.id));
                    continue;
                }
                place_of.insert(
                    place,
                    Ok(u32::try_from(plan.add.len()).expect("a plan has fewer actions than a u32 counts")),
                );
                added.insert(of);
                plan.add.push(action);
            }
        }
        plan.cancel = state
            .actions
            .values()
            .filter(|action| !action.claimed && !kept.contains(&action.id))
            .map(|action| action.id)
            .chain(called_off)
            .collect();
    }
}

/// Whether another action of this resource on this node is planned already that comes before.
fn is_second(state: &ClusterState, kept: &BTreeSet<ActionId>, action: &NewAction) -> bool {
    let mut old = state.actions.values().filter(|other| other.claimed || kept.contains(&other.id));
    old.any(|other| other.resource == action.resource && other.node == action.node && other.kind != action.kind)
}

fn left_to_a_person(id: &ResourceId, node: &NodeId, why: &str) -> Blocked {
    let mend = Some(format!("mend it on {node}, then: qrm resource cleanup {id}"));
    Blocked { resource: id.clone(), why: format!("it does not work on {node}: {why}"), mend }
}

/// Whether an action that is planned already waits for everything that it has to wait for by now.
fn waits_enough(planned: &Action, drafted: &NewAction) -> bool {
    planned.claimed
        || (drafted.after_new.is_empty() && drafted.after.iter().all(|before| planned.after.contains(before)))
}

fn waits_for(state: &Survey<'_>, id: &ResourceId, node: &NodeId, liveness: Liveness) -> Blocked {
    let intent = state.intents.get(node);
    let braked = intent.filter(|intent| intent.open_attempt().is_none()).and_then(|_| state.brake(node));
    let error = braked.as_deref().or(intent.and_then(|intent| intent.last_error()));
    let why = match error {
        None if let Some(wait) = state.fence_wait(node) => {
            format!("it may be active on {node}, which is {liveness}, and the fence of {node} waits {}", wait.why)
        }
        Some(error) => format!("it may be active on {node}, which is {liveness} and could not be fenced: {error}"),
        None => format!("it may be active on {node}, which is {liveness}: it waits for the proof that {node} is off"),
    };
    let unfenceable = error.is_some() || !state.has_fence(node);
    let mend = (liveness == Liveness::Lost && unfenceable)
        .then(|| format!("make sure that {node} is off, then: qrm node confirm-off {node}"));
    Blocked { resource: id.clone(), why, mend }
}
