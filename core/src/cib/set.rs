//! `<resource_set>` in colocations and orders.

use super::constraint::task;
use super::dom::{flag, named, text};
use super::{Element, Reader, value};
use crate::config::shorthand::set::{self, colocated, ordered};
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
        let pairs = colocated(&plain(&sets), score < Score::ZERO).into_iter();
        let found: Vec<Colocation> = pairs
            .map(|((at, place), (with_at, with_place))| {
                let (set, with) = (&sets[at], &sets[with_at]);
                colocation(set.members[place], with.members[with_place], set.role, with.role)
            })
            .collect();
        found.into_iter().for_each(|one| self.colocate(one));
    }

    pub(super) fn read_order_sets(&mut self, element: Element<'a>, force: OrderForce, is_symmetrical: bool) {
        let sets = self.read_sets(element);
        let id = text(element, "id").to_owned();
        for ((at, place), (then_at, then_place)) in ordered(&plain(&sets), force == OrderForce::Serialize) {
            let (first, then) = (&sets[at], &sets[then_at]);
            self.model.orders.push(Order {
                id: id.clone(),
                first: OrderEnd { resource: first.members[place], task: first.task },
                then: OrderEnd { resource: then.members[then_place], task: then.task },
                force,
                is_symmetrical,
                requires_all: at == then_at || first.requires_all,
            });
        }
    }
}

fn plain(sets: &[Set]) -> Vec<set::Set<'_, RscIx>> {
    let one = |set| {
        let Set { members, is_sequential, requires_all, .. }: &Set = set;
        set::Set { members, is_sequential: *is_sequential, requires_all: *requires_all }
    };
    sets.iter().map(one).collect()
}
