//! `<rsc_ticket>`: what may run here only while this site holds a ticket, and node health, which forbids nodes alike.

use super::dom::{flag, named, text};
use super::node::fence;
use super::{Element, Reader, value};
use crate::config::{HEALTH_PREFIX, HealthStrategy, NodeHealth};
use crate::scheduler::{Location, Role, RscIx};
use crate::score::Score;

/// What happens to what runs when its ticket is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Stop,
    Demote,
    Fence,
    Freeze,
}

impl<'a> Reader<'a> {
    pub(super) fn read_ticket(&mut self, element: Element<'a>) {
        let ticket = text(element, "ticket");
        let role = element.attribute("rsc-role").and_then(value::role).filter(|role| *role != Role::Started);
        let loss = match element.attribute("loss-policy") {
            Some("demote") => Loss::Demote,
            Some("freeze") => Loss::Freeze,
            Some("fence") if self.model.options.fences => Loss::Fence,
            None if role == Some(Role::Promoted) => Loss::Demote,
            _ => Loss::Stop,
        };
        let mut concerned: Vec<(RscIx, Option<Role>)> = Vec::new();
        if let Some(id) = element.attribute("rsc") {
            concerned.extend(self.named_resources(id).into_iter().map(|rsc| (rsc, role)));
        }
        for set in named(element, "resource_set").map(|set| self.resolve(set)).collect::<Vec<_>>() {
            let role = set.attribute("role").and_then(value::role).filter(|role| *role != Role::Started);
            for id in named(set, "resource_ref").map(|member| text(member, "id")).collect::<Vec<_>>() {
                concerned.extend(self.named_resources(id).into_iter().map(|rsc| (rsc, role)));
            }
        }
        let (is_granted, is_standby) = self.ticket_state(ticket);
        for (rsc, role) in concerned {
            self.apply_ticket(rsc, role, loss, is_granted, is_standby);
        }
    }

    /// Whether a ticket is granted here, and whether it is on standby.
    fn ticket_state(&self, id: &str) -> (bool, bool) {
        let states =
            self.section(&["status", "tickets"]).into_iter().flat_map(|tickets| named(tickets, "ticket_state"));
        let mut states = states.filter(|state| text(*state, "id") == id);
        let is_on = |state: Element<'_>, name| flag(state, name).unwrap_or(false);
        states.next().map_or((false, false), |state| (is_on(state, "granted"), is_on(state, "standby")))
    }

    fn apply_ticket(&mut self, rsc: RscIx, role: Option<Role>, loss: Loss, is_granted: bool, is_standby: bool) {
        let children = self.model.children(rsc).to_vec();
        for child in &children {
            self.apply_ticket(*child, role, loss, is_granted, is_standby);
        }
        let is_about_promotion = role == Some(Role::Promoted);
        if is_about_promotion && (!is_granted || is_standby) {
            for node in 0..self.model.nodes.len() {
                let (score, role) = (Score::NEG_INFINITY, Role::Promoted);
                self.model.locations.push(Location { resource: rsc, node, score, role });
            }
        }
        if !children.is_empty() {
            return;
        }
        let active = self.model.resources[rsc].active_on.clone();
        if is_granted {
            if is_standby && (!is_about_promotion || loss == Loss::Stop) {
                self.forbid_everywhere(rsc);
            }
        } else if active.is_empty() {
            if !is_about_promotion || loss == Loss::Stop {
                self.forbid_everywhere(rsc);
            }
        } else {
            self.lose(rsc, loss, is_about_promotion, &active);
        }
    }

    fn lose(&mut self, rsc: RscIx, loss: Loss, is_about_promotion: bool, active: &[usize]) {
        match loss {
            Loss::Demote if is_about_promotion => {}
            Loss::Stop | Loss::Demote => self.forbid_everywhere(rsc),
            Loss::Fence => {
                self.forbid_everywhere(rsc);
                for node in active {
                    fence(&mut self.model, *node, "a ticket that it depends on was lost".to_owned());
                }
            }
            Loss::Freeze => {
                let resource = &mut self.model.resources[rsc];
                (resource.is_managed, resource.is_blocked) = (false, true);
            }
        }
    }

    fn forbid_everywhere(&mut self, rsc: RscIx) {
        for node in 0..self.model.nodes.len() {
            self.score(rsc, node, Score::NEG_INFINITY);
        }
    }

    /// Nodes that are not well score less for everything that does not say it does not mind.
    pub(super) fn read_health(&mut self) {
        let option = |name: &str| self.options.get(name).map(String::as_str);
        let given = |name: &str, otherwise: Score| option(name).map_or(otherwise, value::score);
        let by = NodeHealth {
            strategy: option("node-health-strategy").and_then(HealthStrategy::of).unwrap_or_default(),
            base: given("node-health-base", Score::ZERO),
            green: given("node-health-green", Score::ZERO),
            yellow: given("node-health-yellow", Score::ZERO),
            red: given("node-health-red", Score::NEG_INFINITY),
        };
        for node in 0..self.model.nodes.len() {
            let signs = self.model.nodes[node].attributes.iter().filter(|(name, _)| name.starts_with(HEALTH_PREFIX));
            let health = signs.fold(by.base(), |sum, (_, value)| sum + by.worth(value));
            if health == Score::ZERO {
                continue;
            }
            for rsc in self.model.top.clone() {
                let minds = |meta: &std::collections::BTreeMap<String, String>| {
                    meta.get("allow-unhealthy-nodes").and_then(|text| value::boolean(text)) != Some(true)
                };
                if self.meta.get(&rsc).is_none_or(minds) {
                    self.prefer_node(rsc, node, health, false);
                }
            }
        }
    }
}
