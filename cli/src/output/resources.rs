//! VMs as a table: what they are, where, and what goes on.

use super::style::{Style, Tone};
use super::time::Clock;
use quorate_core::view::{Doing, FailureView, Place, PlaceState, ResourceView, Role, WishView};

pub(crate) fn resources(resources: &[ResourceView], style: Style, clock: &Clock) -> String {
    let mut table = style.table();
    for resource in resources {
        let places: Vec<String> = resource.places.iter().map(place).collect();
        let since = resource.places.iter().map(|place| place.since).max();
        table.add_row(vec![
            Tone::Plain.cell(format!(" {}", resource.id)),
            tone(resource).cell(role(resource)),
            Tone::Plain.cell(places.join(", ")),
            Tone::Plain.cell(since.map_or_else(String::new, |since| format!("since {}", clock.at(since)))),
            Tone::Plain.cell(notes(resource, clock).join("; ")),
        ]);
    }
    table.trim_fmt()
}

fn place(place: &Place) -> String {
    let role = match place.state {
        PlaceState::Promoted => " (promoted)",
        PlaceState::Promoting => " (being promoted)",
        PlaceState::Demoting => " (being demoted)",
        _ => "",
    };
    format!("{}{role}", place.node)
}

/// The role in a word, as people say it.
pub(crate) fn role(resource: &ResourceView) -> &'static str {
    match resource.role {
        Role::Started => "running",
        Role::Stopped => "stopped",
        Role::Starting => "starting",
        Role::Stopping => "stopping",
        Role::Migrating => "migrating",
        Role::Unknown => "unknown",
        Role::Multiple if resource.clone.is_some() => "RUNS TOO OFTEN",
        Role::Multiple => "RUNS TWICE",
        Role::Failed => "failed",
    }
}

fn tone(resource: &ResourceView) -> Tone {
    match resource.role {
        Role::Multiple | Role::Unknown | Role::Failed => Tone::Bad,
        Role::Starting | Role::Stopping | Role::Migrating => Tone::Warn,
        Role::Started if resource.target_role == "started" => Tone::Good,
        Role::Stopped if resource.target_role == "stopped" => Tone::Plain,
        Role::Started | Role::Stopped => Tone::Warn,
    }
}

fn notes(resource: &ResourceView, clock: &Clock) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(resource.clone.iter().map(|clone| format!("clone {clone}")));
    notes.extend(resource.group.iter().map(|group| format!("in {group}")));
    if resource.is_orphan {
        notes.push("not configured any more".to_owned());
    } else if resource.ticket.is_none() && resource.target_role == "stopped" {
        notes.push("to be stopped".to_owned());
    }
    notes.extend(resource.ticket.clone());
    if !resource.is_managed {
        notes.push("unmanaged".to_owned());
    }
    if resource.definition_changed {
        notes.push("definition changed: takes effect at its next start".to_owned());
    }
    notes.extend(resource.wishes.iter().map(|wish| wished(wish, clock)));
    for why in resource.places.iter().filter_map(|place| place.why.as_ref()) {
        if !notes.contains(why) {
            notes.push(why.clone());
        }
    }
    notes.extend(resource.migration.map(|progress| progress.words()));
    notes.extend(resource.doing.iter().filter(|doing| doing.kind != "incoming").map(doing));
    notes.extend(resource.failures.iter().map(|failure| failed(failure, clock)));
    notes
}

/// `move to n2 by root@n1 at 12:00`
fn wished(wish: &WishView, clock: &Clock) -> String {
    let end = wish.until.map_or_else(String::new, |until| format!(", until {}", clock.at(until)));
    format!("{} by {} at {}{end}", wish.text, wish.by, clock.at(wish.at))
}

fn doing(doing: &Doing) -> String {
    match doing.since {
        Some(_) => format!("{} on {} under way", doing.kind, doing.node),
        None => format!("{} on {} planned", doing.kind, doing.node),
    }
}

fn failed(failure: &FailureView, clock: &Clock) -> String {
    let times = if failure.count > 1 { format!(" {} times", failure.count) } else { String::new() };
    let at = clock.at(failure.at);
    format!("{} failed{times} on {} at {at}: {}", failure.operation, failure.node, failure.error)
}
