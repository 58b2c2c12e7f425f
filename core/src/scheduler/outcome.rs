//! What is told of a transition: its actions in order, and what is where when it is done.

use super::action::{Action, Actions};
use super::lists::Lists;
use super::order::{is_gate, word};
use super::{Kind, Model, NodeIx, Role, Task};
use std::collections::{BTreeMap, BTreeSet};

/// A transition, and the state after it has run with every action doing well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Nodes that are fenced, and why.
    pub fenced: BTreeMap<String, String>,
    /// Those of them that are let to their storage, and go on.
    pub unfenced: BTreeSet<String>,
    /// The actions.
    pub steps: Vec<Step>,
    /// Pairs of places in `steps`: the first is done before the second begins.
    pub order: Vec<(usize, usize)>,
    /// What is where afterwards.
    pub after: Vec<Done>,
    /// What was not understood or is dangerous, in words.
    pub warnings: Vec<String>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// start, stop, promote, demote, `migrate_to`, `migrate_from`, fence
    pub op: &'static str,
    /// Of what; empty for a fence.
    pub resource: String,
    /// Its id without the instance.
    pub base: String,
    /// All instances that do this there.
    pub instances: Vec<String>,
    /// Where.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// A primitive afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which.
    pub resource: String,
    /// Where it is active, and as what.
    pub on: BTreeMap<String, Role>,
}

pub(super) fn conclude(model: &Model, actions: &Actions) -> Outcome {
    let mut outcome = Outcome { warnings: model.warnings.clone(), ..Outcome::default() };
    let is_shown = |action: &Action| {
        let is_pseudo =
            action.is_implied || is_gate(model, action) || (action.task == Task::Start && action.is_migration);
        // A fence device is configuration here: it is used, never started.
        let is_device = action.rsc.is_some_and(|rsc| model.resources[rsc].class == "stonith");
        let is_due = !action.is_optional || action.is_under_way;
        is_due && action.is_runnable && !is_pseudo && !is_device && action.node.is_some()
    };
    let mut places = vec![None; actions.all.len()];
    let mut known: BTreeMap<(Task, &str, NodeIx), usize> = BTreeMap::new();
    for (ix, action) in actions.all.iter().enumerate() {
        if !is_shown(action) {
            continue;
        }
        let Some(at) = action.node else { continue };
        let node = model.nodes[at].name.clone();
        if action.task == Task::Unfence {
            outcome.unfenced.insert(node.clone());
        }
        if matches!(action.task, Task::Fence | Task::Unfence) {
            outcome.fenced.insert(node.clone(), action.reason.clone());
        }
        let (resource, base) = action.rsc.map(|rsc| &model.resources[rsc]).map_or(("", ""), |of| (&of.id, &of.base));
        // Instances that do the same on one node are one step.
        let place = *known.entry((action.task, base, at)).or_insert(outcome.steps.len());
        places[ix] = Some(place);
        if let Some(known) = outcome.steps.get_mut(place) {
            known.instances.push(resource.to_owned());
            continue;
        }
        outcome.steps.push(Step {
            op: word(action.task),
            resource: resource.to_owned(),
            base: base.to_owned(),
            instances: vec![resource.to_owned()],
            node,
            reason: match action.reason.as_str() {
                "" if action.is_under_way => "its start has not ended yet".to_owned(),
                reason => reason.to_owned(),
            },
        });
    }
    outcome.order = order(actions, &places);
    outcome.after = after(model, actions, &is_shown);
    outcome
}

/// The order among what is shown, through what is not.
fn order(actions: &Actions, places: &[Option<usize>]) -> Vec<(usize, usize)> {
    let counts = |ix: usize| !actions.all[ix].is_optional;
    let counted =
        actions.bonds.iter().filter(|(first, then, bond)| !bond.is_exclusive && counts(*first) && counts(*then));
    let next = Lists::of(actions.all.len(), counted.map(|(first, then, _)| (*first, *then)));
    let mut found = BTreeSet::new();
    let mut seen = vec![None; actions.all.len()];
    let mut todo = Vec::new();
    for (ix, place) in places.iter().enumerate() {
        let Some(place) = place else { continue };
        todo.extend(next.at(ix));
        while let Some(at) = todo.pop() {
            if seen[at].replace(ix) == Some(ix) {
                continue;
            }
            match places[at] {
                Some(then) if then == *place => todo.extend(next.at(at)),
                Some(then) => _ = found.insert((*place, then)),
                None => todo.extend(next.at(at)),
            }
        }
    }
    found.into_iter().collect()
}

/// Every primitive after the transition.
fn after(model: &Model, actions: &Actions, is_shown: &dyn Fn(&Action) -> bool) -> Vec<Done> {
    let name = |node: usize| model.nodes[node].name.clone();
    let fenced: BTreeSet<usize> =
        actions.all.iter().filter(|a| a.task == Task::Fence && is_shown(a)).filter_map(|a| a.node).collect();
    let mut all = Vec::with_capacity(model.resources.len());
    // Hardly anything is on more than one node or two.
    let mut on: Vec<(NodeIx, Role)> = Vec::new();
    for (rsc, resource) in model.resources.iter().enumerate() {
        if resource.kind != Kind::Primitive || resource.class == "stonith" {
            continue;
        }
        for node in resource.active_on.iter().filter(|node| !fenced.contains(node)) {
            put(&mut on, *node, resource.role_on.get(node).copied().unwrap_or(resource.role));
        }
        let of = |task: Task| {
            let shown = actions.each(rsc, task).filter(|ix| is_shown(&actions.all[*ix]));
            shown.filter_map(|ix| actions.all[ix].node)
        };
        for node in of(Task::Demote) {
            put(&mut on, node, Role::Unpromoted);
        }
        for node in of(Task::Stop) {
            on.retain(|(at, _)| *at != node);
        }
        let started = model.clone_of(rsc).filter(|(_, spec)| spec.promotion.is_some());
        let role = if started.is_some() { Role::Unpromoted } else { Role::Started };
        for node in of(Task::Start).chain(of(Task::MigrateFrom)) {
            put(&mut on, node, role);
        }
        for node in of(Task::Promote) {
            put(&mut on, node, Role::Promoted);
        }
        let on = on.drain(..).map(|(node, role)| (name(node), role)).collect();
        all.push(Done { resource: resource.id.clone(), on });
    }
    all
}

fn put(on: &mut Vec<(NodeIx, Role)>, node: NodeIx, role: Role) {
    match on.iter_mut().find(|(at, _)| *at == node) {
        Some((_, known)) => *known = role,
        None => on.push((node, role)),
    }
}
