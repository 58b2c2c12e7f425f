//! Roles and actions that constraints name: are they of something that has them, and do they say anything?

use super::Report;
use crate::config::shorthand::{Want, is_part, whole};
use crate::config::{Config, InRole, LossPolicy, OrderKind, OrderTask, Primitive, Properties};
use crate::id::ResourceId;
use std::collections::BTreeSet;

pub(super) fn check(config: &Config, report: &mut Report) {
    let mut told = Vec::new();
    let mut has_roles = |report: &mut Report, id: &str, resource: &ResourceId, what: &str, mend: &str| {
        let is_promotable = config.primitives.get(resource).is_none_or(Primitive::is_promotable);
        let whole = whole(id).to_owned();
        if !is_promotable && !told.contains(&(whole.clone(), resource.clone())) {
            told.push((whole, resource.clone()));
            let what = format!("it names {what} of {resource}, which is no promotable clone");
            report.error(id, what, mend.replace("{}", resource.as_str()));
        }
    };
    const LEAVE_OUT: &str = "leave the role out, or: `clone ID {} meta promotable=true`";
    for (id, location) in config.locations.iter() {
        if let Some(role) = location.role {
            has_roles(report, id, &location.resource, &format!("the role {}", role.word()), LEAVE_OUT);
        }
    }
    for (resource, ids) in &config.shorthand.ruled {
        for id in ids {
            let Some(location) = config.shorthand.locations.get(id) else { continue };
            let Want::Rules(rules) = &location.want else { continue };
            if let Some(role) = rules.iter().find_map(|rule| rule.role.or(location.role)) {
                has_roles(report, id, resource, &format!("the role {}", role.word()), LEAVE_OUT);
            }
        }
    }
    for (id, colocation) in &config.colocations {
        let ends = [(&colocation.resource, colocation.role), (&colocation.with, colocation.with_role)];
        for (resource, role) in ends.into_iter().filter_map(|(resource, role)| Some((resource, role?))) {
            has_roles(report, id, resource, &format!("the role {}", role.word()), LEAVE_OUT);
        }
    }
    for (resource, need) in
        config.shorthand.needs.iter().flat_map(|(id, needs)| needs.iter().map(move |need| (id, need)))
    {
        if need.for_promotion {
            has_roles(report, &need.constraint, resource, "the role Promoted", LEAVE_OUT);
        }
    }
    let mut any_told = BTreeSet::new();
    for (id, order) in &config.orders {
        for (resource, task) in [(&order.first, order.first_task), (&order.then, order.then_task)] {
            if matches!(task, OrderTask::Promote | OrderTask::Demote) {
                let mend = "what is named without an action is meant to do the same as the first: write {}:start";
                has_roles(report, id, resource, &format!("the action {}", task.word()), mend);
            }
        }
        if !order.requires_all && !order.is_of_starts() && any_told.insert(whole(id)) {
            let what = "any one of a set suffices for starts alone: it orders other actions";
            report.error(id, what, "write ( … ): all of them are needed");
        }
        let is_written = !is_part(id) || config.shorthand.orders.contains_key(whole(id));
        if is_written && !order.first_task.is_upwards() && order.kind == OrderKind::Mandatory {
            let what = format!(
                "it only says what comes first where both act: {} goes on if there is no {} of {}",
                order.then,
                order.first_task.word(),
                order.first
            );
            report.warning(id, what, "");
        }
    }
    unpromoted(config, report);
    tickets(config, report);
}

/// Policies that come to another than the one that was written.
fn tickets(config: &Config, report: &mut Report) {
    let fences = Properties::read(&config.properties).0.stonith_enabled;
    for (id, constraint) in &config.shorthand.tickets {
        let promoted = |(_, role): &(ResourceId, Option<InRole>)| *role == Some(InRole::Promoted);
        if constraint.loss == Some(LossPolicy::Demote) && !constraint.resources.iter().all(promoted) {
            let what = "loss-policy=demote stops what it names without the role Promoted";
            report.warning(id, what, "write RSC:Promoted, or loss-policy=stop");
        }
        if constraint.loss == Some(LossPolicy::Fence) && !fences {
            let what = "loss-policy=fence only stops what it names, for fencing is disabled";
            report.warning(id, what, "property stonith-enabled=true, or loss-policy=stop");
        }
    }
}

/// What is not promoted is unpromoted wherever it runs: a location cannot draw that role.
fn unpromoted(config: &Config, report: &mut Report) {
    let plain = config.locations.iter().filter(|(_, it)| it.role == Some(InRole::Unpromoted)).map(|(id, _)| id);
    let of_rules = config.shorthand.locations.iter().filter(|(_, location)| match &location.want {
        Want::Rules(rules) => rules.iter().any(|rule| rule.role.or(location.role) == Some(InRole::Unpromoted)),
        Want::Node(..) => false,
    });
    for id in plain.chain(of_rules.map(|(id, _)| id)) {
        let mend = "write it for role=Promoted with the opposite score, or without a role";
        report.warning(id, "a location of the role Unpromoted has no effect: what is not promoted has it", mend);
    }
}
