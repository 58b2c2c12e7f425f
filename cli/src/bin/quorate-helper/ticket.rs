//! `crm_ticket`, as booth calls it: leave for this cluster to run something, and what an arbitrator keeps with that.

use super::options::{Given, Known, flag, value};
use super::{Answer, Cluster, Failed};
use quorate_api::proto::TicketVerb;
use quorate_core::view::TicketView;
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) const CRM_TICKET: &[Known] = &[
    value('t', "ticket"),
    flag('g', "grant"),
    flag('r', "revoke"),
    flag('s', "standby"),
    flag('a', "activate"),
    flag('C', "cleanup"),
    flag('q', "query-xml"),
    flag('w', "raw"),
    value('G', "get-attr"),
    value('S', "set-attr"),
    value('D', "delete-attr"),
    value('v', "attr-value"),
    value('d', "default"),
    flag('f', "force"),
    flag('Q', "quiet"),
    flag(' ', "quiet"),
    flag('V', "verbose"),
];

/// What is done to a ticket, and what is set beside it.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    verb: TicketVerb,
    attributes: BTreeMap<String, Option<String>>,
}

pub(super) async fn crm_ticket(given: &Given) -> Answer {
    let named = given.get(&["ticket"]).filter(|name| !name.is_empty());
    let asks = ["query-xml", "get-attr", "raw"].into_iter().find(|query| given.has(query));
    if let Some(query) = asks {
        let known = Cluster::reach().await?.status().await?.tickets;
        // What only a constraint names has no state.
        let known = known.into_iter().filter(|ticket| named.is_none_or(|name| ticket.id == name) && has_state(ticket));
        return answer(query, given, named, known.collect());
    }
    let wanted = wanted(given)?;
    let ticket = named.ok_or_else(|| Failed::Usage("Must supply ticket ID with -t".to_owned()))?;
    if wanted.verb == TicketVerb::Unspecified && wanted.attributes.is_empty() {
        return Err(Failed::Usage("Must supply a command".to_owned()));
    }
    let cluster = Cluster::reach().await?;
    if wanted.verb == TicketVerb::Delete {
        let known = cluster.status().await?.tickets.into_iter().find(|known| known.id == ticket && has_state(known));
        match known {
            None => return Err(Failed::NoSuch(format!("No such ticket '{ticket}'"))),
            Some(known) if known.granted => {
                return Err(Failed::NotAllowed(format!("'{ticket}' is granted: revoke it first (-r --force)")));
            }
            Some(_) => {}
        }
    }
    cluster.client.ticket_with(wanted.verb, ticket, &wanted.attributes).await?;
    Ok(if wanted.verb == TicketVerb::Delete { format!("Cleaned up {ticket}\n") } else { String::new() })
}

fn has_state(ticket: &TicketView) -> bool {
    ticket.granted || ticket.standby || ticket.last_granted.is_some() || !ticket.attributes.is_empty()
}

fn wanted(given: &Given) -> Result<Wanted, Failed> {
    let mut wanted = Wanted { verb: TicketVerb::Unspecified, attributes: BTreeMap::new() };
    let mut set = None;
    for (option, value) in &given.in_order {
        let verb = match (*option, set) {
            ("grant", _) => TicketVerb::Grant,
            ("revoke", _) => TicketVerb::Revoke,
            ("standby", _) => TicketVerb::Standby,
            ("activate", _) => TicketVerb::Activate,
            ("cleanup", _) => TicketVerb::Delete,
            ("set-attr", _) => {
                set = Some(value);
                continue;
            }
            ("attr-value", Some(name)) => match own(name, value)? {
                Some(verb) => verb,
                None => {
                    wanted.attributes.insert(name.clone(), Some(value.clone()));
                    continue;
                }
            },
            ("delete-attr", _) if OWN.contains(&value.as_str()) => {
                return Err(Failed::Unimplemented(format!("{value} is the ticket's own: say -r, -a or -C")));
            }
            ("delete-attr", _) => {
                wanted.attributes.insert(value.clone(), None);
                continue;
            }
            _ => continue,
        };
        if ![verb, TicketVerb::Unspecified].contains(&wanted.verb) {
            return Err(Failed::Usage("one of -g, -r, -s, -a and -C at a time".to_owned()));
        }
        wanted.verb = verb;
    }
    // As Pacemaker has it: nobody here knows what other clusters hold, or what is lost.
    if matches!(wanted.verb, TicketVerb::Grant | TicketVerb::Revoke) && !given.has("force") {
        let why = match wanted.verb {
            TicketVerb::Grant => "it may be granted elsewhere",
            _ => "what needs it is treated by its loss-policy (-s stops it in order)",
        };
        return Err(Failed::NotAllowed(format!(
            "Ticket modification not allowed: {why}; say --force where it is meant"
        )));
    }
    Ok(wanted)
}

const OWN: [&str; 3] = ["granted", "standby", "last-granted"];

/// What setting one of the ticket's own attributes comes to.
fn own(name: &str, value: &str) -> Result<Option<TicketVerb>, Failed> {
    let is_true = || match value {
        "true" | "yes" | "on" | "1" | "y" => Ok(true),
        "false" | "no" | "off" | "0" | "n" => Ok(false),
        _ => Err(Failed::Usage(format!("{name} is true or false, not '{value}'"))),
    };
    Ok(Some(match name {
        "granted" if is_true()? => TicketVerb::Grant,
        "granted" => TicketVerb::Revoke,
        "standby" if is_true()? => TicketVerb::Standby,
        "standby" => TicketVerb::Activate,
        "last-granted" => return Err(Failed::Unimplemented("last-granted is when it was granted: say -g".to_owned())),
        _ => return Ok(None),
    }))
}

fn answer(query: &str, given: &Given, named: Option<&str>, known: Vec<TicketView>) -> Answer {
    if query == "raw" {
        return Ok(known.iter().map(|ticket| format!("{}\n", ticket.id)).collect());
    }
    if query == "get-attr" {
        let name = given.get(&["get-attr"]).unwrap_or_default();
        let ticket = named.ok_or_else(|| Failed::Usage("Must supply ticket ID with -t".to_owned()))?;
        let value = known.first().and_then(|ticket| attributes(ticket).into_iter().find(|(own, _)| own == name));
        let value = value.map(|(_, value)| value).or_else(|| given.get(&["default"]).map(str::to_owned));
        let none = || Failed::NoSuch(format!("ticket {ticket} has no attribute {name}"));
        return value.map(|value| format!("{value}\n")).ok_or_else(none);
    }
    if let (Some(ticket), true) = (named, known.is_empty()) {
        return Err(Failed::NoSuch(format!("Could not query ticket XML: nothing is known of {ticket}")));
    }
    Ok(format!("State XML:\n\n{}", known.iter().map(xml).collect::<String>()))
}

/// As Pacemaker keeps them, in this order.
fn attributes(ticket: &TicketView) -> Vec<(String, String)> {
    let mut all = vec![("granted".to_owned(), ticket.granted.to_string())];
    if let Some(at) = ticket.last_granted {
        all.push(("last-granted".to_owned(), (at.0 / 1000).to_string()));
    }
    all.push(("standby".to_owned(), ticket.standby.to_string()));
    all.extend(ticket.attributes.clone());
    all
}

fn xml(ticket: &TicketView) -> String {
    let mut text = format!("<ticket_state id=\"{}\"", ticket.id);
    for (name, value) in attributes(ticket) {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        _ = write!(text, " {name}=\"{value}\"");
    }
    text + "/>\n"
}

#[cfg(test)]
mod tests {
    use super::super::options::read;
    use super::*;

    fn of(line: &str) -> Result<Wanted, u8> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        wanted(&read(&[CRM_TICKET], &words).expect("it is read")).map_err(|failed| failed.code())
    }

    #[test]
    fn what_is_meant_is_asked_for_twice_and_attributes_come_in_pairs() {
        let some = |value: &str| Some(value.to_owned());
        let all = [("expires", some("99")), ("owner", some("-5")), ("term", some("3"))];
        let attributes = all.map(|(name, value)| (name.to_owned(), value)).into();
        // Booth's own lines.
        let line = "-t T -g --force -S owner -v-5 -S expires -v99 -S term -v3";
        assert_eq!(of(line), Ok(Wanted { verb: TicketVerb::Grant, attributes }));
        assert_eq!(of("-g -t any-ticket-name"), Err(4));
        assert_eq!(of("-t T -S granted -v false"), Err(4));
        let verb = |line: &str| of(line).map(|wanted| wanted.verb);
        assert_eq!(verb("-t T -S granted -v false -f"), Ok(TicketVerb::Revoke));
        assert_eq!(verb("-t T -S standby -v true"), Ok(TicketVerb::Standby));
        assert_eq!(verb("-t T -g -r --force"), Err(64));
        assert_eq!(verb("-t T -S granted -v perhaps"), Err(64));
        assert_eq!(of("-t T -D owner").map(|wanted| wanted.attributes), Ok([("owner".to_owned(), None)].into()));
        assert_eq!(verb("-t T -D granted"), Err(3));
    }
}
