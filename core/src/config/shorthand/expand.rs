//! Turns what stands for more than itself into plain primitives and constraints.

use super::operations;
use super::set::{Set, colocated, ordered};
use super::{Own, ResourceSet, Want, Who, is_instance, is_part, part, whole};
use crate::config::{
    Attributes, Colocation, Config, Discovery, InRole, Location, LookedFor, Order, OrderKind, OrderTask, Primitive,
    ResourceMeta, Section, TicketNeed,
};
use crate::id::ResourceId;
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};

impl Config {
    /// Makes what is plain agree with what is written; what agrees already stays as it is. References that lead
    /// nowhere add nothing: naming them is `validate`'s.
    pub fn expand(&mut self) {
        self.expand_primitives();
        self.locations.retain(|id, _| !is_part(id));
        self.colocations.retain(|id, _| !is_part(id));
        self.orders.retain(|id, _| !is_part(id));
        let mut made = Made::default();
        for (id, group) in &self.shorthand.groups {
            let promotes = group.members.first().is_some_and(|it| self.shorthand.promoted_together(it).is_some());
            let pairs = group.members.len().saturating_sub(1);
            for (number, pair) in group.members.windows(2).enumerate() {
                made.colocate(id, number, Score::INFINITY, (&pair[1], None), (&pair[0], None));
                made.order(id, number, Order::start(&pair[0], &pair[1]));
                if promotes {
                    let order = Order::start(&pair[0], &pair[1]);
                    let (first_task, then_task) = (OrderTask::Promote, OrderTask::Promote);
                    made.order(id, pairs + number, Order { first_task, then_task, ..order });
                }
            }
        }
        self.expand_locations(&mut made);
        self.expand_colocations(&mut made);
        self.expand_orders(&mut made);
        self.locations.extend(made.locations);
        self.colocations.extend(made.colocations);
        self.orders.extend(made.orders);
        self.shorthand.ruled = made.ruled;
        self.shorthand.needs = self.ticket_needs();
        self.shorthand.looked_for = self.looked_for();
    }

    /// A primitive as it was written, to be changed; `expand` has to follow.
    pub fn written_mut(&mut self, id: &ResourceId) -> Option<&mut Primitive> {
        let own = self.shorthand.own.get_mut(id).map(|own| &mut own.primitive);
        own.or_else(|| self.primitives.get_mut(id))
    }

    /// A primitive as it was written, and the template it begins from.
    pub fn written(&self, id: &ResourceId) -> Option<(Option<&str>, &Primitive)> {
        match self.shorthand.own.get(id) {
            Some(own) => Some((own.template.as_deref(), &own.primitive)),
            None => Some((None, self.primitives.get(id)?)),
        }
    }

    /// The same with clones whose instances differ as if they did not: what people wrote, with nothing in its place.
    pub fn without_instances(&self) -> Option<Self> {
        self.shorthand.groups.values().find(|group| group.is_unique())?;
        let mut plain = self.clone();
        for clone in plain.shorthand.groups.values_mut().filter(|group| group.is_unique()) {
            clone.meta.remove("globally-unique");
        }
        plain.expand();
        Some(plain)
    }

    fn expand_primitives(&mut self) {
        self.primitives.retain(|id, _| !is_instance(id));
        let ids: Vec<ResourceId> = self.primitives.keys().chain(self.shorthand.own.keys()).cloned().collect();
        for id in ids {
            let own = self.shorthand.own.remove(&id);
            let Some(own) = own.or_else(|| Some(Own { template: None, primitive: self.primitives.get(&id)?.clone() }))
            else {
                continue;
            };
            let template = own.template.as_ref().and_then(|name| self.shorthand.templates.get(name));
            let group = self.shorthand.group_of(&id).map(|(_, group)| &group.meta);
            let clone = self.shorthand.clone_of(&id).map(|(_, clone)| &clone.meta);
            let mut whole = merged(&own.primitive, template, group.into_iter().chain(clone));
            let migrates = ResourceMeta::read(&id, &whole, &self.rsc_defaults).0.allow_migrate;
            operations::fill(&mut whole, migrates, &self.op_defaults, &self.op_rules);
            if let Some(instances) = self.shorthand.instances(&id) {
                self.primitives.remove(&id);
                self.shorthand.own.insert(id, own);
                let each = instances.into_iter().enumerate();
                self.primitives.extend(each.map(|(number, id)| (id, whole.clone().numbered(number))));
                continue;
            }
            if own.template.is_some() || whole != own.primitive {
                self.shorthand.own.insert(id.clone(), own);
            }
            self.primitives.insert(id, whole);
        }
    }

    /// The resources that a name in a constraint stands for; of a group its first member, or its last.
    fn named(&self, name: &str, end: End) -> Vec<ResourceId> {
        if self.primitives.contains_key(&ResourceId::from(name)) {
            return vec![ResourceId::from(name)];
        }
        let differ = |name: &str| self.shorthand.instances(&ResourceId::from(name));
        let member = || differ(self.shorthand.parts(name)?.first()?.as_str());
        if let Some(instances) = differ(name).or_else(member) {
            return instances;
        }
        if let Some(members) = self.shorthand.parts(name) {
            let member = match end {
                End::First => members.first(),
                End::Last => members.last(),
            };
            return member.cloned().into_iter().collect();
        }
        if self.shorthand.templates.contains_key(name) {
            let made = self.shorthand.own.iter().filter(|(_, own)| own.template.as_deref() == Some(name));
            return made.map(|(id, _)| id.clone()).collect();
        }
        let members = self.shorthand.tags.get(name).into_iter().flatten();
        // A tag of a tag stands for nothing: it could be one of itself.
        members
            .filter(|member| !self.shorthand.tags.contains_key(*member))
            .flat_map(|member| self.named(member, end))
            .collect()
    }

    /// Whether a name in a constraint is not that of a primitive.
    fn is_wide(&self, name: &ResourceId) -> bool {
        !self.primitives.contains_key(name)
    }

    fn whom(&self, who: &Who) -> Vec<ResourceId> {
        let named: Vec<ResourceId> = match who {
            Who::One(name) => self.named(name, End::First),
            Who::Set(names) => names.iter().flat_map(|name| self.named(name, End::First)).collect(),
            Who::Pattern(pattern) => self.matching(pattern),
        };
        let mut seen = BTreeSet::new();
        named.into_iter().filter(|id| seen.insert(id.clone())).collect()
    }

    /// Groups by their own id, and every resource outside of them.
    fn matching(&self, pattern: &str) -> Vec<ResourceId> {
        let (is_inverted, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        let Ok(regex) = regex_lite::Regex::new(pattern) else { return Vec::new() };
        let resources = self.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device()).map(|(id, _)| id);
        let alone = resources.filter(|id| self.shorthand.group_of(id).is_none()).map(ResourceId::as_str);
        let all = alone.chain(self.shorthand.groups.keys().map(String::as_str));
        all.filter(|id| regex.is_match(id) != is_inverted).flat_map(|id| self.named(id, End::First)).collect()
    }

    fn expand_locations(&self, made: &mut Made) {
        for (id, location) in self.locations.iter().filter(|(_, location)| self.is_wide(&location.resource)) {
            for resource in self.whom(&Who::One(location.resource.to_string())) {
                made.locate(id, Location { resource, ..location.clone() });
            }
        }
        for (id, location) in &self.shorthand.locations {
            for resource in self.whom(&location.who) {
                match &location.want {
                    Want::Node(score, node) => {
                        let (node, role, discovery) = (node.clone(), location.role, location.discovery);
                        made.locate(id, Location { resource, score: *score, node, role, discovery });
                    }
                    Want::Rules(_) => made.ruled.entry(resource).or_default().push(id.clone()),
                }
            }
        }
    }

    fn expand_colocations(&self, made: &mut Made) {
        let is_wide = |it: &Colocation| self.is_wide(&it.resource) || self.is_wide(&it.with);
        for (id, colocation) in self.colocations.iter().filter(|(_, it)| is_wide(it)) {
            let mut number = 0;
            for resource in self.named(colocation.resource.as_str(), End::First) {
                for with in self.named(colocation.with.as_str(), End::Last) {
                    let (resource, with) = ((&resource, colocation.role), (&with, colocation.with_role));
                    made.colocate(id, number, colocation.score, resource, with);
                    number += 1;
                }
            }
        }
        for (id, colocation) in &self.shorthand.colocations {
            let (firsts, lasts) = (self.sets(&colocation.sets, End::First), self.sets(&colocation.sets, End::Last));
            let pairs = colocated(&plain(&firsts, &colocation.sets), colocation.score < Score::ZERO);
            for (number, ((set, place), (with_set, with_place))) in pairs.into_iter().enumerate() {
                let of = &colocation.sets;
                let resource = (&firsts[set][place], of[set].role);
                made.colocate(
                    id,
                    number,
                    colocation.score,
                    resource,
                    (&lasts[with_set][with_place], of[with_set].role),
                );
            }
        }
    }

    fn expand_orders(&self, made: &mut Made) {
        for (id, order) in self.orders.iter().filter(|(_, it)| self.is_wide(&it.first) || self.is_wide(&it.then)) {
            let mut number = 0;
            for first in self.named(order.first.as_str(), End::Last) {
                for then in self.named(order.then.as_str(), End::First) {
                    made.order(id, number, Order { first: first.clone(), then, ..order.clone() });
                    number += 1;
                }
            }
        }
        for (id, order) in &self.shorthand.orders {
            let (firsts, lasts) = (self.sets(&order.sets, End::First), self.sets(&order.sets, End::Last));
            let pairs = ordered(&plain(&firsts, &order.sets), order.kind == OrderKind::Serialize);
            for (number, ((set, place), (then_set, then_place))) in pairs.into_iter().enumerate() {
                let (first, then) = (lasts[set][place].clone(), firsts[then_set][then_place].clone());
                // What never goes on at once is needed by nobody; and of one alone all are needed.
                let is_any = set != then_set && !order.sets[set].require_all && lasts[set].len() > 1;
                let requires_all = !is_any || order.kind == OrderKind::Serialize;
                let (kind, symmetrical) = (order.kind, order.symmetrical);
                let (first_task, then_task) = (order.sets[set].task, order.sets[then_set].task);
                let order = Order { kind, first, then, symmetrical, requires_all, first_task, then_task };
                made.order(id, number, order);
            }
        }
    }

    /// Of a group each member is looked for where the group is.
    fn looked_for(&self) -> BTreeMap<ResourceId, LookedFor> {
        let mut found: BTreeMap<ResourceId, LookedFor> = BTreeMap::new();
        let is_said = |it: &Location| it.discovery != Discovery::Always && !self.is_wide(&it.resource);
        let locations = self.locations.iter().filter(|(_, it)| is_said(it));
        for (id, location) in locations {
            let group = self.shorthand.group_of(&location.resource).map(|(_, group)| group.members.as_slice());
            let is_first = |members: &&[ResourceId]| is_part(id) && members.first() == Some(&location.resource);
            let together = self.shorthand.instance_of(&location.resource).or(group).filter(is_first);
            for resource in together.unwrap_or(std::slice::from_ref(&location.resource)) {
                found.entry(resource.clone()).or_default().add(whole(id), &location.node, location.discovery);
            }
        }
        found
    }

    fn ticket_needs(&self) -> BTreeMap<ResourceId, Vec<TicketNeed>> {
        let mut needs: BTreeMap<ResourceId, Vec<TicketNeed>> = BTreeMap::new();
        for (id, constraint) in &self.shorthand.tickets {
            for (name, role) in &constraint.resources {
                for resource in self.all_of(name.as_str()) {
                    let (of_it, need) = (needs.entry(resource).or_default(), constraint.need(id, *role));
                    if !of_it.contains(&need) {
                        of_it.push(need);
                    }
                }
            }
        }
        needs
    }

    /// Every primitive that a name stands for: of a group all its members.
    fn all_of(&self, name: &str) -> Vec<ResourceId> {
        let tagged = self.shorthand.tags.get(name).into_iter().flatten();
        let names = tagged
            .map(String::as_str)
            .chain([name])
            .filter(|name| !self.primitives.contains_key(&ResourceId::from(*name)));
        let members = names.filter_map(|name| self.shorthand.parts(name)).flatten().cloned();
        let named = self.named(name, End::First).into_iter();
        members.chain(named).filter(|id| self.primitives.get(id).is_some_and(|it| !it.is_fence_device())).collect()
    }

    /// Sets with each name replaced by what it stands for, in both ways of standing for it with as many members.
    fn sets(&self, sets: &[ResourceSet], end: End) -> Vec<Vec<ResourceId>> {
        let of = |set: &ResourceSet| set.members.iter().flat_map(|name| self.named(name, end)).collect();
        sets.iter().map(of).collect()
    }
}

fn plain<'s>(members: &'s [Vec<ResourceId>], sets: &[ResourceSet]) -> Vec<Set<'s, ResourceId>> {
    let pairs = members.iter().zip(sets);
    pairs.map(|(members, set)| Set { members, is_sequential: set.sequential, requires_all: set.require_all }).collect()
}

/// Which end of a group stands for it: its first member is followed by the others, and its last one needs them all.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

/// What a primitive says over what its template does, over what its group does, over what that one's clone does.
fn merged<'a>(
    own: &Primitive,
    template: Option<&Primitive>,
    groups: impl Iterator<Item = &'a Attributes>,
) -> Primitive {
    let mut whole = template.unwrap_or(own).clone();
    if template.is_some() {
        whole.params.extend(own.params.clone());
        whole.meta.extend(own.meta.clone());
        whole.utilization.extend(own.utilization.clone());
        let interval = |op: &crate::config::Operation| op.attributes.get("interval").cloned();
        let is_own = |theirs: &crate::config::Operation| {
            own.operations.iter().any(|op| op.name == theirs.name && interval(op) == interval(theirs))
        };
        whole.operations.retain(|operation| !is_own(operation));
        whole.operations.splice(0..0, own.operations.iter().cloned());
        // What it says plainly itself is not the template's to say by a rule.
        for set in &mut whole.ruled {
            let plain = if set.section == Section::Params { &own.params } else { &own.meta };
            set.pairs.retain(|name, _| !plain.contains_key(name));
        }
        whole.ruled.retain(|set| !set.pairs.is_empty());
        whole.ruled.splice(0..0, own.ruled.iter().cloned());
    }
    for (name, value) in groups.flatten() {
        whole.meta.entry(name.clone()).or_insert_with(|| value.clone());
    }
    whole
}

/// The plain constraints that were made.
#[derive(Default)]
struct Made {
    locations: BTreeMap<String, Location>,
    colocations: BTreeMap<String, Colocation>,
    orders: BTreeMap<String, Order>,
    ruled: BTreeMap<ResourceId, Vec<String>>,
}

impl Made {
    fn locate(&mut self, id: &str, location: Location) {
        let number = self.locations.range(part(id, 0)..format!("{id}0")).count();
        self.locations.insert(part(id, number), location);
    }

    fn colocate(
        &mut self,
        id: &str,
        number: usize,
        score: Score,
        (resource, role): (&ResourceId, Option<InRole>),
        (with, with_role): (&ResourceId, Option<InRole>),
    ) {
        if resource != with {
            let (resource, with) = (resource.clone(), with.clone());
            let colocation = Colocation { score, resource, with, role, with_role };
            self.colocations.insert(part(id, number), colocation);
        }
    }

    fn order(&mut self, id: &str, number: usize, order: Order) {
        if order.first != order.then {
            self.orders.insert(part(id, number), order);
        }
    }
}
