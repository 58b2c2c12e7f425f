//! `<resource_set>` in colocations and orders.

use super::constraint::task;
use super::dom::{flag, named, text};
use super::{Element, Reader, value};
use crate::scheduler::{Colocation, Order, OrderEnd, OrderForce, Role, RscIx, Task};
use crate::score::Score;

/// One set, read.
#[derive(Clone, Debug)]
struct Set {
    members: Vec<RscIx>,
    is_sequential: bool,
    role: Option<Role>,
    task: Task,
    requires_all: bool,
}

impl<'a> Reader<'a> {
    fn read_sets(&mut self, element: Element<'a>) -> Vec<Set> {
        let sets: Vec<Element<'a>> = named(element, "resource_set").map(|set| self.resolve(set)).collect();
        let mut found = Vec::new();
        for set in sets {
            let ids: Vec<&str> = named(set, "resource_ref").map(|member| text(member, "id")).collect();
            let members = ids.into_iter().flat_map(|id| self.named_resources(id)).collect();
            found.push(Set {
                members,
                is_sequential: flag(set, "sequential").unwrap_or(true),
                role: set.attribute("role").and_then(value::role).filter(|role| *role != Role::Started),
                task: task(text(set, "action")).unwrap_or(Task::Start),
                requires_all: flag(set, "require-all").unwrap_or(true),
            });
        }
        found
    }

    pub(super) fn read_colocation_sets(&mut self, element: Element<'a>, score: Score, influence: bool) {
        let sets = self.read_sets(element);
        let id = text(element, "id").to_owned();
        let colocation = |resource, with, role, with_role| Colocation {
            id: id.clone(),
            score,
            resource,
            with,
            role,
            with_role,
            attribute: None,
            influence,
        };
        let mut found = Vec::new();
        for set in &sets {
            for (place, member) in set.members.iter().enumerate() {
                // Apart from all before it; together with the one before it.
                let from = if score < Score::ZERO { 0 } else { place.saturating_sub(1) };
                if set.is_sequential {
                    let before = &set.members[from..place];
                    found.extend(before.iter().map(|with| colocation(*member, *with, set.role, set.role)));
                }
            }
        }
        for pair in sets.windows(2) {
            let (follower, followed) = (&pair[0], &pair[1]);
            let ends = |set: &Set, chosen: Option<&RscIx>| match chosen {
                Some(one) if set.is_sequential => vec![*one],
                _ => set.members.clone(),
            };
            for resource in ends(follower, follower.members.first()) {
                for with in ends(followed, followed.members.last()) {
                    found.push(colocation(resource, with, follower.role, followed.role));
                }
            }
        }
        found.into_iter().for_each(|one| self.colocate(one));
    }

    pub(super) fn read_order_sets(&mut self, element: Element<'a>, force: OrderForce, is_symmetrical: bool) {
        let sets = self.read_sets(element);
        let id = text(element, "id").to_owned();
        let mut add = |first: RscIx, first_task, then: RscIx, then_task, requires_all| {
            self.model.orders.push(Order {
                id: id.clone(),
                first: OrderEnd { resource: first, task: first_task },
                then: OrderEnd { resource: then, task: then_task },
                force,
                is_symmetrical,
                requires_all,
            });
        };
        for set in &sets {
            for (place, member) in set.members.iter().enumerate() {
                // Never two at once is meant of all of them.
                let from = if force == OrderForce::Serialize { 0 } else { place.saturating_sub(1) };
                if set.is_sequential || force == OrderForce::Serialize {
                    for before in &set.members[from..place] {
                        add(*before, set.task, *member, set.task, true);
                    }
                }
            }
        }
        for pair in sets.windows(2) {
            let (first, then) = (&pair[0], &pair[1]);
            let ends = |set: &Set, chosen: Option<&RscIx>| match chosen {
                Some(one) if set.is_sequential => vec![*one],
                _ => set.members.clone(),
            };
            for before in ends(first, first.members.last()) {
                for after in ends(then, then.members.first()) {
                    add(before, first.task, after, then.task, first.requires_all);
                }
            }
        }
    }
}
