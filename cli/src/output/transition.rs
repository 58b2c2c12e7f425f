//! A transition as text: what is done and why, what waits, and what is where afterwards.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Table};
use quorate_core::view::Simulation;

pub(crate) fn transition(simulation: &Simulation) -> String {
    let mut parts = Vec::new();
    for warning in &simulation.warnings {
        parts.push(format!("warning: {warning}"));
    }
    if !simulation.diff.is_empty() {
        parts.push(format!("Supposed:\n{}", simulation.diff.trim_end()));
    }
    let mut done = Table::new();
    done.load_preset(NOTHING);
    for action in simulation.in_turn() {
        let is_fence = action.resource.is_empty();
        let what = if is_fence { action.node.as_str() } else { action.resource.as_str() };
        let place = if is_fence { String::new() } else { format!("on {}", action.node) };
        done.add_row([Cell::new(&action.op), Cell::new(what), Cell::new(place), Cell::new(&action.reason)]);
    }
    parts.push(if simulation.actions.is_empty() {
        "Nothing to do.".to_owned()
    } else {
        format!("Transition:\n{done}")
    });
    if !simulation.blocked.is_empty() {
        let line = |blocked: &quorate_core::planner::Blocked| {
            let mend = blocked.mend.as_ref().map(|mend| format!("\n    {mend}")).unwrap_or_default();
            format!("  {}: {}{mend}", blocked.resource, blocked.why)
        };
        let lines: Vec<String> = simulation.blocked.iter().map(line).collect();
        parts.push(format!("Waits now:\n{}", lines.join("\n")));
    }
    let mut after = Table::new();
    after.load_preset(NOTHING);
    for (resource, on) in &simulation.roles {
        let on: Vec<String> = on.iter().map(|(node, role)| format!("{role} {node}")).collect();
        let on = if on.is_empty() { "Stopped".to_owned() } else { on.join(", ") };
        after.add_row([Cell::new(resource), Cell::new(on)]);
    }
    parts.push(format!("Afterwards:\n{after}"));
    parts.join("\n\n")
}
