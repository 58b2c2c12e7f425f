//! Orders of which any one of several is enough: what comes after `[ A B ]` starts once one of them runs, and stops with
//! the last of them. `order` says what comes of those where all are needed.

use super::Blocked;
use super::actions::Draft;
use super::placement::Wanted;
use crate::config::shorthand::whole;
use crate::config::{Order, OrderKind};
use crate::id::{NodeId, ResourceId};
use crate::state::{ActionKind, ClusterState};
use std::collections::BTreeMap;

/// One of several suffices.
#[derive(Clone, Debug)]
pub(super) struct AnyOf<'s> {
    /// Each an order of its own; there is one at least.
    orders: Vec<&'s Order>,
}

/// All of them, by the constraint and what comes after.
pub(super) fn any_of(state: &ClusterState) -> Vec<AnyOf<'_>> {
    let mut all: BTreeMap<(&str, &ResourceId), Vec<&Order>> = BTreeMap::new();
    for (id, order) in state.config.orders.iter().filter(|(_, order)| !order.requires_all) {
        all.entry((whole(id), &order.then)).or_default().push(order);
    }
    all.into_values().map(|orders| AnyOf { orders }).collect()
}

impl<'s> AnyOf<'s> {
    /// What comes after.
    pub(super) fn then(&self) -> &'s ResourceId {
        &self.orders[0].then
    }

    /// How binding.
    pub(super) fn kind(&self) -> OrderKind {
        self.orders[0].kind
    }

    /// Those of which one is needed.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &'s ResourceId> + '_ {
        self.orders.iter().map(|order| &order.first)
    }

    /// Stops go against it, and what comes after shares the fate of the last.
    fn binds_both_ways(&self) -> bool {
        self.kind() == OrderKind::Mandatory && self.orders[0].symmetrical
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let names: Vec<&str> = self.firsts().map(ResourceId::as_str).collect();
        format!("one of {}", names.join(", "))
    }
}

impl Draft<'_> {
    /// What runs after one of several stops where the last of those is stopped, and starts again once one runs.
    pub(super) fn restart_after_any(&mut self, any: &AnyOf<'_>, wanted: &BTreeMap<ResourceId, Wanted>) -> bool {
        if !any.binds_both_ways() || self.goes_on(any) {
            return false;
        }
        let is_worked_on = any.firsts().any(|first| {
            let drafted = [ActionKind::Start, ActionKind::Stop].iter().any(|kind| !self.find(*kind, first).is_empty());
            drafted || !self.pending(first, &[ActionKind::Start, ActionKind::Stop]).is_empty()
        });
        let nodes = if is_worked_on { self.runs_undisturbed(any.then(), wanted) } else { Vec::new() };
        for node in &nodes {
            let why = format!("{} has to run before it, and none does now", any.words());
            let stop = self.add(ActionKind::Stop, any.then(), node, why.clone(), Vec::new());
            self.add(ActionKind::Start, any.then(), node, why, vec![stop]);
        }
        !nodes.is_empty()
    }

    /// Nothing starts before one of them runs: which of them is first to run nobody knows before.
    pub(super) fn after_any(&mut self, any: &AnyOf<'_>, wanted: &BTreeMap<ResourceId, Wanted>) -> Option<Blocked> {
        if any.orders[0].symmetrical && !self.goes_on(any) {
            for order in &any.orders {
                for first in self.find(ActionKind::Stop, &order.first) {
                    self.stop_after(order, first, wanted);
                }
            }
        }
        let starts = self.find(ActionKind::Start, any.then());
        if starts.is_empty() || self.goes_on(any) {
            return None;
        }
        let comes = |first: &ResourceId| {
            let is_drafted = self.actions.iter().any(|action| action.resource == *first);
            is_drafted || !self.pending(first, &[ActionKind::Probe, ActionKind::Stop, ActionKind::Start]).is_empty()
        };
        let is_worked_on = any.firsts().any(comes);
        let is_to_run = |first: &ResourceId| wanted.get(first).is_some_and(|first| !first.places().is_empty());
        if !any.firsts().any(is_to_run) || (any.kind() == OrderKind::Optional && !is_worked_on) {
            return None;
        }
        self.left_out.extend(starts);
        let why = format!("{} has to run before it, and none does yet", any.words());
        (!is_worked_on).then(|| Blocked { resource: any.then().clone(), why, mend: None })
    }

    /// One of them runs, and is not about to be stopped.
    fn goes_on(&self, any: &AnyOf<'_>) -> bool {
        let nodes: Vec<&NodeId> = self.state.nodes.keys().collect();
        any.firsts().any(|first| nodes.iter().any(|node| self.runs_on(first, node)))
    }
}
