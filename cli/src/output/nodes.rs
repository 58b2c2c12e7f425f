//! Nodes as a table: heard or not, wanted or not, and what stands out.

use super::style::{Style, Tone};
use super::time::{Clock, rough};
use quorate_core::view::{NodeView, Status};
use std::time::Duration;

/// From this silence on it is worth a word.
const SILENCE_SHOWN_MS: u64 = 800;

pub(crate) fn nodes(status: &Status, style: Style, clock: &Clock) -> String {
    let mut table = style.table();
    for node in &status.nodes {
        let runs = match node.resources {
            0 => String::new(),
            count => status.noun().counted(count),
        };
        let since = format!("since {}", clock.at(node.since));
        let state = tone(node).cell(state(node));
        table.add_row(vec![
            Tone::Plain.cell(format!(" {}", node.id)),
            state,
            Tone::Plain.cell(since),
            Tone::Plain.cell(runs),
            Tone::Plain.cell(notes(node)),
        ]);
    }
    table.trim_fmt()
}

fn state(node: &NodeView) -> String {
    match node.intent.as_str() {
        "online" => node.liveness.clone(),
        intent => format!("{}, {intent}", node.liveness),
    }
}

fn tone(node: &NodeView) -> Tone {
    match node.liveness.as_str() {
        "online" if node.is_active || node.witness => Tone::Good,
        "lost" | "suspect" => Tone::Bad,
        _ => Tone::Warn,
    }
}

fn notes(node: &NodeView) -> String {
    let mut notes = Vec::new();
    if node.is_leader {
        notes.push("leader".to_owned());
    }
    if let Some(silence) = node.silent_ms.filter(|ms| *ms >= SILENCE_SHOWN_MS && node.liveness != "off") {
        notes.push(format!("silent for {}", rough(Duration::from_millis(silence))));
    }
    if node.witness {
        notes.push("witness".to_owned());
    }
    if node.leaving && !node.session_ended {
        notes.push("shuts down".to_owned());
    }
    if node.is_behind {
        notes.push(format!("behind: quorated {}, feature level {}", node.version, node.feature_level));
    }
    match (&node.arming, node.is_armed) {
        _ if node.witness => {}
        (Some(why), true) => notes.push(why.clone()),
        (Some(why), false) => notes.push(format!("not armed: {why}")),
        // An older daemon says no more.
        (None, false) => notes.push("no fence device".to_owned()),
        (None, true) => {}
    }
    notes.extend(node.health.clone());
    notes.extend(node.waits.clone());
    notes.extend(node.locked_out.as_ref().map(|why| format!("not unfenced: {why}")));
    let room = node.room.iter().filter(|(_, room)| room.counts);
    notes.extend(room.map(|(name, room)| format!("{} of {} {name} used", room.used, room.capacity)));
    if let Some(why) = &node.disarmed {
        notes.push(format!("DISARMED: {why}; when that is mended: qrm node release {}", node.id));
    } else if let Some(why) = &node.quarantine {
        notes.push(format!("quarantine: {why}; `qrm node release {}` ends it", node.id));
    }
    notes.join(", ")
}
