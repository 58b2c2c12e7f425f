//! Tickets: leave for the whole cluster to run something, which a person or an arbitrator of several clusters gives and takes.
//! What needs which is configured (`rsc_ticket`); here is what a resource may do with the tickets that are held.

use super::{ActionKind, Activity, ClusterState, Seen, Standing};
use crate::config::{LossPolicy, TicketNeed};
use crate::id::{NodeId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a ticket; of one that nobody ever spoke of nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Whether this cluster holds it.
    pub granted: bool,
    /// Held, and to be given up: what needs it stops in order.
    pub standby: bool,
    /// When it was granted last; `None`: never.
    pub last_granted: Option<Timestamp>,
    /// What an arbitrator keeps with it (`owner`, `expires`, `term` of booth), for itself alone.
    pub attributes: BTreeMap<String, String>,
}

/// What becomes of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketChange {
    /// This cluster holds it.
    Grant,
    /// It holds it no more: what needs it is treated by its policy.
    Revoke,
    /// What needs it stops in order, before it is revoked.
    Standby,
    /// The end of standby.
    Activate,
    /// All that is known of it goes; not while it is granted.
    Delete,
}

/// What the tickets that it needs leave of a resource; later ones come before earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TicketHold {
    /// It may run.
    Free,
    /// It may run, and not be promoted; why.
    Unpromoted(String),
    /// It runs somewhere, and nobody touches it; why.
    Frozen(String),
    /// It must not run; why.
    Stopped(String),
}

impl TicketHold {
    /// Why it must not run, where it must not.
    pub fn stops(self) -> Option<String> {
        match self {
            Self::Stopped(why) => Some(why),
            Self::Free | Self::Unpromoted(_) | Self::Frozen(_) => None,
        }
    }

    /// Why it may not do all that it could.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Free => None,
            Self::Unpromoted(why) | Self::Frozen(why) | Self::Stopped(why) => Some(why),
        }
    }
}

impl Ticket {
    fn is_good(&self) -> bool {
        self.granted && !self.standby
    }
}

impl ClusterState {
    /// What the tickets that it needs leave of it.
    pub fn ticket_hold(&self, resource: &ResourceId) -> TicketHold {
        let needs = self.config.shorthand.needs.get(resource).into_iter().flatten();
        needs.map(|need| self.hold_by(resource, need)).max().unwrap_or(TicketHold::Free)
    }

    /// Whether nobody touches it: it is not managed, or it lost a ticket and is left alone for that.
    pub fn is_left_alone(&self, resource: &ResourceId) -> bool {
        self.config.is_hands_off(resource) || matches!(self.ticket_hold(resource), TicketHold::Frozen(_))
    }

    fn hold_by(&self, resource: &ResourceId, need: &TicketNeed) -> TicketHold {
        let ticket = self.tickets.get(&need.ticket);
        if ticket.is_some_and(Ticket::is_good) {
            return TicketHold::Free;
        }
        let why = self.why_not(&need.ticket);
        let is_revoked = ticket.is_none_or(|ticket| !ticket.granted);
        let keeps = || self.nodes.keys().any(|node| self.uses_ticket(resource, node, need));
        match need.loss {
            LossPolicy::Freeze if is_revoked && keeps() => TicketHold::Frozen(why),
            LossPolicy::Demote | LossPolicy::Fence | LossPolicy::Freeze if need.for_promotion => {
                TicketHold::Unpromoted(why)
            }
            LossPolicy::Stop | LossPolicy::Demote | LossPolicy::Fence | LossPolicy::Freeze => TicketHold::Stopped(why),
        }
    }

    /// Why what needs this ticket cannot have it, in words.
    fn why_not(&self, name: &str) -> String {
        match self.tickets.get(name) {
            Some(ticket) if ticket.granted => format!("ticket {name} is on standby"),
            Some(ticket) if ticket.last_granted.is_some() => format!("ticket {name} was revoked"),
            Some(_) | None => format!("ticket {name} is not granted"),
        }
    }

    /// What gives back what a ticket took: nothing where none is missing.
    pub fn ticket_mend(&self, resource: &ResourceId) -> Option<String> {
        let needs = self.config.shorthand.needs.get(resource).into_iter().flatten();
        let missing = needs.filter(|need| !self.tickets.get(&need.ticket).is_some_and(Ticket::is_good));
        let commands = missing.map(|need| match self.tickets.get(&need.ticket) {
            Some(ticket) if ticket.granted => format!("qrm ticket activate {}", need.ticket),
            _ => format!("qrm ticket grant {}", need.ticket),
        });
        let commands: std::collections::BTreeSet<String> = commands.collect();
        (!commands.is_empty()).then(|| commands.into_iter().collect::<Vec<_>>().join("; "))
    }

    /// Whether it is on this node what it needs the ticket for, as far as is known: what was never started there by a claim,
    /// and not seen either, is not.
    fn uses_ticket(&self, resource: &ResourceId, node: &NodeId, need: &TicketNeed) -> bool {
        let Some(activity) = self.activity(resource, node) else { return false };
        let was_started = activity.definition.is_some();
        let is_promoting = || activity.claim.as_ref().is_some_and(|claim| claim.kind == ActionKind::Promote);
        let standing = self.standing(resource, node);
        match (&standing, need.for_promotion) {
            (Standing::NotActive, _) => false,
            (_, false) if is_there(activity) => true,
            (_, true) if activity.seen == Seen::Promoted || is_promoting() => true,
            (_, true) if activity.seen == Seen::Running => false,
            _ => was_started,
        }
    }

    /// Whom a ticket that was lost has fenced: each node with the resource and the ticket. What was never granted was not lost.
    pub fn fenced_for_tickets(&self) -> Vec<(&NodeId, &ResourceId, &str)> {
        let lost = self.tickets.iter().filter(|(_, ticket)| !ticket.granted && ticket.last_granted.is_some());
        let users = lost.flat_map(|(name, _)| {
            let users = self.users_of_ticket(name, LossPolicy::Fence).into_iter();
            users.map(move |(node, resource)| (node, resource, name.as_str()))
        });
        users.collect()
    }

    /// Where what needs this ticket by this policy is, or may be.
    pub fn users_of_ticket(&self, ticket: &str, loss: LossPolicy) -> Vec<(&NodeId, &ResourceId)> {
        let mut found = Vec::new();
        for (resource, needs) in &self.config.shorthand.needs {
            for need in needs.iter().filter(|need| need.ticket == ticket && need.loss == loss) {
                let nodes = self.nodes.keys().filter(|node| self.uses_ticket(resource, node, need));
                found.extend(nodes.map(|node| (node, resource)));
            }
        }
        found
    }

    /// Why a ticket forbids what is about to be done to a resource, at the entry that asks for it.
    pub(super) fn ticket_forbids(&self, resource: &ResourceId, kind: ActionKind) -> Option<String> {
        match self.ticket_hold(resource) {
            TicketHold::Free => None,
            TicketHold::Unpromoted(why) => Some(why).filter(|_| kind == ActionKind::Promote),
            TicketHold::Frozen(why) | TicketHold::Stopped(why) => Some(why),
        }
    }
}

fn is_there(activity: &Activity) -> bool {
    matches!(activity.seen, Seen::Running | Seen::Promoted | Seen::Failed(_))
}
