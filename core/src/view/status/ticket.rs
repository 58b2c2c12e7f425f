//! Tickets as people are shown them: who holds them here, and what hangs on each.

use crate::config::{InRole, LossPolicy};
use crate::id::NodeId;
use crate::state::{ClusterState, Ticket};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketView {
    /// Its name.
    pub id: String,
    /// Whether this cluster holds it.
    pub granted: bool,
    /// Held, and to be given up: what needs it stops in order.
    pub standby: bool,
    /// When it was granted last.
    pub last_granted: Option<Timestamp>,
    /// What an arbitrator keeps with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// What needs it.
    pub needed_by: Vec<NeededBy>,
    /// Nodes that are fenced when it is revoked now.
    pub would_fence: Vec<NodeId>,
}

/// One constraint on a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededBy {
    /// Its id.
    pub constraint: String,
    /// What it names, with the role Promoted where it is only about that.
    pub resources: Vec<String>,
    /// What happens when the ticket is lost.
    pub loss_policy: String,
}

impl TicketView {
    /// How it is, in a word or two.
    pub fn state(&self) -> &'static str {
        match (self.granted, self.standby) {
            (true, false) => "granted",
            (true, true) => "on standby",
            (false, _) if self.last_granted.is_some() => "revoked",
            (false, _) => "not granted",
        }
    }
}

pub(super) fn tickets(state: &ClusterState) -> Vec<TicketView> {
    let constraints = &state.config.shorthand.tickets;
    let named = constraints.values().map(|constraint| &constraint.ticket);
    let all: BTreeSet<&String> = state.tickets.keys().chain(named).collect();
    let view = |id: &String| {
        let Ticket { granted, standby, last_granted, attributes } = state.tickets.get(id).cloned().unwrap_or_default();
        let of_it = constraints.iter().filter(|(_, constraint)| constraint.ticket == *id);
        let needed_by = of_it.map(|(name, constraint)| NeededBy {
            constraint: name.clone(),
            resources: constraint
                .resources
                .iter()
                .map(|(name, role)| match role {
                    Some(InRole::Promoted) => format!("{name}:{}", InRole::Promoted.word()),
                    _ => name.to_string(),
                })
                .collect(),
            loss_policy: constraint.policy().word().to_owned(),
        });
        let users = state.users_of_ticket(id, LossPolicy::Fence).into_iter();
        let would_fence: BTreeSet<NodeId> = users.map(|(node, _)| node.clone()).filter(|_| granted).collect();
        let (id, needed_by) = (id.clone(), needed_by.collect());
        TicketView {
            id,
            granted,
            standby,
            last_granted,
            attributes,
            needed_by,
            would_fence: would_fence.into_iter().collect(),
        }
    };
    all.into_iter().map(view).collect()
}
