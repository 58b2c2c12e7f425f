//! From configured orders to bonds between actions: collectives by their gates or members, interleaved clones instance
//! by instance, live migrations by their halves.

use crate::scheduler::action::{Actions, AnyOf, Bond};
use crate::scheduler::{Kind, Model, NodeIx, Order, OrderEnd, OrderForce, Role, RscIx, Task};
use std::collections::BTreeMap;

/// What an order ends in.
type OrderEndKey = (RscIx, Task);

/// Every configured order, and the reverse of those that are symmetrical.
pub(super) fn constraints(model: &Model, actions: &mut Actions) {
    let mut any: BTreeMap<(&str, OrderEndKey), Vec<OrderEnd>> = BTreeMap::new();
    for order in &model.orders {
        if !order.requires_all && !matches!(model.resources[order.first.resource].kind, Kind::Clone(_)) {
            let key = (order.then.resource, order.then.task);
            any.entry((order.id.as_str(), key)).or_default().push(order.first);
            continue;
        }
        one(model, actions, order);
        let reverse = |end: OrderEnd| Some(OrderEnd { resource: end.resource, task: opposite(end.task)? });
        // Where any of several suffices, none of them needs what waits for it to stop.
        let is_any = match &model.resources[order.first.resource].kind {
            Kind::Clone(spec) => !order.requires_all || spec.min > 0,
            _ => false,
        };
        if order.is_symmetrical
            && order.force != OrderForce::Serialize
            && let (Some(first), Some(then)) = (reverse(order.then), reverse(order.first))
        {
            let bond = match order.force {
                OrderForce::Mandatory if !is_any => Bond { then_needs_first: true, ..Bond::ORDER },
                _ => Bond::ORDER,
            };
            between(model, actions, (first.resource, first.task), (then.resource, then.task), bond);
        }
    }
    for ((_, then), firsts) in any {
        any_of(model, actions, &firsts, then);
    }
}

/// What waits for any one of several.
fn any_of(model: &Model, actions: &mut Actions, firsts: &[OrderEnd], (then, task): OrderEndKey) {
    let gate = actions.free_gate();
    let mut each = Vec::new();
    for first in firsts {
        let ends = parts(model, actions, first.resource, first.task);
        bind_all(actions, &ends, &[gate], Bond { first_needs_then: true, ..Bond::ORDER });
        each.push(ends);
    }
    let begins = begins(model, actions, then, task);
    bind_all(actions, &[gate], &begins, Bond { blocks: true, ..Bond::ORDER });
    actions.any.push(AnyOf { gate, min: 1, each });
}

fn one(model: &Model, actions: &mut Actions, order: &Order) {
    if let Kind::Clone(spec) = &model.resources[order.first.resource].kind
        && (!order.requires_all || spec.min > 0)
        && order.force == OrderForce::Mandatory
    {
        // Enough of it are enough, wherever they are.
        let gate = actions.gate(order.first.resource, done(order.first.task));
        let begins = begins(model, actions, order.then.resource, order.then.task);
        bind_all(actions, &[gate], &begins, Bond { blocks: true, ..Bond::ORDER });
        return;
    }
    let begins = matches!(order.first.task, Task::Start | Task::Promote);
    let bond = match order.force {
        OrderForce::Mandatory if order.is_symmetrical => Bond { first_needs_then: true, blocks: begins, ..Bond::ORDER },
        OrderForce::Mandatory => Bond { is_one_way: true, ..Bond::ORDER },
        OrderForce::Optional => Bond::ORDER,
        OrderForce::Serialize => Bond { is_exclusive: true, ..Bond::ORDER },
    };
    let (first, then) = ((order.first.resource, order.first.task), (order.then.resource, order.then.task));
    between(model, actions, first, then, bond);
}

fn opposite(task: Task) -> Option<Task> {
    match task {
        Task::Start => Some(Task::Stop),
        Task::Stop => Some(Task::Start),
        Task::Promote => Some(Task::Demote),
        Task::Demote => Some(Task::Promote),
        _ => None,
    }
}

/// What stands for the end of a collective's action.
fn done(task: Task) -> Task {
    match task {
        Task::Start => Task::Started,
        Task::Stop => Task::Stopped,
        Task::Promote => Task::Promoted,
        Task::Demote => Task::Demoted,
        other => other,
    }
}

/// Binds an action of one resource to one of another.
pub(in crate::scheduler) fn between(
    model: &Model,
    actions: &mut Actions,
    (first, first_task): (RscIx, Task),
    (then, then_task): (RscIx, Task),
    bond: Bond,
) {
    if let (Kind::Clone(firsts), Kind::Clone(thens)) = (&model.resources[first].kind, &model.resources[then].kind) {
        // What depends says whether it waits for its neighbour alone; for stops that is the other end.
        let (decides, other) =
            if matches!(first_task, Task::Stop | Task::Demote) { (firsts, thens) } else { (thens, firsts) };
        if decides.is_interleaved && other.min == 0 {
            interleave(model, actions, (&firsts.instances, first_task), (&thens.instances, then_task), bond);
            let (end, begin) = (actions.gate(first, done(first_task)), actions.gate(then, then_task));
            actions.bind(end, begin, Bond::ORDER);
            return;
        }
    }
    let begins = begins(model, actions, then, then_task);
    // What an instance needs is needed on its own node.
    let is_clone = matches!(model.resources[then].kind, Kind::Clone(_));
    let local = |actions: &Actions, end: usize, begin: usize| {
        let (one, other) = (actions.all[end].node, actions.all[begin].node);
        let is_far = is_clone && one != other;
        if is_far { Bond { then_needs_first: false, ..bond } } else { bond }
    };
    match &model.resources[first].kind {
        Kind::Primitive => {
            for end in actions.of(first, first_task) {
                for begin in &begins {
                    actions.bind(end, *begin, local(actions, end, *begin));
                }
            }
        }
        Kind::Group(_) => {
            let gate = actions.gate(first, done(first_task));
            for begin in &begins {
                actions.bind(gate, *begin, local(actions, gate, *begin));
            }
            if bond.then_needs_first {
                for end in parts(model, actions, first, first_task) {
                    for begin in &begins {
                        actions.bind(end, *begin, local(actions, end, *begin));
                    }
                }
            }
        }
        Kind::Clone(_) => {
            // Whether a clone can is asked of all of it; what it needs concerns the neighbour on the same node.
            let gate = actions.gate(first, done(first_task));
            bind_all(actions, &[gate], &begins, Bond { first_needs_then: false, then_needs_first: false, ..bond });
            for end in parts(model, actions, first, first_task) {
                let is_near =
                    |ix: &&usize| actions.all[**ix].node.is_none() || actions.all[**ix].node == actions.all[end].node;
                let near: Vec<usize> = begins.iter().filter(is_near).copied().collect();
                bind_all(actions, &[end], &near, Bond { blocks: false, is_one_way: false, ..bond });
            }
        }
    }
    let ends = migration_ends(model, actions, first);
    migrations(actions, &ends, (first, first_task), (then, then_task));
}

fn bind_all(actions: &mut Actions, firsts: &[usize], thens: &[usize], bond: Bond) {
    for first in firsts {
        for then in thens {
            actions.bind(*first, *then, bond);
        }
    }
}

/// The actions of every primitive in a resource.
fn parts(model: &Model, actions: &Actions, rsc: RscIx, task: Task) -> Vec<usize> {
    model.primitives(rsc).into_iter().flat_map(|part| actions.of(part, task)).collect()
}

/// What is needed of a collective is needed of every part of it.
fn begins(model: &Model, actions: &mut Actions, then: RscIx, task: Task) -> Vec<usize> {
    let mut all = parts(model, actions, then, task);
    if model.resources[then].kind != Kind::Primitive {
        all.push(actions.gate(then, task));
    }
    all
}

/// What stands for a resource where a migration waits for it: its own halves, or a collective's gates.
fn migration_ends(model: &Model, actions: &mut Actions, first: RscIx) -> Vec<(Task, usize)> {
    if model.resources[first].kind == Kind::Primitive {
        let tasks = [Task::MigrateFrom, Task::MigrateTo, Task::Start, Task::Stop, Task::Promote, Task::Demote];
        return tasks.into_iter().flat_map(|task| actions.each(first, task).map(move |ix| (task, ix))).collect();
    }
    [Task::Start, Task::Stop, Task::Promote, Task::Demote]
        .into_iter()
        .map(|task| (task, actions.gate(first, done(task))))
        .collect()
}

/// The halves of live migrations stand where starts and stops would.
fn migrations(
    actions: &mut Actions,
    ends: &[(Task, usize)],
    (_, first_task): (RscIx, Task),
    (then, then_task): (RscIx, Task),
) {
    let pairs: &[(Task, Task)] = match (first_task, then_task) {
        (Task::Start, Task::Start) => {
            &[(Task::MigrateFrom, Task::MigrateTo), (Task::Start, Task::MigrateTo), (Task::MigrateFrom, Task::Start)]
        }
        (Task::Stop, Task::Stop) => &[(Task::Stop, Task::MigrateTo), (Task::Stop, Task::MigrateFrom)],
        (Task::Promote, Task::Start) => &[(Task::Promote, Task::MigrateTo)],
        (Task::Demote, Task::Stop) => &[(Task::Demote, Task::MigrateTo), (Task::Demote, Task::MigrateFrom)],
        _ => return,
    };
    for (one, other) in pairs {
        for (_, end) in ends.iter().filter(|(task, _)| task == one) {
            for begin in actions.of(then, *other) {
                if matches!(actions.all[*end].task, Task::Start | Task::Stop) && actions.all[*end].is_migration {
                    // Of what moves live only its arrival counts: it stops at its source when what follows has left.
                    actions.unless_live.push((*end, begin));
                    continue;
                }
                actions.bind(*end, begin, Bond::ORDER);
            }
        }
    }
}

/// Instance by instance, on the same node.
fn interleave(
    model: &Model,
    actions: &mut Actions,
    (firsts, first_task): (&[RscIx], Task),
    (thens, then_task): (&[RscIx], Task),
    bond: Bond,
) {
    for then in thens {
        let Some(node) = place(model, *then, then_task) else { continue };
        let neighbour = firsts.iter().copied().find(|first| place(model, *first, first_task) == Some(node));
        match neighbour {
            Some(first) => between(model, actions, (first, first_task), (*then, then_task), bond),
            None if bond.blocks => {
                for part in model.primitives(*then) {
                    for action in actions.of(part, then_task) {
                        actions.all[action].is_runnable = false;
                    }
                }
            }
            None => {}
        }
    }
}

/// Where an instance does this.
fn place(model: &Model, instance: RscIx, task: Task) -> Option<NodeIx> {
    let first = *model.primitives(instance).first()?;
    if matches!(task, Task::Stop | Task::Demote) { model.current(first) } else { model.resources[first].assigned }
}

/// Where two must not be together, one leaves before the other arrives.
pub(super) fn apart(model: &Model, actions: &mut Actions) {
    for colocation in &model.colocations {
        if !colocation.score.forbids() || colocation.attribute.is_some() {
            continue;
        }
        let (one, other) = (colocation.resource, colocation.with);
        let (one_role, other_role) = (colocation.role, colocation.with_role);
        leave_first(model, actions, (one, one_role), (other, other_role));
        leave_first(model, actions, (other, other_role), (one, one_role));
    }
}

/// The one gives up its role before the other takes its own on.
fn leave_first(
    model: &Model,
    actions: &mut Actions,
    (first, from): (RscIx, Option<Role>),
    (then, to): (RscIx, Option<Role>),
) {
    let leaves: &[Task] = match from {
        Some(Role::Promoted) => &[Task::Demote],
        Some(Role::Unpromoted) => &[Task::Stop, Task::Promote],
        _ => &[Task::Stop],
    };
    let arrives: &[Task] = match to {
        Some(Role::Promoted) => &[Task::Promote],
        Some(Role::Unpromoted) => &[Task::Start, Task::Demote],
        _ => &[Task::Start],
    };
    for leave in leaves {
        for arrive in arrives {
            local(model, actions, (first, *leave), (then, *arrive));
        }
    }
}

/// Orders what both happens on one node.
fn local(model: &Model, actions: &mut Actions, (first, leaves): (RscIx, Task), (then, arrives): (RscIx, Task)) {
    let all = |actions: &Actions, rsc, task| -> Vec<usize> {
        model.primitives(rsc).into_iter().flat_map(|part| actions.of(part, task)).collect()
    };
    let (leaving, arriving) = (all(actions, first, leaves), all(actions, then, arrives));
    for leave in leaving {
        for arrive in &arriving {
            if actions.all[leave].node == actions.all[*arrive].node
                && actions.all[leave].rsc != actions.all[*arrive].rsc
            {
                actions.bind(leave, *arrive, Bond::ORDER);
                // A live migration is there from its beginning.
                for half in
                    actions.all[*arrive].rsc.map(|rsc| actions.of(rsc, Task::MigrateTo).to_vec()).unwrap_or_default()
                {
                    actions.bind(leave, half, Bond::ORDER);
                }
            }
        }
    }
}

/// Instances of ordered clones, one after another: those that do something, now that it is known which.
pub(super) fn in_turn(model: &Model, actions: &mut Actions) {
    for resource in &model.resources {
        let Kind::Clone(spec) = &resource.kind else { continue };
        for task in [Task::Start, Task::Stop] {
            let is_due = |ix: &usize| !actions.all[*ix].is_optional && actions.all[*ix].is_runnable;
            let due = |instance: &RscIx| -> Vec<usize> {
                parts(model, actions, *instance, task).into_iter().filter(is_due).collect()
            };
            let mut each: Vec<Vec<usize>> = spec.instances.iter().filter(|_| spec.is_ordered).map(due).collect();
            each.retain(|due| !due.is_empty());
            if task == Task::Stop {
                each.reverse();
            }
            for pair in each.windows(2) {
                bind_all(actions, &pair[0], &pair[1], Bond::ORDER);
            }
        }
    }
}

/// What is stopped or demoted takes its new parameters by that.
pub(super) fn no_reload_before_a_stop(actions: &mut Actions) {
    for ix in 0..actions.all.len() {
        let Some(rsc) = actions.all[ix].rsc.filter(|_| actions.all[ix].task == Task::Reload) else { continue };
        let leaves = [actions.of(rsc, Task::Stop), actions.of(rsc, Task::Demote)].concat();
        actions.all[ix].is_optional |= leaves.into_iter().any(|leave| !actions.all[leave].is_optional);
    }
}

/// What was to migrate and is stopped and started instead is waited for after all.
pub(super) fn not_live(actions: &mut Actions) {
    for (end, begin) in std::mem::take(&mut actions.unless_live) {
        if !actions.all[end].is_migration {
            actions.bind(end, begin, Bond::ORDER);
        }
    }
}
