//! A clone: its instances, first where they are, then wherever there is room.

use super::merge::{self, Factor, Pick};
use super::{assign_one, bundle, colocation, promote, take_back};
use crate::scheduler::{Kind, Model, NodeIx, Resource, RscIx, by_name};
use crate::score::Score;
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    let Kind::Clone(spec) = model.resources[rsc].kind.clone() else { return None };
    model.resources[rsc].is_assigning = true;
    if spec.promotion.is_some() {
        promote::add_scores(model, rsc);
    }
    for ix in colocation::follows(model, rsc) {
        let with = model.colocations[ix].with;
        assign_one(model, with, prefer);
    }
    for ix in colocation::followed(model, rsc) {
        if colocation::has_influence(model, ix) {
            let dependent = model.colocations[ix].resource;
            let mut scores = model.resources[rsc].scores.clone();
            merge::add(model, dependent, &mut scores, Some(ix), Factor::of(model, ix), Pick::NonNegative);
            model.resources[rsc].scores = scores;
        }
    }
    let mut instances = spec.instances.clone();
    instances.sort_by(|a, b| compare(model, rsc, *a, *b));
    Dealing { clone: rsc, max: spec.max, node_max: spec.node_max, on: BTreeMap::new(), dealt: 0 }
        .all(model, &instances);
    model.resources[rsc].is_assigned = true;
    bundle::fill(model, rsc);
    if spec.promotion.is_some() {
        promote::choose(model, rsc);
    }
    model.resources[rsc].is_assigning = false;
    None
}

/// Instances while they are dealt to nodes.
struct Dealing {
    clone: RscIx,
    max: usize,
    node_max: usize,
    /// How many each node has.
    on: BTreeMap<NodeIx, usize>,
    dealt: usize,
}

impl Dealing {
    fn all(&mut self, model: &mut Model, instances: &[RscIx]) {
        let scores = &model.resources[self.clone].scores;
        let available = scores.iter().filter(|(node, score)| model.is_available(*node, Some(*score))).count();
        let fair = self.max.checked_div(available).unwrap_or(self.max).clamp(1, self.node_max.max(1));
        for instance in instances {
            if self.dealt >= self.max {
                break;
            }
            if let Some(node) = self.keeps(model, *instance, fair) {
                self.deal(model, *instance, Some(node));
            }
        }
        for instance in instances {
            if model.resources[*instance].is_assigned {
                continue;
            }
            if self.dealt >= self.max {
                for part in parts(model, *instance) {
                    model.resources[part].scores.add_to_all(Score::NEG_INFINITY);
                }
            }
            self.deal(model, *instance, None);
        }
    }

    /// The node an instance may stay on.
    fn keeps(&self, model: &Model, instance: RscIx, fair: usize) -> Option<NodeIx> {
        if model.resources[instance].is_assigned || is_failed(model, instance) {
            return None;
        }
        let node = *model.active_on(instance).iter().next()?;
        let score = model.resources[self.clone].scores.get(node);
        let has_room = self.on.get(&node).copied().unwrap_or(0) < fair;
        (has_room && model.is_available(node, score)).then_some(node)
    }

    fn deal(&mut self, model: &mut Model, instance: RscIx, keep: Option<NodeIx>) {
        match keep {
            Some(node) => self.keep(model, instance, node),
            None => {
                self.forbid_what_is_full(model, instance);
                assign_one(model, instance, None);
            }
        }
        if let Some(node) = model.resources[instance].assigned {
            *self.on.entry(node).or_default() += 1;
            self.dealt += 1;
        }
    }

    /// Lets an instance stay, if there are enough others for the nodes it would rather be on; else it waits its turn.
    fn keep(&mut self, model: &mut Model, instance: RscIx, node: NodeIx) {
        let on = self.on.clone();
        for _ in self.dealt..self.max {
            let before: Vec<(RscIx, Resource)> =
                parts(model, instance).into_iter().map(|part| (part, model.resources[part].clone())).collect();
            self.forbid_what_is_full(model, instance);
            let chosen = assign_one(model, instance, Some(node));
            if chosen == Some(node) {
                break;
            }
            before.into_iter().for_each(|one| take_back(model, one));
            let Some(better) = chosen else { break };
            *self.on.entry(better).or_default() += 1;
        }
        self.on = on;
    }

    fn forbid_what_is_full(&self, model: &mut Model, instance: RscIx) {
        for node in 0..model.nodes.len() {
            let is_full = self.on.get(&node).copied().unwrap_or(0) >= self.node_max;
            let is_known = model.resources[self.clone].scores.get(node).is_some();
            if is_full || !is_known {
                for part in parts(model, instance) {
                    if model.resources[part].scores.get(node).is_some() {
                        model.resources[part].scores.set(node, Score::NEG_INFINITY);
                    }
                }
            }
        }
    }
}

/// An instance and all in it.
fn parts(model: &Model, instance: RscIx) -> Vec<RscIx> {
    let mut found = model.leading_parts(instance);
    if !found.contains(&instance) {
        found.push(instance);
    }
    found
}

fn is_failed(model: &Model, instance: RscIx) -> bool {
    model.leading_parts(instance).into_iter().any(|part| model.resources[part].is_failed)
}

/// The instance that chooses first. Each part compares one key, so it is a total order.
fn compare(model: &Model, clone: RscIx, a: RscIx, b: RscIx) -> Ordering {
    let active = |rsc| model.active_on(rsc);
    let (on_a, on_b) = (active(a), active(b));
    let (at_a, at_b) = (on_a.first().copied(), on_b.first().copied());
    let clone_scores = &model.resources[clone].scores;
    let is_allowed = |at: &NodeIx| clone_scores.get(*at).is_some_and(|score| score >= Score::ZERO);
    let by_spread = if at_a.is_some() && at_b.is_some() { on_a.len().cmp(&on_b.len()) } else { Ordering::Equal };
    let by_allowed = at_b.as_ref().is_none_or(is_allowed).cmp(&at_a.as_ref().is_none_or(is_allowed));
    // A node it may not be on any more counts as none.
    let (at_a, at_b) = (at_a.filter(is_allowed), at_b.filter(is_allowed));
    let by_priority = || model.resources[b].priority.cmp(&model.resources[a].priority);
    let by_activity = || at_b.is_some().cmp(&at_a.is_some());
    let is_available = |at: Option<NodeIx>| at.is_some_and(|node| model.nodes[node].is_available());
    let by_availability = || is_available(at_b).cmp(&is_available(at_a));
    let by_failure = || is_failed(model, a).cmp(&is_failed(model, b));
    let by_score = || match (at_a, at_b) {
        (Some(x), Some(y)) => {
            let score = |rsc: RscIx, node| {
                let first = model.primitives(rsc).first().copied().unwrap_or(rsc);
                model.resources[first].scores.or_never(node)
            };
            score(b, y).cmp(&score(a, x))
        }
        _ => Ordering::Equal,
    };
    let by_id = || by_name(&model.resources[a].id, &model.resources[b].id);
    by_spread
        .then(by_allowed)
        .then_with(by_priority)
        .then_with(by_activity)
        .then_with(by_availability)
        .then_with(by_failure)
        .then_with(by_score)
        .then_with(by_id)
}
