//! Tickets: what this cluster may run, by a person's word or that of an arbitrator of several clusters.

use super::asker::Asker;
use super::fault;
use quorate_api::Fault;
use quorate_api::proto::{ChangeReply, TicketRequest, TicketVerb};
use quorate_core::config::LossPolicy;
use quorate_core::id::NodeId;
use quorate_core::state::{ClusterState, Command, Ticket, TicketChange};
use std::collections::BTreeMap;

/// Answers `Ticket`.
pub(super) async fn ticket(asker: &Asker, request: &TicketRequest) -> Result<ChangeReply, Fault> {
    asker.settle().await?;
    let name = request.ticket.as_str();
    let set = request.set.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let attributes: BTreeMap<_, _> = set.chain(request.unset.iter().map(|name| (name.clone(), None))).collect();
    let change = match request.verb() {
        TicketVerb::Grant => Some(TicketChange::Grant),
        TicketVerb::Revoke => Some(TicketChange::Revoke),
        TicketVerb::Standby => Some(TicketChange::Standby),
        TicketVerb::Activate => Some(TicketChange::Activate),
        TicketVerb::Delete => Some(TicketChange::Delete),
        TicketVerb::Unspecified if !attributes.is_empty() => None,
        TicketVerb::Unspecified => {
            return Err(fault::invalid("the request does not say what to do with the ticket", "name a verb"));
        }
    };
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message: asker.cluster.state(|state| words(state, name)) });
    }
    let (actor, ticket) = (asker.actor.clone(), name.to_owned());
    let lost = matches!(change, Some(TicketChange::Revoke)).then(|| asker.cluster.state(|state| losses(state, name)));
    let (index, _) = asker.propose(Command::SetTicket { actor, ticket, change, attributes }).await?;
    let mut message = asker.cluster.state(|state| words(state, name));
    if let Some(lost) = lost.filter(|lost| !lost.is_empty()) {
        message.push_str("\n  ");
        message.push_str(&lost.join("\n  "));
    }
    Ok(ChangeReply { index, message })
}

/// What comes of its loss, where it is held: what is done with each that is there now, worst first.
fn losses(state: &ClusterState, name: &str) -> Vec<String> {
    if !state.tickets.get(name).is_some_and(|ticket| ticket.granted) {
        return Vec::new();
    }
    let of = |policy: LossPolicy| {
        let mut at: BTreeMap<&NodeId, Vec<&str>> = BTreeMap::new();
        for (node, resource) in state.users_of_ticket(name, policy) {
            at.entry(node).or_default().push(resource.as_str());
        }
        at.into_iter().map(move |(node, resources)| {
            let all = resources.join(", ");
            match policy {
                LossPolicy::Fence => format!("{node} is fenced, where {all} may be active"),
                LossPolicy::Stop => format!("{all} stops on {node}"),
                LossPolicy::Demote => format!("{all} is demoted on {node}; what is not promotable stops"),
                LossPolicy::Freeze => format!("{all} is left alone on {node}"),
            }
        })
    };
    let policies = [LossPolicy::Fence, LossPolicy::Stop, LossPolicy::Demote, LossPolicy::Freeze];
    policies.into_iter().flat_map(of).collect()
}

/// How it is now, and what that means here.
fn words(state: &ClusterState, name: &str) -> String {
    let constraints = state.config.shorthand.tickets.iter().filter(|(_, constraint)| constraint.ticket == name);
    let each: Vec<String> = constraints
        .map(|(id, constraint)| {
            let resources: Vec<String> = constraint.resources.iter().map(|(name, _)| name.to_string()).collect();
            format!("{} ({id}, loss-policy={})", resources.join(", "), constraint.policy().word())
        })
        .collect();
    let needs = if each.is_empty() { "nothing".to_owned() } else { each.join("; ") };
    match state.tickets.get(name) {
        Some(Ticket { granted: true, standby: false, .. }) => format!("ticket {name} is granted: {needs} may run"),
        Some(Ticket { granted: true, .. }) => format!("ticket {name} is granted and on standby: {needs} may not run"),
        Some(_) => format!("ticket {name} is not granted: it is missing for {needs}"),
        None => format!("nothing is known of ticket {name}: it counts as not granted, for {needs}"),
    }
}
