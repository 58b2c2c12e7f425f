//! Tickets as a table: who holds them here, and what needs each.

use super::style::{Style, Tone};
use super::time::Clock;
use quorate_core::view::{NeededBy, TicketView};

pub(crate) fn tickets(tickets: &[TicketView], style: Style, clock: &Clock) -> String {
    let mut table = style.table();
    for ticket in tickets {
        let tone = if ticket.granted && !ticket.standby { Tone::Good } else { Tone::Plain };
        let granted = ticket.last_granted.map_or_else(String::new, |at| match ticket.granted {
            true => format!("since {}", clock.at(at)),
            false => format!("granted last {}", clock.at(at)),
        });
        let needs: Vec<String> = ticket.needed_by.iter().map(needed_by).collect();
        table.add_row(vec![
            Tone::Plain.cell(format!(" {}", ticket.id)),
            tone.cell(ticket.state()),
            Tone::Plain.cell(granted),
            Tone::Plain.cell(attributes(ticket)),
            Tone::Plain.cell(if needs.is_empty() { "nothing needs it".to_owned() } else { needs.join("; ") }),
        ]);
    }
    table.trim_fmt()
}

/// `expires=1795433281 owner=5`
fn attributes(ticket: &TicketView) -> String {
    let each: Vec<String> = ticket.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    each.join(" ")
}

/// `web, db: loss-policy=stop (web-east)`
fn needed_by(need: &NeededBy) -> String {
    format!("{}: loss-policy={} ({})", need.resources.join(", "), need.loss_policy, need.constraint)
}
