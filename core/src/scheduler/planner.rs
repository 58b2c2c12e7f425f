//! Plans again and again, as a leader does: keeps the last plan with what it was made of, and answers it while nothing
//! that a plan depends on has changed. Every answer equals that of a plan from scratch.

use super::{Asked, Model, Outcome, schedule};
use std::sync::Arc;

/// The last plan, and what it was made of.
#[derive(Debug, Default)]
pub struct Planner {
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    model: Model,
    outcome: Arc<Outcome>,
}

impl Planner {
    /// Plans with this. Where it differs from the last only in what no plan depends on, the last plan is the answer.
    pub fn plan(&mut self, model: Model) -> Arc<Outcome> {
        if let Some(kept) = &mut self.kept
            && kept.model.is_planned_like(&model)
        {
            if kept.model.warnings != model.warnings {
                Arc::make_mut(&mut kept.outcome).warnings.clone_from(&model.warnings);
            }
            kept.model = model;
            return Arc::clone(&kept.outcome);
        }
        let outcome = Arc::new(schedule(model.clone()));
        self.kept = Some(Kept { model, outcome: Arc::clone(&outcome) });
        outcome
    }

    /// An attribute of a node is this now, whatever it was by (permanent or transient); `None` is that it is gone. Answers
    /// the plan, or `None` where the model was made by what this attribute is: then make it anew, and `plan`.
    pub fn attribute(&mut self, node: &str, name: &str, value: Option<&str>) -> Option<Arc<Outcome>> {
        let Kept { model, outcome } = self.kept.as_mut()?;
        let ix = model.nodes.iter().position(|one| one.name == node)?;
        if model.nodes[ix].attributes.get(name).map(String::as_str) == value {
            return Some(Arc::clone(outcome));
        }
        if model.asked.has(name) {
            // What is kept is of another input: it must not be answered any more.
            self.kept = None;
            return None;
        }
        let attributes = &mut model.nodes[ix].attributes;
        match value {
            Some(value) => _ = attributes.insert(name.to_owned(), value.to_owned()),
            None => _ = attributes.remove(name),
        }
        if model.reads(name) {
            *outcome = Arc::new(schedule(model.clone()));
        }
        Some(Arc::clone(outcome))
    }
}

impl Asked {
    /// Whether this attribute was asked for.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.beginnings.iter().any(|beginning| name.starts_with(beginning))
    }
}

impl Model {
    /// Whether the scheduler itself reads an attribute of nodes by this name.
    fn reads(&self, name: &str) -> bool {
        let is_wish = name.starts_with("master-") || name.starts_with("promotion-");
        let colocates = |name: &str| self.colocations.iter().any(|one| one.attribute.as_deref() == Some(name));
        name == "#uname" || is_wish || colocates(name)
    }

    /// Whether a plan with the other is the same, warnings aside.
    fn is_planned_like(&self, other: &Self) -> bool {
        let Self {
            options,
            nodes,
            resources,
            top,
            colocations,
            orders,
            locations,
            fence,
            leader,
            warnings: _,
            room: _,
            asked: _,
            remotes,
            bundles,
            limits,
        } = self;
        // What depends on the time was decided when the model was made.
        let options = super::Options { now: other.options.now, ..options.clone() };
        options == other.options
            && *top == other.top
            && *fence == other.fence
            && *leader == other.leader
            && *colocations == other.colocations
            && *orders == other.orders
            && *locations == other.locations
            && *remotes == other.remotes
            && *bundles == other.bundles
            && *limits == other.limits
            && nodes.len() == other.nodes.len()
            && nodes.iter().zip(&other.nodes).all(|(one, other)| self.is_node_like(one, other))
            && *resources == other.resources
    }

    fn is_node_like(&self, one: &super::Node, other: &super::Node) -> bool {
        if one.attributes == other.attributes {
            return one == other;
        }
        let read = |node: &super::Node| {
            let mut node = node.clone();
            node.attributes.retain(|name, _| self.reads(name));
            node
        };
        read(one) == read(other)
    }
}
