//! The form of a scenario file: blocks of verbs with indented bodies, `----`, and what comes out.

use super::world::World;
use similar::TextDiff;
use std::fmt::Write;

/// Carries a scenario out; the same text with what really came out below each `----`.
pub(crate) fn run(text: &str) -> String {
    lived(text).1
}

/// The same, with the cluster as it is at the end.
pub(crate) fn lived(text: &str) -> (World, String) {
    let mut world = World::default();
    let mut came_out = String::new();
    let mut command: Option<(String, String)> = None;
    let mut is_expected = false;
    for line in text.lines() {
        if is_expected {
            if !line.is_empty() {
                continue;
            }
            is_expected = false;
        }
        if line == "----" {
            carry_out(&mut world, command.take());
            writeln!(came_out, "----\n{}", world.said()).expect("to a text");
            is_expected = true;
            continue;
        }
        writeln!(came_out, "{line}").expect("to a text");
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(body) = line.strip_prefix("  ") {
            if let Some((_, text)) = &mut command {
                text.push_str(body);
                text.push('\n');
            }
            continue;
        }
        carry_out(&mut world, command.replace((line.to_owned(), String::new())));
    }
    if command.is_some() {
        came_out.push_str("error: the last block has no ----\n");
    }
    (world, came_out)
}

fn carry_out(world: &mut World, command: Option<(String, String)>) {
    if let Some((line, body)) = command {
        world.carry_out(&line, &body);
    }
}

pub(crate) fn difference(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).to_string()
}
