//! Unfencing: nodes that a device has to let to their storage, before anything that needs that is started or looked for.

use super::action::{Action, Actions, Bond};
use super::{Kind, Model, NodeIx, NodeKind, Requires, Task};

/// The transient attribute that says when a node was unfenced.
const UNFENCED: &str = "#node-unfenced";

/// Adds an unfencing of each node that needs one, before all that waits for it.
pub(super) fn schedule(model: &Model, actions: &mut Actions) {
    if !model.options.unfences || !model.options.fences {
        return;
    }
    for node in (0..model.nodes.len()).filter(|node| can_be(model, *node)) {
        let starts = starts(model, actions, node);
        let Some(reason) = reason(model, actions, &starts, node) else { continue };
        let on = actions.add(Action {
            task: Task::Unfence,
            rsc: None,
            node: Some(node),
            is_optional: false,
            is_runnable: true,
            is_implied: false,
            is_migration: false,
            is_under_way: false,
            reason,
        });
        for start in starts {
            actions.bind(on, start, Bond::ORDER);
        }
    }
}

fn can_be(model: &Model, node: NodeIx) -> bool {
    let at = &model.nodes[node];
    let is_well = at.is_online && !at.is_unclean && !at.is_pending && !at.is_shutting_down;
    let was = at.attributes.get(UNFENCED).is_some_and(|value| value != "0");
    is_well && at.kind == NodeKind::Member && !was
}

/// What is started there and needs it unfenced.
fn starts(model: &Model, actions: &Actions, node: NodeIx) -> Vec<usize> {
    let waits = |action: &Action| {
        let needs = action.rsc.is_some_and(|rsc| model.resources[rsc].requires == Requires::Unfencing);
        action.task == Task::Start && action.node == Some(node) && needs
    };
    (0..actions.all.len()).filter(|ix| waits(&actions.all[*ix])).collect()
}

fn reason(model: &Model, actions: &Actions, starts: &[usize], node: NodeIx) -> Option<String> {
    let needs = |resource: &&super::Resource| {
        resource.kind == Kind::Primitive && (resource.class == "stonith" || resource.requires == Requires::Unfencing)
    };
    let is_looked_for = |resource: &&super::Resource| !resource.known_on.contains(&node);
    // An instance of a clone is looked for wherever it is not known; which one that is has no meaning.
    let single = (0..model.resources.len()).filter(|rsc| model.clone_of(*rsc).is_none());
    let looked = single.map(|rsc| &model.resources[rsc]).filter(needs).find(is_looked_for);
    if let Some(resource) = looked {
        return Some(format!("on: {} is to be looked for there", resource.id));
    }
    let due = starts.iter().map(|ix| &actions.all[*ix]).find(|action| !action.is_optional)?;
    due.rsc.map(|rsc| format!("on: {} is to be started there", model.resources[rsc].id))
}
