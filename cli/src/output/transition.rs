//! A transition as text: what is fenced, what is done and why, and what is where afterwards.

use crate::commands::simulate::role_name;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Table};
use quorate_core::scheduler::Outcome;

pub(crate) fn transition(outcome: &Outcome) -> String {
    let mut parts = Vec::new();
    for warning in &outcome.warnings {
        parts.push(format!("warning: {warning}"));
    }
    let mut done = Table::new();
    done.load_preset(NOTHING);
    for step in &outcome.steps {
        let what = if step.resource.is_empty() { step.node.as_str() } else { step.resource.as_str() };
        let place = if step.resource.is_empty() { String::new() } else { format!("on {}", step.node) };
        done.add_row([Cell::new(step.op), Cell::new(what), Cell::new(place), Cell::new(&step.reason)]);
    }
    parts.push(if outcome.steps.is_empty() { "Nothing to do.".to_owned() } else { format!("Transition:\n{done}") });
    let mut after = Table::new();
    after.load_preset(NOTHING);
    for resource in &outcome.after {
        let on: Vec<String> = resource.on.iter().map(|(node, role)| format!("{} {node}", role_name(*role))).collect();
        let on = if on.is_empty() { "Stopped".to_owned() } else { on.join(", ") };
        after.add_row([Cell::new(&resource.resource), Cell::new(on)]);
    }
    parts.push(format!("Afterwards:\n{after}"));
    parts.join("\n\n")
}
