//! Spreads what actions need and cannot do along their bonds, until nothing changes.

use super::due::Due;
use crate::scheduler::action::{ActIx, Action, Actions, Bond};
use crate::scheduler::lists::Lists;
use crate::scheduler::{Kind, Model, Role, RscIx, Task};
use crate::score::Score;

pub(super) fn spread(model: &Model, actions: &mut Actions) {
    let ends = actions.bonds.iter().enumerate();
    let touching = Lists::of(actions.all.len(), ends.flat_map(|(ix, (first, then, _))| [(*first, ix), (*then, ix)]));
    let parts = actions.any.iter().enumerate();
    let parts = parts.flat_map(|(ix, any)| any.each.iter().flatten().map(move |action| (*action, ix)));
    let counted = Lists::of(actions.all.len(), parts);
    let all: Vec<usize> = (0..actions.any.len()).collect();
    close_gates(model, actions, &all);
    for action in 0..actions.all.len() {
        forsake(model, actions, action);
    }
    let mut due = Due::all(actions.bonds.len());
    // Each round makes an action needed or impossible, never the reverse: it ends.
    while let Some(ix) = due.first() {
        let (first, then, bond) = actions.bonds[ix];
        let mut todo = update(model, actions, first, then, bond);
        while let Some(changed) = todo.pop() {
            touching.at(changed).for_each(|ix| due.insert(ix));
            let gates: Vec<usize> = counted.at(changed).collect();
            todo.extend(close_gates(model, actions, &gates));
            todo.extend(forsake(model, actions, changed));
        }
    }
}

/// One bond; answers which actions changed.
fn update(model: &Model, actions: &mut Actions, first: ActIx, then: ActIx, bond: Bond) -> Vec<ActIx> {
    let mut changed = Vec::new();
    let (one, other) = (actions.all[first].bare(), actions.all[then].bare());
    let mut need = |actions: &mut Actions, ix: ActIx, why: String| {
        if actions.all[ix].is_optional {
            actions.all[ix].is_optional = false;
            if actions.all[ix].reason.is_empty() {
                actions.all[ix].reason = why;
            }
            changed.push(ix);
        }
    };
    if bond.first_needs_then
        && !one.is_optional
        && !(one.is_migration && is_replaced(&one.task))
        && other.node_or_gate()
    {
        need(actions, then, format!("it comes after {}", name(model, actions, first)));
    }
    if bond.then_needs_first && !other.is_optional && !other.is_migration {
        need(actions, first, format!("{} depends on it", name(model, actions, then)));
    }
    if bond.makes_way {
        let is_managed = other.rsc.is_some_and(|rsc| model.resources[rsc].is_managed);
        if !other.is_runnable && is_managed {
            need(actions, first, "it cannot be started".to_owned());
        } else if !other.is_optional && !other.is_migration {
            need(actions, first, "it is restarted".to_owned());
        }
    }
    let is_barred = (bond.blocks && !actions.all[first].is_runnable && !is_done(model, &one))
        || (bond.is_one_way && !actions.all[first].is_runnable && !is_happening(model, &other));
    let is_stop = |action: &Action| action.task == Task::Stop;
    let is_blocked = |action: &Action| action.rsc.is_some_and(|rsc| model.resources[rsc].is_blocked);
    let is_held = (bond.then_needs_first && is_stuck(model, &actions.all[first]))
        || (bond.first_needs_then && is_stop(&one) && is_stop(&other) && is_blocked(&one) && !one.is_runnable);
    if (is_barred || is_held) && actions.all[then].is_runnable {
        actions.all[then].is_runnable = false;
        changed.push(then);
        changed.extend(call_off(actions, then));
    }
    // An instance can be left behind at the source, unless it moves itself and is waited for at the target.
    let is_left = other.rsc.is_some_and(|rsc| {
        model.clone_of(rsc).is_some() && actions.each(rsc, Task::Start).all(|start| actions.all[start].is_optional)
    });
    let breaks = bond.then_needs_first && !other.is_optional && !other.is_migration && !is_left;
    if breaks && actions.all[first].is_migration {
        changed.extend(call_off(actions, first));
    }
    if bond.makes_way
        && !actions.all[first].is_optional
        && !actions.all[first].is_runnable
        && actions.all[then].is_runnable
    {
        // What cannot be stopped cannot be started elsewhere.
        actions.all[then].is_runnable = false;
        changed.push(then);
    }
    changed
}

/// What is needed and cannot be done, because nobody may touch it.
fn is_stuck(model: &Model, action: &Action) -> bool {
    let is_hands_off = |rsc: RscIx| !model.resources[rsc].is_managed || model.resources[rsc].is_blocked;
    !action.is_optional && !action.is_runnable && action.node.is_some() && action.rsc.is_some_and(is_hands_off)
}

/// What was to migrate is stopped and started instead.
pub(super) fn call_off(actions: &mut Actions, ix: ActIx) -> Vec<ActIx> {
    let Some(rsc) = actions.all[ix].rsc.filter(|_| actions.all[ix].is_migration) else { return Vec::new() };
    let mut changed = Vec::new();
    for task in [Task::MigrateTo, Task::MigrateFrom, Task::Stop, Task::Start] {
        for part in actions.of(rsc, task) {
            let action = &mut actions.all[part];
            if action.is_migration {
                action.is_migration = false;
                action.is_optional |= matches!(task, Task::MigrateTo | Task::MigrateFrom);
                changed.push(part);
            }
        }
    }
    changed
}

/// A start or stop that a live migration takes the place of.
fn is_replaced(task: &Task) -> bool {
    matches!(task, Task::Start | Task::Stop)
}

/// What need not be done because it is so already.
fn is_done(model: &Model, action: &Action) -> bool {
    let Some(rsc) = action.rsc else { return false };
    let resource = &model.resources[rsc];
    match action.task {
        Task::Start => {
            action.is_optional
                && action.node.is_some()
                && !resource.active_on.is_empty()
                && resource.role >= Role::Started
        }
        Task::Promote => action.is_optional && resource.role == Role::Promoted,
        _ => false,
    }
}

/// Whether what the second action brings about is so already.
fn is_happening(model: &Model, action: &Action) -> bool {
    let Some(rsc) = action.rsc else { return false };
    let role = model.primitives(rsc).into_iter().map(|part| model.resources[part].role).max();
    match action.task {
        Task::Start => action.is_optional && role >= Some(Role::Started),
        Task::Stop => role <= Some(Role::Stopped),
        _ => false,
    }
}

/// Closes the gates that stand for too few actions that can be done; answers which.
fn close_gates(model: &Model, actions: &mut Actions, concerned: &[usize]) -> Vec<ActIx> {
    let mut closed = Vec::new();
    for ix in concerned {
        let any = &actions.any[*ix];
        let can = |action: &ActIx| {
            let action = &actions.all[*action];
            action.node.is_some() && (action.is_runnable || is_done(model, action))
        };
        let count = any.each.iter().filter(|one| !one.is_empty() && one.iter().all(can)).count();
        let gate = any.gate;
        if count < any.min && actions.all[gate].is_runnable {
            actions.all[gate].is_runnable = false;
            closed.push(gate);
        }
    }
    closed
}

/// What must be with a resource that cannot be started cannot be started either.
fn forsake(model: &Model, actions: &mut Actions, changed: ActIx) -> Vec<ActIx> {
    let action = &actions.all[changed];
    let Some(rsc) = action.rsc.filter(|_| action.task == Task::Start && !action.is_runnable) else { return Vec::new() };
    if is_done(model, action) || model.resources[rsc].kind != Kind::Primitive || !model.resources[rsc].is_managed {
        return Vec::new();
    }
    let group = model.resources[rsc].parent.filter(|parent| matches!(model.resources[*parent].kind, Kind::Group(_)));
    let lists = [Some(rsc), group].into_iter().flatten().flat_map(|of| &model.resources[of].followed);
    let bound = lists.filter(|ix| {
        let colocation = &model.colocations[**ix];
        colocation.score == Score::INFINITY && colocation.with_role.is_none() && colocation.role.is_none()
    });
    let dependents: Vec<RscIx> = bound.map(|ix| model.colocations[*ix].resource).collect();
    let mut forsaken = Vec::new();
    for part in dependents.into_iter().flat_map(|dependent| model.primitives(dependent)) {
        for start in actions.of(part, Task::Start) {
            if actions.all[start].is_runnable {
                actions.all[start].is_runnable = false;
                forsaken.push(start);
                forsaken.extend(call_off(actions, start));
            }
        }
    }
    forsaken
}

fn name(model: &Model, actions: &Actions, ix: ActIx) -> String {
    let action = &actions.all[ix];
    let of = action.rsc.map(|rsc| model.resources[rsc].id.clone()).unwrap_or_default();
    format!("{} of {of}", word(action.task))
}

/// An action's name as people and agents know it.
pub(in crate::scheduler) fn word(task: Task) -> &'static str {
    match task {
        Task::Start => "start",
        Task::Started => "started",
        Task::Stop => "stop",
        Task::Stopped => "stopped",
        Task::Promote => "promote",
        Task::Promoted => "promoted",
        Task::Demote => "demote",
        Task::Demoted => "demoted",
        Task::MigrateTo => "migrate_to",
        Task::MigrateFrom => "migrate_from",
        // Pacemaker calls it a fence too: `Fence (on)`.
        Task::Fence | Task::Unfence => "fence",
        Task::Reload => "reload-agent",
    }
}

impl Action {
    /// Whether it can be needed at all: a gate, or an action somewhere.
    fn node_or_gate(&self) -> bool {
        self.node.is_some() || self.is_implied
    }
}

/// Whether this is a collective's gate.
pub(in crate::scheduler) fn is_gate(model: &Model, action: &Action) -> bool {
    action.rsc.is_some_and(|rsc| model.resources[rsc].kind != Kind::Primitive)
}
