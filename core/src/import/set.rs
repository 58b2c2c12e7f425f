//! `<resource_set>`

use super::constraint::Refusal;
use super::{Element, Fate, Import};
use crate::cib;
use crate::config::shorthand::{ResourceSet, WideColocation, WideOrder};
use crate::config::{Colocation, Order, OrderKind, boolean};
use crate::id::ResourceId;
use crate::score::Score;

impl<'a> Import<'a, '_> {
    pub(super) fn sets(&mut self, id: &str, element: Element<'a>) -> Result<Vec<ResourceSet>, Refusal> {
        let sets: Vec<Element<'a>> = element.children().filter(|child| child.has_tag_name("resource_set")).collect();
        let mut read = Vec::new();
        for set in sets {
            let set = self.resolve(set);
            self.started(set, "role")?;
            if let Some(action) = self.attribute(set, "action").filter(|action| *action != "start") {
                return Err((format!("action={action} of its set: only starts are ordered, and their stops"), ""));
            }
            let members = self.members(id, set);
            let suffices = self.attribute(set, "require-all").and_then(boolean) == Some(false);
            if suffices && members.len() > 1 {
                let mend = "write it with require-all=true, where all are needed";
                return Err(("sets of which any member suffices are not supported".to_owned(), mend));
            }
            let sequential = self.attribute(set, "sequential").and_then(boolean).unwrap_or(true);
            // One alone depends on none of its own.
            let sequential = sequential || members.len() == 1;
            read.extend(Some(ResourceSet { members, sequential }).filter(|set| !set.members.is_empty()));
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
            Some((before, member)) => {
                let colocation =
                    Colocation { score, resource: ResourceId::from(member), with: ResourceId::from(before) };
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
            Some((first, then)) => {
                let (first, then) = (ResourceId::from(first), ResourceId::from(then));
                self.config.orders.insert(id.to_owned(), Order { kind, first, then, symmetrical });
            }
            None => _ = self.config.shorthand.orders.insert(id.to_owned(), WideOrder { kind, sets, symmetrical }),
        }
        Ok(())
    }
}

/// Whether neighbours would come to be one set that says more of its members than they did.
fn are_merged(sets: &[ResourceSet]) -> bool {
    let count: usize = sets.iter().map(|set| set.members.len()).sum();
    count > 2 && sets.windows(2).any(|pair| pair[0].sequential && pair[1].sequential)
}

/// Neighbours that both depend on each other are written as one.
fn merged(sets: Vec<ResourceSet>, join: impl Fn(Vec<String>, Vec<String>) -> Vec<String>) -> Vec<ResourceSet> {
    let mut found: Vec<ResourceSet> = Vec::new();
    for set in sets {
        match found.last_mut().filter(|last| last.sequential && set.sequential) {
            Some(last) => last.members = join(std::mem::take(&mut last.members), set.members),
            None => found.push(set),
        }
    }
    found
}

/// The two, where there are just two and the second depends on the first.
fn plain(sets: &[ResourceSet]) -> Result<Option<(&str, &str)>, Refusal> {
    match sets {
        [ResourceSet { members, sequential: true }] => match members.as_slice() {
            [first, then] => Ok(Some((first, then))),
            [_] => Err(("only one resource is left of it".to_owned(), "")),
            _ => Ok(None),
        },
        [] => Err(("nothing is left of it".to_owned(), "")),
        _ => Ok(None),
    }
}
