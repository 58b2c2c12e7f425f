//! A clone: its instances, first where they are, then wherever there is room.

use super::merge::{self, Factor, Pick};
use super::{assign_one, colocation, promote, take_back};
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
        self.forbid_what_is_full(model, instance);
        if let Some(node) = keep {
            let before: Vec<(RscIx, Resource)> =
                parts(model, instance).into_iter().map(|part| (part, model.resources[part].clone())).collect();
            if assign_one(model, instance, Some(node)) != Some(node) {
                // It would rather be elsewhere: it waits its turn.
                before.into_iter().for_each(|one| take_back(model, one));
                return;
            }
        } else {
            assign_one(model, instance, None);
        }
        if let Some(node) = model.resources[instance].assigned {
            *self.on.entry(node).or_default() += 1;
            self.dealt += 1;
        }
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
    let mut found = model.primitives(instance);
    if !found.contains(&instance) {
        found.push(instance);
    }
    found
}

fn is_failed(model: &Model, instance: RscIx) -> bool {
    model.primitives(instance).into_iter().any(|part| model.resources[part].is_failed)
}

/// The instance that chooses first. Each part compares one key, so it is a total order.
fn compare(model: &Model, clone: RscIx, a: RscIx, b: RscIx) -> Ordering {
    let active = |rsc| model.active_on(rsc);
    let (on_a, on_b) = (active(a), active(b));
    let (at_a, at_b) = (on_a.first().copied(), on_b.first().copied());
    let clone_scores = &model.resources[clone].scores;
    let is_allowed = |at: Option<NodeIx>| at.is_none_or(|node| model.is_available(node, clone_scores.get(node)));
    let by_allowed = is_allowed(at_b).cmp(&is_allowed(at_a));
    let by_priority = || model.resources[b].priority.cmp(&model.resources[a].priority);
    let by_activity = || at_b.is_some().cmp(&at_a.is_some());
    let by_spread = || on_a.len().cmp(&on_b.len());
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
    by_allowed
        .then_with(by_priority)
        .then_with(by_activity)
        .then_with(by_spread)
        .then_with(by_failure)
        .then_with(by_score)
        .then_with(by_id)
}
