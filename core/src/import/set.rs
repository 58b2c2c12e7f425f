//! `<resource_set>`

use super::constraint::Refusal;
use super::{Element, Fate, Import};
use crate::cib;
use crate::config::shorthand::{ResourceSet, WideColocation, WideOrder};
use crate::config::{Colocation, Order, OrderKind, boolean};
use crate::id::ResourceId;
use crate::score::Score;

impl<'a> Import<'a, '_> {
    /// Whether all of a set are needed is asked of orders only.
    pub(super) fn sets(&mut self, id: &str, element: Element<'a>) -> Result<Vec<ResourceSet>, Refusal> {
        let is_order = element.has_tag_name("rsc_order");
        let sets: Vec<Element<'a>> = element.children().filter(|child| child.has_tag_name("resource_set")).collect();
        let mut read = Vec::new();
        for set in sets {
            let set = self.resolve(set);
            let role = self.role(set, "role")?;
            let task = self.task(set, "action")?.unwrap_or_default();
            let members = self.members(id, set);
            let require_all = self.attribute(set, "require-all").and_then(boolean) != Some(false);
            let require_all = require_all || !is_order || members.len() == 1;
            let sequential = self.attribute(set, "sequential").and_then(boolean).unwrap_or(true);
            // One alone depends on none of its own.
            let sequential = sequential || members.len() == 1;
            let set = ResourceSet { members, sequential, require_all, role, task };
            read.extend(Some(set).filter(|set| !set.members.is_empty()));
        }
        Ok(read)
    }

    fn members(&mut self, id: &str, set: Element<'a>) -> Vec<String> {
        let mut members: Vec<String> = Vec::new();
        for member in set.children().filter(|child| child.has_tag_name("resource_ref")) {
            self.see(member);
            let name = member.attribute("id").unwrap_or_default();
            match self.known(Some(name)) {
                Ok(_) => members.push(name.to_owned()),
                Err((why, _)) => self.tell(Fate::Changed, id, member, format!("{why}, and goes on without it"), ""),
            }
        }
        members
    }

    pub(super) fn colocation_of_sets(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        let sets = self.sets(id, element)?;
        self.influence(id, element);
        let score = self.attribute(element, "score").map_or(Score::INFINITY, cib::score);
        if score < Score::ZERO && are_merged(&sets) {
            return Err(("it keeps several sets apart".to_owned(), "write one colocation for each two of them"));
        }
        // What each follows stands before it in one set, and after it in the next.
        let sets = merged(sets, |earlier, mut later| {
            later.extend(earlier);
            later
        });
        match plain(&sets)? {
            Some((before, member, set)) => {
                let (resource, with) = (ResourceId::from(member), ResourceId::from(before));
                let colocation = Colocation { score, resource, with, role: set.role, with_role: set.role };
                self.config.colocations.insert(id.to_owned(), colocation);
            }
            None => _ = self.config.shorthand.colocations.insert(id.to_owned(), WideColocation { score, sets }),
        }
        Ok(())
    }

    pub(super) fn order_of_sets(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        let sets = self.sets(id, element)?;
        let (kind, symmetrical) = self.order_kind(id, element);
        if kind == OrderKind::Serialize && are_merged(&sets) {
            return Err(("it serializes several sets".to_owned(), "write one order for each two of them"));
        }
        let sets = merged(sets, |mut earlier, later| {
            earlier.extend(later);
            earlier
        });
        match plain(&sets)? {
            Some((first, then, set)) => {
                let (first, then) = (ResourceId::from(first), ResourceId::from(then));
                let (first_task, then_task) = (set.task, set.task);
                let order = Order { kind, first, then, symmetrical, requires_all: true, first_task, then_task };
                self.config.orders.insert(id.to_owned(), order);
            }
            None => _ = self.config.shorthand.orders.insert(id.to_owned(), WideOrder { kind, sets, symmetrical }),
        }
        Ok(())
    }
}

/// Whether each of them depends on the one before it, and what follows on all.
fn is_plain(set: &ResourceSet) -> bool {
    set.sequential && set.require_all
}

/// Whether neighbours would come to be one set that says more of its members than they did.
fn are_merged(sets: &[ResourceSet]) -> bool {
    let count: usize = sets.iter().map(|set| set.members.len()).sum();
    count > 2 && sets.windows(2).any(|pair| are_alike(&pair[0], &pair[1]))
}

fn are_alike(one: &ResourceSet, other: &ResourceSet) -> bool {
    is_plain(one) && is_plain(other) && (one.role, one.task) == (other.role, other.task)
}

/// Neighbours that both depend on each other are written as one.
fn merged(sets: Vec<ResourceSet>, join: impl Fn(Vec<String>, Vec<String>) -> Vec<String>) -> Vec<ResourceSet> {
    let mut found: Vec<ResourceSet> = Vec::new();
    for set in sets {
        match found.last_mut().filter(|last| are_alike(last, &set)) {
            Some(last) => last.members = join(std::mem::take(&mut last.members), set.members),
            None => found.push(set),
        }
    }
    found
}

/// The two, where there are just two and the second depends on the first.
fn plain(sets: &[ResourceSet]) -> Result<Option<(&str, &str, &ResourceSet)>, Refusal> {
    match sets {
        [set] if is_plain(set) => match set.members.as_slice() {
            [first, then] => Ok(Some((first, then, set))),
            [_] => Err(("only one resource is left of it".to_owned(), "")),
            _ => Ok(None),
        },
        [] => Err(("nothing is left of it".to_owned(), "")),
        _ => Ok(None),
    }
}
