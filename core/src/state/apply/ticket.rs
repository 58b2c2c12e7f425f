//! `qrm ticket`: what this cluster may run, by somebody's word. What follows of it is the planner's.

use crate::state::{ClusterState, EventKind, Outcome, Refusal, TicketChange};

/// So many are kept; a constraint of its own is needed for each to mean anything.
const TICKETS_KEPT: usize = 256;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

impl ClusterState {
    pub(super) fn set_ticket(&mut self, actor: &str, name: &str, change: TicketChange) -> Result<Outcome, Refusal> {
        if !crate::grammar::is_id(name) || name.len() > LONGEST_NAME {
            let why = format!("'{name}' cannot be the name of a ticket: letters, digits, '-', '_' and '.'");
            return Err(Refusal::Invalid(why));
        }
        let now = self.now;
        let known = self.tickets.get(name).cloned();
        if known.is_none() && self.tickets.len() >= TICKETS_KEPT {
            return Err(Refusal::Invalid(format!("there are {TICKETS_KEPT} tickets: delete one first")));
        }
        let mut ticket = known.clone().unwrap_or_default();
        let was = match (ticket.granted, change) {
            (true, TicketChange::Delete) => {
                let why =
                    format!("ticket {name} is granted: revoke it first, and what needs it is treated by its policy");
                return Err(Refusal::Invalid(why));
            }
            (_, TicketChange::Delete) => {
                self.tickets.remove(name);
                return Ok(self.tell_ticket(format!("{actor} deleted what was known of ticket {name}")));
            }
            (true, TicketChange::Grant) | (false, TicketChange::Revoke) => return Ok(Outcome::Done),
            (_, TicketChange::Grant) => {
                (ticket.granted, ticket.last_granted) = (true, Some(now));
                "granted"
            }
            (_, TicketChange::Revoke) => {
                ticket.granted = false;
                "revoked"
            }
            (_, TicketChange::Standby) => {
                ticket.standby = true;
                "put on standby"
            }
            (_, TicketChange::Activate) => {
                ticket.standby = false;
                "activated"
            }
        };
        if known.as_ref() == Some(&ticket) {
            return Ok(Outcome::Done);
        }
        self.tickets.insert(name.to_owned(), ticket);
        Ok(self.tell_ticket(format!("ticket {name} was {was} by {actor}")))
    }

    fn tell_ticket(&mut self, text: String) -> Outcome {
        self.record(EventKind::Ticket, None, None, text);
        Outcome::Done
    }
}
