//! Clones: a resource that runs once on each of several nodes. What a clone says is in the meta attributes of its
//! primitive too, where `expand` puts them: so who reads a primitive knows how many of it there may be.
//!
//! Counting what runs is `state`'s.

use super::shorthand::Group;
use super::{AgentClass, Attributes, MetaError, Primitive, ResourceMeta, boolean};
use crate::id::ResourceId;

/// The meta attribute that every clone has and nothing else: whether some of its instances are promoted.
pub const PROMOTABLE: &str = "promotable";

/// The meta attributes of clones, and the value that one has where nothing is said.
const NAMES: &[(&str, &str)] = &[
    ("clone-max", "1"),
    ("clone-node-max", "1"),
    ("globally-unique", "false"),
    ("interleave", "false"),
    ("notify", "false"),
    ("ordered", "false"),
    (PROMOTABLE, "false"),
    ("promoted-max", "1"),
    ("promoted-node-max", "1"),
];

/// What two of them were called before.
const OLD_NAMES: &[&str] = &["master-max", "master-node-max"];

/// Of an instance that differs from the others, its number; set by `expand` alone.
const NUMBER: &str = "clone";

/// So many instances of a clone may differ.
pub const MOST_INSTANCES: usize = 100;

/// Known from Pacemaker, accepted, and without effect so far.
const NOT_HONOURED: &[&str] = &["clone-min"];

/// How a clone runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneSpec {
    /// How many may run; `None`: one on each node.
    pub max: Option<usize>,
    /// What runs after it waits for the instance on its own node alone.
    pub interleave: bool,
    /// Instances start one after another.
    pub ordered: bool,
    /// Of a promotable clone, how many may be promoted.
    pub promoted_max: Option<usize>,
    /// Its instances are told what is done to it.
    pub notify: bool,
}

impl CloneSpec {
    fn read(meta: &Attributes) -> Self {
        let is_on = |name: &str| meta.get(name).and_then(|value| boolean(value)).unwrap_or(false);
        Self {
            max: meta.get("clone-max").and_then(|value| value.trim().parse().ok()),
            interleave: is_on("interleave"),
            ordered: is_on("ordered"),
            promoted_max: is_on(PROMOTABLE).then(|| {
                let written = ["promoted-max", "master-max"].into_iter().find_map(|name| meta.get(name));
                written.and_then(|value| value.trim().parse().ok()).unwrap_or(1)
            }),
            notify: is_on("notify"),
        }
    }

    /// What of a clone's meta attributes cannot be, or has no effect.
    pub(crate) fn errors(id: &ResourceId, meta: &Attributes) -> Vec<MetaError> {
        let (own, other): (Attributes, Attributes) = meta
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .partition(|(name, _)| is_of_clones(name) || NOT_HONOURED.contains(&name.as_str()));
        let mut errors = ResourceMeta::default().overlay(id, &other);
        errors.extend(own.iter().filter_map(|(name, value)| wrong(id, name, value)));
        errors
    }

    /// How many may run where there are so many nodes.
    pub fn copies(&self, nodes: usize) -> usize {
        self.max.unwrap_or(nodes.max(1))
    }
}

/// Whether a meta attribute is about how something is cloned.
fn is_of_clones(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name) || OLD_NAMES.contains(&name)
}

fn wrong(id: &ResourceId, name: &str, value: &str) -> Option<MetaError> {
    let (resource, name, value) = (id.clone(), name.to_owned(), value.to_owned());
    let is = boolean(&value);
    let expected = match name.as_str() {
        "clone-max" if value.trim().parse::<u16>().is_err() => "a whole number",
        "clone-node-max" if !value.trim().parse::<u16>().is_ok_and(|many| many > 0) => "a whole number from 1 on",
        "promoted-max" | "master-max" if value.trim().parse::<u16>().is_err() => "a whole number",
        "promoted-node-max" | "master-node-max" if value.trim() != "1" => "1: a node has one instance here",
        PROMOTABLE | "globally-unique" | "interleave" | "ordered" | "notify" if is.is_none() => "true or false",
        "clone-min" => return Some(MetaError::NotHonoured { resource, name, value }),
        _ => return None,
    };
    Some(MetaError::Value { resource, name, value, expected })
}

impl Group {
    /// Whether this is a clone of its one member.
    pub fn is_clone(&self) -> bool {
        self.meta.contains_key(PROMOTABLE)
    }

    /// Whether its instances differ: each is told its number, and is a resource for itself.
    pub fn is_unique(&self) -> bool {
        self.is_clone() && self.meta.get("globally-unique").and_then(|value| boolean(value)) == Some(true)
    }

    /// How many instances that differ there are, and how many of them may be on one node; none, where that is not said.
    pub fn instances_that_differ(&self) -> Option<(usize, usize)> {
        let number = |name: &str| self.meta.get(name).and_then(|value| value.trim().parse::<usize>().ok());
        let all = number("clone-max").unwrap_or(0).min(MOST_INSTANCES);
        self.is_unique().then(|| (all, number("clone-node-max").unwrap_or(1).max(1)))
    }

    /// Whether some of its instances are promoted.
    pub fn is_promotable(&self) -> bool {
        self.meta.get(PROMOTABLE).and_then(|value| boolean(value)) == Some(true)
    }
}

impl Primitive {
    /// Whether it is an instance of a promotable clone.
    pub fn is_promotable(&self) -> bool {
        self.clone_spec().is_some_and(|spec| spec.promoted_max.is_some())
    }

    /// Whether its instances are told what is done to its clone: only agents that are programs can be.
    pub fn notifies(&self) -> bool {
        self.agent.class == AgentClass::Ocf && self.clone_spec().is_some_and(|spec| spec.notify)
    }

    /// How it is cloned, if it is; a VM never is.
    pub fn clone_spec(&self) -> Option<CloneSpec> {
        let is_cloned = self.is_service() && self.meta.contains_key(PROMOTABLE) && !self.meta.contains_key(NUMBER);
        is_cloned.then(|| CloneSpec::read(&self.meta))
    }

    /// Takes over how the other is cloned. How many there may be stays what it was for one that was an instance before:
    /// it was started beside so many.
    pub fn clone_as(&mut self, other: &Self) {
        let was_cloned = self.clone_spec().is_some();
        let is_taken = |name: &str| is_of_clones(name) && !(was_cloned && name == "clone-max");
        self.meta.retain(|name, _| !is_taken(name));
        let theirs = other.meta.iter().filter(|(name, _)| is_taken(name));
        self.meta.extend(theirs.map(|(name, value)| (name.clone(), value.clone())));
    }

    /// On how many nodes at once it may be active, where there are so many.
    pub fn copies_among(&self, nodes: usize) -> usize {
        self.clone_spec().map_or(1, |spec| spec.copies(nodes))
    }

    /// As it is carried out where there are so many nodes: its agent is told how many of it there may be.
    #[must_use]
    pub fn among(mut self, nodes: usize) -> Self {
        if let Some(spec) = self.clone_spec().filter(|spec| spec.max.is_none()) {
            self.meta.insert("clone-max".to_owned(), spec.copies(nodes).to_string());
        }
        self
    }

    /// The instance of a clone whose instances differ.
    #[must_use]
    pub(super) fn numbered(mut self, number: usize) -> Self {
        self.meta.insert(NUMBER.to_owned(), number.to_string());
        self
    }

    /// What its agent is told of the clone that it is an instance of, under the names of meta attributes.
    pub fn clone_attributes(&self) -> Attributes {
        let number = self.meta.get(NUMBER).filter(|_| self.meta.contains_key(PROMOTABLE));
        if self.clone_spec().is_none() && number.is_none() {
            return Attributes::new();
        }
        let told = NAMES.iter().map(|(name, default)| {
            let value = self.meta.get(*name).map_or(*default, String::as_str);
            ((*name).to_owned(), value.to_owned())
        });
        // Agents of before ask for what was called so then.
        let old = [("promoted-max", "master-max"), ("promoted-node-max", "master-node-max")].into_iter();
        let old = old.filter(|_| self.is_promotable()).map(|(name, old)| {
            let value = self.meta.get(old).or_else(|| self.meta.get(name)).map_or("1", String::as_str);
            (old.to_owned(), value.to_owned())
        });
        // Instances that do not differ have no numbers of their own.
        let number = number.map_or("0", String::as_str).to_owned();
        told.chain(old).chain([(NUMBER.to_owned(), number)]).collect()
    }
}
