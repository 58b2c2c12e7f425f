//! `qrm ticket`: what this cluster may run, by somebody's word. What follows of it is the planner's.

use crate::state::{ClusterState, EventKind, Outcome, Refusal, Ticket, TicketChange};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// So many are kept; a constraint of its own is needed for each to mean anything.
const TICKETS_KEPT: usize = 256;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// What a ticket has of its own, under Pacemaker's names.
const OWN: &[&str] = &["id", "granted", "standby", "last-granted"];
/// So many attributes are kept with a ticket.
const ATTRIBUTES_KEPT: usize = 32;
/// The longest value of one, in bytes.
const LONGEST_VALUE: usize = 256;

impl ClusterState {
    pub(super) fn ticket(
        &mut self,
        actor: &str,
        name: &str,
        change: Option<TicketChange>,
        attributes: &BTreeMap<String, Option<String>>,
    ) -> Result<Outcome, Refusal> {
        if !crate::grammar::is_id(name) || name.len() > LONGEST_NAME {
            let why = format!("'{name}' cannot be the name of a ticket: letters, digits, '-', '_' and '.'");
            return Err(Refusal::Invalid(why));
        }
        let known = self.tickets.get(name).cloned();
        if known.is_none() && self.tickets.len() >= TICKETS_KEPT {
            return Err(Refusal::Invalid(format!("there are {TICKETS_KEPT} tickets: delete one first")));
        }
        let mut ticket = known.clone().unwrap_or_default();
        keep(&mut ticket.attributes, attributes)?;
        let was = match change {
            Some(change) => turn(&mut ticket, name, change, self.now)?,
            None => None,
        };
        if change == Some(TicketChange::Delete) {
            self.tickets.remove(name);
            return Ok(self.tell_ticket(format!("{actor} deleted what was known of ticket {name}")));
        }
        if known.as_ref() == Some(&ticket) {
            return Ok(Outcome::Done);
        }
        self.tickets.insert(name.to_owned(), ticket);
        Ok(match was {
            Some(was) => self.tell_ticket(format!("ticket {name} was {was} by {actor}")),
            // An arbitrator renews them all the time.
            None => Outcome::Done,
        })
    }

    fn tell_ticket(&mut self, text: String) -> Outcome {
        self.record(EventKind::Ticket, None, None, text);
        Outcome::Done
    }
}

/// What becomes of a ticket, in a word; nothing where it is so already.
fn turn(
    ticket: &mut Ticket,
    name: &str,
    change: TicketChange,
    now: Timestamp,
) -> Result<Option<&'static str>, Refusal> {
    let was = ticket.clone();
    let word = match change {
        TicketChange::Delete if ticket.granted => {
            let why = format!("ticket {name} is granted: revoke it first, and what needs it is treated by its policy");
            return Err(Refusal::Invalid(why));
        }
        TicketChange::Delete => "deleted",
        TicketChange::Grant => {
            if !ticket.granted {
                (ticket.granted, ticket.last_granted) = (true, Some(now));
            }
            "granted"
        }
        TicketChange::Revoke => {
            ticket.granted = false;
            "revoked"
        }
        TicketChange::Standby => {
            ticket.standby = true;
            "put on standby"
        }
        TicketChange::Activate => {
            ticket.standby = false;
            "activated"
        }
    };
    Ok((*ticket != was).then_some(word))
}

/// Sets and removes what is kept with a ticket.
fn keep(kept: &mut BTreeMap<String, String>, attributes: &BTreeMap<String, Option<String>>) -> Result<(), Refusal> {
    for (name, value) in attributes {
        if !crate::grammar::is_id(name) || name.len() > LONGEST_NAME || OWN.contains(&name.as_str()) {
            let why = format!("'{name}' cannot be kept with a ticket: it is its own, or no name");
            return Err(Refusal::Invalid(why));
        }
        match value {
            Some(value) if value.len() > LONGEST_VALUE || value.contains(char::is_control) => {
                let why = format!("the value of {name} is longer than {LONGEST_VALUE} bytes, or no text");
                return Err(Refusal::Invalid(why));
            }
            Some(value) => _ = kept.insert(name.clone(), value.clone()),
            None => _ = kept.remove(name),
        }
    }
    if kept.len() > ATTRIBUTES_KEPT {
        return Err(Refusal::Invalid(format!("no more than {ATTRIBUTES_KEPT} attributes are kept with a ticket")));
    }
    Ok(())
}
