//! Why a resource is where it is, as text.

use super::time::Clock;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use quorate_core::explain::{Change, Explanation, Reason};
use quorate_core::planner::DateRule;

pub(crate) fn explanation(explained: &Explanation, with_scores: bool, clock: &Clock) -> String {
    let each = explained.reasons.iter().map(|reason| one(reason, with_scores, clock));
    each.collect::<Vec<_>>().join("\n\n")
}

fn one(reason: &Reason, with_scores: bool, clock: &Clock) -> String {
    let id = &reason.resource;
    let mut lines = Vec::new();
    let runs_on = match reason.runs_on.is_empty() {
        true => "runs nowhere".to_owned(),
        false => format!("runs on {}", reason.runs_on.join(", ")),
    };
    let aim = match &reason.place {
        Some(place) if reason.runs_on == [place.clone()] => format!("and stays there: {}", reason.why),
        Some(place) => format!("and should run on {place}: {}", reason.why),
        None if reason.instances_on == reason.runs_on && !reason.runs_on.is_empty() => {
            format!("and stays there: {}", reason.why)
        }
        None if !reason.instances_on.is_empty() => {
            format!("and should run on {}: {}", reason.instances_on.join(", "), reason.why)
        }
        None => format!("and has no place: {}", reason.why),
    };
    lines.push(format!("{id} {runs_on}, {aim}"));
    for blocked in &reason.blocked {
        if blocked.why != reason.why {
            lines.push(format!("waits: {}", blocked.why));
        }
        lines.extend(blocked.mend.as_ref().map(|mend| format!("to mend it: {mend}")));
    }
    lines.extend(reason.would_run.as_ref().map(Change::told));
    lines.extend(reason.dates.iter().map(|date| date_rule(date, clock)));
    if let Some(last) = &reason.last_move {
        let before = last.before.as_ref().map(|before| format!("; before: {before}")).unwrap_or_default();
        lines.push(format!("last time, at {}: {}{before}", clock.at(last.at), last.why));
    }
    lines.push(nodes(reason, with_scores).trim_fmt());
    lines.join("\n")
}

/// `location night: its rule holds until 2026-11-23 06:00:00`
fn date_rule(date: &DateRule, clock: &Clock) -> String {
    let holds = if date.holds { "holds" } else { "does not hold" };
    match date.changes {
        Some(at) => format!("{}: its rule {holds} until {}", date.rule, clock.at(at)),
        None => format!("{}: its rule {holds}, and time changes that no more", date.rule),
    }
}

fn nodes(reason: &Reason, with_scores: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    for node in &reason.nodes {
        let mark = if node.is_place { "*" } else { "" };
        let score = node.score.map_or_else(|| "-".to_owned(), |score| score.to_string());
        let change = node.change.as_ref().map(|change| format!("; {}", change.told())).unwrap_or_default();
        let mut cells = vec![Cell::new(mark), Cell::new(&node.node)];
        if with_scores {
            cells.push(Cell::new(score).set_alignment(CellAlignment::Right));
        }
        cells.push(Cell::new(format!("{}{change}", node.why)));
        table.add_row(cells);
        if with_scores {
            for term in &node.terms {
                let score = Cell::new(term.score).set_alignment(CellAlignment::Right);
                table.add_row([Cell::new(""), Cell::new(""), score, Cell::new(format!("  {}", term.rule))]);
            }
        }
    }
    table
}
