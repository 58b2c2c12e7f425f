//! The status page, made for three in the morning: is it well, what waits for me, and only then all the rest.

use super::{fences, nodes, question, resources, style::Style, tickets, time::Clock};
use quorate_core::planner::Blocked;
use quorate_core::view::{DeviceView, Fences, Level, Status};

/// The whole page.
pub(crate) fn status(status: &Status, style: Style, clock: &Clock) -> String {
    let mut parts = vec![headline(status, style, clock)];
    parts.extend(status.questions.iter().map(|one| question(one, style)));
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            parts.push(format!("{}\n{body}", style.strong(title)));
        }
    };
    section("Blocked", blocked(status, style));
    section("Nodes", nodes(status, style, clock));
    section(status.noun().title, resources(&status.resources, style, clock));
    section("Tickets", tickets(&status.tickets, style, clock));
    section("Found on hosts", findings(status, style));
    section("Fence devices that do not answer", devices(status, style));
    section("Fence drill", drills(status, style));
    let shown = Fences { open: status.fencing.clone(), ended: status.fences.clone() };
    section("Fence devices that are distrusted", distrusted(status, style));
    section("Fences", fences(&shown, style, clock));
    parts.join("\n\n")
}

/// Whether all is well, and who says so.
pub(crate) fn headline(status: &Status, style: Style, clock: &Clock) -> String {
    let (label, text) = (label(status.health.level), &status.health.text);
    let paint = match status.health.level {
        Level::Ok => Style::good,
        Level::Working | Level::Degraded => Style::warn,
        Level::Recovering | Level::Question | Level::NoQuorum | Level::Broken => Style::bad,
    };
    let line = style.wrap(&format!("{label}  {}: {text}", status.cluster.name), 2);
    // Painted after it was broken, since colours have no width.
    let line = line.replacen(label, &paint(style, label), 1);
    format!("{line}\n{}", style.wrap(&authority(status, clock), 2))
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Ok => "OK",
        Level::Working => "WORKING",
        Level::Degraded => "DEGRADED",
        Level::Recovering => "RECOVERING",
        Level::Question => "QUESTION",
        Level::NoQuorum => "NO QUORUM",
        Level::Broken => "BROKEN",
    }
}

fn authority(status: &Status, clock: &Clock) -> String {
    let (quorum, cluster) = (&status.quorum, &status.cluster);
    let leader = match &quorum.leader {
        Some(leader) => format!("leader {leader} (term {})", quorum.term),
        None => "no leader".to_owned(),
    };
    let reached = match quorum.voters.len() {
        0 => String::new(),
        all if quorum.confirmed && quorum.may_fail == 0 && all > 1 => {
            format!(", {} of {all} voters: no host may fail", quorum.reachable.len())
        }
        all => format!(", {} of {all} voters", quorum.reachable.len()),
    };
    let change = format!("changed {}", clock.at(cluster.at));
    format!("{leader}{reached}, configuration {}, {change}, asked {}", cluster.revision, quorum.from)
}

fn blocked(status: &Status, style: Style) -> String {
    let is_asked = |mend: &&String| !status.questions.iter().any(|question| mend.contains(&question.answer));
    let line = |blocked: &Blocked| {
        let why = style.wrap(&format!("  {}: {}", blocked.resource, blocked.why), 6);
        match blocked.mend.as_ref().filter(is_asked) {
            Some(mend) => format!("{why}\n{}", style.wrap(&format!("      mend: {mend}"), 12)),
            None => why,
        }
    };
    status.blocked.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn findings(status: &Status, style: Style) -> String {
    let all = status.nodes.iter().flat_map(|node| node.findings.iter().map(move |finding| (&node.id, finding)));
    all.map(|(node, finding)| style.wrap(&format!("  {node}: {finding}"), 6)).collect::<Vec<_>>().join("\n")
}

fn distrusted(status: &Status, style: Style) -> String {
    let line = |(device, why): (&DeviceView, &String)| {
        let text = format!("  {}: {why}; when it is mended: qrm fence trust {}", device.id, device.id);
        style.wrap(&text, 6)
    };
    let found = status.devices.iter().filter_map(|device| Some((device, device.distrusted.as_ref()?)));
    found.map(line).collect::<Vec<_>>().join("\n")
}

/// When the devices were last read for practice, and each that has something wrong. Nothing where none was read yet.
fn drills(status: &Status, style: Style) -> String {
    let all = || status.devices.iter().flat_map(|device| device.drills.iter().map(move |drill| (device, drill)));
    let Some(oldest) = all().map(|(_, drill)| drill.ago_ms).max() else { return String::new() };
    let (read, well) = (all().count(), all().filter(|(_, drill)| drill.problem.is_none()).count());
    let age = |ms: u64| super::time::rough(std::time::Duration::from_millis(ms));
    let mut lines =
        vec![format!("  {well} of {read} devices answer as they should, the oldest reading {} old", age(oldest))];
    for (device, drill) in all() {
        let Some(problem) = &drill.problem else { continue };
        let text =
            format!("  {} for {}, read by {} {} ago: {problem}", device.id, drill.node, drill.by, age(drill.ago_ms));
        lines.push(style.wrap(&text, 6));
    }
    lines.join("\n")
}

/// Those that no question names already.
fn devices(status: &Status, style: Style) -> String {
    let tried = || status.questions.iter().flat_map(|question| &question.tried).flat_map(|tried| &tried.devices);
    let is_new = |device: &&DeviceView| !tried().any(|known| *known == device.id);
    let silent = status.devices.iter().filter(is_new);
    let silent = silent.filter_map(|device| device.error.as_ref().map(|error| (device, error)));
    let line = |(device, error): (&DeviceView, &String)| {
        let targets = device.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        style.wrap(&format!("  {} ({}, for {targets}): {error}", device.id, device.agent), 6)
    };
    silent.map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
