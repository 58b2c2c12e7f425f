//! What people write once and mean of several: templates, groups, tags, sets, patterns and rules.
//!
//! The cluster acts on plain primitives and on constraints of two. What is written here is turned into those by
//! `Config::expand`, when it is committed, never while it is planned; only rules are looked at then, for they ask about
//! nodes. Constraints that come of it have ids with a `/`, which nobody can write.

mod expand;
mod operations;
pub(crate) mod set;

use super::{Attributes, Discovery, InRole, LookedFor, OrderKind, OrderTask, Primitive, TicketConstraint, TicketNeed};
use crate::id::{NodeId, ResourceId};
use crate::rule::Rule;
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything of a configuration that stands for more than itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shorthand {
    /// `rsc_template`: what primitives may begin from.
    pub templates: BTreeMap<String, Primitive>,
    /// `group`: primitives that run together and start one after another.
    pub groups: BTreeMap<String, Group>,
    /// `tag`: names for several resources.
    pub tags: BTreeMap<String, Vec<String>>,
    /// Primitives as they were written, where a template or a group adds something.
    pub own: BTreeMap<ResourceId, Own>,
    /// Locations of more than one resource, or with rules.
    pub locations: BTreeMap<String, WideLocation>,
    /// Colocations of sets.
    pub colocations: BTreeMap<String, WideColocation>,
    /// Orders of sets.
    pub orders: BTreeMap<String, WideOrder>,
    /// The locations with rules that concern a resource; made by `expand`.
    pub ruled: BTreeMap<ResourceId, Vec<String>>,
    /// `rsc_ticket`, by constraint id.
    pub tickets: BTreeMap<String, TicketConstraint>,
    /// Where a resource is looked for, where that is not everywhere; made by `expand`.
    pub looked_for: BTreeMap<ResourceId, LookedFor>,
    /// The tickets that a resource needs; made by `expand`.
    pub needs: BTreeMap<ResourceId, Vec<TicketNeed>>,
}

/// A primitive as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// `@TEMPLATE` in the place of its agent.
    pub template: Option<String>,
    /// What it says itself; with a template, its agent says nothing.
    pub primitive: Primitive,
}

/// `group ID MEMBER… [meta …]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// In the order of starting.
    pub members: Vec<ResourceId>,
    /// For every member that does not say otherwise.
    pub meta: Attributes,
}

/// `location ID WHO …`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WideLocation {
    /// Which resources.
    pub who: Who,
    /// Where they are wanted.
    pub want: Want,
    /// In which role, where a rule does not say it.
    pub role: Option<InRole>,
    /// Whether they are looked for there; of rules always.
    pub discovery: Discovery,
}

/// Whom a location is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// A resource, group, template or tag.
    One(String),
    /// `/PATTERN/`: every resource whose id it fits; `!` before it: every other.
    Pattern(String),
    /// `{ A B … }`
    Set(Vec<String>),
}

/// Where they are wanted, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// `SCORE: NODE`
    Node(Score, NodeId),
    /// `rule SCORE: EXPRESSION`, each for itself.
    Rules(Vec<Rule>),
}

/// Several resources within a constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSet {
    /// Resources, groups, templates or tags.
    pub members: Vec<String>,
    /// Whether they depend on each other; `( … )` where not.
    pub sequential: bool,
    /// Whether what comes after them in an order needs all; `[ … ]` where any one suffices.
    pub require_all: bool,
    /// Of a colocation: in which role.
    pub role: Option<InRole>,
    /// Of an order: what of them.
    pub task: OrderTask,
}

/// `colocation ID SCORE: SET…`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WideColocation {
    /// How strongly; negative keeps them apart.
    pub score: Score,
    /// Each follows the next; within one, each follows the one before it.
    pub sets: Vec<ResourceSet>,
}

/// `order ID KIND: SET…`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WideOrder {
    /// How binding.
    pub kind: OrderKind,
    /// In the order of starting.
    pub sets: Vec<ResourceSet>,
    /// Whether stops go in the reverse order.
    pub symmetrical: bool,
}

impl Shorthand {
    /// The group of this resource.
    pub fn group_of(&self, resource: &ResourceId) -> Option<(&String, &Group)> {
        let name = base(resource);
        self.groups.iter().find(|(_, group)| group.members.iter().any(|member| member.as_str() == name))
    }

    /// Of a primitive whose instances differ, those: each is a resource for itself.
    pub fn instances(&self, resource: &ResourceId) -> Option<Vec<ResourceId>> {
        let (_, clone) = self.group_of(resource).filter(|_| !is_instance(resource))?;
        let (all, _) = clone.instances_that_differ()?;
        Some((0..all).map(|number| ResourceId::new(format!("{resource}:{number}"))).collect())
    }

    /// The clone of which this is an instance that differs from the others.
    pub fn unique_clone_of(&self, resource: &ResourceId) -> Option<&String> {
        let (name, _) = self.clone_of(resource).filter(|(_, clone)| clone.is_unique())?;
        Some(name)
    }

    /// The clone of this resource, or of its group.
    pub fn clone_of(&self, resource: &ResourceId) -> Option<(&String, &Group)> {
        let (name, group) = self.group_of(resource)?;
        match group.is_clone() {
            true => Some((name, group)),
            false => self.group_of(&ResourceId::from(name.as_str())).filter(|(_, clone)| clone.is_clone()),
        }
    }

    /// The primitives of a group or of a clone, in the order of starting: of a clone of a group, those of that.
    pub fn parts(&self, name: &str) -> Option<&[ResourceId]> {
        let group = self.groups.get(name)?;
        let inner =
            group.members.first().filter(|_| group.is_clone()).and_then(|inner| self.groups.get(inner.as_str()));
        Some(inner.map_or(&group.members, |inner| &inner.members))
    }

    /// Those that an instance is made of, in the order of starting: this one alone, or the group that is cloned.
    pub fn instance_of(&self, resource: &ResourceId) -> Option<&[ResourceId]> {
        self.parts(self.clone_of(resource)?.0)
    }

    /// Those that are promoted together, in their order: of a promotable clone what an instance is made of.
    pub fn promoted_together(&self, resource: &ResourceId) -> Option<&[ResourceId]> {
        let (name, clone) = self.clone_of(resource)?;
        self.parts(name).filter(|_| clone.is_promotable())
    }
}

/// Whether this is an instance that differs from the others of its clone: `RSC:N`.
pub fn is_instance(id: &ResourceId) -> bool {
    id.as_str().contains(':')
}

/// The id of the primitive that people wrote.
pub fn base(id: &ResourceId) -> &str {
    id.as_str().split(':').next().unwrap_or(id.as_str())
}

/// The id of a constraint that stands for part of another.
pub(crate) fn part(id: &str, number: usize) -> String {
    format!("{id}/{number}")
}

/// Whether a constraint was made by `expand`.
pub fn is_part(id: &str) -> bool {
    id.contains('/')
}

/// The id of the constraint that people wrote.
pub fn whole(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}
